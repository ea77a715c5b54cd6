package runner

import (
	"context"
	"sync"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/source"
	"github.com/ambient-ci/ambient/stages"
)

// treeName tells trees of a configuration apart.
type treeName struct {
	address string
	history bool
}

// treeOnce is a source tree that is looked at once a run.
type treeOnce struct {
	mu      sync.Mutex
	tree    *source.Tree
	dir     string
	changed bool // what stages see is another one
}

func (d *Identifier) once(src config.Source) *treeOnce {
	d.mu.Lock()
	defer d.mu.Unlock()
	what := treeName{src.Address, src.History}
	t := d.trees[what]
	if t == nil {
		t = &treeOnce{}
		d.trees[what] = t
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
	tree, err := d.scan(ctx, src, dir, limit)
	if err != nil {
		return nil, err
	}
	t.tree, t.dir = tree, dir
	return tree, nil
}

func (d *Identifier) scan(ctx context.Context, src config.Source, dir string, limit int64) (*source.Tree, error) {
	return scan(ctx, src, dir, source.ScanOptions{Home: d.home, ReadOnly: d.Look, Limit: limit})
}

// scan looks at the tree of a source that is in a directory.
func scan(ctx context.Context, src config.Source, dir string, o source.ScanOptions) (*source.Tree, error) {
	if src.History {
		return source.History(ctx, dir, o)
	}
	return source.Scan(ctx, dir, o)
}

// treeAgain looks at a tree whose files changed before the image that guests get
// was made of them: what the run knows of it is not what its stages see.
func (d *Identifier) treeAgain(ctx context.Context, src config.Source, limit int64) (*source.Tree, error) {
	known, err := d.tree(ctx, src, limit)
	if err != nil {
		return nil, err
	}
	t := d.once(src)
	t.mu.Lock()
	defer t.mu.Unlock()
	again, err := d.scan(ctx, src, t.dir, limit)
	t.changed = t.changed || err != nil || again.Digest != known.Digest
	if err == nil {
		t.tree = again // for the stages that come
	}
	return again, err
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
	for _, src := range job.Project.Trees() {
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
