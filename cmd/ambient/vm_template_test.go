//go:build vm

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/internal/vmtest"
)

// ownCache gives env a cache of its own that has the shared images and nothing
// else, and returns its directory.
func ownCache(t *testing.T, env []string) (changed []string, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ambient")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, v := range env {
		shared, ok := strings.CutPrefix(v, "XDG_CACHE_HOME=")
		if !ok {
			continue
		}
		for _, name := range []string{"images", "programs"} {
			if err := os.MkdirAll(filepath.Join(shared, "ambient", name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(shared, "ambient", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return append(env, "XDG_CACHE_HOME="+filepath.Dir(dir)), dir
}

// kill -9 while a template is being made: QEMU ends, nothing looks like a
// template, and the next run makes one and removes the rest.
func TestVMKilledWhileSaving(t *testing.T) {
	env, cache := ownCache(t, vmtest.Env(t))
	dir := project(t, hello)
	for tries := 1; !killedWhileSaving(t, env, dir, cache); tries++ {
		if tries == 5 {
			t.Fatal("no template is being made")
		}
	}
	await(t, "QEMU outlives ambient", func() bool { return vmtest.QEMUs(env) == 0 })
	for _, want := range []string{"kept as a template", "restored in"} {
		if status, out := vmtest.Run(t, env, dir, "apply", "-force"); status != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, no %q in\n%s", status, want, out)
		}
	}
	if left := glob(cache, "staging", "*"); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if status, out := vmtest.Run(t, env, dir, "doctor"); status != 0 || !strings.Contains(out, "1 kept") {
		t.Errorf("status %d\n%s", status, out)
	}
	if status, out := vmtest.Run(t, append(env, "AMBIENT_TEMPLATES=off"), dir, "apply", "-force"); status != 0 || !strings.Contains(out, "cold boot") {
		t.Errorf("turned off: status %d\n%s", status, out)
	}
	vmtest.NothingLeft(t, env)
}

// killedWhileSaving kills a run while it makes a template, and reports whether it
// came in time: that is a fraction of a second.
func killedWhileSaving(t *testing.T, env []string, dir, cache string) bool {
	t.Helper()
	cmd := exec.Command(vmtest.Binary(t), "apply", "-force")
	cmd.Env, cmd.Dir = env, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	for making := false; !making; time.Sleep(time.Millisecond) {
		select {
		case <-over:
			os.RemoveAll(filepath.Join(cache, "templates"))
			return false
		default:
		}
		st, err := os.Stat(glob(cache, "staging", "make-*", "memory"))
		making = err == nil && st.Size() > 0
	}
	cmd.Process.Kill()
	<-over
	if glob(cache, "*", "template.json") == "" {
		return true
	}
	os.RemoveAll(filepath.Join(cache, "templates"))
	return false
}

// glob gives the first match below a cache's templates, or "".
func glob(cache string, pattern ...string) string {
	files, _ := filepath.Glob(filepath.Join(append([]string{cache, "templates"}, pattern...)...))
	if len(files) == 0 {
		return ""
	}
	return files[0]
}

func await(t *testing.T, failure string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(failure)
		}
	}
}
