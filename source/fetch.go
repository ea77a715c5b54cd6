package source

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	getter "github.com/hashicorp/go-getter/v2"

	"github.com/ambient-ci/ambient/home"
)

// Bounds of what is fetched. They are meant to stop mistakes and attacks, not
// large projects.
const (
	maxTime    = 30 * time.Minute
	maxArchive = 4 << 30  // bytes of a download
	maxTree    = 16 << 30 // bytes of a tree
	maxFiles   = 1_000_000
)

// Fetch makes the tree of a go-getter address available and returns its
// directory, which is below h.Sources() and never changes: what an address means
// today is looked up every time, and kept under the commit or the digest that it
// is. The directory is read-only by agreement and holds no .git. It stays while a
// process has a directory of h.NewWork: the caller makes one.
//
// Addresses are those of go-getter for git (https, ssh, file; ref=) and for
// archives and files over http and https (checksum=, archive=), with //subdir.
// An AddressError is the user's to mend; a FetchError says that a tree could not
// be had; anything else is this machine's fault.
func Fetch(ctx context.Context, h *home.Home, address string) (dir string, err error) {
	r, err := parse(address)
	if err != nil {
		return "", err
	}
	_, dir, err = fetch(ctx, h, address, r)
	return dir, err
}

// fetch is Fetch of an address that was understood. It returns the top of the
// tree, too, whose name is the version.
func fetch(ctx context.Context, h *home.Home, address string, r *remote) (top, dir string, err error) {
	s := &store{dir: filepath.Join(h.Sources(), hashName(address)), address: address}
	release, err := h.Lock(ctx, "source-"+filepath.Base(s.dir))
	if err != nil {
		return "", "", err
	}
	defer release()
	if err := s.prepare(); err != nil {
		return "", "", err
	}
	limited, cancel := context.WithTimeoutCause(ctx, maxTime, fmt.Errorf("took more than %s", maxTime))
	defer cancel()
	if r.git {
		top, err = s.fetchGit(limited, r)
	} else {
		top, err = s.fetchHTTP(limited, r)
	}
	if err != nil {
		if ctx.Err() == nil && limited.Err() != nil {
			err = &FetchError{Address: address, Err: context.Cause(limited)}
		}
		return "", "", err
	}
	dir, err = s.subdir(top, r.subdir)
	return top, dir, err
}

func hashName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// store is where the trees of one address are kept, one a version. Its lock is
// held.
type store struct {
	dir     string
	address string
}

// prepare makes the directory and clears what a crash left in it.
func (s *store) prepare() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(s.dir, ".tmp-*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

func (s *store) failed(err error) error {
	_, wrong := errors.AsType[*getter.ChecksumError](err)
	return &FetchError{Address: s.address, Err: err, Final: wrong || refusal.MatchString(err.Error())}
}

// refusal finds, in an error of go-getter, an HTTP status that says that the
// request is wrong; 408 and 429 say to ask again.
var refusal = regexp.MustCompile(`bad response code: 4(0[0-79]|1\d|2[0-8]|[3-9]\d)$`)

func (s *store) refused(err error) error {
	return &FetchError{Address: s.address, Err: err, Final: true}
}

// have returns the directory of a version and whether it is there. Its time is that
// of its last use.
func (s *store) have(version string) (string, bool) {
	dir, now := filepath.Join(s.dir, version), time.Now()
	return dir, os.Chtimes(dir, now, now) == nil
}

// Discard removes a version of a source tree: whole, or it is not the version any more.
func Discard(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), ".tmp-"+rand.Text())
	if err := os.Rename(dir, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// make fills a directory and gives it the name of the version.
func (s *store) make(version string, fill func(dir string) error) (string, error) {
	dir, ok := s.have(version)
	if ok {
		return dir, nil
	}
	temp, err := os.MkdirTemp(s.dir, ".tmp-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := fill(temp); err != nil {
		return "", err
	}
	if err := checkSize(temp); err != nil {
		return "", s.refused(err)
	}
	return dir, os.Rename(temp, dir)
}

// checkSize bounds a tree and lists what could not be listed later.
func checkSize(dir string) error {
	var bytes int64
	files := 0
	return filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		if files++; files > maxFiles || bytes > maxTree {
			return fmt.Errorf("the tree has more than %d files or %d bytes", maxFiles, int64(maxTree))
		}
		return nil
	})
}

// subdir finds the wanted part of a tree, which must not lead out of it.
func (s *store) subdir(top, pattern string) (string, error) {
	if pattern == "" {
		return top, nil
	}
	found, err := fs.Glob(os.DirFS(top), pattern)
	if err != nil || len(found) != 1 {
		return "", &AddressError{Address: s.address, Why: fmt.Sprintf("%q names %d directories of the tree, not one", pattern, len(found))}
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(top, found[0]))
	if err == nil {
		top, err = filepath.EvalSymlinks(top)
	}
	if err != nil {
		return "", &AddressError{Address: s.address, Why: err.Error()}
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || dir != top && !strings.HasPrefix(dir, top+"/") {
		return "", &AddressError{Address: s.address, Why: fmt.Sprintf("%q is not a directory of the tree", pattern)}
	}
	return dir, nil
}
