package source

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/home"
)

// together makes a work tree of a checkout's files and its History, and returns it.
func together(t *testing.T, h *home.Home, dir string) (string, *Tree) {
	t.Helper()
	tree, err := History(t.Context(), dir, ScanOptions{Home: h})
	check(t, err)
	out := t.TempDir()
	check(t, os.CopyFS(out, os.DirFS(dir)))
	check(t, os.RemoveAll(filepath.Join(out, ".git")))
	for _, f := range tree.Files() {
		to := filepath.Join(out, ".git", f.Path)
		if f.Kind == Directory {
			check(t, os.MkdirAll(to, 0o755))
			continue
		}
		check(t, os.MkdirAll(filepath.Dir(to), 0o755))
		data, err := os.ReadFile(filepath.Join(tree.Root(), f.Path))
		check(t, err)
		check(t, os.WriteFile(to, data, 0o644))
	}
	return out, tree
}

func commit(t *testing.T, dir, message string) {
	t.Helper()
	testGit(t, dir, "add", ".")
	testGit(t, dir, "commit", "-q", "--allow-empty", "-m", message)
}

// busy is a checkout with much that a stage must not see.
func busy(t *testing.T, more ...string) (dir, other string) {
	t.Helper()
	dir = t.TempDir()
	tree(t, dir, map[string]string{"a": "one\n", "sub/b": "b\n"})
	testGit(t, dir, append([]string{"init", "-q"}, more...)...)
	commit(t, dir, "one")
	testGit(t, dir, "tag", "-a", "-m", "first", "v1")
	testGit(t, dir, "checkout", "-q", "-b", "other")
	tree(t, dir, map[string]string{"secret": "other's\n"})
	commit(t, dir, "other")
	testGit(t, dir, "tag", "not-ours")
	other = testGit(t, dir, "rev-parse", "HEAD")
	testGit(t, dir, "checkout", "-q", "main")
	tree(t, dir, map[string]string{"a": "two\n"})
	commit(t, dir, "two")
	testGit(t, dir, "tag", "light")
	testGit(t, dir, "remote", "add", "origin", "https://user:token@example.org/r.git")
	testGit(t, dir, "config", "user.email", "private@example.org")
	tree(t, dir, map[string]string{".git/hooks/post-checkout": "#!/bin/sh\nfalse\n", "a": "dirty\n", "new": "untracked\n"})
	return dir, other
}

func TestHistory(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			dir, other := busy(t, "--object-format="+format)
			out, _ := together(t, home.At(t.TempDir()), dir)
			for _, c := range []struct{ args, want string }{
				{"status --porcelain", "M a\n?? new"},
				{"rev-parse HEAD", testGit(t, dir, "rev-parse", "HEAD")},
				{"symbolic-ref HEAD", "refs/heads/main"},
				{"log --format=%s", "two\none"},
				{"for-each-ref --format=%(refname)", "refs/heads/main\nrefs/tags/light\nrefs/tags/v1"},
				{"describe --dirty", "v1-1-g" + testGit(t, dir, "rev-parse", "--short", "HEAD") + "-dirty"},
				{"cat-file -t v1", "tag"},
				{"fsck --strict --no-dangling", ""},
				{"remote", ""},
				{"stash list", ""},
			} {
				if got := testGit(t, out, strings.Fields(c.args)...); got != c.want {
					t.Errorf("git %s: %q, want %q", c.args, got, c.want)
				}
			}
			if exec.Command("git", "-C", out, "cat-file", "-e", other).Run() == nil {
				t.Error("a commit of another branch is there")
			}
			if _, err := os.Stat(filepath.Join(out, ".git/hooks")); err == nil {
				t.Error("there are hooks")
			}
			config, err := os.ReadFile(filepath.Join(out, ".git/config"))
			if err != nil || strings.Contains(string(config), "example.org") {
				t.Errorf("%v: %s", err, config)
			}
			commit(t, out, "a stage can commit")
		})
	}
}

func TestHistoryOfCheckouts(t *testing.T) {
	dir, _ := busy(t)
	linked, shallow := filepath.Join(t.TempDir(), "linked"), filepath.Join(t.TempDir(), "shallow")
	testGit(t, dir, "worktree", "add", "-q", "--detach", linked, "v1")
	testGit(t, dir, "clone", "-q", "--depth=1", "file://"+dir, shallow)
	for _, c := range []struct{ dir, want string }{{linked, "one"}, {shallow, "two"}} {
		out, _ := together(t, home.At(t.TempDir()), c.dir)
		if got := testGit(t, out, "log", "--format=%s"); got != c.want {
			t.Errorf("log of %s: %q", filepath.Base(c.dir), got)
		}
		testGit(t, out, "fsck", "--strict")
	}
	out, _ := together(t, home.At(t.TempDir()), linked)
	if got := testGit(t, out, "rev-parse", "--abbrev-ref", "HEAD"); got != "HEAD" {
		t.Errorf("HEAD is not detached: %s", got)
	}
}

// What a checkout says of parents, and other files than objects and references, count
// for nothing.
func TestHistoryIsObjects(t *testing.T) {
	dir, other := busy(t)
	h := home.At(t.TempDir())
	_, plain := together(t, h, dir)
	head := testGit(t, dir, "rev-parse", "HEAD")
	testGit(t, dir, "replace", "--graft", head, other)
	tree(t, dir, map[string]string{".git/info/grafts": head + " " + other + "\n", ".git/info/attributes": "* -delta\n", ".git/shallow": strings.ToUpper(other) + "\n"})
	out, tricked := together(t, home.At(t.TempDir()), dir)
	if tricked.Digest != plain.Digest {
		t.Error("it is another")
	}
	if got := testGit(t, out, "log", "--format=%s"); got != "two\none" {
		t.Errorf("log: %q", got)
	}
	check(t, os.WriteFile(dir+"/.git/HEAD", []byte("ref: refs/tags/light\n"), 0o644))
	out, _ = together(t, home.At(t.TempDir()), dir)
	if got := testGit(t, out, "rev-parse", "--symbolic-full-name", "HEAD"); got != "HEAD" {
		t.Errorf("HEAD is %s", got)
	}
}

// The cache may be on another file system than the checkout, where nothing is written.
func TestHistoryElsewhere(t *testing.T) {
	dir, _ := busy(t)
	testGit(t, dir, "checkout", "-q", "-f", "main")
	before := testGit(t, dir, "count-objects", "-v")
	other, err := os.MkdirTemp("/dev/shm", "history")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(other) })
	together(t, home.At(other), dir)
	if after := testGit(t, dir, "count-objects", "-v"); after != before {
		t.Errorf("the checkout's repository changed:\n%s\n%s", before, after)
	}
}

// The digest is that of what git shows, and a look changes nothing.
func TestHistoryDigest(t *testing.T) {
	dir, _ := busy(t)
	h := home.At(t.TempDir())
	look := func() string {
		tree, err := History(t.Context(), dir, ScanOptions{Home: h, ReadOnly: true})
		check(t, err)
		if len(tree.Files()) > 0 {
			t.Error("a look has files")
		}
		return tree.Digest
	}
	first := look()
	if _, err := os.Stat(h.Sources()); err == nil {
		t.Error("a look left something")
	}
	_, made := together(t, h, dir)
	testGit(t, dir, "gc", "-q", "--aggressive", "--prune=now")
	if made.Digest != first || look() != first {
		t.Error("the digest depends on how objects are packed")
	}
	seen := map[string]bool{first: true}
	for _, change := range [][]string{
		{"tag", "another"}, {"tag", "-d", "light"}, {"branch", "-m", "renamed"}, {"commit", "--amend", "-q", "--allow-empty", "-m", "new words"}, {"checkout", "-q", "--detach"},
	} {
		testGit(t, dir, change...)
		if d := look(); seen[d] {
			t.Errorf("the digest is the same after git %q", change)
		} else {
			seen[d] = true
		}
		together(t, h, dir)
	}
	testGit(t, dir, "branch", "elsewhere")
	if !seen[look()] {
		t.Error("a branch that is not checked out changed the digest")
	}
	kept, err := filepath.Glob(filepath.Join(h.Sources(), "history-*", "*"))
	if check(t, err); len(kept) != mostHistories {
		t.Errorf("%d repositories are kept", len(kept))
	}
}

func TestHistoryRefused(t *testing.T) {
	private, _ := busy(t)
	own := func(t *testing.T) string { dir, _ := busy(t); return dir }
	for name, c := range map[string]struct {
		make func(t *testing.T) string
		want string
	}{
		"no git":    {func(t *testing.T) string { return t.TempDir() }, "not the top of a git checkout"},
		"below top": {func(t *testing.T) string { return filepath.Join(own(t), "sub") }, "not the top of a git checkout"},
		"no commit": {func(t *testing.T) string { dir := t.TempDir(); testGit(t, dir, "init", "-q"); return dir }, "no commit yet"},
		"alternates": {func(t *testing.T) string {
			dir := own(t)
			tree(t, dir, map[string]string{".git/objects/info/alternates": private + "/.git/objects\n"})
			return dir
		}, "alternates"},
		"commondir": {func(t *testing.T) string {
			dir := own(t)
			tree(t, dir, map[string]string{".git/commondir": private + "/.git\n"})
			return dir
		}, "commondir"},
		"another's": {func(t *testing.T) string {
			dir := t.TempDir()
			tree(t, dir, map[string]string{".git": "gitdir: " + private + "/.git\n"})
			return dir
		}, "does not know of it"},
		"another's work tree": {func(t *testing.T) string {
			dir, linked := t.TempDir(), filepath.Join(t.TempDir(), "linked")
			testGit(t, private, "worktree", "add", "-q", "--detach", linked)
			text, err := os.ReadFile(filepath.Join(linked, ".git"))
			check(t, err)
			check(t, os.WriteFile(filepath.Join(dir, ".git"), text, 0o644))
			return dir
		}, "does not know of it"},
		"a directory of the tree that leads to another's": {func(t *testing.T) string {
			dir := t.TempDir()
			tree(t, dir, map[string]string{
				".git": "gitdir: meta\n", "meta/gitdir": dir + "/.git\n", "meta/commondir": private + "/.git\n", "meta/HEAD": "ref: refs/heads/main\n",
			})
			return dir
		}, "does not know of it"},
		"a name that git reads otherwise": {func(t *testing.T) string {
			dir, linked := t.TempDir(), filepath.Join(t.TempDir(), "linked")
			testGit(t, private, "worktree", "add", "-q", "--detach", linked)
			tree(t, dir, map[string]string{".git": "gitdir: meta \n", "meta/gitdir": dir + "/.git\n", "meta/commondir": "../worktrees\n"})
			check(t, os.Symlink(private+"/.git", dir+"/meta "))
			return dir
		}, "does not know of it"},
		"a work tree of a borrower": {func(t *testing.T) string {
			dir, linked := own(t), filepath.Join(t.TempDir(), "linked")
			testGit(t, dir, "worktree", "add", "-q", "--detach", linked)
			tree(t, dir, map[string]string{".git/objects/info/alternates": private + "/.git/objects\n"})
			return linked
		}, "alternates"},
		"a linked object": {func(t *testing.T) string {
			dir := own(t)
			check(t, os.MkdirAll(dir+"/.git/objects/ab", 0o755))
			check(t, os.Symlink(private+"/.git/HEAD", dir+"/.git/objects/ab/"+strings.Repeat("0", 38)))
			return dir
		}, "no plain file"},
		"linked references": {func(t *testing.T) string {
			dir := own(t)
			check(t, os.RemoveAll(dir+"/.git/packed-refs"))
			check(t, os.Symlink(private+"/.git/packed-refs", dir+"/.git/packed-refs"))
			return dir
		}, "no plain file"},
		"a pipe": {func(t *testing.T) string {
			dir := own(t)
			check(t, os.RemoveAll(dir+"/.git/shallow"))
			check(t, syscall.Mkfifo(dir+"/.git/shallow", 0o600))
			return dir
		}, "no plain file"},
		"an object that is not what its name says": {func(t *testing.T) string {
			dir := own(t)
			object := func(rev string) string {
				id := testGit(t, dir, "rev-parse", rev)
				return filepath.Join(dir, ".git/objects", id[:2], id[2:])
			}
			data, err := os.ReadFile(object("HEAD:a"))
			check(t, err)
			check(t, os.Remove(object("v1:a")))
			check(t, os.WriteFile(object("v1:a"), data, 0o444))
			return dir
		}, "git can not read all of its history"},
		"a partial clone": {func(t *testing.T) string {
			dir, clone := own(t), filepath.Join(t.TempDir(), "clone")
			testGit(t, dir, "config", "uploadpack.allowFilter", "true")
			testGit(t, dir, "clone", "-q", "--filter=blob:none", "file://"+dir, clone)
			return clone
		}, "partial clone"},
		"HEAD at a tree": {func(t *testing.T) string {
			dir := own(t)
			check(t, os.WriteFile(dir+"/.git/HEAD", []byte(testGit(t, dir, "rev-parse", "HEAD^{tree}")+"\n"), 0o644))
			return dir
		}, "git can not read all of its history"},
		"linked objects": {func(t *testing.T) string {
			dir := own(t)
			check(t, os.RemoveAll(dir+"/.git/objects"))
			check(t, os.Symlink(private+"/.git/objects", dir+"/.git/objects"))
			return dir
		}, "symbolic links"},
		"linked pack": {func(t *testing.T) string {
			dir := own(t)
			check(t, os.Symlink(private+"/.git/objects/pack/pack-1.pack", dir+"/.git/objects/pack/pack-1.pack"))
			return dir
		}, "symbolic links"},
	} {
		t.Run(name, func(t *testing.T) {
			h := home.At(t.TempDir())
			_, err := History(t.Context(), c.make(t), ScanOptions{Home: h})
			var wrong *AddressError
			if !errors.As(err, &wrong) || !strings.Contains(wrong.Why, c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
