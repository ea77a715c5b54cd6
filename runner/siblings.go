package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// siblings is the archive of the further sources of the stage's project, each
// below its name. It is made once a run, like that of the main source; a project
// without any has an empty device.
func (x *execution) siblings(ctx context.Context) (blockdev.Archive, error) {
	if len(x.job.Project.Sources) == 0 {
		path := x.device(guest.SerialSources)
		return blockdev.Archive{Path: path}, blockdev.Empty(path)
	}
	r, p := x.runner, x.job.Project
	key := p.Name + "/" + guest.SerialSources // which no project is called
	r.mu.Lock()
	once := r.sources[key]
	if once == nil {
		once = &sourceOnce{dest: filepath.Join(r.work, fmt.Sprintf("sources-%d.tar", len(r.sources)))}
		r.sources[key] = once
	}
	r.mu.Unlock()

	once.mu.Lock()
	defer once.mu.Unlock()
	if once.done {
		return once.archive, once.err
	}
	once.archive, once.err = r.packSiblings(ctx, p, once.dest)
	once.done = ctx.Err() == nil
	return once.archive, once.err
}

// packSiblings packs every tree and joins them. What is needed only for that is
// removed.
func (r *Runner) packSiblings(ctx context.Context, p *config.Project, dest string) (blockdev.Archive, error) {
	var parts []blockdev.Part
	for i, s := range p.Sources {
		part := fmt.Sprintf("%s.%d", dest, i)
		defer os.Remove(part)
		one := &config.Project{Name: p.Name, Source: s.Source}
		if _, err := r.packSource(ctx, one, part, mostSource(p)); err != nil {
			return blockdev.Archive{}, fmt.Errorf("source.%s: %w", s.Name, err)
		}
		parts = append(parts, blockdev.Part{Name: "source." + s.Name, Prefix: s.Name, Path: part})
	}
	archive, err := blockdev.Merge(ctx, dest, parts, mostSource(p))
	if err != nil {
		return archive, fmt.Errorf("sources of project %s: %w", p.Name, err)
	}
	return archive, nil
}
