package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ambient-ci/ambient/home"
)

// Tree is a source tree as it was at one time. It is immutable.
type Tree struct {
	// Digest is "sha256:…" over names, kinds, modes, targets of links and
	// contents, as a guest sees them: of a mode only whether the owner may
	// execute, and no times.
	Digest string
	root   string // absolute, without symbolic links
	files  []File // sorted by path
}

// Root is the directory that the tree was seen in, an absolute path.
func (t *Tree) Root() string { return t.root }

// Files returns the files of the tree, sorted by path. The list is the tree's.
func (t *Tree) Files() []File { return t.files }

// File is one file of a tree.
type File struct {
	Path    string // relative, clean, slash-separated
	Kind    Kind
	Sum     [sha256.Size]byte // SHA-256 of the content, or of a link's target
	Size    int64             // bytes of a file or program
	ModTime time.Time         // of a file, program or link
	Target  string            // of a link
	stamp   stamp             // of a file or program
}

// Kind is what a file of a tree is.
type Kind byte

// Kinds of files.
const (
	Regular   Kind = 'f'
	Program   Kind = 'x' // a file that its owner may execute
	Link      Kind = 'l' // symbolic
	Directory Kind = 'd' // one with nothing of the tree in it
)

// LimitError says that the files of a tree have more bytes than allowed.
type LimitError struct {
	Limit, Size int64 // bytes; it has at least Size
}

func (e *LimitError) Error() string { return fmt.Sprintf("it is larger than %d bytes", e.Limit) }

// ScanOptions say how a tree is scanned.
type ScanOptions struct {
	// Home keeps what was seen of the files, so that those whose size, times and
	// inode are the same are not read again; nil: every file is read.
	Home *home.Home
	// ReadOnly uses what Home keeps and changes nothing there.
	ReadOnly bool
	// Limit is how many bytes the files of the tree may have together; 0: any
	// number. More is an error before they are read.
	Limit int64
}

// Scan looks at the source tree of a directory, as Files lists it. It reads the
// files that it does not know already. A file that goes away meanwhile is an
// error; one that changes is what it was at some moment.
func Scan(ctx context.Context, dir string, opts ScanOptions) (*Tree, error) {
	abs, err := realPath(dir)
	if err != nil {
		return nil, err
	}
	names, err := Files(ctx, abs)
	if err != nil {
		return nil, err
	}
	return scanFiles(ctx, abs, names, opts)
}

// scanFiles looks at the files of those names, which are sorted.
func scanFiles(ctx context.Context, abs string, names []string, opts ScanOptions) (*Tree, error) {
	s := &scanner{ctx: ctx, root: abs, began: time.Now(), known: &index{}, limit: opts.Limit}
	if opts.Home != nil {
		s.known = loadIndex(opts.Home, abs)
	}
	t := &Tree{root: abs, files: make([]File, 0, len(names))}
	for _, name := range names {
		e, err := s.entry(name)
		if err != nil {
			return nil, fmt.Errorf("read the source tree: %w", err)
		}
		t.files = append(t.files, e)
	}
	t.Digest = digestOf(t.files)
	if opts.Home != nil && !opts.ReadOnly {
		s.next.save(opts.Home, abs, s.known)
	}
	return t, nil
}

func realPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", fmt.Errorf("source directory: %w", err)
	}
	return abs, nil
}

// digestOf hashes entries so that no two lists have the same text.
func digestOf(files []File) string {
	sum := sha256.New()
	io.WriteString(sum, "ambient source tree 1\n")
	for _, e := range files {
		writeEntry(sum, e)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

func writeEntry(sum hash.Hash, e File) {
	var head [9]byte
	binary.BigEndian.PutUint64(head[:8], uint64(len(e.Path)))
	head[8] = byte(e.Kind)
	sum.Write(head[:])
	io.WriteString(sum, e.Path)
	sum.Write(e.Sum[:])
}

// Part returns the digest of the files that a pattern means, and how many there
// are. A pattern is the path of a file, or of a directory with all below it, or
// a pattern of path.Match; one that begins with "**/" may match at any depth.
func (t *Tree) Part(pattern string) (digest string, count int) {
	var found []File
	for _, e := range t.files {
		if matches(pattern, e.Path) {
			found = append(found, e)
		}
	}
	return digestOf(found), len(found)
}

func matches(pattern, name string) bool {
	rest, deep := strings.CutPrefix(pattern, "**/")
	if deep {
		parts := strings.Split(name, "/")
		name = strings.Join(parts[max(0, len(parts)-strings.Count(rest, "/")-1):], "/")
	}
	if name == rest || !deep && (rest == "." || strings.HasPrefix(name, rest+"/")) {
		return true
	}
	ok, err := path.Match(rest, name)
	return err == nil && ok
}

// scanner looks at the files of one tree.
type scanner struct {
	ctx   context.Context
	root  string
	began time.Time
	limit int64
	total int64  // bytes of the files so far
	known *index // of an earlier scan
	next  index  // for a later one
}

func (s *scanner) entry(name string) (File, error) {
	full := s.root + "/" + name
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return File{}, &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	e := File{Path: name}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.Kind = Directory
		return e, nil
	case unix.S_IFLNK:
		var err error
		e.Target, err = os.Readlink(full)
		e.Kind, e.Sum, e.ModTime = Link, sha256.Sum256([]byte(e.Target)), time.Unix(st.Mtim.Unix())
		return e, err
	case unix.S_IFREG:
		return e, s.file(&e, full, &st)
	}
	return e, fmt.Errorf("%q is not a file, a directory or a symbolic link", name)
}

func (s *scanner) file(e *File, full string, st *unix.Stat_t) error {
	if s.total += st.Size; s.limit > 0 && s.total > s.limit {
		return &LimitError{Limit: s.limit, Size: s.total}
	}
	e.Kind, e.Size, e.ModTime = Regular, st.Size, time.Unix(st.Mtim.Unix())
	if st.Mode&0o100 != 0 {
		e.Kind = Program
	}
	seen := stampOf(st)
	e.stamp = seen
	if sum, ok := s.known.find(e.Path, seen); ok {
		e.Sum = sum
		s.next.add(e.Path, seen, sum)
		return nil
	}
	sum, stable, err := s.read(full, seen)
	if err != nil {
		return err
	}
	e.Sum = sum
	if stable && s.settled(seen) {
		s.next.add(e.Path, seen, sum)
	}
	return nil
}

// settling is how old a file's times must be before it is believed that a later
// change would change them: file systems keep times as coarse as this.
const settling = 2 * time.Second

// settled reports whether a change after the scan began must show in the times.
func (s *scanner) settled(seen stamp) bool {
	return max(seen.mtime, seen.ctime) < s.began.Add(-settling).UnixNano()
}

// read hashes a file. stable says that it did not change meanwhile and is the
// one that was seen before.
func (s *scanner) read(full string, seen stamp) (sum [sha256.Size]byte, stable bool, err error) {
	if err := s.ctx.Err(); err != nil {
		return sum, false, err
	}
	f, err := os.OpenFile(full, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return sum, false, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, seen.size+1)); err != nil { // one that grows is not stable
		return sum, false, err
	}
	h.Sum(sum[:0])
	var after unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &after); err != nil {
		return sum, false, err
	}
	return sum, stampOf(&after) == seen, nil
}
