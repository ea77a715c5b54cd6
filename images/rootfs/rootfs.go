// Package rootfs writes the root file systems of guests as EROFS images.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/erofs/go-erofs"
)

// ErrLimit says that a root file system is larger than it may be.
var ErrLimit = errors.New("the root file system is too large")

// Bounds on one image.
const (
	maxBytes   = 64 << 30
	maxEntries = 4 << 20
)

// Attr is what a file has besides its content. Mode holds the permission bits
// and fs.ModeSetuid, ModeSetgid and ModeSticky.
type Attr struct {
	Mode     fs.FileMode
	UID, GID int
	Time     time.Time
	Xattrs   map[string]string
}

// Writer builds one image. It is for one goroutine.
type Writer struct {
	out   *os.File
	w     *erofs.Writer
	time  time.Time
	kinds map[string]fs.FileMode // type bits of what is there, by clean absolute name
	files map[string]Attr        // of regular files, for hard links
	links map[string]string      // targets of symbolic links
	bytes int64
	done  bool // the file is whole
}

// Create starts an image at file name, which must not exist; content waits in
// its directory until Close. Implied directories and New have time when.
func Create(name string, when time.Time) (*Writer, error) {
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	w := erofs.Create(out,
		erofs.WithBuildTime(uint64(when.Unix()), 0), erofs.WithTempDir(filepath.Dir(name)))
	root := &Writer{out: out, w: w, time: when, kinds: map[string]fs.FileMode{"/": fs.ModeDir}, links: map[string]string{}, files: map[string]Attr{}}
	return root, root.set("/", root.New(0o755))
}

// New returns attributes of root with that mode.
func (w *Writer) New(mode fs.FileMode) Attr { return Attr{Mode: mode, Time: w.time} }

// Close writes the image. The file is whole only when there was no error.
func (w *Writer) Close() error {
	err := w.w.Close()
	if err == nil {
		err = w.align()
	}
	if err == nil {
		err = w.out.Sync()
	}
	if cerr := w.out.Close(); err == nil {
		err = cerr
	}
	w.done = err == nil
	return err
}

// align fills the file up to a whole block.
func (w *Writer) align() error {
	n, err := w.out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return w.out.Truncate((n + 4095) &^ 4095)
}

// Abort gives up and removes the file. After a good Close it does nothing.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.out.Close()
	os.Remove(w.out.Name())
}

// Has says whether there is something at name already.
func (w *Writer) Has(name string) bool {
	_, ok := w.kinds[clean(name)]
	return ok
}

// Dir adds a directory, or changes the attributes of the one there.
func (w *Writer) Dir(name string, a Attr) error {
	name = clean(name)
	if kind, ok := w.kinds[name]; ok {
		if kind != fs.ModeDir {
			return fmt.Errorf("%s: it is there already and no directory", name)
		}
		return w.set(name, a)
	}
	if err := w.add(name, fs.ModeDir); err != nil {
		return err
	}
	if err := w.w.Mkdir(name, a.Mode.Perm()); err != nil {
		return err
	}
	return w.set(name, a)
}

// File adds a regular file with the content of r.
func (w *Writer) File(name string, a Attr, r io.Reader) error {
	name = clean(name)
	if err := w.add(name, 0); err != nil {
		return err
	}
	f, err := w.w.Create(name)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, maxBytes-w.bytes+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if w.bytes += n; err == nil && w.bytes > maxBytes {
		err = ErrLimit
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w.files[name] = a
	return w.set(name, a)
}

// Symlink adds a symbolic link.
func (w *Writer) Symlink(name, target string, a Attr) error {
	name = clean(name)
	if target == "" || len(target) > 4095 {
		return fmt.Errorf("%s: a bad link", name)
	}
	if err := w.add(name, fs.ModeSymlink); err != nil {
		return err
	}
	if err := w.w.Symlink(target, name); err != nil {
		return err
	}
	w.links[name] = target
	a.Mode = 0o777
	return w.set(name, a)
}

// Link adds a second name for old, which must have been added before: a file is
// written again with the same attributes, since the image has no hard links.
func (w *Writer) Link(name, old string) error {
	old = clean(old)
	if target, ok := w.links[old]; ok {
		return w.Symlink(name, target, w.New(0o777))
	}
	a, ok := w.files[old]
	if !ok {
		return fmt.Errorf("%s: a hard link to %s, which is no file", name, old)
	}
	f, err := w.w.Open(old)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.File(name, a, f)
}

// add notes a new name, after making sure that its directory is there.
func (w *Writer) add(name string, kind fs.FileMode) error {
	if _, ok := w.kinds[name]; ok {
		return fmt.Errorf("%s: it is there twice", name)
	}
	if len(w.kinds) >= maxEntries {
		return ErrLimit
	}
	dir := path.Dir(name)
	parent, ok := w.kinds[dir]
	if !ok {
		if err := w.Dir(dir, w.New(0o755)); err != nil {
			return err
		}
	} else if parent != fs.ModeDir {
		return fmt.Errorf("%s: %s is no directory", name, dir)
	}
	if len(path.Base(name)) > 255 {
		return fmt.Errorf("%.40s…: a name is longer than 255 bytes", name)
	}
	w.kinds[name] = kind
	return nil
}

func (w *Writer) set(name string, a Attr) error {
	if err := w.w.Chmod(name, a.Mode); err != nil {
		return err
	}
	if err := w.w.Chown(name, a.UID, a.GID); err != nil {
		return err
	}
	for attr, value := range a.Xattrs {
		if err := w.w.Setxattr(name, attr, value); err != nil {
			return err
		}
	}
	return w.w.Chtimes(name, a.Time, a.Time)
}

func clean(name string) string { return path.Clean("/" + name) }
