//go:build vm

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/internal/vmtest"
)

const twoStages = `project "p" {
  source = "src"
  plan "build" {
    action "shell" { script = "echo building; cat /ci/src/one > $AMBIENT_ARTIFACTS/out; od -An -N8 -tx1 /dev/urandom > $AMBIENT_ARTIFACTS/random" }
  }
  plan "test" {
    action "shell" { script = "cat ${plan.build.artifacts}/out" }
  }
}`

// lastRandom copies what the last run made and returns the random part.
func lastRandom(t *testing.T, env []string, dir string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	if status, text := vmtest.Run(t, env, dir, "artifacts", "latest", out); status != 0 {
		t.Fatalf("artifacts: %s", text)
	}
	data, err := os.ReadFile(filepath.Join(out, "p", "plan.build", "random"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A second apply of an unchanged project starts no QEMU, even where there is
// none, and gives the same bytes; a file's time changes nothing, a byte does.
func TestVMReuse(t *testing.T) {
	env, dir := vmtest.Env(t), project(t, twoStages)
	file := filepath.Join(dir, "src", "one")
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	apply := func(env []string, want string, args ...string) {
		t.Helper()
		status, out := vmtest.Run(t, env, dir, append([]string{"apply"}, args...)...)
		if status != 0 || !strings.Contains(out, want) {
			t.Fatalf("exit status %d, no %q in\n%s", status, want, out)
		}
	}
	none := append(env, "AMBIENT_QEMU="+filepath.Join(t.TempDir(), "none"))

	write("one\n")
	apply(env, "p/plan.build: runs: it has not run here before")
	first := lastRandom(t, env, dir)
	apply(none, "p/plan.test: was reused: ")
	if !bytes.Equal(lastRandom(t, env, dir), first) {
		t.Error("the artifacts differ")
	}
	if status, out := vmtest.Run(t, env, dir, "logs", "latest", "plan.build"); status != 0 || out != "building\n" {
		t.Errorf("the log: %d, %q", status, out)
	}
	if err := os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	apply(none, "p/plan.build: was reused: ")
	write("two\n")
	apply(env, "p/plan.build: runs: source changed")
	if bytes.Equal(lastRandom(t, env, dir), first) {
		t.Error("the stage did not run")
	}
	write("one\n")
	apply(none, "p/plan.test: was reused: ")
	apply(env, "p/plan.build: runs: -force", "-force=plan.build")
	if _, out := vmtest.Run(t, env, dir, "gc", "-size=1", "-dry-run"); !strings.Contains(out, "\ninput ") || !strings.Contains(out, "\ntemplate ") {
		t.Errorf("gc passes over inputs or templates:\n%s", out)
	}
	vmtest.NothingLeft(t, env)
}
