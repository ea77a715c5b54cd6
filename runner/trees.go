package runner

import (
	"context"
	"fmt"
	"sync"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/source"
	"github.com/ambient-ci/ambient/stages"
)

// treeOnce is a source tree that is looked at once a run.
type treeOnce struct {
	mu      sync.Mutex
	tree    *source.Tree
	dir     string
	limit   int64
	changed bool // it was packed and was another one then
}

func (d *Identifier) once(src config.Source) *treeOnce {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.trees[src.Address]
	if t == nil {
		t = &treeOnce{}
		d.trees[src.Address] = t
	}
	return t
}

// tree returns the tree of a source, which is not larger than limit.
func (d *Identifier) tree(ctx context.Context, src config.Source, limit int64) (*source.Tree, error) {
	t := d.once(src)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tree != nil {
		return t.tree, nil
	}
	dir := src.Address
	if !src.Local {
		if d.Look {
			return nil, errElsewhere
		}
		var err error
		if dir, err = source.Fetch(ctx, d.home, src.Address); err != nil {
			return nil, err
		}
	}
	tree, err := d.scan(ctx, dir, limit)
	if err != nil {
		return nil, err
	}
	t.tree, t.dir, t.limit = tree, dir, limit
	return tree, nil
}

func (d *Identifier) scan(ctx context.Context, dir string, limit int64) (*source.Tree, error) {
	return source.Scan(ctx, dir, source.ScanOptions{Home: d.home, ReadOnly: d.Look, Limit: limit})
}

// dir returns the directory of a source that was looked at, "" if none was.
func (d *Identifier) dir(src config.Source) string {
	if d == nil {
		return ""
	}
	t := d.once(src)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dir
}

// before looks at a tree that will be packed. What is wrong with it, packing will
// find as well.
func (d *Identifier) before(ctx context.Context, src config.Source, limit int64) {
	if d != nil {
		d.tree(ctx, src, limit)
	}
}

// packed looks at a tree again once the archive that guests get is made of it:
// only if it is still the same is it known what they see.
func (d *Identifier) packed(ctx context.Context, src config.Source) {
	if d == nil {
		return
	}
	t := d.once(src)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tree == nil {
		return
	}
	again, err := d.scan(ctx, t.dir, t.limit)
	t.changed = t.changed || err != nil || again.Digest != t.tree.Digest
}

// Confirm implements stages.Identifier.
func (d *Identifier) Confirm(job *stages.Job) bool {
	spec := imageKey(job.Stage.Image)
	d.mu.Lock()
	known, ok := d.images[spec]
	d.mu.Unlock()
	if now, built, err := d.Image(job.Stage.Image); ok && (err != nil || !built || now != known) {
		return false
	}
	sources := []config.Source{job.Project.Source}
	for _, s := range job.Project.Sources {
		sources = append(sources, s.Source)
	}
	for _, src := range sources {
		t := d.once(src)
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if changed {
			return false
		}
	}
	return true
}

// sourceDir is the directory of a source, which is fetched if need be. Where it
// was looked at before, it is the same.
func (r *Runner) sourceDir(ctx context.Context, p *config.Project) (string, error) {
	if p.Source.Local {
		return p.Source.Address, nil
	}
	if dir := r.opts.Identifier.dir(p.Source); dir != "" {
		return dir, nil
	}
	dir, err := source.Fetch(ctx, r.home, p.Source.Address)
	if err != nil {
		return "", fmt.Errorf("source of project %s: %w", p.Name, err)
	}
	return dir, nil
}
