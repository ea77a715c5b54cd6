package blockdev

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
)

// validPath reports whether name is a path below a tree. Unlike fs.ValidPath it
// takes any bytes, as file systems do.
func validPath(name string) bool {
	return name != "." && filepath.IsLocal(name) && path.Clean(name) == name
}

// cause drops the operation and path of the os package's errors, which a
// PathError says better.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
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
	w, err := newWriter(ctx, dest, newTree())
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
