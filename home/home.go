// Package home knows where ambient keeps things: one place for every name on
// disk, for locks between processes and for files that appear whole or not at
// all.
package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Home is the pair of directories that hold everything ambient keeps. It is
// immutable and safe for concurrent use.
type Home struct {
	state string
	cache string
}

// Find returns $AMBIENT_HOME if set, else the XDG state and cache directories
// (XDG Base Directory Specification 0.8). Nothing is created.
func Find() (*Home, error) {
	if dir := os.Getenv("AMBIENT_HOME"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("AMBIENT_HOME: %w", err)
		}
		return At(abs), nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("no place to keep things: set AMBIENT_HOME: %w", err)
	}
	return &Home{
		state: filepath.Join(xdg("XDG_STATE_HOME", user, ".local/state"), "ambient"),
		cache: filepath.Join(xdg("XDG_CACHE_HOME", user, ".cache"), "ambient"),
	}, nil
}

// At returns a home with everything below dir, which must be absolute.
func At(dir string) *Home { return &Home{state: dir, cache: dir} }

func xdg(name, user, fallback string) string {
	if dir := os.Getenv(name); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(user, fallback)
}

// Images holds base images by digest.
func (h *Home) Images() string { return filepath.Join(h.cache, "images") }

// Downloads holds files fetched from archives, by digest.
func (h *Home) Downloads() string { return filepath.Join(h.cache, "downloads") }

// Templates holds the memory of machines that have booted, by key.
func (h *Home) Templates() string { return filepath.Join(h.cache, "templates") }

// Programs holds guest programs by digest.
func (h *Home) Programs() string { return filepath.Join(h.cache, "programs") }

// Sources holds source trees fetched from elsewhere.
func (h *Home) Sources() string { return filepath.Join(h.cache, "sources") }

// SourceIndexes holds what the files of source trees were when they were last
// read, so that unchanged ones are not read again.
func (h *Home) SourceIndexes() string { return filepath.Join(h.cache, "source-indexes") }

// Inputs holds file system images of source trees and of archives, by content.
func (h *Home) Inputs() string { return filepath.Join(h.cache, "inputs") }

// Results holds what stages made, by what they saw, to be used again.
func (h *Home) Results() string { return filepath.Join(h.state, "results") }

// Caches holds the caches of stages between runs.
func (h *Home) Caches() string { return filepath.Join(h.state, "caches") }

// Runs holds the record, a directory a run.
func (h *Home) Runs() string { return filepath.Join(h.state, "runs") }

// Work holds the devices of stages that run, a directory a process.
func (h *Home) Work() string { return filepath.Join(h.state, "work") }

// Locks holds lock files, which are never removed.
func (h *Home) Locks() string { return filepath.Join(h.state, "locks") }

// AccelFile remembers which accelerator works.
func (h *Home) AccelFile() string { return filepath.Join(h.state, "accel.json") }

// Lock takes the lock of that name, waiting for another process to release it.
// The lock ends with release or with the process. The error is ctx's when ctx
// ends first.
func (h *Home) Lock(ctx context.Context, name string) (release func(), err error) {
	path := filepath.Join(h.Locks(), name+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { Unlock(f) }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Hold locks the file at path for the life of this process or until release,
// creating it if needed. It returns ErrHeld at once if another process has it.
func Hold(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrHeld
		}
		return nil, err
	}
	return func() { Unlock(f) }, nil
}

// Unlock ends a lock (flock(2)) and closes its file. Closing alone is not enough: a
// program that is being started has the file open for a moment, and with it the
// lock.
func Unlock(f *os.File) error {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // which fails only where there is none
	return f.Close()
}

// StillThere reports whether an open file is the one that has its path: another may
// have taken its place. Who locks a file asks afterwards.
func StillThere(f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(mine, there)
}

// DirStillThere is StillThere of an open directory.
func DirStillThere(dir *os.Root) bool {
	f, err := dir.Open(".")
	if err != nil {
		return false
	}
	defer f.Close()
	return StillThere(f)
}

// ErrHeld says that another process holds a lock.
var ErrHeld = errors.New("held by another process")

// WriteFile makes path hold data: after a crash it holds either what it held
// before or all of data. The directory must exist.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(data); err == nil {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
