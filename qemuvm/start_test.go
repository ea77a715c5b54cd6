package qemuvm

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStartFails(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want any // a pointer to a variable of the error's type
		text []string
	}{
		{"refuses", fakeMachine("refuses"), new(*RefusedError), []string{"status 3", "no such device: frob", "guest=refuses", "-nodefaults"}},
		{"leaves", fakeMachine("leaves"), new(*RefusedError), []string{"status 0 before it answered"}},
		{"sandboxed", fakeMachine("sandboxed"), new(*RefusedError), []string{"sandbox (SIGSYS)"}},
		{"garbage", fakeMachine("garbage"), new(*RefusedError), []string{"not a QMP message: HTTP/1.1"}},
		{"endless", fakeMachine("endless"), new(*RefusedError), []string{"more than 1048576 bytes"}},
		{"silent", limited(fakeMachine("silent"), 50*time.Millisecond), new(*RefusedError), []string{"did not answer within 50ms"}},
		{"old greeting", fakeMachine("old"), new(*TooOldError), []string{"6.2.1", "7.2.0 or later", "AMBIENT_QEMU"}},
		{"old stumbles", withBinary(script("old")), new(*TooOldError), []string{"6.2.0"}},
		{"impostor", withBinary(script("impostor")), new(*RefusedError), []string{"I am no emulator"}},
		{"missing", withBinary("/nonexistent/qemu"), new(*MissingError), []string{"/nonexistent/qemu", "qemu-system-x86", "AMBIENT_QEMU"}},
		{"not in PATH", withBinary("qemu-that-nobody-has"), new(*MissingError), []string{"qemu-that-nobody-has"}},
		{"directory", withBinary("/"), new(*MissingError), []string{"install QEMU"}},
		{"not executable", withBinary(script("plain")), new(*MissingError), []string{"permission denied"}},
		{"no options", Options{}, new(*OptionsError), []string{"Arch"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			vm, err := Start(t.Context(), tt.o)
			if err == nil {
				vm.Close()
				t.Fatal("it started")
			}
			if !errors.As(err, tt.want) {
				t.Errorf("got a %T, want a %T", err, tt.want)
			}
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q is not in: %v", text, err)
				}
			}
		})
	}
}

func withBinary(path string) Options {
	o := fakeMachine("x")
	o.Binary = path
	return o
}

func limited(o Options, limit time.Duration) Options {
	o.StartLimit = limit
	return o
}

func TestStartCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 { // the second time it is cancelled from the beginning
		vm, err := Start(ctx, fakeMachine("silent"))
		if err == nil {
			vm.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestEnds(t *testing.T) {
	tests := []struct {
		role string
		end  func(*VM)
		want error // nil: any
		text []string
	}{
		{"stubborn", (*VM).Kill, ErrKilled, []string{"was killed"}},
		{"stubborn", func(vm *VM) { syscall.Kill(vm.PID(), syscall.SIGKILL) }, nil, []string{"not by us", "guest=stubborn"}},
		{"waits", func(vm *VM) { syscall.Kill(vm.PID(), syscall.SIGSEGV) }, nil, []string{"signal 11"}},
		{"fails", func(*VM) {}, nil, []string{"status 4", "some device broke", "guest=fails"}},
		{"babbles", func(*VM) {}, nil, []string{"not a QMP message: nonsense"}},
		{"deaf", func(*VM) {}, ErrQMPEnded, []string{"ended its control connection"}},
	}
	for _, tt := range tests {
		t.Run(tt.role, func(t *testing.T) {
			t.Parallel()
			vm := start(t, fakeMachine(tt.role))
			tt.end(vm)
			err := waitMany(t, vm)
			var exit *ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("got %v", err)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q is not in: %v", text, err)
				}
			}
		})
	}
}

// waitMany waits from several goroutines, kills again, and wants one answer.
func waitMany(t *testing.T, vm *VM) error {
	t.Helper()
	var group sync.WaitGroup
	answers := make([]error, 8)
	for i := range answers {
		group.Go(func() { answers[i] = vm.Wait() })
	}
	group.Wait()
	vm.Kill()
	vm.Close()
	vm.Close()
	for _, err := range answers {
		if err != vm.Wait() {
			t.Errorf("answers differ: %v and %v", err, vm.Wait())
		}
	}
	return answers[0]
}

// No file stays open, however a machine ends. The collector, which closes what
// is forgotten, is off meanwhile; no other test runs.
func TestFilesClosed(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	lives := map[string]func() error{
		"closed": func() error {
			o := fakeMachine("waits")
			o.Ports = []string{"a", "b"}
			vm, err := Start(t.Context(), o)
			if err != nil {
				return err
			}
			return vm.Close()
		},
		"refused": func() error { return mustFail(Start(t.Context(), fakeMachine("refuses"))) },
		"missing": func() error { return mustFail(Start(t.Context(), withBinary("/nonexistent"))) },
		"version": func() error { _, err := VersionOf(t.Context(), script("old")); return err },
	}
	for name, live := range lives {
		before := openFiles()
		if err := live(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for f := range openFiles() {
			if !before[f] {
				t.Errorf("%s: left open: %s", name, f)
			}
		}
	}
}

func mustFail(vm *VM, err error) error {
	if err == nil {
		return errors.Join(errors.New("it started"), vm.Close())
	}
	return nil
}

// A process that QEMU started must not outlive it, and one that got away must
// not hold up Wait.
func TestDescendants(t *testing.T) {
	tests := []struct {
		role string
		kill bool // else it ends by itself
		gone bool // the descendant dies too
	}{
		{"family", true, true},
		{"orphans", false, true},
		{"daemon", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.role, func(t *testing.T) {
			t.Parallel()
			vm := start(t, fakeMachine(tt.role))
			line, err := bufio.NewReader(vm.Console()).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if tt.kill {
				vm.Kill()
			}
			if err := vm.Wait(); (err != nil) != tt.kill {
				t.Errorf("Wait: %v", err)
			}
			if tt.gone {
				awaitEnd(t, pid)
				return
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Errorf("the daemon should live: %v", err)
			}
		})
	}
}

// awaitEnd waits until a process that is not our child is gone or a zombie.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	awaitPidfd(t, fd)
}

func awaitPidfd(t *testing.T, fd int) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 {
			t.Errorf("the process lives on: %v", err)
		}
		return
	}
}

func TestFindBinary(t *testing.T) {
	dir := t.TempDir()
	found := filepath.Join(dir, "qemu-system-aarch64")
	if err := os.WriteFile(found, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ arch, set, path, want, text string }{
		{"aarch64", "", dir, found, ""},
		{"aarch64", "/bin/sh", dir, "/bin/sh", ""},
		{"x86_64", "", dir, "", "qemu-system-x86)"},
		{"aarch64", "/nonexistent", dir, "", "correct AMBIENT_QEMU"},
		{"z80", "", dir, "", "not known"},
	}
	for _, tt := range tests {
		t.Setenv(BinaryVariable, tt.set)
		t.Setenv("PATH", tt.path)
		got, err := FindBinary(Arch(tt.arch))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%v: got %q, %v", tt, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%q is not in: %v", tt.text, err)
		}
	}
}

func TestVersionOf(t *testing.T) {
	if v, err := VersionOf(t.Context(), script("old")); err != nil || v != (Version{6, 2, 0}) {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err := VersionOf(t.Context(), script("impostor")); err == nil || !strings.Contains(err.Error(), "I am no emulator") {
		t.Errorf("impostor: %v", err)
	}
	var missing *MissingError
	if _, err := VersionOf(t.Context(), "/nonexistent"); !errors.As(err, &missing) {
		t.Errorf("missing: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := VersionOf(ctx, script("endless")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("endless: %v", err)
	}
}

func TestVersionLess(t *testing.T) {
	order := []Version{{6, 9, 9}, {7, 1, 99}, {7, 2, 0}, {7, 2, 22}, {10, 0, 0}}
	for i, v := range order {
		for j, w := range order {
			if v.Less(w) != (i < j) {
				t.Errorf("%v less than %v: %v", v, w, v.Less(w))
			}
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"QEMU emulator version 7.2.22 (Debian 1:7.2)", "QEMU emulator version 10.1", "", "QEMU emulator version 99999999999999999999.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseVersion("qemu", s)
		if err == nil && !strings.HasPrefix(s, "QEMU emulator version ") {
			t.Errorf("%q is version %v", s, v)
		}
	})
}

func TestPrintable(t *testing.T) {
	tests := [][2]string{
		{"", ""},
		{"plain ä\nsecond", "plain ä\nsecond"},
		{"\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS\r\n", "SeaBIOS"},
		{"\x1b", "?"},
		{"a\x00b\x07\u009b\u202e\xffc", "a?b????c"},
		{"\x1b\x1b[2J[2Jx", "?[2Jx"},
	}
	for _, tt := range tests {
		if got := printable(tt[0]); got != tt[1] {
			t.Errorf("%q: got %q, want %q", tt[0], got, tt[1])
		}
	}
}
