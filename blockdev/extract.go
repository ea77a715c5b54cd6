package blockdev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ExtractOptions say how Extract treats what it finds.
type ExtractOptions struct {
	// Overwrite allows a directory that is not empty: files and links of the
	// archive take the place of files and links of the same name. A directory is
	// never replaced by a file, and a symbolic link never followed.
	Overwrite bool
	Limits    Limits
}

// Extract writes an archive, which need not be canonical but is read as by
// ReadOutput, into dir, which is made if need be and must be empty unless
// opts.Overwrite. Nothing outside dir is ever touched, and a symbolic link that
// is absolute or could lead out of dir is left out with a warning. Files belong
// to the user who runs this. After an error what was written is removed, unless
// opts.Overwrite.
func Extract(ctx context.Context, tarPath, dir string, opts ExtractOptions) (warnings []string, err error) {
	r, err := openReader(ctx, tarPath, opts.Limits)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	x, made, err := openTarget(dir, opts)
	if err != nil {
		return nil, err
	}
	defer x.root.Close()
	if err = x.all(r); err == nil {
		err = x.finish()
	}
	if err != nil && !opts.Overwrite {
		err = errors.Join(err, x.undo(made))
	}
	return x.warnings, hostError(dir, err)
}

// extractor writes below root and nowhere else.
type extractor struct {
	root     *os.Root
	dir      string
	replace  bool
	dirs     []Entry         // that the archive lists; modes and times are set at the end
	known    map[string]bool // directories that exist and are no links
	warnings []string
}

// openTarget opens dir. made says that it did not exist.
func openTarget(dir string, opts ExtractOptions) (x *extractor, made bool, err error) {
	err = os.Mkdir(dir, 0o755)
	made = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, hostError(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, false, err
	}
	if !opts.Overwrite {
		if names, err := topNames(root); err != nil || len(names) > 0 {
			root.Close()
			return nil, false, errors.Join(err, &PathError{Op: "write", Path: dir, Err: errors.New("the directory is not empty")})
		}
	}
	return &extractor{root: root, dir: dir, replace: opts.Overwrite, known: map[string]bool{".": true}}, made, nil
}

func topNames(root *os.Root) ([]string, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (x *extractor) all(r *reader) error {
	for {
		e, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = x.entry(e, r)
		}
		if err != nil {
			return err
		}
	}
}

func (x *extractor) entry(e *Entry, content io.Reader) error {
	if err := x.parents(path.Dir(e.Name)); err != nil {
		return err
	}
	if e.Kind == Dir {
		x.dirs = append(x.dirs, *e)
		return x.directory(e.Name)
	}
	if e.Kind == Symlink && !inside(e) {
		x.warn(fmt.Sprintf("left out the symbolic link %s: it leads out of the directory, to %s", quote(e.Name), quote(e.Link)))
		return nil
	}
	if err := x.clear(e.Name); err != nil {
		return err
	}
	switch e.Kind {
	case Symlink:
		return x.failed(e.Name, x.root.Symlink(e.Link, e.Name))
	case HardLink:
		return x.failed(e.Name, x.root.Link(e.Link, e.Name))
	}
	return x.file(e, content)
}

// maxWarnings bounds what an archive can make Extract say.
const maxWarnings = 100

func (x *extractor) warn(text string) {
	switch len(x.warnings) {
	case maxWarnings:
		return
	case maxWarnings - 1:
		text = "more was left out"
	}
	x.warnings = append(x.warnings, text)
}

// inside reports whether a symbolic link stays in the directory. Its own place
// is below real directories only, so leading ".." are what they seem; a ".."
// after a name could go up from wherever another link led, and is refused.
func inside(e *Entry) bool {
	if strings.HasPrefix(e.Link, "/") {
		return false
	}
	depth := strings.Count(e.Name, "/")
	down := false
	for part := range strings.SplitSeq(e.Link, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 || down {
				return false
			}
		default:
			down = true
		}
	}
	return true
}

// parents makes the directory and those above it.
func (x *extractor) parents(dir string) error {
	if x.known[dir] {
		return nil
	}
	if err := x.parents(path.Dir(dir)); err != nil {
		return err
	}
	return x.directory(dir)
}

// directory makes sure that name is a directory and no link to one.
func (x *extractor) directory(name string) error {
	if x.known[name] {
		return nil
	}
	err := x.root.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrExist) && x.replace {
		var info fs.FileInfo
		if info, err = x.root.Lstat(name); err == nil && !info.IsDir() {
			err = errors.New("is in the way: it is not a directory")
		}
	}
	if err == nil {
		x.known[name] = true
	}
	return x.failed(name, err)
}

// clear removes a file or link that is in the way.
func (x *extractor) clear(name string) error {
	if !x.replace {
		return nil
	}
	info, err := x.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return x.failed(name, err)
	case info.IsDir():
		return x.failed(name, errors.New("is in the way: it is a directory"))
	}
	return x.failed(name, x.root.Remove(name))
}

func (x *extractor) file(e *Entry, content io.Reader) error {
	f, err := x.root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return x.failed(e.Name, err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, content, e.Size); err != nil {
		if errors.As(err, new(*fs.PathError)) {
			err = x.failed(e.Name, err)
		}
		return err
	}
	if err := f.Chmod(e.Mode | 0o600); err != nil {
		return x.failed(e.Name, err)
	}
	if err := f.Close(); err != nil {
		return x.failed(e.Name, err)
	}
	return x.failed(e.Name, x.root.Chtimes(e.Name, time.Time{}, e.ModTime))
}

func (x *extractor) failed(name string, err error) error {
	if err == nil {
		return nil
	}
	if full, ok := errors.AsType[*FullError](hostError(filepath.Join(x.dir, name), err)); ok {
		return full
	}
	return &PathError{Op: "write", Path: name, Err: cause(err)}
}

// finish sets modes and times of directories, deepest first.
func (x *extractor) finish() error {
	for _, e := range slices.Backward(x.dirs) {
		if err := x.root.Chmod(e.Name, e.Mode|0o700); err != nil {
			return x.failed(e.Name, err)
		}
		if err := x.root.Chtimes(e.Name, time.Time{}, e.ModTime); err != nil {
			return x.failed(e.Name, err)
		}
	}
	return nil
}

// undo empties the directory, which was empty before, and removes it if it was
// made here.
func (x *extractor) undo(made bool) error {
	names, err := topNames(x.root)
	for _, name := range names {
		err = errors.Join(err, x.root.RemoveAll(name))
	}
	if made {
		err = errors.Join(err, os.Remove(x.dir))
	}
	return err
}
