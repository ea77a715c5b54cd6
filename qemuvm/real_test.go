package qemuvm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Every option that CommandLine can give is taken by the real QEMU, and QEMU
// understands each value as it was meant.
func TestRealOptions(t *testing.T) {
	t.Parallel()
	o := realMachine(t)
	o.Name = `a,b=c,,d "quoted" ä`
	o.CPUs, o.Console, o.Network = 2, true, &UserNet{MAC: "52:54:00:00:00:01", Restrict: true}
	o.Ports = []string{"ambient.control", "ambient.log"}
	dir := t.TempDir()
	for i, name := range []string{"plain", "a,b", "a,,b", `q"uote`, `back\slash`, "spa ce", "ünï", "<&>", "%s", "x=y", "{}", "file:z"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		o.Disks = append(o.Disks, Disk{Serial: fmt.Sprintf("s%d", i), Path: path, ReadOnly: i%2 == 0})
	}
	vm := start(t, o)
	if vm.Version().Less(Minimum) {
		t.Errorf("version %v", vm.Version())
	}
	var name struct{ Name string }
	query(t, vm, "query-name", &name)
	if name.Name != o.Name {
		t.Errorf("the name is %q, want %q", name.Name, o.Name)
	}
	checkNodes(t, vm, o.Disks)
	var cpus []any
	query(t, vm, "query-cpus-fast", &cpus)
	if len(cpus) != o.CPUs {
		t.Errorf("%d CPUs, want %d", len(cpus), o.CPUs)
	}
	if n := networkCards(t, vm); n != 1 {
		t.Errorf("%d network cards, want 1", n)
	}
}

// A network whose other end is here is one card, and its socket the guest's
// frames.
func TestRealFrames(t *testing.T) {
	t.Parallel()
	o := realMachine(t)
	o.Frames = &FrameNet{MAC: "52:54:00:00:00:01", MTU: 65520}
	vm := start(t, o)
	if n := networkCards(t, vm); n != 1 {
		t.Errorf("%d network cards, want 1", n)
	}
	if vm.Frames() == nil {
		t.Fatal("no frames")
	}
	vm.Close()
	if _, err := vm.Frames().Read(make([]byte, 1)); err == nil {
		t.Error("the frames go on after the machine")
	}
}

func query(t *testing.T, vm *VM, command string, result any) {
	t.Helper()
	if err := vm.QMP().Execute(t.Context(), command, nil, result); err != nil {
		t.Fatal(err)
	}
}

func checkNodes(t *testing.T, vm *VM, disks []Disk) {
	t.Helper()
	var nodes []struct {
		Name  string `json:"node-name"`
		File  string
		RO    bool
		Cache struct {
			NoFlush bool `json:"no-flush"`
		}
	}
	query(t, vm, "query-named-block-nodes", &nodes)
	files := map[string]int{}
	for i, n := range nodes {
		files[n.Name] = i
	}
	for _, d := range disks {
		i, ok := files["disk-"+d.Serial]
		if !ok {
			t.Errorf("no disk %s", d.Serial)
			continue
		}
		if n := nodes[i]; n.File != d.Path || n.RO != d.ReadOnly || n.Cache.NoFlush == d.ReadOnly {
			t.Errorf("disk %+v is %+v", d, n)
		}
	}
}

func networkCards(t *testing.T, vm *VM) (n int) {
	t.Helper()
	var buses []struct {
		Devices []struct {
			Class struct{ Class int } `json:"class_info"`
		}
	}
	query(t, vm, "query-pci", &buses)
	for _, bus := range buses {
		for _, d := range bus.Devices {
			if d.Class.Class == 0x0200 {
				n++
			}
		}
	}
	return n
}

// What the process is like: alone in its group, without environment, sandboxed,
// without a network card, and with nothing inherited but its sockets.
func TestRealConfinement(t *testing.T) {
	t.Parallel()
	vm := start(t, realMachine(t))
	if n := networkCards(t, vm); n != 0 {
		t.Errorf("%d network cards", n)
	}
	if pgid, err := unix.Getpgid(vm.PID()); err != nil || pgid != vm.PID() {
		t.Errorf("process group %d, %v, want %d", pgid, err, vm.PID())
	}
	proc := fmt.Sprintf("/proc/%d/", vm.PID())
	if environment, err := os.ReadFile(proc + "environ"); err != nil || len(environment) != 0 {
		t.Errorf("environment %q, %v", environment, err)
	}
	if dir, err := os.Readlink(proc + "cwd"); err != nil || dir != "/" {
		t.Errorf("directory %q, %v", dir, err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil || !bytes.Contains(status, []byte("\nSeccomp:\t2\n")) || !bytes.Contains(status, []byte("\nNoNewPrivs:\t1\n")) {
		t.Errorf("no sandbox: %s, %v", status, err)
	}
}

// A guest boots, is heard, resets itself, and that is QEMU's end.
func TestRealGuest(t *testing.T) {
	t.Parallel()
	o := realMachine(t)
	path := filepath.Join(t.TempDir(), "boot,disk")
	if err := bootDisk(path, 2, false); err != nil {
		t.Fatal(err)
	}
	o.Disks, o.Console = []Disk{{Serial: "boot", Path: path}}, true
	vm := start(t, o)
	console, err := io.ReadAll(vm.Console())
	if err != nil || !bytes.Contains(console, []byte("guest: here")) || bytes.Contains(console, []byte("failed")) {
		t.Errorf("console: %q, %v", console, err)
	}
	if err := vm.Wait(); err != nil {
		t.Error(err)
	}
	if s, ok := vm.Shutdown(); !ok || s.Reason != ReasonReset || !s.Guest {
		t.Errorf("shutdown: %+v, %v", s, ok)
	}
	if vm.IOError() != nil {
		t.Error(vm.IOError())
	}
	seen := ""
	for e := range vm.Events() {
		seen += e.Name + " "
	}
	if !strings.Contains(seen, EventShutdown) {
		t.Errorf("events: %s", seen)
	}
	if err := vm.QMP().Execute(t.Context(), "query-status", nil, nil); !errors.Is(err, ErrQMPEnded) {
		t.Errorf("a command after the end: %v", err)
	}
}

// Files of inputs are shared, files of outputs are not.
func TestRealLocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 4096), 0o400); err != nil {
		t.Fatal(err)
	}
	o := realMachine(t)
	o.Disks = []Disk{{Serial: "in", Path: path, ReadOnly: true}}
	start(t, o)
	start(t, o)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Disks[0].ReadOnly = false
	start(t, o)
	var refused *RefusedError
	if _, err := Start(t.Context(), o); !errors.As(err, &refused) || !strings.Contains(refused.Stderr, "lock") {
		t.Errorf("a second writer: %v", err)
	}
}

func TestRealRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		change func(*Options)
		text   string
	}{
		{func(o *Options) { o.CPU = "nonesuch" }, "nonesuch"},
		{func(o *Options) { o.Memory = 1 << 50 }, "memory"},
		{func(o *Options) { o.Kernel = "/nonexistent/vmlinuz" }, "/nonexistent/vmlinuz"},
		{func(o *Options) { o.Disks = []Disk{{Serial: "x", Path: "/nonexistent/x"}} }, "/nonexistent/x"},
	}
	for _, tt := range tests {
		o := realMachine(t)
		tt.change(&o)
		vm, err := Start(t.Context(), o)
		if err == nil {
			vm.Close()
		}
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Fatalf("%s: got %v", tt.text, err)
		}
		if !strings.Contains(refused.Stderr, tt.text) || !strings.Contains(err.Error(), o.Binary) {
			t.Errorf("%q is not in: %v", tt.text, err)
		}
	}
}

// Many commands at once, refusals among them, while nobody reads events.
func TestRealCommands(t *testing.T) {
	t.Parallel()
	vm := start(t, realMachine(t))
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			var refusal *CommandError
			if i%2 == 0 {
				if err := vm.QMP().Execute(t.Context(), "no-such", nil, nil); !errors.As(err, &refusal) {
					t.Errorf("no-such: %v", err)
				}
				return
			}
			for _, command := range []string{"stop", "cont"} { // an event each
				if err := vm.QMP().Execute(t.Context(), command, nil, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// The thread that called Start may end: the kernel sends the parent's death
// signal at the end of the thread that forked.
func TestRealOutlivesThread(t *testing.T) {
	t.Parallel()
	o := realMachine(t)
	type started struct {
		vm  *VM
		err error
		tid int
	}
	result := make(chan started)
	onDoomedThread(func() {
		vm, err := Start(t.Context(), o)
		result <- started{vm, err, unix.Gettid()}
	})
	s := <-result
	if s.err != nil {
		t.Fatal(s.err)
	}
	defer s.vm.Close()
	thread := fmt.Sprintf("/proc/self/task/%d", s.tid)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(thread); errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the thread does not end")
		}
	}
	query(t, s.vm, "query-status", nil)
}

// onDoomedThread calls f on a thread that ends afterwards. The main thread never
// ends, so it is kept busy if it is the one that comes.
func onDoomedThread(f func()) {
	go func() {
		runtime.LockOSThread() // without unlocking, the thread ends with the goroutine
		if unix.Gettid() != os.Getpid() {
			f()
			return
		}
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		onDoomedThread(func() { f(); close(done) })
		<-done
	}()
}
