package images

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/ambient-ci/ambient/home"
)

// stage is a directory for one build. A lock on it says that the build lives;
// without it the next build removes the directory.
type stage struct {
	dir     string
	release func()
}

const stageLock = ".lock"

// newStage makes a directory for a build and removes those of dead ones.
func (s *Store) newStage(ctx context.Context) (*stage, error) {
	release, err := s.home.Lock(ctx, "image-staging")
	if err != nil {
		return nil, err
	}
	defer release()
	parent := filepath.Join(s.home.Images(), "staging")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	sweep(parent)
	sweepOld(s.home.Downloads(), s.initrdDir())
	dir, err := os.MkdirTemp(parent, "build-*")
	if err != nil {
		return nil, err
	}
	held, err := home.Hold(filepath.Join(dir, stageLock))
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &stage{dir: dir, release: held}, nil
}

// sweep removes the directories of builds that no process holds.
func sweep(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		held, err := home.Hold(filepath.Join(dir, stageLock))
		if errors.Is(err, home.ErrHeld) {
			continue
		}
		removeBuild(dir)
		if err == nil {
			held()
		}
	}
}

// sweepOld removes temporary files that nobody can be writing any more.
func sweepOld(dirs ...string) {
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(dir, ".tmp-*"))
		for _, f := range files {
			if st, err := os.Lstat(f); err == nil && time.Since(st.ModTime()) > 24*time.Hour {
				os.Remove(f)
			}
		}
	}
}

func (s *stage) remove() {
	removeBuild(s.dir)
	s.release()
}
