//go:build vm

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/internal/vmtest"
)

// The image is that of examples/node, which has npm_get and npm_ci.
const nodePipeline = `image "node" {
  debian {
    suite    = "bookworm"
    packages = ["git", "nodejs"]
  }
}
project "p" {
  source = "src"
  image  = image.node
  pre "packages" {
    action "git_get" {
      url  = "http://10.0.2.2:%s/words.git"
      ref  = "main"
      sha  = "%s"
    }
    action "pnpm_get" { dirs = ["pnpm"] }
    action "yarn_get" { dirs = ["yarn"] }
  }
  plan "test" {
    action "shell" { script = "cat $AMBIENT_DEPS/words/words $AMBIENT_DEPS/words.commit" }
    action "pnpm_install" { dir = "pnpm" }
    action "npm_test" {
      dir  = "pnpm"
      tool = "pnpm"
    }
    action "yarn_install" { dir = "yarn" }
    action "npm_test" {
      dir  = "yarn"
      tool = "yarn"
    }
  }
}`

// servedRepository serves a repository with one commit, as plain files on
// loopback.
func servedRepository(t *testing.T) (port, commit string) {
	t.Helper()
	dir := t.TempDir()
	script := `git init -q -b main work && cd work && echo 'from git' >words && git add words && git commit -q -m one
git clone -q --bare . ../words.git && cd ../words.git && git update-server-info && git rev-parse HEAD`
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	cmd.Env = append(vmtest.GitEnv(),
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	_, port, err = net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, strings.TrimSpace(string(out))
}

// What pnpm_get, yarn_get and git_get fetch is there without a network.
func TestVMNodeAndGit(t *testing.T) {
	port, commit := servedRepository(t)
	env, dir := vmtest.Env(t), project(t, fmt.Sprintf(nodePipeline, port, commit))
	registry := strings.TrimSuffix(actions.NewHost(nil).Npm().Registry, "/")
	for _, tool := range []string{"pnpm", "yarn"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "actions", "testdata", "node", tool, "*"))
		if err != nil || len(files) != 3 {
			t.Fatal(files, err)
		}
		target := filepath.Join(dir, "src", tool)
		if err := os.MkdirAll(target, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(string(data), "REGISTRY", registry)
			if err := os.WriteFile(filepath.Join(target, filepath.Base(f)), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	status, out := vmtest.Run(t, env, dir, "apply")
	if status != 0 || !strings.Contains(out, "from git") || !strings.Contains(out, "| "+commit) || strings.Count(out, "| odd works") != 2 {
		t.Fatalf("exit status %d\n%s", status, out)
	}
	if _, out := vmtest.Run(t, env, dir, "plan"); !strings.Contains(out, "0 stages to run, 2 to reuse") {
		t.Errorf("what is pinned is fetched again:\n%s", out)
	}
	vmtest.NothingLeft(t, env)
}
