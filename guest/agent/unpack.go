package agent

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

const deviceBuffer = 1 << 20 // bytes read or written at once

// unpackAll unpacks every input of the plan.
func (w *worker) unpackAll(ctx context.Context) error {
	w.removeOthers()
	for _, in := range w.plan.Inputs {
		if ctx.Err() != nil {
			return nil // runActions sees it too
		}
		if err := w.unpackInput(ctx, in); err != nil {
			return err
		}
	}
	for _, out := range w.plan.Outputs {
		if err := os.MkdirAll(w.path(out.Dir), 0o755); err != nil {
			return err
		}
	}
	return w.readEnvFiles()
}

// removeOthers removes the directories that are there for other phases: what is
// put into them would be lost without a word.
func (w *worker) removeOthers() {
	named := map[string]bool{}
	for _, in := range w.plan.Inputs {
		named[in.Dir] = true
	}
	for _, out := range w.plan.Outputs {
		named[out.Dir] = true
	}
	for _, dir := range guest.PlanDirs {
		if !named[dir] && dir != guest.DirSource { // where actions start
			_ = os.Remove(w.path(dir))
		}
	}
}

// readEnvFiles takes the variables whose values came as files.
func (w *worker) readEnvFiles() error {
	for name, file := range w.plan.EnvFiles {
		path := w.path(file)
		value, err := os.ReadFile(path)
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("the variable %s: %w", name, err)
		}
		if w.fileEnv == nil {
			w.fileEnv = map[string]string{}
		}
		w.fileEnv[name] = string(value)
	}
	return nil
}

// inMemory is where an input lives that is in memory alone.
func inMemory(dir string) mountSpec {
	return mountSpec{"memory", dir, "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=0700,size=16m"}
}

func (w *worker) unpackInput(ctx context.Context, in guest.Input) error {
	dir := w.path(in.Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if in.Serial != "" && in.Image {
		return w.mountImage(in, dir)
	}
	if in.Memory && w.mounts {
		if err := inMemory(dir).mount(); err != nil {
			return err
		}
	}
	if in.Serial == "" {
		w.remember(in.Dir, true)
	} else if err := w.unpackOptional(ctx, in, dir); err != nil {
		return fmt.Errorf("%s: %w", in.Serial, err)
	}
	if in.ReadOnly && w.mounts {
		return lock(dir)
	}
	return nil
}

// unpackOptional unpacks an input from its device. A damaged one that is optional
// is as good as none.
func (w *worker) unpackOptional(ctx context.Context, in guest.Input, dir string) error {
	err := w.unpackDevice(ctx, in.Serial, dir)
	if err == nil {
		w.remember(in.Dir, false)
	} else if in.Optional {
		w.warn("%s: %v; going on without it", in.Serial, err)
		err = empty(dir)
	}
	return err
}

// mountImage gives an input its place, which need not be unpacked.
func (w *worker) mountImage(in guest.Input, dir string) error {
	if !w.mounts {
		return errors.New(in.Serial + ": images can only be mounted in a machine")
	}
	return w.layers.show(in.Serial, dir, in.ReadOnly)
}

func (w *worker) unpackDevice(ctx context.Context, serial, dir string) error {
	f, err := w.devices(serial, false)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unpack(ctx, f, dir)
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// empty removes everything in dir.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if rerr := os.RemoveAll(filepath.Join(dir, e.Name())); err == nil {
			err = rerr
		}
	}
	return err
}

// unpacker writes the entries of a tar archive below a directory that is empty
// at first and that nobody else writes. It never follows a link of the archive:
// an entry's parent must be a directory that it made itself.
type unpacker struct {
	root  string
	dirs  map[string]*dirEntry // directories made, by name; nil: implied by an entry below
	order []string             // of dirs
	buf   []byte
}

// dirEntry is what a directory is to be like once it is full.
type dirEntry struct {
	mode     uint32
	uid, gid int
	time     time.Time
}

// unpack writes the archive r below dir. An archive of zeroes gives nothing.
func unpack(ctx context.Context, r io.Reader, dir string) error {
	u := &unpacker{root: dir, dirs: map[string]*dirEntry{".": nil}, buf: make([]byte, 128<<10)}
	tr := tar.NewReader(bufio.NewReaderSize(r, deviceBuffer))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return u.finish()
		}
		if err != nil {
			return fmt.Errorf("damaged archive: %w", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := u.entry(h, tr); err != nil {
			return fmt.Errorf("%.200q: %w", h.Name, err)
		}
	}
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean(strings.TrimSuffix(h.Name, "/"))
	if name == "." && h.Typeflag == tar.TypeDir {
		return nil
	}
	if !filepath.IsLocal(name) || name == "." {
		return errors.New("damaged archive: a name outside the directory")
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return errors.New("damaged archive: a file with holes") // a short entry may stand for any number of zeroes
		}
	}
	if err := u.parents(path.Dir(name)); err != nil {
		return err
	}
	full := filepath.Join(u.root, name)
	switch h.Typeflag {
	case tar.TypeDir:
		return u.dir(name, h)
	case tar.TypeReg:
		return u.file(name, full, h, r)
	case tar.TypeSymlink:
		return u.replace(name, full, func() error { return os.Symlink(h.Linkname, full) })
	case tar.TypeLink:
		return u.link(name, full, h)
	}
	return fmt.Errorf("damaged archive: an entry of type %q", h.Typeflag)
}

// parents makes the directories that lead to an entry and that the archive did
// not name.
func (u *unpacker) parents(dir string) error {
	if _, ok := u.dirs[dir]; ok {
		return nil
	}
	if err := u.parents(path.Dir(dir)); err != nil {
		return err
	}
	full := filepath.Join(u.root, dir)
	if err := os.Mkdir(full, 0o755); err != nil {
		return fmt.Errorf("damaged archive: its directory: %w", err)
	}
	u.made(dir, nil)
	return nil
}

func (u *unpacker) dir(name string, h *tar.Header) error {
	e := &dirEntry{mode: uint32(h.Mode) & 0o7777, uid: h.Uid, gid: h.Gid, time: h.ModTime}
	if _, ok := u.dirs[name]; ok {
		u.dirs[name] = e
		return nil
	}
	return u.mkdir(name, e)
}

func (u *unpacker) mkdir(name string, e *dirEntry) error {
	full := filepath.Join(u.root, name)
	if err := u.replace(name, full, func() error { return os.Mkdir(full, 0o755) }); err != nil {
		return err
	}
	u.made(name, e)
	return nil
}

func (u *unpacker) made(name string, e *dirEntry) {
	u.dirs[name] = e
	u.order = append(u.order, name)
}

// replace makes an entry; one that is there already goes, unless it is a
// directory.
func (u *unpacker) replace(name, full string, make func() error) error {
	err := make()
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if _, ok := u.dirs[name]; ok {
		return errors.New("damaged archive: a directory and something else have this name")
	}
	if err := os.Remove(full); err != nil {
		return err
	}
	return make()
}

func (u *unpacker) link(name, full string, h *tar.Header) error {
	target := path.Clean(h.Linkname)
	if !filepath.IsLocal(target) {
		return errors.New("damaged archive: a link outside the directory")
	}
	if _, ok := u.dirs[path.Dir(target)]; !ok {
		return errors.New("damaged archive: a link to nothing")
	}
	return u.replace(name, full, func() error { return os.Link(filepath.Join(u.root, target), full) })
}

// file writes a regular file with as few system calls as can be: what costs
// time under emulation is their number.
func (u *unpacker) file(name, full string, h *tar.Header, r io.Reader) error {
	fd := -1
	err := u.replace(name, full, func() (err error) {
		const flags = syscall.O_WRONLY | syscall.O_CREAT | syscall.O_EXCL | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
		fd, err = syscall.Open(full, flags, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	err = u.content(fd, h, r)
	if cerr := syscall.Close(fd); err == nil {
		err = cerr
	}
	if err == nil {
		err = setTime(full, h.ModTime)
	}
	return err
}

func (u *unpacker) content(fd int, h *tar.Header, r io.Reader) error {
	for {
		n, err := r.Read(u.buf)
		for b := u.buf[:n]; len(b) > 0; {
			done, werr := syscall.Write(fd, b)
			if werr != nil && werr != syscall.EINTR {
				return werr
			}
			b = b[max(done, 0):]
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("damaged archive: %w", err)
		}
	}
	if owned(h.Uid, h.Gid) {
		if err := syscall.Fchown(fd, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	return syscall.Fchmod(fd, uint32(h.Mode)&0o7777)
}

// owned reports whether a new file must be given an owner. Only root can, and
// what it makes is its own.
func owned(uid, gid int) bool { return (uid != 0 || gid != 0) && os.Getuid() == 0 }

func setTime(full string, t time.Time) error {
	if t.IsZero() || t.Equal(time.Unix(0, 0)) {
		return nil
	}
	ts := syscall.NsecToTimespec(t.UnixNano())
	return syscall.UtimesNano(full, []syscall.Timespec{ts, ts})
}

// finish sets what directories are to be like, innermost first, once nothing is
// written below them any more.
func (u *unpacker) finish() error {
	for i := len(u.order) - 1; i >= 0; i-- {
		if e := u.dirs[u.order[i]]; e != nil {
			if err := e.apply(filepath.Join(u.root, u.order[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *dirEntry) apply(dir string) error {
	if owned(e.uid, e.gid) {
		if err := os.Lchown(dir, e.uid, e.gid); err != nil {
			return err
		}
	}
	if e.mode != 0o755 {
		if err := syscall.Chmod(dir, e.mode); err != nil {
			return err
		}
	}
	return setTime(dir, e.time)
}

// doneError makes the last message of a stage whose actions could not run.
func doneError(err error) guest.Done {
	d := guest.Done{Error: cut(err.Error())}
	if outOfSpace(err) {
		d.Limit = guest.LimitDisk
	}
	return d
}
