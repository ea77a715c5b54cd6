package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// repository is where a checkout's repository is, without symbolic links.
type repository struct {
	dir    string // what HEAD is in: .git, or what a work tree has of its own
	common string // what has the objects
	top    string
}

const (
	notOwn = "its .git is a file that leads to a repository that does not know of it; git = true needs a repository of its own, or a work tree of `git worktree add`"
	lends  = "its repository takes objects from another one (%s), which git = true does not; `git repack -a -d` copies them, then remove that file"
)

// ownRepository returns the repository of a checkout if it is the checkout's own,
// else why it is not: who sends a tree should not choose what else of this machine is
// in it. So it takes no objects from elsewhere (gitrepository-layout(5)), no symbolic
// link leads out of it, and if .git is a file the repository knows of this work tree.
func ownRepository(c checkout) (r repository, why string) {
	r = repository{c.gitDir, c.gitDir, c.top}
	if info, err := os.Lstat(c.gitDir); err != nil || !info.IsDir() {
		var ok bool
		if r, ok = linkedWorkTree(c); !ok {
			return r, notOwn
		}
	} else if exists(filepath.Join(c.gitDir, "commondir")) {
		return r, fmt.Sprintf(lends, "commondir")
	}
	for _, name := range []string{"objects/info/alternates", "objects/info/http-alternates"} {
		if exists(filepath.Join(r.common, name)) {
			return r, fmt.Sprintf(lends, name)
		}
	}
	err := plainFiles(r.common, "objects", "refs", "reftable", "packed-refs", "shallow", "config")
	if err == nil {
		err = plainFiles(r.dir, "HEAD", "refs", "config.worktree")
	}
	if err != nil {
		return r, fmt.Sprintf("there are symbolic links in its repository, or what can not be read, and git = true follows none: %v", err)
	}
	return r, ""
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// linkedWorkTree finds the repository of a work tree (git-worktree(1)). It has a
// directory for each, whose path nobody chooses but who can write to the repository,
// and in that the work tree's path.
func linkedWorkTree(c checkout) (r repository, ok bool) {
	r.top = c.top
	to, err := namedDirectory(c.top, ".git", "gitdir: ")
	if err == nil {
		r.dir, err = filepath.EvalSymlinks(to)
	}
	if err == nil {
		to, err = namedDirectory(r.dir, "commondir", "")
	}
	if err == nil {
		r.common, err = filepath.EvalSymlinks(to)
	}
	if err != nil || filepath.Dir(r.dir) != filepath.Join(r.common, "worktrees") {
		return r, false
	}
	back, err := namedDirectory(r.dir, "gitdir", "")
	if err != nil {
		return r, false
	}
	ours, err1 := os.Lstat(c.gitDir)
	theirs, err2 := os.Lstat(back)
	return r, err1 == nil && err2 == nil && os.SameFile(ours, theirs)
}

const maxLink = 16 << 10 // bytes of a file that names a directory

// namedDirectory reads a path from a file as git does.
func namedDirectory(dir, name, prefix string) (string, error) {
	text, err := ReadPlain(dir, name, maxLink)
	if err != nil {
		return "", err
	}
	to, ok := strings.CutPrefix(strings.TrimRight(string(text), "\r\n"), prefix)
	if !ok || to == "" {
		return "", os.ErrInvalid
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(dir, to)
	}
	return to, nil
}

// plainFiles walks through files and directories of a directory, as far as they are
// there, and says if anything else is among them: what git would open and follow, or
// wait for.
func plainFiles(dir string, names ...string) error {
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err == nil && !d.IsDir() && !d.Type().IsRegular():
				rel, _ := filepath.Rel(dir, path)
				return fmt.Errorf("%q is no plain file", rel)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// env is for reading the repository: with the paths that were checked, and nothing
// that changes what a commit's parents are.
func (r repository) env() []string {
	return append(localEnv(checkout{r.top, r.dir}),
		"GIT_COMMON_DIR="+r.common, "GIT_OBJECT_DIRECTORY="+r.objects(),
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE=/dev/null")
}

func (r repository) objects() string { return filepath.Join(r.common, "objects") }

// partial reports whether git was told not to fetch all objects (git-clone(1),
// --filter).
func (r repository) partial() bool {
	found, _ := filepath.Glob(filepath.Join(r.objects(), "pack", "*.promisor"))
	return len(found) > 0
}
