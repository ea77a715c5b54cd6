//go:build vm

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/internal/vmtest"
	"github.com/ambient-ci/ambient/stages"
)

// project writes a configuration and returns its directory.
func project(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ambient.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

const sleeper = `project "p" {
  plan "sleep" {
    action "shell" { script = "echo data > $AMBIENT_ARTIFACTS/kept; echo asleep; sleep 600" }
  }
  plan "after" {
    after = [plan.sleep]
    action "shell" { script = "true" }
  }
}`

// startSleeper runs apply until its stage sleeps.
func startSleeper(t *testing.T, env []string, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(vmtest.Binary(t), "apply", "-json")
	cmd.Env, cmd.Dir = env, dir
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		text, _ := os.ReadFile(out.Name())
		if strings.Contains(string(text), `"text":"asleep"`) {
			return cmd
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stage does not run:\n%s", text)
		}
	}
}

// Ctrl-C in the middle of a stage: exit status 130 within ten seconds, what is
// whole is saved, and nothing is left but a record that says so.
func TestVMInterrupt(t *testing.T) {
	env, dir := vmtest.Env(t), project(t, sleeper)
	cmd := startSleeper(t, env, dir)
	began := time.Now()
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("exit status %d", status)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	vmtest.NothingLeft(t, env)
	if r := vmtest.Runs(t, env); len(r) != 1 || r[0].Outcome != "cancelled" {
		t.Errorf("the record: %+v", r)
	}
	if _, out := vmtest.Run(t, env, dir, "artifacts", "latest"); !strings.Contains(out, "kept") {
		t.Errorf("the artifacts of the cancelled stage: %s", out)
	}
}

// kill -9 of ambient ends QEMU as well; the next command tells what happened,
// and the next run works and removes the devices.
func TestVMKilled(t *testing.T) {
	env, dir := vmtest.Env(t), project(t, sleeper)
	cmd := startSleeper(t, env, dir)
	if n := vmtest.QEMUs(env); n != 1 {
		t.Fatalf("%d machines run", n)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); vmtest.QEMUs(env) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("QEMU outlives ambient")
		}
	}
	if r := vmtest.Runs(t, env); len(r) != 1 || r[0].Outcome != "errored" {
		t.Errorf("the record: %+v", r)
	}
	if status, out := vmtest.Run(t, env, project(t, hello), "apply"); status != 0 {
		t.Errorf("the next run: %d\n%s", status, out)
	}
	vmtest.NothingLeft(t, env)
}

const hello = `project "hello" {
  plan "greet" {
    action "shell" { script = "echo x >> $AMBIENT_CACHE/n; echo hello > $AMBIENT_ARTIFACTS/out" }
  }
}`

// Two runs at once in one project: both succeed, each with its own record, and
// the cache is one of theirs.
func TestVMTwoAtOnce(t *testing.T) {
	env, dir := vmtest.Env(t), project(t, hello)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if status, out := vmtest.Run(t, env, dir, "apply"); status != 0 {
				t.Errorf("exit status %d\n%s", status, out)
			}
		})
	}
	wg.Wait()
	if r := vmtest.Runs(t, env); len(r) != 2 || r[0].Outcome != "succeeded" || r[1].Outcome != "succeeded" || r[0].ID == r[1].ID {
		t.Errorf("the record: %+v", r)
	}
	vmtest.NothingLeft(t, env)
}

// With a full host disk the run errs and says so; what was there stays.
func TestVMFullHostDisk(t *testing.T) {
	env := vmtest.Env(t)
	dir := project(t, `project "p" {
  plan "fill" {
    action "shell" { script = "dd if=/dev/urandom of=/root/big bs=1M count=200; sync; sleep 30" }
  }
}`)
	small := t.TempDir()
	script := `mount -t tmpfs -o size=24m none "$1" && echo earlier > "$1/earlier" && cd "$2" && XDG_STATE_HOME="$1" "$3" apply; status=$?; cat "$1/earlier"; exit $status`
	cmd := exec.Command("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", small, dir, vmtest.Binary(t))
	if os.Getuid() == 0 {
		cmd.Args = append([]string{"unshare", "--mount"}, cmd.Args[3:]...)
	}
	cmd.Env = env
	out, _ := cmd.CombinedOutput()
	if status := cmd.ProcessState.ExitCode(); status != stages.ExitErrored {
		t.Errorf("exit status %d\n%s", status, out)
	}
	for _, want := range []string{"disk is full", "earlier"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// A QEMU that is missing, too old or refuses its arguments errs with a remedy.
func TestVMBadQEMU(t *testing.T) {
	dir := project(t, hello)
	scripts := t.TempDir()
	for _, c := range []struct{ name, script, want string }{
		{"missing", "", "AMBIENT_QEMU"},
		{"old", `case "$*" in *version*) echo "QEMU emulator version 6.2.0";; *) echo '{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":6},"package":""},"capabilities":[]}}' >&3; sleep 1;; esac`, "7.2"},
		{"refusing", "echo 'unknown option' >&2; exit 1", "unknown option"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := vmtest.Env(t)
			path := filepath.Join(scripts, c.name)
			if c.script != "" {
				if err := os.WriteFile(path, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			status, out := vmtest.Run(t, append(env, "AMBIENT_QEMU="+path), dir, "apply")
			if status != stages.ExitErrored || !strings.Contains(out, c.want) {
				t.Errorf("exit status %d, wanted %d and %q in\n%s", status, stages.ExitErrored, c.want, out)
			}
			vmtest.NothingLeft(t, env)
		})
	}
}

// doctor is content with a machine on which the other tests run.
func TestVMDoctor(t *testing.T) {
	status, out := vmtest.Run(t, vmtest.Env(t), t.TempDir(), "doctor")
	if status != 0 || !strings.Contains(out, "a probe booted with") {
		t.Errorf("exit status %d\n%s", status, out)
	}
	env := append(vmtest.Env(t), "AMBIENT_QEMU="+filepath.Join(t.TempDir(), "none"))
	if status, out := vmtest.Run(t, env, t.TempDir(), "doctor"); status != stages.ExitErrored || !strings.Contains(out, "apt-get install") {
		t.Errorf("without QEMU: exit status %d\n%s", status, out)
	}
}
