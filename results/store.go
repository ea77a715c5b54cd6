package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ambient-ci/ambient/home"
)

// Store is the place of all results of a home. It is safe for concurrent use,
// also by several processes.
type Store struct {
	home *home.Home
	dir  string
}

// NewStore returns the store of a home. Nothing is created.
func NewStore(h *home.Home) *Store { return &Store{home: h, dir: h.Results()} }

// entryVersion is the version of the schema of Entry as JSON.
const entryVersion = 1

const (
	keysDir   = "keys"
	lastDir   = "last"
	filesDir  = "files"
	entryFile = "result.json"
	temporary = ".tmp-" // prefix of directories that are being made or removed
	maxEntry  = 4 << 20 // bytes of a result.json
	maxFiles  = 16
)

var (
	keyText     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	errDamaged  = errors.New("the kept result is damaged")
	errNoResult = errors.New("there is no such result")
)

func (s *Store) keyDir(key string) string { return filepath.Join(s.dir, keysDir, key) }

// Empty reports whether no result was ever kept.
func (s *Store) Empty() bool {
	_, err := os.Stat(filepath.Join(s.dir, keysDir))
	return err != nil
}

// publish keeps e with the files of a stage's directory. A result that has the
// same key is replaced.
func (s *Store) publish(ctx context.Context, e *Entry, from string) error {
	keys := filepath.Join(s.dir, keysDir)
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(keys, temporary)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // what was there before, if it was published
	if err := os.Mkdir(filepath.Join(tmp, filesDir), 0o700); err != nil {
		return err
	}
	if e.Files, err = collect(from, filepath.Join(tmp, filesDir)); err != nil {
		return err
	}
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	dir, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := e.check(dir); err != nil {
		return err
	}
	if err := home.WriteFile(filepath.Join(tmp, entryFile), append(data, '\n'), 0o600); err != nil {
		return err
	}
	return s.replace(ctx, tmp, s.keyDir(e.Key))
}

// locked runs f while no key changes its directory. It has to be quick.
func (s *Store) locked(ctx context.Context, f func() error) error {
	release, err := s.home.Lock(ctx, "results")
	if err != nil {
		return err
	}
	defer release()
	return f()
}

// replace gives a directory its name. What has the name already gets the other one,
// so that at no time there is nothing of that name.
func (s *Store) replace(ctx context.Context, dir, name string) error {
	old := dir + "-old"
	defer os.RemoveAll(old)
	return s.locked(ctx, func() error {
		err := os.Rename(dir, name)
		if err == nil || !inTheWay(err) {
			return err
		}
		if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, name, unix.RENAME_EXCHANGE); err == nil {
			return nil
		}
		if err := os.Rename(name, old); err != nil { // not every file system can exchange
			return err
		}
		return os.Rename(dir, name)
	})
}

// List returns all results, the newest first. Those that are damaged are left
// out.
func (s *Store) List() ([]*Entry, error) {
	names, err := os.ReadDir(filepath.Join(s.dir, keysDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the kept results: %w", err)
	}
	var all []*Entry
	for _, n := range names {
		if !keyText.MatchString(n.Name()) {
			continue
		}
		if e, err := s.load(n.Name()); err == nil {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *Entry) int {
		if c := b.Made.Compare(a.Made); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return all, nil
}

// leftOver is the age at which a temporary directory has lost its maker.
const leftOver = time.Hour

// Prune removes the results that were not used since that time, and all that are
// damaged. The record of the runs that made them stays. Removed are those that
// were whole, newest first.
func (s *Store) Prune(unusedSince time.Time) (removed []*Entry, err error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, e := range all {
		if keep[e.Key] = e.Used.After(unusedSince); !keep[e.Key] {
			removed = append(removed, e)
		}
	}
	names, err := os.ReadDir(filepath.Join(s.dir, keysDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, n := range names {
		path := filepath.Join(s.dir, keysDir, n.Name())
		switch info, ierr := n.Info(); {
		case keep[n.Name()] || ierr != nil:
		case strings.HasPrefix(n.Name(), temporary):
			if time.Since(info.ModTime()) > leftOver {
				err = errors.Join(err, os.RemoveAll(path))
			}
		default:
			err = errors.Join(err, s.removeOld(n.Name(), unusedSince))
		}
	}
	return removed, err
}

// removeOld removes a result, unless another process has used or replaced it
// since.
func (s *Store) removeOld(key string, unusedSince time.Time) error {
	old, err := os.MkdirTemp(filepath.Join(s.dir, keysDir), temporary)
	if err != nil {
		return err
	}
	defer os.RemoveAll(old) // what takes long is not done while others wait
	return s.locked(context.Background(), func() error {
		if e, err := s.load(key); err == nil && e.Used.After(unusedSince) {
			return nil
		}
		err := os.Rename(s.keyDir(key), filepath.Join(old, "old"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// Remove removes a result unless it was used after that time.
func (s *Store) Remove(key string, unusedSince time.Time) error {
	if !keyText.MatchString(key) {
		return nil
	}
	return s.removeOld(key, unusedSince)
}

// Dir is where the files of a result are.
func (s *Store) Dir(e *Entry) string { return s.keyDir(e.Key) }
