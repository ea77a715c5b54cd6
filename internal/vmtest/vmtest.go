// Package vmtest runs the ambient program as a user does, for tests that boot
// virtual machines.
package vmtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var build = sync.OnceValues(func() (string, error) {
	shared, err := sharedCache()
	if err != nil {
		return "", err
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(wd)) // of the package: tests of several may run at once
	binary := filepath.Join(shared, "test-binaries", hex.EncodeToString(sum[:8]), "ambient")
	if err := os.MkdirAll(filepath.Dir(binary), 0o700); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "github.com/ambient-ci/ambient/cmd/ambient")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return binary, nil
})

// sharedCache is where tests keep what is expensive to make.
func sharedCache() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "ambient-test"), err
}

// Binary is the program, from a plain `go build`.
func Binary(t *testing.T) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Env is the environment of a user with a state of its own, who shares images
// and the chosen accelerator with other tests, so that a test need not make
// them again.
func Env(t *testing.T) []string {
	t.Helper()
	shared, err := sharedCache()
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	if data, err := os.ReadFile(filepath.Join(shared, "accel.json")); err == nil {
		os.MkdirAll(filepath.Join(state, "ambient"), 0o700)
		os.WriteFile(filepath.Join(state, "ambient", "accel.json"), data, 0o600)
	}
	if err := os.MkdirAll(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	cacheDir := filepath.Join(t.TempDir(), "cache")
	if err := os.MkdirAll(cacheDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(shared, filepath.Join(cacheDir, "ambient")); err != nil {
		t.Fatal(err)
	}
	return append(slices.DeleteFunc(os.Environ(), ownPlace), "AMBIENT_HOME=", "XDG_STATE_HOME="+state, "XDG_CACHE_HOME="+cacheDir, "NO_COLOR=1", "LC_ALL=C")
}

// ownPlace reports whether a variable says where the tester's own ambient keeps
// things, or what it is to do; where QEMU and Debian are it may say.
func ownPlace(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	own := strings.HasPrefix(name, "AMBIENT_") && name != "AMBIENT_QEMU" && !strings.HasPrefix(name, "AMBIENT_DEBIAN_")
	return own || name == "XDG_STATE_HOME" || name == "XDG_CACHE_HOME" || strings.HasPrefix(name, "LC_") || name == "LANGUAGE"
}

// GitEnv is an environment in which git does what it does by default, whatever the
// tester has configured, in the directory in which it runs: a hook of git runs its
// programs with the place of another repository.
func GitEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
	return append(env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
}

// Run runs ambient in dir and returns its exit status and its output, both
// streams together.
func Run(t *testing.T, env []string, dir string, args ...string) (status int, output string) {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env, cmd.Dir = env, dir
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// Record is a line of `ambient runs -json`.
type Record struct{ ID, Project, Outcome string }

// Runs returns the record, newest first.
func Runs(t *testing.T, env []string) []Record {
	t.Helper()
	status, out := Run(t, env, t.TempDir(), "runs", "-json")
	if status != 0 {
		t.Fatalf("runs: %s", out)
	}
	var all []Record
	for line := range strings.Lines(out) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, r)
	}
	return all
}

// NothingLeft fails the test when a QEMU of the given state, or a device, is
// left.
func NothingLeft(t *testing.T, env []string) {
	t.Helper()
	state := ""
	for _, v := range env {
		if s, ok := strings.CutPrefix(v, "XDG_STATE_HOME="); ok {
			state = s
		}
	}
	left, _ := filepath.Glob(filepath.Join(state, "ambient", "work", "*", "*"))
	for _, f := range left {
		if filepath.Base(f) != "held" {
			t.Errorf("left behind: %s", f)
		}
	}
	if p := processes(state); len(p) > 0 {
		t.Errorf("QEMU is left: %s", p)
	}
}

// QEMUs counts the machines that have a device in the state of env.
func QEMUs(env []string) int {
	for _, v := range env {
		if s, ok := strings.CutPrefix(v, "XDG_STATE_HOME="); ok {
			return len(processes(s))
		}
	}
	return 0
}

// processes are the command lines of QEMUs that name a directory.
func processes(dir string) [][]byte {
	var found [][]byte
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		line, _ := os.ReadFile(f)
		if bytes.Contains(line, []byte("qemu-system")) && bytes.Contains(line, []byte(dir)) {
			found = append(found, line)
		}
	}
	return found
}
