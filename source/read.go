package source

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrChanged says that a file is not what it was when its tree was scanned.
var ErrChanged = errors.New("changed while it was read; try again")

// Reader reads the contents of a tree's files. Close it.
type Reader struct {
	tree *Tree
	root *os.Root
}

// Reader opens the tree's directory. An error that wraps ErrChanged says that it
// is gone.
func (t *Tree) Reader() (*Reader, error) {
	root, err := os.OpenRoot(t.root)
	if errors.Is(err, os.ErrNotExist) {
		err = ErrChanged
	}
	if err != nil {
		return nil, fmt.Errorf("source directory: %w", err)
	}
	return &Reader{t, root}, nil
}

// Close releases the directory.
func (r *Reader) Close() error { return r.root.Close() }

// Read gives the content of a file of the tree, f.Size bytes, to a function. No
// symbolic link leads out of the tree. The error is the function's, or wraps
// ErrChanged when what the function got may not be what was scanned.
func (r *Reader) Read(f *File, use func(io.Reader) error) error {
	// Without O_NONBLOCK a pipe that took the file's place would block.
	in, err := r.root.OpenFile(f.Path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		err = ErrChanged
	}
	if err != nil {
		return fmt.Errorf("read %q: %w", f.Path, err)
	}
	defer in.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &st); err != nil {
		return fmt.Errorf("read %q: %w", f.Path, err)
	}
	sum := sha256.New()
	if stampOf(&st) != f.stamp {
		return fmt.Errorf("read %q: %w", f.Path, ErrChanged)
	}
	if err := use(io.TeeReader(in, sum)); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrChanged
		}
		return fmt.Errorf("read %q: %w", f.Path, err)
	}
	if [sha256.Size]byte(sum.Sum(nil)) != f.Sum {
		return fmt.Errorf("read %q: %w", f.Path, ErrChanged)
	}
	return nil
}
