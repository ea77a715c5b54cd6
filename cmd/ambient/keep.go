package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images"
	"github.com/ambient-ci/ambient/inputs"
	"github.com/ambient-ci/ambient/results"
	"github.com/ambient-ci/ambient/runs"
	"github.com/ambient-ci/ambient/source"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/templates"
)

// kept is one thing that ambient keeps.
type kept struct {
	kind, name string
	used       time.Time
	remove     func() error
	keep       bool // whatever the bounds say

	files map[inode]int64 // bytes on the disk
	freed int64
	why   string
}

// inode is a file whatever its names: results share files with runs.
type inode struct{ dev, ino uint64 }

// keeper decides what goes.
type keeper struct {
	home  *home.Home
	opts  gcOptions
	now   time.Time
	all   []*kept       // the least recently used first
	names map[inode]int // things that have the file
	total int64
}

func newKeeper(h *home.Home, opts gcOptions, now time.Time) (*keeper, error) {
	k := &keeper{home: h, opts: opts, now: now, names: map[inode]int{}}
	if err := k.runs(); err != nil {
		return nil, err
	}
	if err := k.results(); err != nil {
		return nil, err
	}
	k.inputs()
	k.templates()
	k.images()
	k.downloads()
	k.sources()
	slices.SortStableFunc(k.all, func(a, b *kept) int { return a.used.Compare(b.used) })
	return k, nil
}

// add notes a thing with the directory or file that it is.
func (k *keeper) add(t *kept, path string) {
	t.files = map[inode]int64{}
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error { // what is gone takes no room
		var st syscall.Stat_t
		if err == nil && d.Type().IsRegular() && syscall.Lstat(p, &st) == nil {
			t.files[inode{uint64(st.Dev), st.Ino}] = st.Blocks * 512
		}
		return nil
	})
	for file, bytes := range t.files {
		if k.names[file]++; k.names[file] == 1 {
			k.total += bytes
		}
	}
	k.all = append(k.all, t)
}

// runs notes the runs. Of each configuration the newest that succeeded stays, and
// what is not over.
func (k *keeper) runs() error {
	store := runs.NewStore(k.home)
	all, err := store.List() // the newest first; the damaged ones are the error
	if len(all) == 0 && err != nil {
		return err
	}
	good := map[string]bool{}
	for _, r := range all {
		rec := r.Record()
		t := &kept{kind: "run", name: r.ID(), used: rec.Started, remove: func() error { return store.Remove(r) }}
		which := rec.Directory + "\x00" + rec.Project
		t.keep = rec.Outcome == runs.Running || rec.Outcome == stages.Succeeded && !good[which]
		good[which] = good[which] || rec.Outcome == stages.Succeeded
		k.add(t, r.Dir())
	}
	return nil
}

func (k *keeper) results() error {
	store := results.NewStore(k.home)
	all, err := store.List()
	for _, e := range all {
		k.add(&kept{kind: "result", name: e.Stage + " of run " + e.Run, used: e.Used,
			remove: func() error { return store.Remove(e.Key, e.Used) }}, store.Dir(e))
	}
	return err
}

func (k *keeper) inputs() {
	store := inputs.Open(k.home)
	for _, i := range store.List() {
		k.add(&kept{kind: "input", name: i.Key()[:12], used: i.Used, remove: unlessUsed(func() bool { return store.Discard(i) })}, i.Dir)
	}
}

func (k *keeper) templates() {
	store := templates.Open(k.home)
	for _, t := range store.List() {
		k.add(&kept{kind: "template", name: t.Key[:12], used: t.Used, remove: unlessUsed(func() bool { return store.Discard(t.Key) })}, store.Dir(t))
	}
}

// errInUse says that a thing stays because it is in use.
var errInUse = errors.New("in use")

// unlessUsed is the removal of what stays while it is in use.
func unlessUsed(discard func() bool) func() error {
	return func() error {
		if !discard() {
			return errInUse
		}
		return nil
	}
}

func (k *keeper) images() {
	store := images.Open(k.home)
	for _, i := range store.List() {
		k.add(&kept{kind: "image", name: i.Name, used: i.Used, remove: k.quietly(func() error { return store.Remove(i) })}, i.Path)
	}
}

func (k *keeper) downloads() {
	entries, _ := os.ReadDir(k.home.Downloads())
	for _, e := range entries {
		path := filepath.Join(k.home.Downloads(), e.Name())
		if info, err := e.Info(); err == nil {
			k.add(&kept{kind: "download", name: e.Name(), used: info.ModTime(), remove: k.quietly(func() error { return os.RemoveAll(path) })}, path)
		}
	}
}

// sources notes what was fetched from elsewhere, and repositories of checkouts, by
// version. Modules of the language are not among them: those come by `ambient init`.
func (k *keeper) sources() {
	versions, _ := filepath.Glob(filepath.Join(k.home.Sources(), "*", "[^.]*"))
	for _, path := range versions {
		parent := filepath.Base(filepath.Dir(path))
		if info, err := os.Lstat(path); err == nil && parent != "modules" {
			name := parent + "/" + filepath.Base(path)
			k.add(&kept{kind: "source", name: name, used: info.ModTime(), remove: k.quietly(func() error { return source.Discard(path) })}, path)
		}
	}
}

// quietly removes only while no stage runs.
func (k *keeper) quietly(remove func() error) func() error {
	return func() error {
		quiet, err := k.home.Quiet(remove)
		if err == nil && !quiet {
			err = errInUse
		}
		return err
	}
}

// clean removes what is beyond the bounds and gives it.
func (k *keeper) clean() (removed []*kept, err error) {
	count := 0
	for _, t := range k.all {
		if t.kind == "run" {
			count++
		}
	}
	if !k.opts.dry {
		inputs.Open(k.home).Sweep()
		_, perr := results.NewStore(k.home).Prune(time.Time{}) // what is damaged or half removed
		err = errors.Join(runs.NewStore(k.home).Sweep(), perr)
	}
	for _, t := range k.all {
		isRun := t.kind == "run"
		t.why = cmp.Or(
			when(k.now.Sub(t.used) > k.opts.older, "its age"),
			when(isRun && count > k.opts.runs, "the number of runs"),
			when(k.total > k.opts.size, "the size of all"))
		if t.keep || t.why == "" {
			continue
		}
		if rerr := k.remove(t); rerr != nil {
			if !errors.Is(rerr, errInUse) && !errors.Is(rerr, runs.ErrActive) {
				err = errors.Join(err, rerr)
			}
			continue
		}
		if isRun {
			count--
		}
		removed = append(removed, t)
	}
	return removed, err
}

func when(yes bool, why string) string {
	if yes {
		return why
	}
	return ""
}

// remove removes one and counts what that frees.
func (k *keeper) remove(t *kept) error {
	if !k.opts.dry {
		if err := t.remove(); err != nil {
			return err
		}
	}
	for file, bytes := range t.files {
		if k.names[file]--; k.names[file] == 0 {
			k.total -= bytes
			t.freed += bytes
		}
	}
	return nil
}
