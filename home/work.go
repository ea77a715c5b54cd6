package home

import (
	"context"
	"os"
	"path/filepath"
)

// held is the lock file of a directory below Work.
const held = "held"

// workLock names the lock under which directories below Work are made and swept.
const workLock = "work"

// Marker is a file in each directory that ambient keeps things in. A source tree
// does not contain such a directory, wherever it lies.
const Marker = ".ambient-home"

// mark says whose these directories are, to git as well: gitignore(5).
func (h *Home) mark() error {
	for _, dir := range []string{h.state, h.cache} {
		for name, text := range map[string]string{
			".gitignore": "*\n",
			Marker:       "What ambient keeps: runs, caches, images. It is no part of a source tree.\n",
		} {
			path := filepath.Join(dir, name)
			if _, err := os.Lstat(path); err == nil {
				continue
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			if err := WriteFile(path, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// NewWork makes a directory for the temporary files of this process and removes
// those of processes that ended without removing theirs. Remove it with
// release, which ends the claim as well.
func (h *Home) NewWork() (dir string, release func(), err error) {
	if err := os.MkdirAll(h.Work(), 0o700); err != nil {
		return "", nil, err
	}
	// Without it another process could take a directory whose lock is not held
	// yet for a dead one's.
	done, err := h.Lock(context.Background(), workLock)
	if err != nil {
		return "", nil, err
	}
	defer done()
	if err := h.mark(); err != nil {
		return "", nil, err
	}
	h.sweepWork()
	dir, err = os.MkdirTemp(h.Work(), "w")
	if err != nil {
		return "", nil, err
	}
	unlock, err := Hold(filepath.Join(dir, held))
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() {
		removeWork(dir)
		unlock()
	}, nil
}

// sweepWork removes directories whose owner is gone. One without a lock file
// has none: its process died while it made or removed it. The caller holds
// workLock.
func (h *Home) sweepWork() {
	entries, _ := os.ReadDir(h.Work())
	for _, e := range entries {
		dir := filepath.Join(h.Work(), e.Name())
		unlock, err := Hold(filepath.Join(dir, held))
		if err != nil {
			continue
		}
		removeWork(dir)
		unlock()
	}
}

// removeWork removes a directory, its lock file last: as long as anything else
// is in it, it has its owner.
func removeWork(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != held {
			os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	os.RemoveAll(dir)
}

// Quiet runs f while no process has a working directory, and none can make one;
// it reports whether there was none. What is used without a lock of its own, such
// as images, may be removed then.
func (h *Home) Quiet(f func() error) (bool, error) {
	done, err := h.Lock(context.Background(), workLock)
	if err != nil {
		return false, err
	}
	defer done()
	h.sweepWork()
	if entries, _ := os.ReadDir(h.Work()); len(entries) > 0 {
		return false, nil
	}
	return true, f()
}
