package actions

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// gitServer serves bare repositories of a directory below / with git's own
// program, and as plain files below /dumb/.
func gitServer(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	mux.Handle("/dumb/", http.StripPrefix("/dumb/", http.FileServer(http.Dir(dir))))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

const gitModules = "[submodule \"lib\"]\n\tpath = lib\n\turl = ../lib.git\n"

// gitRepository makes DIR/words.git with two commits on main, an annotated tag
// at the first one. The second one has a submodule, at the first commit.
func gitRepository(t *testing.T, dir string) (first, second string) {
	t.Helper()
	work := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	commit := func(text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(work, "words"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		git("add", "words")
		git("commit", "-q", "-m", text)
		return git("rev-parse", "HEAD")
	}
	git("init", "-q", "-b", "main")
	first = commit("one\n")
	git("tag", "-a", "-m", "v1", "v1")
	git("clone", "-q", "--bare", work, filepath.Join(dir, "lib.git"))
	if err := os.WriteFile(filepath.Join(work, ".gitmodules"), []byte(gitModules), 0o644); err != nil {
		t.Fatal(err)
	}
	git("add", ".gitmodules")
	git("update-index", "--add", "--cacheinfo", "160000,"+first+",lib")
	second = commit("two\n")
	bare := filepath.Join(dir, "words.git")
	git("clone", "-q", "--bare", work, bare)
	work = bare
	git("update-server-info")
	return first, second
}

// newGitMachine has no variables of this host's git.
func newGitMachine(t *testing.T) *machine { return newMachine(t, map[string]string{"README": "x"}) }

func TestGitGet(t *testing.T) {
	dir := t.TempDir()
	first, second := gitRepository(t, dir)
	server := gitServer(t, dir)
	smart, dumb := server.URL+"/words.git", server.URL+"/dumb/words.git"
	for _, c := range []struct {
		name string
		args config.Args
		want string // the commit
		text string // of the file "words"
	}{
		{"default branch", values("url", smart), second, "two\n"},
		{"branch", values("url", smart, "ref", "main"), second, "two\n"},
		{"tag", values("url", smart, "ref", "v1", "sha", strings.ToUpper(first)), first, "one\n"},
		{"commit", values("url", smart, "sha", first), first, "one\n"},
		{"commit as ref", values("url", smart, "ref", first), first, "one\n"},
		{"plain files", values("url", dumb, "ref", "main"), second, "two\n"},
		{"commit in plain files", values("url", dumb, "sha", first), first, "one\n"},
		{"submodules", values("url", smart, "submodules", true), second, "two\n"},
		{"no submodules", values("url", smart, "sha", first, "submodules", true), first, "one\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newGitMachine(t)
			out, failed := m.act("git_get", c.args, testHost)
			if failed != -1 || !strings.Contains(out, "is commit "+c.want) {
				t.Fatalf("step %d failed: %s", failed, out)
			}
			want := map[string]string{"words.commit": c.want + "\n", "words/words": c.text}
			if c.want == second {
				want["words/.gitmodules"] = gitModules
			}
			if c.name == "submodules" {
				want["words/lib/words"] = "one\n"
			}
			if got := m.tree(guest.DirDeps); !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	t.Run("history", func(t *testing.T) {
		m := newGitMachine(t)
		if out, failed := m.act("git_get", values("url", smart, "ref", "v1", "history", true, "path", "lib/w"), testHost); failed != -1 {
			t.Fatalf("step %d failed: %s", failed, out)
		}
		out, err := exec.Command("git", "-c", "safe.directory=*", "-C", m.path(guest.DirDeps+"/lib/w"), "log", "--all", "--format=%H").Output()
		if err != nil || string(out) != second+"\n"+first+"\n" {
			t.Errorf("%s, %v", out, err)
		}
	})
}

func TestGitGetFails(t *testing.T) {
	dir := t.TempDir()
	first, second := gitRepository(t, dir)
	url := gitServer(t, dir).URL + "/words.git"
	const fetching, finishing = 1, 2
	for _, c := range []struct {
		name string
		args config.Args
		step int
		want string
	}{
		{"server down", values("url", "http://127.0.0.1:1/words.git"), fetching, "127.0.0.1 port 1"},
		{"no such repository", values("url", strings.Replace(url, "words", "nothing", 1)), finishing, "can not fetch HEAD of"},
		{"no such branch", values("url", url, "ref", "nothing"), finishing, "can not fetch nothing of"},
		{"no such commit", values("url", url, "sha", digest[:40]), finishing, "can not fetch"},
		{"other commit", values("url", url, "ref", "main", "sha", first), finishing, fmt.Sprintf("is at commit %s, not %s", second, first)},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newGitMachine(t)
			out, failed := m.act("git_get", c.args, testHost)
			if failed != c.step || !strings.Contains(out, c.want) {
				t.Errorf("step %d failed, want %d, with %q: %s", failed, c.step, c.want, out)
			}
			if got := m.tree(guest.DirDeps); len(got) != 0 {
				t.Errorf("it left %v", got)
			}
		})
	}
}
