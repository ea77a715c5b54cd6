package blockdev

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Part is an archive that goes into a union.
type Part struct {
	Name   string // for messages: the stage that made it
	Prefix string // directory it goes to, made even if the archive is empty; empty: the top
	Path   string // a canonical archive
}

// merged is what Merge must know of a path to compare it with another part's.
type merged struct {
	part int
	mode fs.FileMode
	link string
	sum  [sha256.Size]byte // of a regular file's content
}

// Merge writes the union of canonical archives to dest. The same path in two
// parts is fine when both are directories, or when kind, mode and content are
// equal; otherwise it is a ConflictError. Times are not compared: the first
// part's stay. More than limit bytes is a TooLargeError; limit 0 means none.
//
// A single part without a prefix is not copied: dest becomes a hard link to
// it, or where that can not be, the Path of the result is the part's own.
func Merge(ctx context.Context, dest string, parts []Part, limit int64) (Archive, error) {
	if len(parts) == 1 && parts[0].Prefix == "" {
		return linkPart(ctx, dest, parts[0], limit)
	}
	w, err := newWriter(ctx, dest, "the union", limit, newTree())
	if err != nil {
		return Archive{}, err
	}
	defer w.Close()
	m := &merger{w: w, parts: parts}
	for i := range parts {
		m.part = i
		if err := m.addPart(ctx); err != nil {
			return Archive{}, err
		}
	}
	return w.publish(false)
}

type merger struct {
	w     *writer
	parts []Part
	part  int // index of the one that is read
}

func (m *merger) addPart(ctx context.Context) error {
	part := m.parts[m.part]
	if part.Prefix != "" {
		if !validPath(part.Prefix) {
			return fmt.Errorf("%s: %q is not a clean relative path", part.Name, part.Prefix)
		}
		if err := m.add(&Entry{Name: part.Prefix, Kind: Dir, Mode: 0o755, ModTime: noTime}, nil); err != nil {
			return err
		}
	}
	r, err := openReader(ctx, part.Path, trusted)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		e, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", part.Name, err)
		}
		e.Name = path.Join(part.Prefix, e.Name)
		if e.Kind == HardLink {
			e.Link = path.Join(part.Prefix, e.Link)
		}
		if err := m.add(e, r); err != nil {
			return err
		}
	}
}

// add writes e, or compares it with what an earlier part has in its place.
func (m *merger) add(e *Entry, content io.Reader) error {
	kind := e.Kind
	if kind == HardLink {
		kind = Regular
	}
	n, made, clash, _ := m.w.tree.place(e.Name, kind, func(_ string, n *node) error {
		m.own(n)
		return nil
	})
	switch {
	case clash != nil:
		return m.conflict(clash.at, clash.node)
	case made:
		return m.write(e, n, content)
	case n.kind != kind:
		return m.conflict(e.Name, n)
	case kind == Dir:
		return m.w.add(e, nil)
	}
	same, err := m.same(e, n, content)
	if err == nil && !same {
		err = m.conflict(e.Name, n)
	}
	return err
}

func (m *merger) own(n *node) {
	if n.merged == nil {
		n.merged = &merged{part: m.part}
	}
}

func (m *merger) conflict(path string, n *node) error {
	return &ConflictError{Path: path, A: m.parts[n.merged.part].Name, B: m.parts[m.part].Name}
}

func (m *merger) write(e *Entry, n *node, content io.Reader) error {
	m.own(n)
	n.merged.mode, n.merged.link = e.Mode, e.Link
	switch e.Kind {
	case HardLink:
		n.merged = m.target(e)
	case Regular:
		sum := sha256.New()
		err := m.w.add(e, io.TeeReader(content, sum))
		sum.Sum(n.merged.sum[:0])
		return err
	}
	return m.w.add(e, nil)
}

// target returns what is known of the file that a hard link shares. Its mode
// and link are those of a file, owned by this part.
func (m *merger) target(e *Entry) *merged {
	t := *m.w.tree.find(e.Link).merged
	t.part = m.part
	return &t
}

func (m *merger) same(e *Entry, n *node, content io.Reader) (bool, error) {
	switch e.Kind {
	case Symlink:
		return e.Link == n.merged.link, nil
	case HardLink:
		t := m.target(e)
		return t.sum == n.merged.sum && t.mode == n.merged.mode, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return false, err
	}
	return [sha256.Size]byte(sum.Sum(nil)) == n.merged.sum && e.Mode == n.merged.mode, nil
}

// linkPart gives a part a second name after reading it once.
func linkPart(ctx context.Context, dest string, part Part, limit int64) (Archive, error) {
	a, err := inspect(ctx, part.Path)
	if err != nil {
		return Archive{}, fmt.Errorf("%s: %w", part.Name, err)
	}
	if limit > 0 && a.Size > limit {
		return Archive{}, &TooLargeError{What: "the union", Limit: limit, Size: a.Size}
	}
	if err := linkOver(part.Path, dest); err == nil {
		a.Path = dest
	}
	return a, nil
}

// inspect counts and hashes an archive that this package made.
func inspect(ctx context.Context, path string) (Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return Archive{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Archive{}, err
	}
	sum := sha256.New()
	r := newReader(ctx, io.TeeReader(f, sum), info.Size(), trusted)
	a := Archive{Path: path, Size: info.Size()}
	for {
		_, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Archive{}, err
		}
		a.Entries++
	}
	if _, err := io.Copy(io.Discard, &r.src); err != nil {
		return Archive{}, err
	}
	a.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return a, nil
}

// linkOver makes dest a hard link to path, also if dest exists.
func linkOver(path, dest string) error {
	if err := os.Link(path, dest); !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(dest), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "link")
	if err := os.Link(path, temp); err != nil {
		return err
	}
	return os.Rename(temp, dest)
}
