package agent

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// errTooLarge says that an output does not fit its limit or its device.
var errTooLarge = errors.New("larger than its limit")

// errNotDirectory says that actions replaced the directory of an output.
var errNotDirectory = errors.New("not a directory any more: leave it where it is and put files into it")

// packAll packs every output of the plan, each whatever became of the others.
func (w *worker) packAll() []guest.Packed {
	var all []guest.Packed
	for _, out := range w.plan.Outputs {
		p := guest.Packed{Name: out.Name}
		n, err := w.packOutput(out)
		switch {
		case errors.Is(err, errTooLarge):
			p.Limit = limitName(out.Name)
			p.Error = fmt.Sprintf("%s: more than %d bytes", out.Dir, out.Limit)
		case err != nil:
			p.Error, p.Fault = cut(err.Error()), errors.Is(err, errNotDirectory)
		default:
			p.Bytes = n
		}
		all = append(all, p)
	}
	return all
}

// limitName returns the limit that bounds an output.
func limitName(output string) string {
	switch output {
	case guest.LimitCache, guest.LimitDeps:
		return output
	}
	return guest.LimitArtifacts
}

// packOutput packs one output; after a failure the device reads as empty. One
// that is empty is left alone.
func (w *worker) packOutput(out guest.Output) (int64, error) {
	if isEmptyDir(w.path(out.Dir)) {
		return 0, nil // the device is all zeroes, which is an empty archive
	}
	f, err := w.devices(out.Serial, true)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := pack(f, w.path(out.Dir), out.Limit, w.warn)
	if err == nil {
		return n, f.Sync()
	}
	if _, zerr := f.WriteAt(make([]byte, 1024), 0); zerr == nil {
		f.Sync()
	}
	return 0, err
}

func isEmptyDir(path string) bool {
	if st, err := os.Lstat(path); err != nil || !st.IsDir() {
		return false
	}
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}

// packer writes a directory as tar.
type packer struct {
	root    string
	dev     uint64 // of the root: other file systems are left out
	tw      *tar.Writer
	out     *limited
	links   map[inode]string // first name of each file with more than one
	warn    func(string, ...any)
	skipped int
	buf     []byte
}

type inode struct{ dev, ino uint64 }

// maxSkipped bounds the warnings about things that are no files.
const maxSkipped = 5

// pack writes the content of dir as a tar archive of at most limit bytes to w
// and returns its length, a multiple of 512. Symbolic and hard links, modes,
// numeric owners and times (to the second) are kept; a hole becomes zeroes.
// Sockets, pipes, devices and other file systems are left out with a warning.
// A directory that is missing is packed as an empty one.
func pack(w io.Writer, dir string, limit int64, warn func(string, ...any)) (int64, error) {
	out := &limited{w: w, left: limit}
	buffered := bufio.NewWriterSize(out, deviceBuffer)
	p := &packer{root: dir, tw: tar.NewWriter(buffered), out: out, links: map[inode]string{}, warn: warn,
		buf: make([]byte, 128<<10)}
	err := p.tree()
	if err == nil {
		err = p.tw.Close()
	}
	if err == nil {
		err = buffered.Flush()
	}
	if p.skipped > maxSkipped {
		warn("%s: %d more were left out", dir, p.skipped-maxSkipped)
	}
	return out.written, tooLarge(err)
}

// tooLarge makes the end of the device the same as the limit.
func tooLarge(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return errTooLarge
	}
	return err
}

// limited passes at most left bytes on.
type limited struct {
	w       io.Writer
	left    int64
	written int64
}

func (l *limited) Write(b []byte) (int, error) {
	if int64(len(b)) > l.left {
		return 0, errTooLarge
	}
	n, err := l.w.Write(b)
	l.left -= int64(n)
	l.written += int64(n)
	return n, err
}

func (p *packer) tree() error {
	info, err := os.Lstat(p.root)
	if errors.Is(err, fs.ErrNotExist) {
		p.warn("%s is gone; it counts as empty", p.root)
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is %w", p.root, errNotDirectory)
	}
	p.dev = uint64(stat(info).Dev)
	return filepath.WalkDir(p.root, p.visit)
}

func (p *packer) visit(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if path == p.root {
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(p.root, path)
	if err != nil {
		return err
	}
	if why := p.leaveOut(info); why != "" {
		p.skip(path, why)
		if info.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	if err := p.entry(path, name, info); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (p *packer) leaveOut(info fs.FileInfo) string {
	switch {
	case info.Mode().Type()&^(fs.ModeDir|fs.ModeSymlink) != 0:
		return "not a file"
	case uint64(stat(info).Dev) != p.dev:
		return "another file system"
	}
	return ""
}

func (p *packer) skip(path, why string) {
	if p.skipped++; p.skipped <= maxSkipped {
		p.warn("%s is left out: %s", path, why)
	}
}

func (p *packer) entry(path, name string, info fs.FileInfo) error {
	h, err := p.header(path, name, info)
	if err != nil {
		return err
	}
	if h.Size > p.out.left {
		return errTooLarge // before reading what may be one large hole
	}
	if err := p.tw.WriteHeader(h); err != nil {
		return err
	}
	if h.Size == 0 {
		return nil
	}
	return p.content(path, h.Size)
}

func (p *packer) header(path, name string, info fs.FileInfo) (*tar.Header, error) {
	st := stat(info)
	h := &tar.Header{Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(max(info.ModTime().Unix(), 0), 0)}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		target, err := os.Readlink(path)
		if err != nil {
			return nil, err
		}
		h.Linkname = target
	default:
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		p.hardLink(h, st)
	}
	return h, nil
}

// hardLink makes h a link to the file's first name, if this is not that.
func (p *packer) hardLink(h *tar.Header, st *syscall.Stat_t) {
	if st.Nlink < 2 {
		return
	}
	key := inode{uint64(st.Dev), st.Ino}
	if first, ok := p.links[key]; ok {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		return
	}
	p.links[key] = h.Name
}

// content copies size bytes of the file. One that became shorter meanwhile is
// an error: nothing runs any more that could change it.
func (p *packer) content(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.CopyBuffer(p.tw, io.LimitReader(f, size), p.buf)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func stat(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }
