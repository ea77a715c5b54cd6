package templates

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/home"
)

// Names in a template's directory.
const (
	memoryFile  = "memory"
	stateFile   = "state"
	scratchFile = "scratch"
	markerFile  = "template.json"
)

// Bounds on what is read of a template, in bytes.
const (
	maxMarker = 64 << 10
	maxState  = 256 << 20
)

// Store keeps templates. It is safe for concurrent use, also by several
// processes.
type Store struct{ home *home.Home }

// Open returns the store of h. Nothing is created before the first Make.
func Open(h *home.Home) *Store { return &Store{h} }

// Template is a template in use: until Close it is not evicted.
type Template struct {
	Files
	Info  Info
	store *Store
	dir   string
	lock  *os.File
}

// Files are the paths of a template's files.
type Files struct {
	Memory  string // the guest's memory
	State   string // the state of the devices
	Scratch string // the disk with the empty writable layer
}

func filesIn(dir string) Files {
	return Files{filepath.Join(dir, memoryFile), filepath.Join(dir, stateFile), filepath.Join(dir, scratchFile)}
}

// Info is what the marker says.
type Info struct {
	Format string    `json:"format"`
	Key    string    `json:"key"`
	QEMU   string    `json:"qemu"` // version that made it
	Made   time.Time `json:"made"`
	Memory string    `json:"memory"` // Identity of the file; hashing it would take longer than using it
	State  string    `json:"state"`  // SHA-256 of the file, in hex
	// Scratch is the Identity of that file, which is sparse.
	Scratch string `json:"scratch"`
}

// ErrNone says that there is no template of that key.
var ErrNone = errors.New("there is no template")

// DamagedError says that a template is not what was published. It is gone by
// then.
type DamagedError struct{ Reason string }

// Error gives the reason.
func (e *DamagedError) Error() string { return "the template was damaged: " + e.Reason }

var keyRule = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (s *Store) dir(key string) string { return filepath.Join(s.home.Templates(), key) }

// Use returns the template of a key, checked. Errors: ErrNone, *DamagedError,
// *RefusedError, and the operating system's.
func (s *Store) Use(key string) (*Template, error) {
	if !keyRule.MatchString(key) {
		return nil, fmt.Errorf("%q is no key", key)
	}
	if err := s.refused(key); err != nil {
		return nil, err
	}
	lock, err := s.marker(key)
	if err != nil {
		return nil, err
	}
	dir := s.dir(key)
	t := &Template{Files: filesIn(dir), store: s, dir: dir, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil || !home.StillThere(lock) {
		t.Close()
		return nil, ErrNone // it is being evicted, or has been
	}
	if err := t.check(key); err != nil {
		defer t.Close()
		if !t.Remove() {
			return nil, ErrNone // others did so while it was looked at
		}
		return nil, &DamagedError{err.Error()}
	}
	now := time.Now()
	_ = os.Chtimes(lock.Name(), now, now) // for eviction; one that can't be touched goes earlier
	return t, nil
}

// marker opens the marker of a template. One that has none is damaged.
func (s *Store) marker(key string) (*os.File, error) {
	dir, err := os.OpenRoot(s.dir(key))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := dir.Open(markerFile)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if !home.DirStillThere(dir) {
		return nil, ErrNone // it is being removed
	}
	s.Remove(key)
	return nil, &DamagedError{"it has no marker"}
}

// Close ends the use. It may be called any number of times.
func (t *Template) Close() { home.Unlock(t.lock) }

// Remove removes the template and reports whether it did: not when it is gone
// already, whatever has its name by now. It must be before Close.
func (t *Template) Remove() bool {
	if !home.StillThere(t.lock) {
		return false
	}
	t.store.Remove(filepath.Base(t.dir))
	return true
}

// check compares the files with the marker.
func (t *Template) check(key string) error {
	data, err := io.ReadAll(io.LimitReader(t.lock, maxMarker))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &t.Info); err != nil {
		return fmt.Errorf("its marker can not be read: %w", err)
	}
	if t.Info.Format != format || t.Info.Key != key {
		return errors.New("its marker is another's")
	}
	if Identity(t.Memory) != t.Info.Memory {
		return errors.New("its memory has been changed")
	}
	if Identity(t.Scratch) != t.Info.Scratch {
		return errors.New("its disk has been changed")
	}
	digest, err := hashFile(t.State)
	if err != nil {
		return err
	}
	if digest != t.Info.State {
		return errors.New("its state has been changed")
	}
	return nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if n, err := io.Copy(h, io.LimitReader(f, maxState)); err != nil || n == maxState {
		return "", errors.Join(err, fmt.Errorf("%s can not be read, or is too large", filepath.Base(path)))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Remove removes the template of a key; machines that went on from it keep what
// they have. It reports nothing: what can not be removed is damaged, and the
// next use will say so.
func (s *Store) Remove(key string) {
	if !keyRule.MatchString(key) {
		return
	}
	st, err := s.newStage() // it is gone at once, however long removing its files takes
	if err == nil {
		err = os.Rename(s.dir(key), filepath.Join(st.dir, "removed"))
		st.remove()
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		os.Remove(filepath.Join(s.dir(key), markerFile)) // whatever comes after, it is not used
		os.RemoveAll(s.dir(key))
	}
}

// Make makes the template of a key unless another process has done so
// meanwhile. fill gets the paths of files that it must write, none of which exist.
// It gives the version of QEMU. After a failure nothing is left. One process at a time makes a template; the others
// wait for it, until ctx ends.
func (s *Store) Make(ctx context.Context, key string, fill func(Files) (version string, err error)) error {
	if !keyRule.MatchString(key) {
		return fmt.Errorf("%q is no key", key)
	}
	release, err := s.home.Lock(ctx, "template-"+key[:32])
	if err != nil {
		return err
	}
	defer release()
	if _, err := os.Stat(filepath.Join(s.dir(key), markerFile)); err == nil {
		return nil
	}
	st, err := s.newStage()
	if err != nil {
		return err
	}
	defer st.remove()
	if err := s.make(st.dir, key, fill); err != nil {
		return err
	}
	os.RemoveAll(s.dir(key)) // without a marker it is nothing
	return os.Rename(st.dir, s.dir(key))
}

// make fills a directory; the marker comes last.
func (s *Store) make(dir, key string, fill func(Files) (string, error)) error {
	files := filesIn(dir)
	info := Info{Format: format, Key: key}
	var err error
	if info.QEMU, err = fill(files); err != nil {
		return err
	}
	if info.State, err = hashFile(files.State); err != nil {
		return err
	}
	info.Memory, info.Scratch, info.Made = Identity(files.Memory), Identity(files.Scratch), time.Now().UTC()
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	return home.WriteFile(filepath.Join(dir, markerFile), append(data, '\n'), 0o600)
}
