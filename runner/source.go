package runner

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/source"
)

// sourceOnce packs a project's source tree once a run, so that every stage sees
// the same.
type sourceOnce struct {
	dest    string
	mu      sync.Mutex
	done    bool
	archive blockdev.Archive
	err     error
}

// mostSource bounds a source tree in bytes. The stages of a project share one
// archive, and each compares it with its own limit: what fits none of them need
// not be packed.
func mostSource(p *config.Project) int64 {
	var most int64
	for _, s := range p.Stages {
		most = max(most, s.Limits.Disk)
	}
	return most
}

func (r *Runner) source(ctx context.Context, p *config.Project) (blockdev.Archive, error) {
	r.mu.Lock()
	once := r.sources[p.Name]
	if once == nil {
		once = &sourceOnce{dest: filepath.Join(r.work, fmt.Sprintf("source-%d.tar", len(r.sources)))}
		r.sources[p.Name] = once
	}
	r.mu.Unlock()

	once.mu.Lock()
	defer once.mu.Unlock()
	if once.done {
		return once.archive, once.err
	}
	once.archive, once.err = r.packSource(ctx, p, once.dest, mostSource(p))
	once.done = ctx.Err() == nil
	return once.archive, once.err
}

func (r *Runner) packSource(ctx context.Context, p *config.Project, dest string, limit int64) (blockdev.Archive, error) {
	r.opts.Identifier.before(ctx, p.Source, limit)
	dir, err := r.sourceDir(ctx, p)
	if err != nil {
		return blockdev.Archive{}, err
	}
	files, err := source.Files(ctx, dir)
	if err != nil {
		return blockdev.Archive{}, fmt.Errorf("source of project %s: %w", p.Name, err)
	}
	archive, err := blockdev.PackTree(ctx, dest, dir, files, limit)
	if err != nil {
		return archive, fmt.Errorf("source of project %s: %w", p.Name, err)
	}
	r.opts.Identifier.packed(ctx, p.Source)
	if r.opts.CheckSource != nil {
		err = r.opts.CheckSource(p.Source, archive.Path)
	}
	return archive, err
}
