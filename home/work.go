package home

import (
	"os"
	"path/filepath"
)

// held is the lock file of a directory below Work.
const held = "held"

// NewWork makes a directory for the temporary files of this process and removes
// those of processes that ended without removing theirs. Remove it with
// release, which ends the claim as well.
func (h *Home) NewWork() (dir string, release func(), err error) {
	if err := os.MkdirAll(h.Work(), 0o700); err != nil {
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
		os.RemoveAll(dir)
		unlock()
	}, nil
}

// sweepWork removes directories whose owner is gone. A directory without a lock
// file is left alone: it is just being made, or removed.
func (h *Home) sweepWork() {
	entries, _ := os.ReadDir(h.Work())
	for _, e := range entries {
		dir := filepath.Join(h.Work(), e.Name())
		lock := filepath.Join(dir, held)
		if _, err := os.Stat(lock); err != nil {
			continue
		}
		unlock, err := Hold(lock)
		if err != nil {
			continue
		}
		os.RemoveAll(dir)
		unlock()
	}
}
