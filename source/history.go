package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// History returns a clean repository of a checkout, to be placed as .git beside its
// files: the commit that is checked out with all that leads to it, the branch's name
// and the tags on the way, an index, and a configuration with git's defaults. Other
// branches, stashes, remotes, hooks, and what else the checkout's own .git has, are
// not in it. dir is the top of the checkout.
//
// Its digest is over the commit, the branch, the tags and where the history is cut
// off (git-clone(1), --depth), not over files: git may pack the same objects in more
// than one way. It is made once, below opts.Home.Sources(); with opts.ReadOnly only the
// digest is worked out, and there are no files.
//
// An AddressError says what the user has to change. A checkout that takes objects
// from another repository (gitrepository-layout(5): alternates, commondir, or
// symbolic links) is refused unless that one knows of it: who sends a tree should not
// choose what else of this machine goes into a stage.
func History(ctx context.Context, dir string, opts ScanOptions) (*Tree, error) {
	h := opts.Home
	abs, err := realPath(dir)
	if err != nil {
		return nil, err
	}
	s := &store{dir: filepath.Join(h.Sources(), "history-"+hashName(abs)), address: dir}
	c, ok := checkoutAt(abs)
	if !ok {
		return nil, s.unfit("it is not the top of a git checkout, which git = true needs")
	}
	if why := borrows(c); why != "" {
		return nil, s.unfit(why)
	}
	seen, err := lookAtHistory(ctx, s, c)
	if err != nil {
		return nil, err
	}
	if opts.ReadOnly {
		return &Tree{Digest: seen.digest(), root: abs}, nil
	}
	release, err := h.Lock(ctx, "source-"+filepath.Base(s.dir))
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.prepare(); err != nil {
		return nil, err
	}
	made, err := s.make(seen.version(), func(temp string) error { return seen.write(ctx, c, temp) })
	if err != nil {
		return nil, err
	}
	s.keepNewest(mostHistories)
	return scanHistory(ctx, made, seen.digest(), opts)
}

// mostHistories is how many repositories are kept of one checkout.
const mostHistories = 4

// keepNewest removes all but the versions that were used last. Who still reads
// another finds it changed, and looks again.
func (s *store) keepNewest(most int) {
	age := map[string]time.Time{}
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			age[e.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return age[b.Name()].Compare(age[a.Name()]) })
	for _, e := range entries[min(most, len(entries)):] {
		os.RemoveAll(filepath.Join(s.dir, e.Name()))
	}
}

func (s *store) unfit(why string) error { return &AddressError{Address: s.address, Why: why} }

// scanHistory looks at a repository that was made.
func scanHistory(ctx context.Context, dir, digest string, opts ScanOptions) (*Tree, error) {
	l := &lister{ctx: ctx, root: dir, real: map[string]bool{".": true}}
	if err := l.walk("."); err != nil {
		return nil, err
	}
	slices.Sort(l.paths)
	t, err := scanFiles(ctx, dir, l.paths, opts)
	if err == nil {
		t.Digest = digest
	}
	return t, err
}

// borrows says why objects of a checkout may be another's, "" if they are its own.
func borrows(c checkout) string {
	dir := c.gitDir
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return worktree(c)
	}
	for _, name := range []string{"commondir", "objects/info/alternates", "objects/info/http-alternates"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return "its repository takes objects from another one (" + name + "), which git = true does not; `git repack -a -d` copies them, then remove that file"
		}
	}
	for _, below := range []string{"objects", "objects/pack", "objects/info"} {
		info, err := os.Lstat(filepath.Join(dir, below))
		if err != nil {
			continue
		}
		entries, _ := os.ReadDir(filepath.Join(dir, below))
		links := func(e os.DirEntry) bool { return e.Type()&os.ModeSymlink != 0 }
		if !info.IsDir() || slices.ContainsFunc(entries, links) {
			return "there are symbolic links in its repository (.git/" + below + "), which git = true does not follow"
		}
	}
	return ""
}

const maxLink = 16 << 10 // bytes of a file that names a directory

// worktree is borrows for a linked work tree (git-worktree(1)): the repository has
// the path of each.
func worktree(c checkout) string {
	const why = "its .git is a file that leads to a repository that does not know of it; git = true needs a repository of its own, or a work tree of `git worktree add`"
	text, err := ReadPlain(c.top, ".git", maxLink)
	to, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
	if err != nil || !ok {
		return why
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(c.top, to)
	}
	back, err := ReadPlain(to, "gitdir", maxLink)
	if err != nil {
		return why
	}
	ours, err1 := os.Stat(c.gitDir)
	theirs, err2 := os.Lstat(strings.TrimSpace(string(back)))
	if err1 != nil || err2 != nil || !os.SameFile(ours, theirs) {
		return why
	}
	return ""
}

// history is what a checkout's HEAD leads to.
type history struct {
	format  string   // of object names: sha1 or sha256
	commit  string   // that is checked out
	branch  string   // refs/heads/…; empty: none
	tags    []string // "OBJECT REFERENCE", sorted by reference
	shallow []string // commits whose parents are not there, sorted
}

// lookAtHistory asks git what HEAD is.
func lookAtHistory(ctx context.Context, s *store, c checkout) (*history, error) {
	ask := func(args ...string) ([]string, error) {
		out, err := git(ctx, c.top, historyEnv(c), args...)
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), err
	}
	first := func(args ...string) (string, error) {
		lines, err := ask(args...)
		return strings.Join(lines, " "), err
	}
	x := &history{}
	var err error
	if x.format, err = first("rev-parse", "--show-object-format"); err != nil {
		return nil, err
	}
	if x.commit, err = first("rev-parse", "--verify", "--quiet", "HEAD^{commit}"); silent(err) {
		return nil, s.unfit("its checkout has no commit yet, and git = true hands one over")
	} else if err != nil {
		return nil, err
	}
	if x.branch, err = first("symbolic-ref", "--quiet", "HEAD"); err != nil && !silent(err) {
		return nil, err
	}
	if x.tags, err = ask("for-each-ref", "--merged=HEAD", "--format=%(objectname) %(refname)", "--sort=refname", "refs/tags"); err != nil {
		return nil, err
	}
	file, err := first("rev-parse", "--git-path", "shallow")
	if err == nil {
		x.shallow, err = readShallow(c, file)
	}
	return x, err
}

// silent reports whether git answered no: with --quiet it says nothing and ends
// with status 1.
func silent(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() == 1
}

const maxShallow = 16 << 20 // bytes of the list

func readShallow(c checkout, file string) ([]string, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(c.top, file)
	}
	text, err := ReadPlain(filepath.Dir(file), filepath.Base(file), maxShallow)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ids := strings.Fields(string(text))
	slices.Sort(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return !commitID.MatchString(id) }), nil
}

// historyEnv is localEnv for what reads objects.
func historyEnv(c checkout) []string { return append(localEnv(c), "GIT_NO_REPLACE_OBJECTS=1") }

// digest hashes the history so that no two have the same text: no reference has a
// line's end in its name.
func (x *history) digest() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "ambient history 1\n%s\n%s\n%s\n%d\n", x.format, x.commit, x.branch, len(x.tags))
	for _, line := range append(slices.Clone(x.tags), x.shallow...) {
		fmt.Fprintf(sum, "%s\n", line)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// version is a name for a directory.
func (x *history) version() string { return strings.TrimPrefix(x.digest(), "sha256:")[:32] }

// write makes the repository in an empty directory, which becomes what .git is.
func (x *history) write(ctx context.Context, c checkout, dir string) error {
	env := append(inherited("PATH"), "LC_ALL=C", "HOME="+dir, "GIT_DIR="+dir,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	do := func(input string, args ...string) error {
		_, err := gitWith(ctx, dir, env, strings.NewReader(input), append([]string{"-c", "core.logAllRefUpdates=false"}, args...)...)
		return err
	}
	if err := do("", "init", "-q", "--template=", "--object-format="+x.format); err != nil {
		return err
	}
	if err := do("", "config", "core.bare", "false"); err != nil { // it is not named .git yet
		return err
	}
	if len(x.shallow) > 0 {
		if err := os.WriteFile(filepath.Join(dir, "shallow"), []byte(strings.Join(x.shallow, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	if err := x.pack(ctx, c, filepath.Join(dir, "objects", "pack", "pack")); err != nil {
		return err
	}
	if err := do(x.updates(), "update-ref", "--no-deref", "--stdin"); err != nil {
		return err
	}
	if x.branch != "" {
		if err := do("", "symbolic-ref", "HEAD", x.branch); err != nil {
			return err
		}
	}
	if err := do("", "pack-refs", "--all"); err != nil {
		return err
	}
	return do("", "read-tree", "HEAD")
}

// pack copies the objects that are needed and no others.
func (x *history) pack(ctx context.Context, c checkout, base string) error {
	wanted := x.commit + "\n"
	for _, tag := range x.tags {
		id, _, _ := strings.Cut(tag, " ")
		wanted += id + "\n"
	}
	_, err := gitWith(ctx, c.top, historyEnv(c), strings.NewReader(wanted),
		"-c", "pack.writeBitmaps=false", "pack-objects", "-q", "--revs", "--delta-base-offset", base)
	return err
}

// updates are the references, for git-update-ref(1).
func (x *history) updates() string {
	var b strings.Builder
	if x.branch == "" {
		fmt.Fprintf(&b, "update HEAD %s\n", x.commit)
	} else {
		fmt.Fprintf(&b, "update %s %s\n", x.branch, x.commit)
	}
	for _, tag := range x.tags {
		id, name, _ := strings.Cut(tag, " ")
		fmt.Fprintf(&b, "update %s %s\n", name, id)
	}
	return b.String()
}
