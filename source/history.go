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
// than one way, and names them by their content, which is checked. It is made once,
// below opts.Home.Sources(), which must be given; with opts.ReadOnly only the digest
// is worked out, and there are no files.
//
// An AddressError says what the user has to change.
func History(ctx context.Context, dir string, opts ScanOptions) (*Tree, error) {
	h := opts.Home
	abs, err := realPath(dir)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, maxTime, fmt.Errorf("git took more than %s", maxTime))
	defer cancel()
	s := &store{dir: filepath.Join(h.Sources(), "history-"+hashName(abs)), address: dir}
	c, ok := checkoutAt(abs)
	if !ok {
		return nil, s.unfit("it is not the top of a git checkout, which git = true needs")
	}
	r, why := ownRepository(c)
	if why != "" {
		return nil, s.unfit(why)
	}
	seen, err := s.lookAtHistory(limited, r)
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
	made, err := s.make(seen.version(), func(temp string) error { return s.write(limited, seen, r, temp) })
	if err != nil {
		return nil, err
	}
	s.keepNewest(mostHistories)
	return scanHistory(ctx, made, seen.digest(), opts)
}

func (s *store) unfit(why string) error { return &AddressError{Address: s.address, Why: why} }

// unread is the error of a repository that git can not read: it is the user's.
func (s *store) unread(r repository, err error) error {
	if _, ended := errors.AsType[*exec.ExitError](err); !ended {
		return err
	}
	if r.partial() {
		return s.unfit("its repository has not all objects of its history, since it is a partial clone, and git = true hands over all of it; `git fetch --refetch --no-filter` fetches the rest")
	}
	return s.unfit(fmt.Sprintf("git can not read all of its history: %v", err))
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
		Discard(filepath.Join(s.dir, e.Name()))
	}
}

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

// history is what a checkout's HEAD leads to.
type history struct {
	format  string   // of object names: sha1 or sha256
	commit  string   // that is checked out
	branch  string   // refs/heads/…; empty: none
	tags    []string // "OBJECT REFERENCE", sorted by reference
	shallow []string // commits of it whose parents are not there, sorted
}

// lookAtHistory asks git what HEAD is.
func (s *store) lookAtHistory(ctx context.Context, r repository) (*history, error) {
	ask := func(args ...string) ([]string, error) {
		out, err := git(ctx, r.top, r.env(), args...)
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), err
	}
	first := func(args ...string) (string, error) {
		lines, err := ask(args...)
		return strings.Join(lines, " "), err
	}
	x := &history{}
	var err error
	if x.format, err = first("rev-parse", "--show-object-format"); err != nil {
		return nil, s.unread(r, err)
	}
	if x.commit, err = first("rev-parse", "--verify", "--quiet", "HEAD"); silent(err) {
		return nil, s.unfit("its checkout has no commit yet, and git = true hands one over")
	} else if err != nil {
		return nil, s.unread(r, err)
	}
	if x.commit, err = first("rev-parse", "--verify", x.commit+"^{commit}"); err != nil {
		return nil, s.unread(r, err)
	}
	if x.branch, err = first("symbolic-ref", "--quiet", "HEAD"); err != nil && !silent(err) {
		return nil, s.unread(r, err)
	}
	if !strings.HasPrefix(x.branch, "refs/heads/") {
		x.branch = ""
	}
	if x.tags, err = ask("for-each-ref", "--merged="+x.commit, "--format=%(objectname) %(refname)", "--sort=refname", "refs/tags"); err != nil {
		return nil, s.unread(r, err)
	}
	known, err := readShallow(r.common)
	if err != nil || len(known) == 0 {
		return x, err
	}
	ends, err := ask("rev-list", "--max-parents=0", x.commit)
	if err != nil {
		return nil, s.unread(r, err)
	}
	slices.Sort(ends)
	x.shallow = slices.DeleteFunc(ends, func(id string) bool { return !known[id] })
	return x, nil
}

// silent reports whether git answered no: with --quiet it says nothing and ends
// with status 1.
func silent(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() == 1
}

const maxShallow = 16 << 20 // bytes of the list

// readShallow reads which commits are without their parents (gitrepository-layout(5)).
func readShallow(dir string) (map[string]bool, error) {
	text, err := ReadPlain(dir, "shallow", maxShallow)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	ids := map[string]bool{}
	for _, id := range strings.Fields(strings.ToLower(string(text))) {
		ids[id] = true
	}
	return ids, err
}

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

// wanted are the objects that lead to all others, a line each.
func (x *history) wanted() string {
	var b strings.Builder
	fmt.Fprintln(&b, x.commit)
	for _, tag := range x.tags {
		id, _, _ := strings.Cut(tag, " ")
		fmt.Fprintln(&b, id)
	}
	return b.String()
}

// write makes the repository in an empty directory, which becomes what .git is.
// Objects are packed by this repository, which borrows them for that moment: no
// setting of the checkout's counts, and nothing is written there.
func (s *store) write(ctx context.Context, x *history, r repository, dir string) error {
	env := append(inherited("PATH"), "LC_ALL=C", "HOME="+dir, "GIT_DIR="+dir, "GIT_DEFAULT_REF_FORMAT=files",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	do := func(input string, more []string, args ...string) error {
		_, err := gitWith(ctx, dir, append(slices.Clone(env), more...), strings.NewReader(input), args...)
		return err
	}
	err := do("", nil, "init", "-q", "--template=", "--object-format="+x.format)
	if err == nil { // it is not named .git yet
		err = do("", nil, "config", "core.bare", "false")
	}
	if err == nil {
		err = x.writeReferences(dir)
	}
	if err != nil {
		return err
	}
	borrow := []string{"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + quoteC(r.objects())}
	pack := filepath.Join(dir, "objects", "pack", "pack")
	if err := do(x.wanted(), borrow, "pack-objects", "-q", "--revs", "--delta-base-offset", pack); err != nil {
		return s.unread(r, err)
	}
	packs, _ := filepath.Glob(pack + "-*.pack")
	for _, p := range packs { // objects are what their names say
		if err := do("", nil, "index-pack", "--verify", p); err != nil {
			return s.unread(r, err)
		}
	}
	if err := do(x.wanted(), nil, "rev-list", "--objects", "--quiet", "--stdin"); err != nil { // and all are there
		return s.unread(r, err)
	}
	return do("", nil, "read-tree", "HEAD")
}

// quoteC writes a path as git reads it in a list of paths (git(1),
// GIT_ALTERNATE_OBJECT_DIRECTORIES).
func quoteC(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// writeReferences writes what gitrepository-layout(5) says of HEAD, packed-refs and
// shallow.
func (x *history) writeReferences(dir string) error {
	head, packed := x.commit, slices.Clone(x.tags)
	if x.branch != "" {
		head, packed = "ref: "+x.branch, append(packed, x.commit+" "+x.branch)
	}
	for name, lines := range map[string][]string{"HEAD": {head}, "packed-refs": packed, "shallow": x.shallow} {
		if len(lines) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}
