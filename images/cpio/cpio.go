// Package cpio writes archives in the "newc" format that the kernel unpacks as
// its initial file system (Documentation/driver-api/early-userspace/buffer-format.rst).
package cpio

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Types of files, as in stat(2).
const (
	typeDir  = 0o040000
	typeChar = 0o020000
	typeFile = 0o100000
)

// Writer writes one archive. The first error sticks and every later call
// returns it. It is for one goroutine.
type Writer struct {
	w    io.Writer
	off  int64
	ino  uint32
	left int64 // bytes of the current file that are still to come
	err  error
}

// NewWriter returns a writer to w. Owners are root and times zero, so that the
// same content gives the same archive.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Dir adds a directory with the given permission bits.
func (w *Writer) Dir(name string, perm uint32) error {
	return w.header(name, typeDir|perm, 2, 0, 0, 0)
}

// Char adds a character device.
func (w *Writer) Char(name string, perm, major, minor uint32) error {
	return w.header(name, typeChar|perm, 1, 0, major, minor)
}

// File starts a regular file of size bytes, which Write must then be given.
func (w *Writer) File(name string, perm uint32, size int64) error {
	if size < 0 || size > math.MaxUint32 {
		return w.fail(fmt.Errorf("cpio: %s: a size of %d bytes does not fit", name, size))
	}
	err := w.header(name, typeFile|perm, 1, uint32(size), 0, 0)
	w.left = size
	return err
}

// Write adds to the content of the file started last.
func (w *Writer) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, w.fail(errors.New("cpio: more content than was said"))
	}
	n := w.raw(p)
	w.left -= int64(n)
	return n, w.err
}

// Close ends the archive. It does not close what lies below.
func (w *Writer) Close() error {
	w.ino = math.MaxUint32 // so that the trailer's number is 0
	err := w.header("TRAILER!!!", 0, 1, 0, 0, 0)
	w.pad(512)
	if err == nil {
		err = w.err
	}
	return err
}

func (w *Writer) header(name string, mode, nlink, size, major, minor uint32) error {
	if w.err == nil && w.left != 0 {
		w.fail(errors.New("cpio: less content than was said"))
	}
	if len(name) == 0 || len(name) > 4000 || name[0] == '/' {
		w.fail(fmt.Errorf("cpio: bad name %q", name))
	}
	w.pad(4)
	w.ino++
	w.raw(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		w.ino, mode, 0, 0, nlink, 0, size, 0, 0, major, minor, len(name)+1, 0, name))
	w.pad(4)
	return w.err
}

// pad fills up to a multiple of n, which is at most 512.
func (w *Writer) pad(n int64) {
	var zero [512]byte
	if rest := w.off % n; rest != 0 {
		w.raw(zero[:n-rest])
	}
}

func (w *Writer) raw(p []byte) int {
	if w.err != nil {
		return 0
	}
	n, err := w.w.Write(p)
	w.off += int64(n)
	w.err = err
	return n
}

func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}
