package inputs

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/home"
)

// Limits bound what a Store keeps. Zero fields mean the defaults.
type Limits struct {
	Bytes int64         // 4 GiB
	Count int           // 500
	Age   time.Duration // since the last use; 14 days
}

func (l Limits) withDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 4 << 30
	}
	if l.Count == 0 {
		l.Count = 500
	}
	if l.Age == 0 {
		l.Age = 14 * 24 * time.Hour
	}
	return l
}

// Usage is what a Store has, or what was removed of it.
type Usage struct {
	Count int
	Bytes int64 // on the disk
}

// Kept is an image, or a draft of one, that the store has.
type Kept struct {
	Dir   string // of its files
	Used  time.Time
	Bytes int64 // on the disk
}

// settled is how old a draft without a lock must be to be taken for one that a
// process left which was killed: until it is locked it looks the same.
const settled = time.Minute

// Usage says what is kept, images of earlier boots included.
func (s *Store) Usage() Usage {
	var u Usage
	for _, k := range s.list() {
		u.Count++
		u.Bytes += k.Bytes
	}
	return u
}

// Evict removes what was not used for longest, until the rest is within the
// limits; negative limits remove everything. What is in use stays. So do files
// that can not be removed: nothing here is worth failing for. It returns what was
// removed.
func (s *Store) Evict(l Limits) Usage {
	l = l.withDefaults()
	all := s.list()
	slices.SortFunc(all, func(a, b Kept) int { return b.Used.Compare(a.Used) }) // newest first
	var left, removed Usage
	for _, k := range all {
		left.Count++
		left.Bytes += k.Bytes
		draft := strings.HasPrefix(filepath.Base(k.Dir), tempPrefix)
		stale := filepath.Dir(k.Dir) != s.dir || draft
		over := left.Count > l.Count || left.Bytes > l.Bytes || time.Since(k.Used) > l.Age
		if !(stale && time.Since(k.Used) > settled) && (draft || !over) || !s.remove(k.Dir) {
			continue
		}
		left.Count--
		left.Bytes -= k.Bytes
		removed.Count++
		removed.Bytes += k.Bytes
	}
	s.tidy()
	return removed
}

// Sweep removes what no run can use any more: images of earlier boots, and drafts
// of processes that are gone.
func (s *Store) Sweep() {
	s.Evict(Limits{Bytes: math.MaxInt64, Count: math.MaxInt, Age: math.MaxInt64})
}

// List gives the images that runs can use, in no order.
func (s *Store) List() []Kept {
	return slices.DeleteFunc(s.list(), func(k Kept) bool {
		_, err := hex.DecodeString(k.Key())
		return filepath.Dir(k.Dir) != s.dir || err != nil || len(k.Key()) != 2*sha256.Size
	})
}

// Key tells an image from others: 64 hexadecimal digits.
func (k Kept) Key() string { return filepath.Base(k.Dir) }

// Discard removes an image unless it is in use. It reports whether it did.
func (s *Store) Discard(k Kept) bool { return s.remove(k.Dir) }

// list returns images and drafts of every boot.
func (s *Store) list() []Kept {
	var all []Kept
	for _, dir := range s.entries() {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		all = append(all, Kept{Dir: dir, Used: info.ModTime(), Bytes: diskUsage(dir)})
	}
	return all
}

// entries returns the paths of what is below the directories of all boots.
func (s *Store) entries() []string {
	var all []string
	for _, boot := range paths(filepath.Dir(s.dir)) {
		all = append(all, paths(boot)...)
	}
	return all
}

func paths(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		all = append(all, filepath.Join(dir, e.Name()))
	}
	return all
}

func diskUsage(dir string) int64 {
	var bytes int64
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
	}
	return bytes
}

// remove removes an image or draft that nobody uses. It takes the directory away
// whole before it empties it, so that a new one can take its place meanwhile.
func (s *Store) remove(dir string) bool {
	f, err := os.Open(filepath.Join(dir, imageFile))
	if err != nil {
		return removeRest(dir)
	}
	defer home.Unlock(f)
	if ok, err := flock(f, syscall.LOCK_EX); !ok || err != nil || !home.StillThere(f) {
		return false
	}
	gone := filepath.Join(s.dir, tempPrefix+rand.Text())
	if os.MkdirAll(s.dir, 0o700) != nil || os.Rename(dir, gone) != nil {
		return false
	}
	return os.RemoveAll(gone) == nil
}

// removeRest removes a directory that has no image. If it has one by now, that can
// still be used by those who have it, and is taken for damaged later.
func removeRest(dir string) bool {
	os.Remove(filepath.Join(dir, aboutFile))
	os.Remove(filepath.Join(dir, contentsFile))
	return os.Remove(dir) == nil
}

// tidy removes links to images that are gone, and directories of earlier boots
// that are empty.
func (s *Store) tidy() {
	for _, path := range s.entries() {
		if _, err := os.Stat(path); err != nil && strings.HasPrefix(filepath.Base(path), lastPrefix) {
			os.Remove(path)
		}
	}
	for _, dir := range paths(filepath.Dir(s.dir)) {
		if dir != s.dir {
			os.Remove(dir)
		}
	}
}
