package blockdev

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/ambient-ci/ambient/blockdev/erofs"
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

// Merge writes the union of canonical archives as a file system image to out, an
// empty file, and returns the image's size in bytes. The same path in two parts
// is fine when both are directories, or when kind, mode and content are equal;
// otherwise it is a ConflictError. Times are not compared: the first part's stay,
// and directories without a time get the latest one below them. Contents of more
// than limit bytes, in whole blocks, are a TooLargeError; limit 0 means none.
func Merge(ctx context.Context, out *os.File, parts []Part, limit int64) (int64, error) {
	m := &merger{tree: newTree(), image: erofs.NewWriter(out), limit: limit, parts: parts}
	for i := range parts {
		m.part = i
		if err := m.addPart(ctx); err != nil {
			return 0, hostError(out.Name(), err)
		}
	}
	size, err := m.image.Close()
	return size, hostError(out.Name(), err)
}

type merger struct {
	tree  *tree
	image *erofs.Writer
	limit int64
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
		return fmt.Errorf("%s: %w", part.Name, err)
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
	n, made, clash, _ := m.tree.place(e.Name, kind, func(_ string, n *node) error {
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
	case kind == Dir && n.written:
		return nil
	case kind == Dir:
		n.written = true
		return m.put(e, nil)
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
	n.written = true
	switch {
	case e.Kind == HardLink:
		n.merged = m.target(e)
	case e.Kind == Regular && len(m.parts) > 1:
		sum := sha256.New()
		err := m.put(e, io.TeeReader(content, sum))
		sum.Sum(n.merged.sum[:0])
		return err
	}
	return m.put(e, content)
}

// put adds an entry to the image.
func (m *merger) put(e *Entry, content io.Reader) error {
	attr := erofs.Attr{Mode: e.Mode, Time: e.ModTime.Unix()}
	switch e.Kind {
	case Dir:
		return m.image.Dir(e.Name, attr)
	case Symlink:
		return m.image.Symlink(e.Name, e.Link, attr)
	case HardLink:
		return m.image.Link(e.Name, e.Link)
	}
	if size := m.image.Used() + e.Size; m.limit > 0 && size > m.limit {
		return &TooLargeError{What: "the union", Limit: m.limit, Size: size}
	}
	where, err := m.image.Content(content, e.Size)
	if err != nil {
		return err
	}
	return m.image.File(e.Name, attr, where)
}

// target returns what is known of the file that a hard link shares. Its mode
// and link are those of a file, owned by this part.
func (m *merger) target(e *Entry) *merged {
	t := *m.tree.find(e.Link).merged
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
