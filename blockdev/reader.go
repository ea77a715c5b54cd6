package blockdev

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unicode"
)

// Limits bound what a reader takes from an archive that it does not trust.
type Limits struct {
	Bytes   int64 // of archive; 0: the size of the device
	Entries int64 // files and directories; 0: DefaultEntries
	Path    int   // bytes of a name; 0: 4095, Linux's PATH_MAX less its NUL
	LinkLen int   // bytes of a symbolic link's target; 0: 4095
}

// DefaultEntries is how many files and directories an archive may hold.
const DefaultEntries = 500_000

// maxName is the longest name of a file in a directory, in bytes (NAME_MAX).
const maxName = 255

func (l Limits) withDefaults() Limits {
	if l.Entries <= 0 {
		l.Entries = DefaultEntries
	}
	if l.Path <= 0 {
		l.Path = 4095
	}
	if l.LinkLen <= 0 {
		l.LinkLen = 4095
	}
	return l
}

// source is the raw archive. It never gives more than size bytes, and keeps
// apart what is the guest's fault and what is the host's.
type source struct {
	ctx   context.Context
	r     *bufio.Reader
	off   int64
	size  int64
	ended bool  // something tried to read beyond size
	err   error // the host could not read
	tee   *matcher
}

func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.off >= s.size {
		s.ended = true
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.size-s.off)])
	s.off += int64(n)
	if s.tee != nil {
		s.tee.read(p[:n])
	}
	if err == io.EOF {
		s.ended = true
	} else {
		s.err = err
	}
	return n, err
}

// reader reads an archive that it does not trust, one entry after the other,
// and validates all that it returns.
type reader struct {
	file *os.File
	src  source
	tar  *tar.Reader
	lim  Limits
	tree *tree
	name string // of the entry that is read, as written
}

// openReader opens the archive at path, which must be a regular file or a block
// device. Close must be called.
func openReader(ctx context.Context, path string, lim Limits) (*reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if lim.Bytes > 0 {
		size = min(size, lim.Bytes)
	}
	r := newReader(ctx, f, size, lim)
	r.file = f
	return r, nil
}

func newReader(ctx context.Context, raw io.Reader, size int64, lim Limits) *reader {
	r := &reader{lim: lim.withDefaults(), tree: newTree()}
	r.src = source{ctx: ctx, r: bufio.NewReaderSize(raw, 256<<10), size: size}
	r.tar = tar.NewReader(&r.src)
	return r
}

// Close releases the file.
func (r *reader) Close() { r.file.Close() }

// next returns the next entry, validated and in canonical form. The error is
// io.EOF at the end of the archive, a HostileError, or the host's.
func (r *reader) next() (*Entry, error) {
	for {
		h, err := r.tar.Next()
		if err == io.EOF && !r.src.ended {
			return nil, io.EOF
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			r.name = ""
			return nil, r.fail(err)
		}
		r.name = h.Name
		e, err := r.entry(h)
		if e != nil || err != nil {
			return e, err
		}
	}
}

// Read reads the content of the entry that next returned.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.tar.Read(p)
	if err != nil && err != io.EOF {
		err = r.fail(err)
	}
	return n, err
}

func (r *reader) refuse(format string, args ...any) error {
	return &HostileError{Entry: r.name, Why: fmt.Sprintf(format, args...)}
}

// fail says what an error of the tar reader means.
func (r *reader) fail(err error) error {
	switch {
	case r.src.err != nil:
		return r.src.err
	case r.src.ended:
		return r.refuse("is cut off at %d bytes, before the end of the archive", r.src.off)
	case errors.Is(err, tar.ErrFieldTooLong):
		return r.refuse("has an extended header that is too large")
	}
	return r.refuse("has a header that is not valid, before byte %d", r.src.off)
}

// entry validates a header. It returns nil for one that has no meaning: the
// archive's own directory, or a directory a second time.
func (r *reader) entry(h *tar.Header) (*Entry, error) {
	e := &Entry{Mode: h.FileInfo().Mode().Perm(), ModTime: wholeSecond(h.ModTime)}
	if err := r.kind(h, e); err != nil {
		return nil, err
	}
	name, err := r.cleanName(h.Name)
	if err != nil {
		return nil, err
	}
	if name == "." && e.Kind == Dir {
		return nil, nil
	}
	if name == "." || e.Kind != Dir && strings.HasSuffix(h.Name, "/") {
		return nil, r.refuse("is named like a directory and is a %s", e.Kind)
	}
	e.Name = name
	return r.place(h, e)
}

// kind sets Kind, Size and Mode.
func (r *reader) kind(h *tar.Header, e *Entry) error {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return r.refuse("is a sparse file, which is not supported")
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		e.Mode |= 0o400
		e.Size = h.Size
		if left := r.src.size - r.src.off; h.Size < 0 || h.Size > left {
			return r.refuse("claims %d bytes of content where at most %d are left", h.Size, left)
		}
	case tar.TypeDir:
		e.Kind = Dir
		e.Mode |= 0o700
	case tar.TypeSymlink:
		e.Kind = Symlink
		e.Mode = 0o777
	case tar.TypeLink:
		e.Kind = HardLink
	case tar.TypeChar, tar.TypeBlock:
		return r.refuse("is a device node")
	case tar.TypeFifo:
		return r.refuse("is a named pipe")
	case tar.TypeGNUSparse:
		return r.refuse("is a sparse file, which is not supported")
	case tar.TypeXGlobalHeader:
		return r.refuse("is a global header, which is not supported")
	default:
		return r.refuse("is of the unknown type %q", h.Typeflag)
	}
	return nil
}

// cleanName validates the name of an entry or the file that a hard link names.
func (r *reader) cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", r.refuse("has no name")
	case len(name) > r.lim.Path:
		return "", r.refuse("has a name of %d bytes, more than %d", len(name), r.lim.Path)
	case name[0] == '/':
		return "", r.refuse("has an absolute name")
	case hasControl(name):
		return "", r.refuse("has a control character in its name")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", r.refuse("has .. in its name")
		}
		if len(part) > maxName {
			return "", r.refuse("has a part of %d bytes in its name, more than %d", len(part), maxName)
		}
	}
	return path.Clean(name), nil
}

// hasControl finds what could deceive a terminal, or a script that reads a list
// of names line by line.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, unicode.IsControl)
}

// place validates e against what the archive held before.
func (r *reader) place(h *tar.Header, e *Entry) (*Entry, error) {
	if err := r.link(h, e); err != nil {
		return nil, err
	}
	kind := e.Kind
	if kind == HardLink {
		kind = Regular
	}
	n, made, clash, _ := r.tree.place(e.Name, kind, nil)
	switch {
	case clash != nil:
		return nil, r.refuse("is below %s, which is a %s", quote(clash.at), clash.node.kind)
	case int64(r.tree.count) > r.lim.Entries:
		return nil, r.refuse("is one too many: there may be %d files and directories", r.lim.Entries)
	case !made && n.kind != kind:
		return nil, r.refuse("was a %s earlier and is now a %s", n.kind, e.Kind)
	case !made && kind != Dir:
		return nil, r.refuse("is in the archive twice")
	case n.listed:
		return nil, nil
	}
	n.listed = true
	return e, nil
}

// link validates the target of a link.
func (r *reader) link(h *tar.Header, e *Entry) error {
	switch e.Kind {
	case Symlink:
		switch {
		case h.Linkname == "":
			return r.refuse("is a symbolic link to nothing")
		case len(h.Linkname) > r.lim.LinkLen:
			return r.refuse("is a symbolic link to %d bytes, more than %d", len(h.Linkname), r.lim.LinkLen)
		case hasControl(h.Linkname):
			return r.refuse("is a symbolic link with a control character")
		}
		e.Link = h.Linkname
	case HardLink:
		target, err := r.cleanName(h.Linkname)
		if err != nil {
			return r.refuse("is a hard link to %s, which is not a valid name", quote(h.Linkname))
		}
		if n := r.tree.find(target); n == nil || n.kind != Regular {
			return r.refuse("is a hard link to %s, which is not an earlier regular file of the archive", quote(h.Linkname))
		}
		e.Link = target
	}
	return nil
}
