package results

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inTheWay reports whether a directory could not get its name because something
// has it (rename(2)).
func inTheWay(err error) bool {
	return errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.ENOTDIR)
}

// collect gives every regular file of a directory a second name in another one.
func collect(from, to string) ([]File, error) {
	dir, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, err
	}
	files := []File{}
	for _, e := range entries {
		if !e.Type().IsRegular() || !plainName(e.Name()) {
			continue
		}
		if len(files) == maxFiles {
			return nil, fmt.Errorf("%s holds more than %d files", from, maxFiles)
		}
		if err := link(dir, e.Name(), filepath.Join(to, e.Name())); err != nil {
			return nil, err
		}
		info, err := os.Lstat(filepath.Join(to, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, File{e.Name(), info.Size()})
	}
	return files, nil
}

// take puts the files into a stage's directory and checks the content of the
// output. After an error nothing is left there.
func (k *kept) take(ctx context.Context, to string) (err error) {
	from, err := k.dir.Open(filesDir)
	if err != nil {
		return err
	}
	defer from.Close()
	var made []string
	defer func() {
		if err != nil {
			for _, name := range made {
				os.Remove(name)
			}
		}
	}()
	for _, f := range k.Files {
		name := filepath.Join(to, f.Name)
		if err := link(from, f.Name, name); err != nil {
			return err
		}
		made = append(made, name)
	}
	if k.Output == nil {
		return nil
	}
	out, err := os.Open(filepath.Join(to, k.Output.File))
	if err != nil {
		return err
	}
	return k.verify(ctx, out)
}

// look checks the content of the output where it is kept.
func (k *kept) look(ctx context.Context) error {
	if k.Output == nil {
		return nil
	}
	out, err := k.dir.Open(filepath.Join(filesDir, k.Output.File))
	if err != nil {
		return err
	}
	return k.verify(ctx, out)
}

// verify reads an output, compares its digest and closes it.
func (e *Entry) verify(ctx context.Context, out *os.File) error {
	defer out.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, reader{ctx, out})
	if err != nil {
		return err
	}
	if n != e.Output.Size || "sha256:"+hex.EncodeToString(sum.Sum(nil)) != e.Output.Digest {
		return fmt.Errorf("%w: %s", errDamaged, e.Output.File)
	}
	return nil
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// link gives a file of a directory a second name, or a copy where a link can not
// be.
func link(dir *os.File, from, to string) error {
	err := uninterrupted(func() error { return unix.Linkat(int(dir.Fd()), from, unix.AT_FDCWD, to, 0) })
	for _, can := range []error{unix.EXDEV, unix.EPERM, unix.EMLINK, unix.ENOTSUP} {
		if errors.Is(err, can) {
			return duplicate(dir, from, to)
		}
	}
	if err != nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: err}
	}
	return nil
}

// uninterrupted makes a system call until no signal ends it (signal(7)).
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func duplicate(dir *os.File, from, to string) error {
	var fd int
	err := uninterrupted(func() (err error) {
		fd, err = unix.Openat(int(dir.Fd()), from, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return &os.PathError{Op: "open", Path: from, Err: err}
	}
	in := os.NewFile(uintptr(fd), from)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(to)
	}
	return err
}

// touch notes that an entry was used. Its age decides only when it is removed.
func (s *Store) touch(key string, now time.Time) {
	os.Chtimes(filepath.Join(s.keyDir(key), entryFile), now, now)
}
