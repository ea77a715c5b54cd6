package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ambient-ci/ambient/home"
)

// Bounds of a module: it is configuration and not a project.
const (
	maxModuleFiles = 4096
	maxModuleBytes = 64 << 20
)

// Module is the content of an address that is kept by its digest.
type Module struct {
	Dir    string // below h.Sources(); never changes
	Commit string // for a git repository
	Digest string // "sha256:" and 64 hexadecimal digits
}

// Errors of FindModule.
var (
	ErrNoModule      = errors.New("no content of this digest is kept")
	ErrModuleChanged = errors.New("the content that is kept does not have its digest any more")
)

// FetchModule fetches the tree of an address, as Fetch does, and keeps it under
// its digest, where FindModule finds it. A commit that is not empty says what to
// fetch from a git repository, whatever the address means now. Errors are those
// of Fetch.
func FetchModule(ctx context.Context, h *home.Home, address, commit string) (Module, error) {
	r, err := parse(address)
	if err != nil {
		return Module{}, err
	}
	if commit != "" {
		if !r.git || !commitID.MatchString(commit) {
			return Module{}, &AddressError{Address: address, Why: "it is no git repository, and so has no commit"}
		}
		r.ref = commit
	}
	top, dir, err := fetch(ctx, h, address, r)
	if err != nil {
		return Module{}, err
	}
	m := Module{}
	if r.git {
		m.Commit = filepath.Base(top)
	}
	if m.Digest, err = digestTree(dir); err != nil {
		return Module{}, &FetchError{Address: address, Err: err, Final: true}
	}
	m.Dir, err = keepModule(ctx, h, dir, m.Digest)
	return m, err
}

// FindModule returns the directory of what FetchModule kept under a digest. It
// reads all of it to be sure, and asks nobody.
func FindModule(h *home.Home, digest string) (dir string, err error) {
	if dir, err = moduleDir(h, digest); err != nil {
		return "", err
	}
	if info, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return "", ErrNoModule
	}
	got, err := digestTree(dir)
	if err == nil && got != digest {
		err = ErrModuleChanged
	}
	return dir, err
}

func moduleDir(h *home.Home, digest string) (string, error) {
	sum, ok := strings.CutPrefix(digest, "sha256:")
	if _, err := hex.DecodeString(sum); !ok || err != nil || len(sum) != 2*sha256.Size {
		return "", fmt.Errorf("%q is no digest", digest)
	}
	return filepath.Join(h.Sources(), "modules", strings.ToLower(sum)), nil
}

// keepModule copies a tree to the place of its digest.
func keepModule(ctx context.Context, h *home.Home, from, digest string) (string, error) {
	dir, err := moduleDir(h, digest)
	if err != nil {
		return "", err
	}
	release, err := h.Lock(ctx, "module-"+filepath.Base(dir))
	if err != nil {
		return "", err
	}
	defer release()
	if _, err := FindModule(h, digest); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := copyTree(from, temp); err != nil {
		return "", err
	}
	if got, err := digestTree(temp); err != nil || got != digest {
		return "", errors.Join(fmt.Errorf("copy of a module: %w", ErrModuleChanged), err)
	}
	if err := os.RemoveAll(dir); err != nil { // it was damaged
		return "", err
	}
	return dir, os.Rename(temp, dir)
}

// digestTree is a digest of the names and the content of all files of a tree,
// and of nothing else: not of times, owners, modes or empty directories. A
// symbolic link counts as its target's name. Pipes, sockets and devices are
// refused.
func digestTree(dir string) (string, error) {
	sum := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		sum.Write(n[:])
		sum.Write(b)
	}
	field([]byte("ambient module 1"))
	left := int64(maxModuleBytes)
	err := walkTree(dir, func(rel string, mode fs.FileMode) error {
		var content []byte
		kind := "file"
		var err error
		if mode&fs.ModeSymlink != 0 {
			kind = "link"
			var target string
			target, err = os.Readlink(filepath.Join(dir, rel))
			content = []byte(target)
		} else {
			content, err = readFile(filepath.Join(dir, rel), left)
			left -= int64(len(content))
		}
		if err != nil {
			return err
		}
		field([]byte(kind))
		field([]byte(filepath.ToSlash(rel)))
		of := sha256.Sum256(content)
		field(of[:])
		return nil
	})
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), err
}

// walkTree calls f for every file and symbolic link of a tree in lexical order.
func walkTree(dir string, f func(rel string, mode fs.FileMode) error) error {
	entries := 0
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entries++; entries > maxModuleFiles {
			return fmt.Errorf("a module can have at most %d files and directories: give a part of the tree with //DIR", maxModuleFiles)
		}
		rel, err := filepath.Rel(dir, path)
		switch {
		case err != nil || d.IsDir():
			return err
		case d.Type() != 0 && d.Type() != fs.ModeSymlink:
			return fmt.Errorf("%q is neither a file, a directory nor a symbolic link", rel)
		}
		return f(rel, d.Type())
	})
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("a module can have at most %d bytes: give a part of the tree with //DIR", int64(maxModuleBytes))
	}
	return data, err
}

// copyTree copies the files and symbolic links of a tree.
func copyTree(from, to string) error {
	return walkTree(from, func(rel string, mode fs.FileMode) error {
		dest := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
			return err
		}
		if mode&fs.ModeSymlink != 0 {
			target, err := os.Readlink(filepath.Join(from, rel))
			if err != nil {
				return err
			}
			return os.Symlink(target, dest)
		}
		data, err := readFile(filepath.Join(from, rel), maxModuleBytes)
		if err != nil {
			return err
		}
		return os.WriteFile(dest, data, 0o600)
	})
}
