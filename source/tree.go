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
	files  []entry // sorted by path
}

// entry is one file of a tree.
type entry struct {
	path string
	kind byte // a kind… constant
	sum  [sha256.Size]byte
}

// Kinds of entry.
const (
	kindFile    = 'f'
	kindProgram = 'x' // a file that its owner may execute
	kindLink    = 'l'
	kindDir     = 'd'
)

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
	s := &scanner{ctx: ctx, root: abs, began: time.Now(), known: &index{}, limit: opts.Limit}
	if opts.Home != nil {
		s.known = loadIndex(opts.Home, abs)
	}
	t := &Tree{files: make([]entry, 0, len(names))}
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
func digestOf(files []entry) string {
	sum := sha256.New()
	io.WriteString(sum, "ambient source tree 1\n")
	for _, e := range files {
		writeEntry(sum, e)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

func writeEntry(sum hash.Hash, e entry) {
	var head [9]byte
	binary.BigEndian.PutUint64(head[:8], uint64(len(e.path)))
	head[8] = e.kind
	sum.Write(head[:])
	io.WriteString(sum, e.path)
	sum.Write(e.sum[:])
}

// Part returns the digest of the files that a pattern means, and how many there
// are. A pattern is the path of a file, or of a directory with all below it, or
// a pattern of path.Match; one that begins with "**/" may match at any depth.
func (t *Tree) Part(pattern string) (digest string, count int) {
	var found []entry
	for _, e := range t.files {
		if matches(pattern, e.path) {
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

func (s *scanner) entry(name string) (entry, error) {
	full := s.root + "/" + name
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return entry{}, &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	e := entry{path: name}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.kind = kindDir
		return e, nil
	case unix.S_IFLNK:
		target, err := os.Readlink(full)
		e.kind, e.sum = kindLink, sha256.Sum256([]byte(target))
		return e, err
	case unix.S_IFREG:
	default:
		return e, fmt.Errorf("%q is not a file, a directory or a symbolic link", name)
	}
	if s.total += st.Size; s.limit > 0 && s.total > s.limit {
		return e, fmt.Errorf("it is larger than %d bytes", s.limit)
	}
	e.kind = kindFile
	if st.Mode&0o100 != 0 {
		e.kind = kindProgram
	}
	seen := stampOf(&st)
	if sum, ok := s.known.find(name, seen); ok {
		e.sum = sum
		s.next.add(name, seen, sum)
		return e, nil
	}
	sum, stable, err := s.read(full, seen)
	if err != nil {
		return e, err
	}
	e.sum = sum
	if stable && s.settled(seen) {
		s.next.add(name, seen, sum)
	}
	return e, nil
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
