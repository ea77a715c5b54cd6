package runner

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// collectLimit bounds the reading of outputs, on a context of its own: what a
// cancelled stage saved is kept, unless it is killed meanwhile.
const collectLimit = 10 * time.Minute

// Names in a stage's directory.
const (
	ArtifactsFile = "artifacts.tar" // artifacts, or the dependencies of a pre stage
	ConsoleFile   = "console.log"
)

// collect reads the outputs that the guest says it packed, and lets them change
// the result: artifacts that can't be read fail a stage that had succeeded.
func (x *execution) collect(r *stages.Result, s story) {
	if s.done == nil {
		return
	}
	ctx, cancel := context.WithTimeout(x.wanted, collectLimit)
	defer cancel()
	seen := map[string]bool{}
	for _, p := range s.done.Outputs {
		if seen[p.Name] || !x.plans(p.Name) {
			continue
		}
		seen[p.Name] = true
		if p.Error != "" || p.Limit != "" {
			if p.Name == guest.LimitCache {
				x.warn("the cache was not kept: " + cacheTrouble(x.job.Stage, p))
			}
			continue
		}
		switch {
		case p.Name != guest.LimitCache:
			x.saveOutput(ctx, r)
		case !p.Unchanged:
			x.saveCache(ctx)
		}
	}
}

func cacheTrouble(stage *config.Stage, p guest.Packed) string {
	if p.Limit != "" {
		return fmt.Sprintf("it is larger than its limit of %s (cache in the limits block)", config.FormatSize(stage.Limits.Cache))
	}
	return clip(p.Error)
}

// plans reports whether a stage has an output of that name.
func (x *execution) plans(name string) bool {
	return slices.ContainsFunc(x.plan.Outputs, func(o guest.Output) bool { return o.Name == name })
}

// readOutput reads an output among the devices first: what a killed ambient
// leaves there is swept.
func (x *execution) readOutput(ctx context.Context, serial, dest string, limit int64) (blockdev.Archive, error) {
	whole := x.device(serial + "-whole")
	archive, warnings, err := blockdev.TakeOutput(ctx, x.device(serial), whole, blockdev.Limits{Bytes: limit})
	for _, w := range warnings {
		x.warn(w)
	}
	if err != nil {
		return archive, err
	}
	archive.Path = dest
	return archive, os.Rename(whole, dest)
}

func (x *execution) saveOutput(ctx context.Context, r *stages.Result) {
	limit := x.outputSize()
	archive, err := x.readOutput(ctx, guest.SerialArtifacts, filepath.Join(x.job.Dir, ArtifactsFile), limit)
	if err == nil {
		r.Output = &stages.Data{From: x.job.Stage.ID, Path: archive.Path, Size: archive.Size, Digest: archive.Digest}
		return
	}
	x.warn("artifacts: " + err.Error())
	if r.Outcome != stages.Succeeded {
		return
	}
	var hostile *blockdev.HostileError
	switch {
	case x.wanted.Err() != nil:
		*r = end(*r, stages.Cancelled, "", "it was cancelled")
	case errors.As(err, &hostile):
		*r = end(*r, stages.Failed, "", "its artifacts are refused: "+err.Error())
	default:
		*r = end(*r, stages.Errored, "", "its artifacts could not be read: "+err.Error())
	}
}

// cachePath is where the cache of this stage is kept. Two checkouts of one
// project have two caches.
func (x *execution) cachePath() string {
	p := x.job.Project
	return filepath.Join(x.runner.home.Caches(), cacheDir(p.Name, p.Source.Address), x.job.Stage.ID.Dir()+".tar")
}

// cacheIn is the device with the cache of the last run, or an empty one.
func (x *execution) cacheIn() string {
	path := x.cachePath()
	if x.job.Stage.ID.Phase == config.Plan {
		f, err := os.Open(path)
		if err == nil {
			f.Close()
			return path
		}
		if !errors.Is(err, os.ErrNotExist) {
			x.warn(fmt.Sprintf("the cache can't be read and counts as empty: %v", err))
		}
	}
	empty := x.device(guest.SerialCache)
	if err := blockdev.Empty(empty); err != nil {
		x.warn(err.Error())
	}
	return empty
}

// saveCache replaces the cache of this stage. A cache that can't be saved is a
// warning; the last one stays.
func (x *execution) saveCache(ctx context.Context) {
	path := x.cachePath()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		_, err = x.readOutput(ctx, guest.SerialCacheOut, path, x.job.Stage.Limits.Cache)
	}
	if err != nil {
		x.warn("the cache was not kept: " + err.Error())
	}
}

// cacheDir names a project's directory of caches: readable, and different for
// every source.
func cacheDir(project, address string) string {
	h := sha256.New()
	for _, s := range []string{project, address} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return fmt.Sprintf("%s-%x", project, h.Sum(nil)[:6])
}
