package blockdev

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// writer writes a canonical archive beside its destination and publishes it
// when it is whole. Close must be called; it is harmless after publish.
type writer struct {
	ctx     context.Context
	dest    string
	file    *os.File
	buf     *bufio.Writer
	match   *matcher // instead of buf: file is what the archive is made from
	sum     hash.Hash
	tar     *tar.Writer
	tree    *tree
	size    int64
	entries int
	err     error // the first failure to write
	done    bool  // published
}

// newWriter starts an archive that becomes dest. t may hold nodes that are not
// written yet.
func newWriter(ctx context.Context, dest string, t *tree) (*writer, error) {
	f, err := os.CreateTemp(filepath.Dir(dest), ".tmp-*")
	if err != nil {
		return nil, hostError(dest, err)
	}
	w := &writer{
		ctx: ctx, dest: dest, tree: t,
		file: f, buf: bufio.NewWriterSize(f, 256<<10), sum: sha256.New(),
	}
	w.tar = tar.NewWriter(w)
	return w, nil
}

// Write takes the bytes of the archive: it counts, hashes and stores them.
func (w *writer) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.store(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func (w *writer) store(p []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.size += int64(len(p))
	w.sum.Write(p)
	if w.match != nil {
		if !w.match.over && !w.match.matches(p) {
			return errDiffers
		}
		return nil
	}
	_, err := w.buf.Write(p)
	return hostError(w.dest, err)
}

// add writes an entry, and before it those of its parent directories that have
// not been written. The caller has placed its node. content is read for exactly
// e.Size bytes; errors of reading are returned as they are.
func (w *writer) add(e *Entry, content io.Reader) error {
	n, _, clash, err := w.tree.place(e.Name, e.Kind, func(dir string, n *node) error {
		return w.header(&Entry{Name: dir, Kind: Dir, Mode: 0o755, ModTime: noTime}, n)
	})
	if err != nil {
		return err
	}
	if clash != nil {
		return &PathError{Op: "pack", Path: e.Name, Err: fmt.Errorf("%q is a %s, not a directory", clash.at, clash.node.kind)}
	}
	if e.Kind == Dir {
		return w.header(e, n)
	}
	if n.written {
		return &PathError{Op: "pack", Path: e.Name, Err: errors.New("is listed twice")}
	}
	if err := w.header(e, n); err != nil || e.Kind != Regular {
		return err
	}
	return w.copy(content, e.Size)
}

// header writes an entry's header, once.
func (w *writer) header(e *Entry, n *node) error {
	if n.written {
		return nil
	}
	n.written = true
	w.entries++
	if err := w.tar.WriteHeader(e.header()); err != nil {
		if w.err != nil {
			return w.err
		}
		return &PathError{Op: "pack", Path: e.Name, Err: err}
	}
	return nil
}

func (w *writer) copy(content io.Reader, size int64) error {
	n, err := io.CopyN(w.tar, content, size)
	switch {
	case w.err != nil:
		return w.err
	case err == io.EOF:
		return fmt.Errorf("%w: %d of %d bytes", io.ErrUnexpectedEOF, n, size)
	}
	return err
}

// publish ends the archive and gives it its name. With durable it survives a
// power cut once publish has returned.
func (w *writer) publish(durable bool) (Archive, error) {
	if err := w.end(durable); err != nil {
		return Archive{}, hostError(w.dest, err)
	}
	if err := os.Rename(w.file.Name(), w.dest); err != nil {
		return Archive{}, hostError(w.dest, err)
	}
	w.done = true
	return Archive{
		Path:    w.dest,
		Size:    w.size,
		Digest:  "sha256:" + hex.EncodeToString(w.sum.Sum(nil)),
		Entries: w.entries,
	}, nil
}

func (w *writer) end(durable bool) error {
	if err := w.tar.Close(); err != nil {
		return err
	}
	if w.match != nil {
		if err := w.match.settle(w); err != nil {
			return err
		}
	}
	if w.size < MinSize {
		if _, err := w.Write(make([]byte, MinSize-w.size)); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if durable {
		if err := w.file.Sync(); err != nil {
			return err
		}
	}
	return w.file.Close()
}

// flush makes the file what was written.
func (w *writer) flush() error {
	if w.match == nil {
		return w.buf.Flush()
	}
	return w.file.Truncate(w.size)
}

// Close removes what was not published.
func (w *writer) Close() {
	if w.done {
		return
	}
	w.file.Close()
	if w.match == nil {
		os.Remove(w.file.Name())
	}
}
