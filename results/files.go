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
)

// inTheWay reports whether a directory could not get its name because something
// has it (rename(2)).
func inTheWay(err error) bool {
	return errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.ENOTDIR)
}

// collect gives every regular file of a directory a second name in another one.
func collect(from, to string) ([]File, error) {
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
		if err := link(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
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

// take puts the files of an entry into a stage's directory and checks the
// content of its output. After an error nothing is left there.
func (s *Store) take(ctx context.Context, e *Entry, to string) (err error) {
	var made []string
	defer func() {
		if err != nil {
			for _, name := range made {
				os.Remove(name)
			}
		}
	}()
	for _, f := range e.Files {
		name := filepath.Join(to, f.Name)
		if err := link(filepath.Join(s.filesOf(e), f.Name), name); err != nil {
			return err
		}
		made = append(made, name)
	}
	return e.verify(ctx, to)
}

// verify reads the output in a directory and compares its digest.
func (e *Entry) verify(ctx context.Context, dir string) error {
	if e.Output == nil {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, e.Output.File))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, reader{ctx, f})
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

// link gives a file a second name, or a copy where a link can not be.
func link(from, to string) error {
	err := os.Link(from, to)
	for _, can := range []error{syscall.EXDEV, syscall.EPERM, syscall.EMLINK, syscall.ENOTSUP} {
		if errors.Is(err, can) {
			return duplicate(from, to)
		}
	}
	return err
}

func duplicate(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
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
