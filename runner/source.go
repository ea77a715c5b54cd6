package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/inputs"
	"github.com/ambient-ci/ambient/source"
)

// sourceOnce makes the image of a project's source tree once a run, so that
// every stage sees the same.
type sourceOnce struct {
	mu    sync.Mutex
	done  bool
	image *inputs.Image // nil: there is nothing in it
	err   error
}

// mostSource bounds a source tree in bytes. The stages of a project share one
// image, and each compares it with its own limit: what fits none of them need
// not be read.
func mostSource(p *config.Project) int64 {
	var most int64
	for _, s := range p.Stages {
		most = max(most, s.Limits.Disk)
	}
	return most
}

// source is the image of a project's source tree.
func (r *Runner) source(ctx context.Context, p *config.Project) (*inputs.Image, error) {
	return r.once(ctx, p.Name, func() (*inputs.Image, error) {
		all := []placedSource{{src: p.Source}}
		if p.Git {
			all = append(all, placedSource{".git", p.Source.Repository()})
		}
		image, err := r.images(ctx, p, all)
		if err != nil {
			err = fmt.Errorf("source of project %s: %w", p.Name, err)
		}
		return image, err
	})
}

// siblings is the image of the further sources of a project, each below its name.
func (r *Runner) siblings(ctx context.Context, p *config.Project) (*inputs.Image, error) {
	if len(p.Sources) == 0 {
		return nil, nil
	}
	// No project is called so.
	return r.once(ctx, p.Name+"/"+guest.SerialSources, func() (*inputs.Image, error) {
		var all []placedSource
		for _, s := range p.Sources {
			all = append(all, placedSource{s.Name, s.Source})
		}
		image, err := r.images(ctx, p, all)
		if err != nil {
			err = fmt.Errorf("sources of project %s: %w", p.Name, err)
		}
		return image, err
	})
}

// once makes an image that all stages of a project share. The runner closes it.
func (r *Runner) once(ctx context.Context, key string, make func() (*inputs.Image, error)) (*inputs.Image, error) {
	r.mu.Lock()
	once := r.sources[key]
	if once == nil {
		once = &sourceOnce{}
		r.sources[key] = once
	}
	r.mu.Unlock()

	once.mu.Lock()
	defer once.mu.Unlock()
	if !once.done {
		once.image, once.err = make()
		once.done = ctx.Err() == nil
	}
	return once.image, once.err
}

// placedSource is a source and its place in an image.
type placedSource struct {
	prefix string
	src    config.Source
}

// maxScans is how often a tree is looked at that changes while it is read.
const maxScans = 3

// images makes one image of sources. A tree that is not any more what it was is
// looked at again.
func (r *Runner) images(ctx context.Context, p *config.Project, list []placedSource) (*inputs.Image, error) {
	for try := 1; ; try++ {
		trees := make([]inputs.Placed, len(list))
		files := 0
		for i, s := range list {
			tree, err := r.tree(ctx, s.src, mostSource(p), try > 1)
			if err != nil {
				return nil, inSource(s.prefix, err)
			}
			files += len(tree.Files())
			trees[i] = inputs.Placed{Prefix: s.prefix, Tree: tree}
		}
		if files == 0 && list[0].prefix == "" {
			return nil, nil
		}
		image, err := r.inputs.Trees(ctx, trees...)
		if errors.Is(err, source.ErrChanged) && try < maxScans {
			continue
		}
		return image, err
	}
}

func inSource(name string, err error) error {
	if name == "" || name == ".git" { // no further source is called so
		return err
	}
	return fmt.Errorf("source.%s: %w", name, err)
}

// tree is the tree of a source, as it was when this run first looked at it, or,
// with again, as it is now.
func (r *Runner) tree(ctx context.Context, src config.Source, limit int64, again bool) (*source.Tree, error) {
	tree, err := r.look(ctx, src, limit, again)
	if large, ok := errors.AsType[*source.LimitError](err); ok {
		return nil, &blockdev.TooLargeError{What: "it", Limit: large.Limit, Size: large.Size}
	}
	if err == nil && r.opts.CheckSource != nil {
		err = r.opts.CheckSource(src, tree)
	}
	return tree, err
}

func (r *Runner) look(ctx context.Context, src config.Source, limit int64, again bool) (*source.Tree, error) {
	if id := r.opts.Identifier; id != nil && again {
		return id.treeAgain(ctx, src, limit)
	} else if id != nil {
		return id.tree(ctx, src, limit)
	}
	dir := src.Address
	if !src.Local {
		var err error
		if dir, err = source.Fetch(ctx, r.home, src.Address); err != nil {
			return nil, err
		}
	}
	return scan(ctx, src, dir, source.ScanOptions{Home: r.home, Limit: limit})
}
