package blockdev

import (
	"archive/tar"
	"io/fs"
	"time"
)

// Kind is what an entry is.
type Kind uint8

// The kinds of entries.
const (
	Regular Kind = iota
	Dir
	Symlink
	HardLink
)

func (k Kind) String() string {
	return [...]string{"file", "directory", "symbolic link", "hard link"}[k]
}

// Entry is a file of an archive.
type Entry struct {
	Name    string // relative, clean, slash-separated
	Kind    Kind
	Mode    fs.FileMode // permission bits only
	Size    int64       // bytes; 0 unless Regular
	ModTime time.Time   // whole seconds
	Link    string      // target of a Symlink, as written; Name of the file a HardLink shares
}

// maxTime is the last time that a USTAR header can say: eleven octal digits.
const maxTime = 1<<33 - 1

// WholeSecond is a time as guests see it, in seconds since 1970: rounded up, so
// that a file made after another never looks older to make or cargo.
func WholeSecond(t time.Time) int64 { return wholeSecond(t).Unix() }

// wholeSecond rounds up, so that a file made after another never looks older
// to make or cargo, and stays within what USTAR can say.
func wholeSecond(t time.Time) time.Time {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return time.Unix(min(max(s, 0), maxTime), 0)
}

// noTime is the time of entries whose time has no meaning.
var noTime = time.Unix(0, 0)

// header returns the canonical header of e.
func (e *Entry) header() *tar.Header {
	h := &tar.Header{
		Name:     e.Name,
		Mode:     int64(e.Mode.Perm()),
		Size:     e.Size,
		ModTime:  wholeSecond(e.ModTime),
		Linkname: e.Link,
		Typeflag: tar.TypeReg,
	}
	switch e.Kind {
	case Dir:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case Symlink:
		h.Typeflag = tar.TypeSymlink
	case HardLink:
		h.Typeflag = tar.TypeLink
	}
	return h
}
