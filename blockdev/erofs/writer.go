package erofs

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// Writer makes one image in a file. It is for one goroutine. After an error the
// file is worthless.
type Writer struct {
	file    *os.File
	buf     *bufio.Writer // at block next
	next    int64         // the first block after the contents so far
	used    int64         // bytes of blocks with contents
	top     *inode
	entries int
}

// inode is a file, which may have several names.
type inode struct {
	mode     uint16 // type and permission bits, as in stat(2)
	time     int64
	links    uint32
	content  Extent            // of a regular file
	target   string            // of a symbolic link
	children map[string]*inode // of a directory
	implied  bool              // a directory that nobody has added yet

	sorted []dirent // of a directory, with . and ..
	size   int64    // bytes of content, target or directory
	offset int64    // from the start of block metaBlock, in bytes
	block  int64    // where what does not stand behind the inode is
	number uint32   // for stat(2) on 32-bit systems
}

const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
	typeMask = 0o170000
)

func (n *inode) isDir() bool { return n.mode&typeMask == typeDir }

func newDir(a Attr) *inode {
	return &inode{mode: typeDir | uint16(a.Mode.Perm()), time: a.Time, links: 2, children: map[string]*inode{}}
}

// NewWriter starts an image in an empty file, which stays the caller's.
func NewWriter(file *os.File) *Writer {
	w := &Writer{file: file, next: firstContent, top: newDir(Attr{Mode: 0o755})}
	w.buf = bufio.NewWriterSize(io.NewOffsetWriter(file, firstContent*BlockSize), 256<<10)
	return w
}

// Empty makes an image without files at path, where no file may be.
func Empty(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = NewWriter(f).Close()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// Used returns how many bytes the contents so far take.
func (w *Writer) Used() int64 { return w.used }

// Content stores what a file is to contain: exactly size bytes of r. Errors of r
// are returned as they are; io.ErrUnexpectedEOF says that it had fewer.
func (w *Writer) Content(r io.Reader, size int64) (Extent, error) {
	e := Extent{Size: size}
	if size == 0 {
		return e, nil
	}
	if size < 0 || size > maxBlocks*BlockSize || w.next+e.blocks() > maxBlocks {
		return e, ErrTooLarge
	}
	e.Block = uint32(w.next)
	if _, err := io.CopyN(w.buf, r, size); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return e, err
	}
	if _, err := w.buf.Write(zeroes[:e.blocks()*BlockSize-size]); err != nil {
		return e, err
	}
	w.next += e.blocks()
	w.used += e.blocks() * BlockSize
	return e, nil
}

var zeroes [BlockSize]byte

// Dir adds a directory, or gives one that was only implied its attributes.
func (w *Writer) Dir(name string, a Attr) error {
	dir, last, err := w.parent(name)
	if err != nil {
		return err
	}
	if known := dir.children[last]; known != nil {
		if !known.isDir() || !known.implied {
			return &NameError{name, "is there already"}
		}
		known.mode, known.time, known.implied = typeDir|uint16(a.Mode.Perm()), a.Time, false
		return nil
	}
	return w.add(dir, last, newDir(a))
}

// File adds a regular file with a content of this image.
func (w *Writer) File(name string, a Attr, content Extent) error {
	return w.addFile(name, &inode{mode: typeFile | uint16(a.Mode.Perm()), time: a.Time, content: content})
}

// Symlink adds a symbolic link, whose mode is always 0777.
func (w *Writer) Symlink(name, target string, a Attr) error {
	switch {
	case target == "" || strings.IndexByte(target, 0) >= 0:
		return &NameError{name, "is a symbolic link to nothing"}
	case len(target) > maxLink:
		return &NameError{name, "is a symbolic link that is too long"}
	}
	return w.addFile(name, &inode{mode: typeLink | 0o777, time: a.Time, target: target})
}

// Link adds a further name for a regular file that is there.
func (w *Writer) Link(name, old string) error {
	dir, last, err := w.parent(old)
	if err != nil {
		return err
	}
	file := dir.children[last]
	if file == nil || file.mode&typeMask != typeFile {
		return &NameError{name, "is a hard link to something else than a file"}
	}
	return w.addFile(name, file)
}

func (w *Writer) addFile(name string, n *inode) error {
	dir, last, err := w.parent(name)
	if err != nil {
		return err
	}
	if dir.children[last] != nil {
		return &NameError{name, "is there already"}
	}
	n.links++
	return w.add(dir, last, n)
}

// add gives an inode a name in a directory.
func (w *Writer) add(dir *inode, name string, n *inode) error {
	if w.entries++; w.entries > MaxEntries {
		return ErrTooLarge
	}
	if n.isDir() {
		dir.links++
	}
	dir.children[strings.Clone(name)] = n
	return nil
}

// parent returns the directory that a name is in, which is made with those above
// it if it is not there, and the name's last part.
func (w *Writer) parent(name string) (*inode, string, error) {
	dir := w.top
	for rest := name; ; {
		part, after, more := strings.Cut(rest, "/")
		if why := badName(part); why != "" {
			return nil, "", &NameError{name, why}
		}
		if !more {
			return dir, part, nil
		}
		child := dir.children[part]
		if child == nil {
			child = newDir(Attr{Mode: 0o755})
			child.implied = true
			if err := w.add(dir, part, child); err != nil {
				return nil, "", err
			}
		}
		if !child.isDir() {
			return nil, "", &NameError{name, "is below something that is no directory"}
		}
		dir, rest = child, after
	}
}

func badName(part string) string {
	switch {
	case part == "" || part == "." || part == "..":
		return "is not a clean relative path"
	case len(part) > maxName:
		return "has a part that is longer than 255 bytes"
	case strings.IndexByte(part, 0) >= 0:
		return "has a NUL in its name"
	}
	return ""
}
