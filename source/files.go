package source

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/home"
)

// Files returns the paths, below dir, that make its source tree: sorted,
// relative to dir, slash-separated. Symbolic links are listed as what they are
// and never followed; sockets, pipes and device nodes are left out; so is
// everything named .git, and a directory in which ambient keeps things.
//
// In a git checkout these are the tracked files that exist and the untracked
// ones that git does not ignore; a submodule, or another checkout inside, is
// listed by the same rule, and one that is not there is an empty directory.
// When dir is part of a checkout, only that part counts, and when the checkout
// ignores all of dir, dir is a tree of its own. Outside a checkout everything
// counts, empty directories included.
func Files(ctx context.Context, dir string) ([]string, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return nil, fmt.Errorf("source directory: %w", err)
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("source directory: %s is not a directory", dir)
	}
	l := &lister{ctx: ctx, root: abs, real: map[string]bool{".": true}}
	if c, ok := findCheckout(abs); !ok {
		err = l.walk(".")
	} else if err = l.git(c, ".", 0); err == nil && len(l.paths) == 0 && c.top != abs {
		err = l.walk(".")
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(l.paths)
	return slices.Compact(l.paths), nil
}

// maxNesting is how deep checkouts may lie in each other.
const maxNesting = 16

type lister struct {
	ctx   context.Context
	root  string
	paths []string
	real  map[string]bool // directories below root that no symbolic link leads through
}

// git adds what git lists below prefix.
func (l *lister) git(c checkout, prefix string, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("source directory: %s: more than %d git checkouts inside each other", prefix, maxNesting)
	}
	out, err := git(l.ctx, filepath.Join(l.root, prefix), localEnv(c),
		"ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return fmt.Errorf("list the source tree: %w", err)
	}
	for name := range strings.SplitSeq(string(out), "\x00") {
		if name = strings.TrimSuffix(name, "/"); name == "" {
			continue
		}
		if err := l.listed(prefix, name, depth); err != nil {
			return err
		}
	}
	return nil
}

// listed adds a path that an index names, which may be anything.
func (l *lister) listed(prefix, name string, depth int) error {
	if !filepath.IsLocal(name) || slices.Contains(strings.Split(name, "/"), ".git") {
		return nil
	}
	name = path.Join(prefix, name)
	if !l.realDir(path.Dir(name)) {
		return nil
	}
	info, err := os.Lstat(filepath.Join(l.root, name))
	if err != nil {
		return nil // deleted, and not committed yet
	}
	if !info.IsDir() {
		l.add(name, info.Mode())
		return nil
	}
	if c, ok := checkoutAt(filepath.Join(l.root, name)); ok && l.realDir(name) {
		return l.git(c, name, depth+1)
	}
	l.paths = append(l.paths, name)
	return nil
}

func (l *lister) add(name string, mode fs.FileMode) {
	if t := mode.Type(); t == 0 || t == fs.ModeSymlink {
		l.paths = append(l.paths, name)
	}
}

// realDir reports whether dir is a directory that no symbolic link leads to:
// git counts a tracked file behind a link as deleted.
func (l *lister) realDir(dir string) bool {
	known, ok := l.real[dir]
	if ok {
		return known
	}
	if l.realDir(path.Dir(dir)) {
		info, err := os.Lstat(filepath.Join(l.root, dir))
		known = err == nil && info.IsDir()
	}
	l.real[dir] = known
	return known
}

// walk adds everything below dir.
func (l *lister) walk(dir string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(l.root, dir))
	if err != nil {
		return fmt.Errorf("list the source tree: %w", err)
	}
	if dir != "." && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == home.Marker }) {
		return nil
	}
	before := len(l.paths)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.Name() == ".git":
		case e.IsDir():
			if err := l.walk(name); err != nil {
				return err
			}
		default:
			l.add(name, e.Type())
		}
	}
	if len(l.paths) == before && dir != "." {
		l.paths = append(l.paths, dir)
	}
	return nil
}
