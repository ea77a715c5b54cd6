package blockdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
)

// ErrChanged says that a file changed while it was read.
var ErrChanged = errors.New("changed while it was read; try again")

// PackTree packs these paths below the directory root, and the directories
// they are in, into a canonical archive at dest. Paths are relative, clean and
// slash-separated; their order does not matter, and a path given twice counts
// once. A directory brings itself and not what it holds. The same tree gives
// the same archive: modes become 0755 if the owner may execute and else 0644,
// and directories have no time.
//
// No symbolic link leads out of root. Sockets, pipes and devices are refused. A
// file that grows is packed as long as it was when it was opened; one that
// shrinks or is replaced gives ErrChanged. An error with a path is a PathError;
// more than limit bytes of archive is a TooLargeError; limit 0 means none.
func PackTree(ctx context.Context, dest, root string, paths []string, limit int64) (Archive, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return Archive{}, err
	}
	defer dir.Close()
	paths = slices.Clone(paths)
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if err := checkRoom(dir, root, paths, limit); err != nil {
		return Archive{}, err
	}
	w, err := newWriter(ctx, dest, root, limit, newTree())
	if err != nil {
		return Archive{}, err
	}
	defer w.Close()
	for _, p := range paths {
		if err := packPath(w, dir, p); err != nil {
			return Archive{}, err
		}
	}
	return w.publish(false)
}

// checkRoom refuses a tree that is plainly too large before anything of it is
// read, and says how large it is.
func checkRoom(dir *os.Root, what string, paths []string, limit int64) error {
	if limit <= 0 {
		return nil
	}
	var total int64
	for _, p := range paths {
		total += 512
		if info, err := dir.Lstat(p); err == nil && info.Mode().IsRegular() {
			total += (info.Size() + 511) &^ 511
		}
	}
	if total > limit {
		return &TooLargeError{What: what, Limit: limit, Size: total}
	}
	return nil
}

// validPath reports whether name is a path below a tree. Unlike fs.ValidPath it
// takes any bytes, as file systems do.
func validPath(name string) bool {
	return name != "." && filepath.IsLocal(name) && path.Clean(name) == name
}

func packPath(w *writer, dir *os.Root, name string) error {
	if !validPath(name) {
		return &PathError{Op: "pack", Path: name, Err: errors.New("is not a clean relative path")}
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return &PathError{Op: "read", Path: name, Err: cause(err)}
	}
	e := &Entry{Name: name, ModTime: info.ModTime()}
	switch info.Mode().Type() {
	case 0:
		return packFile(w, dir, e, info)
	case fs.ModeDir:
		e.Kind, e.Mode = Dir, 0o755
		e.ModTime = noTime
	case fs.ModeSymlink:
		e.Kind, e.Mode = Symlink, 0o777
		if e.Link, err = dir.Readlink(name); err != nil {
			return &PathError{Op: "read", Path: name, Err: cause(err)}
		}
	default:
		return &PathError{Op: "pack", Path: name, Err: fmt.Errorf("is a %s: only files, directories and symbolic links can be packed", typeName(info.Mode()))}
	}
	return w.add(e, nil)
}

func packFile(w *writer, dir *os.Root, e *Entry, seen fs.FileInfo) error {
	// Without O_NONBLOCK a pipe that took the file's place would block.
	f, err := dir.OpenFile(e.Name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return &PathError{Op: "read", Path: e.Name, Err: cause(err)}
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !os.SameFile(seen, info) {
		err = ErrChanged
	}
	if err != nil {
		return &PathError{Op: "read", Path: e.Name, Err: cause(err)}
	}
	e.Size, e.Mode = info.Size(), normalMode(info.Mode())
	err = w.add(e, f)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &PathError{Op: "read", Path: e.Name, Err: ErrChanged}
	case w.err == nil && errors.As(err, new(*fs.PathError)):
		return &PathError{Op: "read", Path: e.Name, Err: cause(err)}
	}
	return err
}

// cause drops the operation and path of the os package's errors, which a
// PathError says better.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

func normalMode(m fs.FileMode) fs.FileMode {
	if m&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

func typeName(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeDevice != 0:
		return "device node"
	}
	return "special file"
}

// File is a file to pack whose content is at hand.
type File struct {
	Name string      // relative, clean, slash-separated
	Mode fs.FileMode // permission bits; 0 means 0644
	Data []byte
}

// PackFiles packs files, and the directories they are in, into a canonical
// archive at dest. The files have no time, so that the same files give the same
// archive.
func PackFiles(ctx context.Context, dest string, files []File) (Archive, error) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	w, err := newWriter(ctx, dest, path.Base(dest), 0, newTree())
	if err != nil {
		return Archive{}, err
	}
	defer w.Close()
	for _, f := range files {
		if !validPath(f.Name) {
			return Archive{}, &PathError{Op: "pack", Path: f.Name, Err: errors.New("is not a clean relative path")}
		}
		e := &Entry{Name: f.Name, Mode: f.Mode.Perm(), Size: int64(len(f.Data)), ModTime: noTime}
		if e.Mode == 0 {
			e.Mode = 0o644
		}
		if err := w.add(e, bytes.NewReader(f.Data)); err != nil {
			return Archive{}, err
		}
	}
	return w.publish(false)
}
