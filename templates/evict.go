package templates

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/home"
)

// Limit bounds what a store keeps. What was not used for longest goes first.
type Limit struct {
	Count int
	Bytes int64 // on disk
}

// DefaultLimit is for a developer's machine: a dozen shapes of the images that
// are in use.
var DefaultLimit = Limit{Count: 12, Bytes: 4 << 30}

// refusal is how long a key whose template failed is not tried again.
const refusal = time.Hour

// stageLock says that the maker of a directory lives.
const stageLock = ".lock"

// stage is a directory in which a template is made.
type stage struct {
	dir     string
	release func()
}

func (s *Store) staging() string  { return filepath.Join(s.home.Templates(), "staging") }
func (s *Store) refusals() string { return filepath.Join(s.home.Templates(), "refused") }

// newStage makes such a directory and removes those of dead makers. One that is
// being made has no lock for a moment, and is left alone until it is old.
func (s *Store) newStage() (*stage, error) {
	if err := os.MkdirAll(s.staging(), 0o700); err != nil {
		return nil, err
	}
	entries, _ := os.ReadDir(s.staging())
	for _, e := range entries {
		sweep(filepath.Join(s.staging(), e.Name()))
	}
	dir, err := os.MkdirTemp(s.staging(), "make-*")
	if err != nil {
		return nil, err
	}
	// It gets its name when it is held: in between another process could take it.
	lock := filepath.Join(dir, stageLock)
	release, err := home.Hold(lock + "-new")
	if err == nil {
		err = os.Rename(lock+"-new", lock)
	}
	if err != nil {
		if release != nil {
			release()
		}
		os.RemoveAll(dir)
		return nil, err
	}
	return &stage{dir, release}, nil
}

func sweep(dir string) {
	lock := filepath.Join(dir, stageLock)
	if _, err := os.Stat(lock); err != nil {
		if st, serr := os.Stat(dir); serr == nil && time.Since(st.ModTime()) > time.Hour {
			os.RemoveAll(dir)
		}
		return
	}
	if release, err := home.Hold(lock); err == nil {
		os.RemoveAll(dir)
		release()
	}
}

// remove removes the directory, if it was not published.
func (s *stage) remove() {
	os.RemoveAll(s.dir)
	s.release()
}

// Kept is one template as it is on disk.
type Kept struct {
	Key   string
	Bytes int64 // on disk
	Used  time.Time
}

// List gives the templates that are kept, the last used first.
func (s *Store) List() []Kept {
	entries, _ := os.ReadDir(s.home.Templates())
	var all []Kept
	for _, e := range entries {
		st, err := os.Stat(filepath.Join(s.dir(e.Name()), markerFile))
		if err != nil || !keyRule.MatchString(e.Name()) {
			continue
		}
		all = append(all, Kept{e.Name(), onDisk(s.dir(e.Name())), st.ModTime()})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Used.After(all[j].Used) })
	return all
}

func onDisk(dir string) (bytes int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		var st syscall.Stat_t
		if syscall.Lstat(filepath.Join(dir, e.Name()), &st) == nil {
			bytes += st.Blocks * 512
		}
	}
	return bytes
}

// Evict removes templates until those that are left are within the limit. One
// that is in use stays.
func (s *Store) Evict(l Limit) {
	all := s.List()
	count, bytes := len(all), int64(0)
	for _, k := range all {
		bytes += k.Bytes
	}
	for _, k := range slices.Backward(all) {
		if (count > l.Count || bytes > l.Bytes) && s.evict(k.Key) {
			count--
			bytes -= k.Bytes
		}
	}
	files, _ := filepath.Glob(filepath.Join(s.refusals(), "*"))
	for _, f := range files {
		if st, err := os.Stat(f); err == nil && time.Since(st.ModTime()) > refusal {
			os.Remove(f)
		}
	}
}

func (s *Store) evict(key string) bool {
	f, err := os.Open(filepath.Join(s.dir(key), markerFile))
	if err != nil {
		return false
	}
	defer home.Unlock(f)
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || !home.StillThere(f) {
		return false
	}
	s.Remove(key)
	return true
}

// RefusedError says that a template of that key failed a short while ago.
type RefusedError struct {
	Reason string
	Since  time.Time
}

// Error gives the reason and the time.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("a template failed at %s: %s", e.Since.Format(time.TimeOnly), e.Reason)
}

// Refuse removes the template of a key and has Use answer with the reason for an
// hour: a template that fails is not made again and again.
func (s *Store) Refuse(key, reason string) {
	s.Remove(key)
	if !keyRule.MatchString(key) || os.MkdirAll(s.refusals(), 0o700) != nil {
		return
	}
	_ = home.WriteFile(filepath.Join(s.refusals(), key), []byte(reason[:min(len(reason), 1000)]), 0o600)
}

func (s *Store) refused(key string) error {
	path := filepath.Join(s.refusals(), key)
	st, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && time.Since(st.ModTime()) > refusal {
		return nil
	}
	reason, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return &RefusedError{string(reason), st.ModTime()}
}

// Discard removes a template and reports whether it did; one that is in use
// stays.
func (s *Store) Discard(key string) bool { return keyRule.MatchString(key) && s.evict(key) }

// Dir is where the files of a template are.
func (s *Store) Dir(k Kept) string { return s.dir(k.Key) }
