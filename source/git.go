package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoGit says that git is needed and missing.
var ErrNoGit = errors.New("git is not installed")

// harmless are settings that keep git from running what a repository
// configures. They win over every configuration file.
var harmless = []string{
	"-c", "core.autocrlf=false", // the same tree on every machine
	"-c", "core.commitGraph=false", // what it says of parents is not checked
	"-c", "core.multiPackIndex=false", // it may name packs anywhere
	"-c", "core.logAllRefUpdates=false",
	"-c", "pack.writeBitmaps=false",
	"-c", "core.fsmonitor=false",
	"-c", "core.hooksPath=/dev/null",
	"-c", "core.pager=cat",
	"-c", "core.untrackedCache=false",
	"-c", "submodule.recurse=false",
	"-c", "gc.auto=0",
	"-c", "maintenance.auto=false",
	"-c", "advice.detachedHead=false",
}

// git runs git with those settings and returns its standard output.
func git(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	return gitWith(ctx, dir, env, nil, args...)
}

// gitWith is git with something on its standard input.
func gitWith(ctx context.Context, dir string, env []string, in io.Reader, args ...string) ([]byte, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, ErrNoGit
	}
	cmd := exec.CommandContext(ctx, path, append(append([]string{}, harmless...), args...)...)
	cmd.Dir = dir
	cmd.Env, cmd.Stdin = env, in
	cmd.WaitDelay = 5 * time.Second
	defer endWithGroup(cmd)()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, lastLines(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// lastLines keeps the part of an error that matters.
func lastLines(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1000 {
		s = "…" + s[len(s)-1000:]
	}
	return s
}

// inherited returns the named variables of this process that are set.
func inherited(names ...string) []string {
	var env []string
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// localEnv is for reading a repository that is on this machine: no network, no
// system configuration, no lock. GIT_DIR is given, so git does not ask who owns
// it: the settings above make that safe.
func localEnv(c checkout) []string {
	return append(inherited("PATH", "HOME", "XDG_CONFIG_HOME"),
		"LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0",
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none",
		"GIT_DIR="+c.gitDir, "GIT_WORK_TREE="+c.top)
}

// checkout is a git work tree.
type checkout struct {
	top    string // its top directory
	gitDir string // top/.git, a directory or a file that names one
}

// findCheckout looks for the checkout that dir, an absolute path, is in.
func findCheckout(dir string) (checkout, bool) {
	for {
		if c, ok := checkoutAt(dir); ok {
			return c, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return checkout{}, false
		}
		dir = up
	}
}

// checkoutAt reports whether dir is the top of a checkout.
func checkoutAt(dir string) (checkout, bool) {
	gitDir := filepath.Join(dir, ".git")
	info, err := os.Lstat(gitDir)
	if err != nil {
		return checkout{}, false
	}
	if info.IsDir() {
		_, err = os.Stat(filepath.Join(gitDir, "HEAD"))
	} else if info.Mode().Type() != 0 {
		err = fs.ErrInvalid
	}
	return checkout{top: dir, gitDir: gitDir}, err == nil
}
