package source

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/home"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree makes files: a name that ends with / is a directory, content that begins
// with -> a symbolic link.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if strings.HasSuffix(name, "/") {
			check(t, os.MkdirAll(path, 0o755))
		} else if target, ok := strings.CutPrefix(text, "->"); ok {
			check(t, os.Symlink(target, path))
		} else {
			check(t, os.WriteFile(path, []byte(text), 0o644))
		}
	}
}

// testGit runs git without the configuration of whoever runs the test.
func testGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	args = append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"}, args...)
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// repo makes a repository whose only commit holds the files.
func repo(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	tree(t, dir, files)
	testGit(t, dir, "init", "-q")
	testGit(t, dir, "add", ".")
	testGit(t, dir, "commit", "-q", "-m", "one")
	return dir
}

func TestFiles(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T) string
		want []string
	}{
		{"walk", func(t *testing.T) string {
			dir := t.TempDir()
			tree(t, dir, map[string]string{"b": "", "a/x": "", "a-b": "", "link": "->/etc", "empty/": "", "deep/er/": "", ".hidden": ""})
			check(t, syscall.Mkfifo(dir+"/pipe", 0o600))
			return dir
		}, []string{".hidden", "a-b", "a/x", "b", "deep/er", "empty", "link"}},
		{"nothing", func(t *testing.T) string { return t.TempDir() }, nil},
		{"git", func(t *testing.T) string {
			dir := repo(t, map[string]string{"tracked": "", "gone": "", ".gitignore": "*.o\nout/\n", "forced.o": "", "l": "->tracked", "sub/f": ""})
			testGit(t, dir, "add", "-f", "forced.o")
			check(t, os.Remove(dir+"/gone"))
			tree(t, dir, map[string]string{"new": "", "x.o": "", "out/y": "", "grün\n": "", "empty/": ""})
			return dir
		}, []string{".gitignore", "forced.o", "grün\n", "l", "new", "sub/f", "tracked"}},
		{"part of a checkout", func(t *testing.T) string {
			return filepath.Join(repo(t, map[string]string{"top": "", "sub/f": "", "sub/g/h": ""}), "sub")
		}, []string{"f", "g/h"}},
		{"ignored part of a checkout", func(t *testing.T) string {
			dir := repo(t, map[string]string{".gitignore": "build\n"})
			tree(t, dir, map[string]string{"build/a": ""})
			return filepath.Join(dir, "build")
		}, []string{"a"}},
		{"directory became a link", func(t *testing.T) string {
			dir := repo(t, map[string]string{"d/f": "", "e/f": ""})
			check(t, os.RemoveAll(dir+"/d"))
			check(t, os.Symlink("e", dir+"/d"))
			return dir
		}, []string{"d", "e/f"}},
		{"submodules and other checkouts", func(t *testing.T) string {
			inner := repo(t, map[string]string{"in": "", ".gitignore": "junk"})
			dir := repo(t, map[string]string{"f": ""})
			testGit(t, dir, "submodule", "--quiet", "add", "file://"+inner, "mod")
			testGit(t, dir, "submodule", "--quiet", "add", "file://"+inner, "away")
			testGit(t, dir, "submodule", "deinit", "-q", "-f", "away")
			testGit(t, dir, "clone", "-q", inner, "other")
			tree(t, dir, map[string]string{"mod/junk": "", "mod/new": ""})
			return dir
		}, []string{".gitmodules", "away", "f", "mod/.gitignore", "mod/in", "mod/new", "other/.gitignore", "other/in"}},
		{"linked worktree", func(t *testing.T) string {
			dir := repo(t, map[string]string{"f": ""})
			wt := filepath.Join(t.TempDir(), "wt")
			testGit(t, dir, "worktree", "add", "-q", wt)
			return wt
		}, []string{"f"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Files(context.Background(), tt.make(t))
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, tt.want)
			}
		})
	}
}

func TestFilesErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o644))
	tests := []struct{ name, dir, want string }{
		{"missing", "/no/such/directory", "no such file"},
		{"not a directory", file, "is not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Files(context.Background(), tt.dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Files(ctx, filepath.Dir(file)); err != context.Canceled {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestFilesRunsNothing configures a repository to run a program in every way
// that a listing might set off.
func TestFilesRunsNothing(t *testing.T) {
	dir := repo(t, map[string]string{"f": "", "g": "", ".gitattributes": "* filter=evil diff=evil\n"})
	mark := filepath.Join(t.TempDir(), "ran")
	evil := filepath.Join(t.TempDir(), "evil")
	check(t, os.WriteFile(evil, []byte("#!/bin/sh\ntouch "+mark+"\n"), 0o755))
	for _, key := range []string{
		"core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "credential.helper", "core.alternateRefsCommand",
		"filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "diff.external", "core.gitProxy",
	} {
		testGit(t, dir, "config", key, evil)
	}
	testGit(t, dir, "config", "core.hooksPath", filepath.Dir(evil))
	testGit(t, dir, "config", "alias.ls-files", "!"+evil)
	check(t, os.Rename(evil, filepath.Join(filepath.Dir(evil), "post-index-change")))
	check(t, os.Symlink("post-index-change", evil))
	check(t, os.WriteFile(dir+"/f", []byte("changed"), 0o644))
	for _, file := range []string{"index", "config"} {
		check(t, os.Chtimes(filepath.Join(dir, ".git", file), longAgo, longAgo))
	}
	before := testGit(t, dir, "-c", "core.fsmonitor=false", "rev-parse", "HEAD")
	os.Remove(mark)
	got, err := Files(context.Background(), dir)
	if err != nil || !slices.Equal(got, []string{".gitattributes", "f", "g"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the repository's configuration ran a program")
	}
	if info, err := os.Stat(filepath.Join(dir, ".git/index")); err != nil || !info.ModTime().Equal(longAgo) || before == "" {
		t.Errorf("the index was written: %v, %v", info.ModTime(), err)
	}
	testGit(t, dir, "ls-files", "--others") // the trap works when nothing guards against it
	if _, err := os.Stat(mark); err != nil {
		t.Error("the trap of this test does not work: it proves nothing")
	}
}

// TestFilesOfSomeoneElse: git refuses another user's repository by itself.
func TestFilesOfSomeoneElse(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("ordinary users can not give files away: only the own repository is tried")
	}
	dir := repo(t, map[string]string{"f": ""})
	if os.Getuid() == 0 {
		check(t, os.Chown(dir, 65534, 65534))
		check(t, os.Chown(dir+"/.git", 65534, 65534))
	}
	if got, err := Files(context.Background(), dir); err != nil || !slices.Equal(got, []string{"f"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// A home of ambient inside the tree is no part of it: it would grow with every
// run, and no result could ever be used again.
func TestFilesLeaveTheHomeOut(t *testing.T) {
	for _, checkout := range []bool{false, true} {
		dir := t.TempDir()
		tree(t, dir, map[string]string{"f": "", "sub/f": ""})
		if checkout {
			testGit(t, dir, "init", "-q")
		}
		_, release, err := home.At(filepath.Join(dir, "sub/kept")).NewWork()
		check(t, err)
		defer release()
		got, err := Files(t.Context(), dir)
		if check(t, err); !slices.Equal(got, []string{"f", "sub/f"}) {
			t.Errorf("checkout %v: %q", checkout, got)
		}
	}
}
