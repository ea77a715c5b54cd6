// Package deb reads Debian's binary packages (deb(5)) without any tool.
package deb

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/ulikunitz/xz"
)

// maxContent bounds the unpacked bytes of one package.
const maxContent = 4 << 30

// ErrFormat says that a file is not a Debian package or is damaged.
var ErrFormat = errors.New("not a readable Debian package")

// Walk calls fn for each file of the package at file name, in the package's
// order. Name is clean and relative; fn may read the content from r until it
// returns. An error of fn ends the walk and is returned.
func Walk(ctx context.Context, name string, fn func(name string, h *tar.Header, r io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := walk(bufio.NewReaderSize(&interruptible{ctx, f}, 1<<16), fn); err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // not the package's fault
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// interruptible gives nothing more once its context has ended: a kernel takes
// long to decompress.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

func walk(r io.Reader, fn func(string, *tar.Header, io.Reader) error) error {
	data, ext, err := findData(r)
	if err != nil {
		return err
	}
	text, err := decompress(data, ext)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	bound := &io.LimitedReader{R: text, N: maxContent}
	tr := tar.NewReader(bound)
	for {
		h, err := tr.Next()
		if err == io.EOF && bound.N > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if err := fn(name, h, tr); err != nil {
			return err
		}
	}
}

// findData returns the content of the member data.tar and its file name's end.
func findData(r io.Reader) (io.Reader, string, error) {
	ar, err := newAr(r)
	if err != nil {
		return nil, "", err
	}
	for first := true; ; first = false {
		name, body, err := ar.next()
		if err == io.EOF {
			err = fmt.Errorf("%w: it has no data.tar", ErrFormat)
		}
		if err != nil {
			return nil, "", err
		}
		if first && name != "debian-binary" {
			return nil, "", fmt.Errorf("%w: it does not start with debian-binary", ErrFormat)
		}
		if ext, ok := strings.CutPrefix(name, "data.tar"); ok {
			return body, ext, nil
		}
	}
}

func decompress(r io.Reader, ext string) (io.Reader, error) {
	switch ext {
	case "":
		return r, nil
	case ".gz":
		return gzip.NewReader(r)
	case ".xz":
		return xz.NewReader(bufio.NewReaderSize(r, 1<<20)) // 7 times as fast as without a buffer
	}
	return nil, fmt.Errorf("compression %q is not supported", ext)
}
