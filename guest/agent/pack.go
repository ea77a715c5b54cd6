package agent

import (
	"archive/tar"
	"errors"
	"fmt"
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
		if p.Unchanged = w.unchanged(out); p.Unchanged {
			all = append(all, p)
			continue
		}
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
	_ = void(f) // else the host finds half an archive, and says so
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
	out     *output
	links   map[inode]string // first name of each file with more than one
	warn    func(string, ...any)
	skipped int
}

type inode struct{ dev, ino uint64 }

// maxSkipped bounds the warnings about things that are no files.
const maxSkipped = 5

// pack writes the content of dir as a tar archive of at most limit bytes to f
// and returns its length, a multiple of 512. The headers are those that the host
// would write, so that it can take the archive as it is: symbolic and hard links
// and permission bits are kept, times to the second; a hole becomes zeroes.
// Sockets, pipes, devices and other file systems are left out with a warning.
// A directory that is missing is packed as an empty one.
func pack(f *os.File, dir string, limit int64, warn func(string, ...any)) (int64, error) {
	out, err := newOutput(f, limit)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	p := &packer{root: dir, out: out, links: map[inode]string{}, warn: warn}
	n := int64(0)
	if err = p.tree(); err == nil {
		n, err = out.finish()
	}
	if p.skipped > maxSkipped {
		warn("%s: %d more were left out", dir, p.skipped-maxSkipped)
	}
	return n, tooLarge(err)
}

// tooLarge makes the end of the device the same as the limit.
func tooLarge(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return errTooLarge
	}
	return err
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
	return p.out.entry(h, func() (*os.File, error) {
		return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	})
}

func (p *packer) header(path, name string, info fs.FileInfo) (*tar.Header, error) {
	st := stat(info)
	h := &tar.Header{Name: name, Mode: int64(st.Mode & 0o777), ModTime: wholeSecond(info.ModTime())}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", h.Mode|0o700
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		target, err := os.Readlink(path)
		if err != nil {
			return nil, err
		}
		h.Linkname = target
	default:
		h.Typeflag, h.Size, h.Mode = tar.TypeReg, info.Size(), h.Mode|0o400
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

// maxTime is the last time that a USTAR header can say: eleven octal digits.
const maxTime = 1<<33 - 1

// wholeSecond rounds up, as the host does with a source tree: what was made from
// a file never looks older than that.
func wholeSecond(t time.Time) time.Time {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return time.Unix(min(max(s, 0), maxTime), 0)
}

func stat(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }
