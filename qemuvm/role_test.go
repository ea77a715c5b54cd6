package qemuvm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleCommand runs the test binary in that role.
func roleCommand(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

func roleMachine() (Options, error) {
	binary, err := FindBinary(X86_64)
	return Options{Binary: binary, Arch: X86_64, Accel: TCG, CPUs: 1, Memory: MinMemory}, err
}

// parentRole starts a machine, says its process id, and waits for ever.
func parentRole() error {
	o, err := roleMachine()
	if err != nil {
		return err
	}
	vm, err := Start(context.Background(), o)
	if err != nil {
		return err
	}
	fmt.Println(vm.PID())
	return vm.Wait()
}

// QEMU does not outlive a parent that had no chance to clean up.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	cmd := roleCommand(t, "parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitPidfd(t, fd)
	_ = cmd.Wait() // it was killed
}

// fullDiskRole mounts a small file system that only this process sees, boots a
// guest from it that writes more than fits, and checks what is told about it.
func fullDiskRole() error {
	dir, err := os.MkdirTemp("", "qemuvm-full-*")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	o, err := roleMachine()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "disk")
	if err := bootDisk(path, 100, false); err != nil {
		return err
	}
	o.Console, o.Disks = true, []Disk{{Serial: "scratch", Path: path}}
	return fillDisk(o)
}

func fillDisk(o Options) error {
	vm, err := Start(context.Background(), o)
	if err != nil {
		return err
	}
	defer vm.Close()
	console := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(vm.Console())
		console <- string(text)
	}()
	ioErr, err := awaitIOError(vm, 60*time.Second)
	if err != nil {
		return err
	}
	if *ioErr != (IOError{Serial: "scratch", Write: true, NoSpace: true, Reason: ioErr.Reason}) {
		return fmt.Errorf("got %+v", ioErr)
	}
	var status struct{ Status string }
	if err := vm.QMP().Execute(context.Background(), "query-status", nil, &status); err != nil || status.Status != "io-error" {
		return fmt.Errorf("the machine should be stopped: %v, %v", status, err)
	}
	vm.Kill()
	if err := vm.Wait(); !errors.Is(err, ErrKilled) {
		return err
	}
	if vm.IOError() == nil {
		return errors.New("the error was forgotten")
	}
	if text := <-console; !strings.Contains(text, "guest: here") || strings.Contains(text, "failed") {
		return fmt.Errorf("the guest noticed: %q", text)
	}
	fmt.Println(ioErr)
	return nil
}

func awaitIOError(vm *VM, limit time.Duration) (*IOError, error) {
	timeout := time.After(limit)
	for {
		select {
		case e, ok := <-vm.Events():
			if !ok {
				return nil, fmt.Errorf("QEMU ended first: %v", vm.Wait())
			}
			if ioErr := e.IOError(); ioErr != nil {
				return ioErr, nil
			}
		case <-timeout:
			return nil, errors.New("no event came")
		}
	}
}

// A full disk of the host stops the machine and is told to the host only.
func TestHostDiskFull(t *testing.T) {
	t.Parallel()
	out, err := privateCommand(t, "fulldisk").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "the host's disk is full: the file of disk \"scratch\" can not grow\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// privateCommand runs the test binary in that role, with mounts of its own.
func privateCommand(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	cmd := roleCommand(t, role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// incompleteRole hides the files with which QEMU starts a kernel and tries one.
func incompleteRole() error {
	o, err := roleMachine()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "qemuvm-incomplete-*")
	if err != nil {
		return err
	}
	defer os.Remove(dir) // and nothing in it that may still be QEMU's
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	o.Kernel = filepath.Join(dir, "kernel")
	if err := os.WriteFile(o.Kernel, make([]byte, 8192), 0o600); err != nil {
		return err
	}
	defer os.Remove(o.Kernel)
	dirs, err := exec.Command(o.Binary, "-L", "help").Output()
	if err != nil {
		return err
	}
	for i, data := range strings.Fields(string(dirs)) {
		real := filepath.Join(dir, strconv.Itoa(i))
		defer os.Remove(real)
		defer unix.Unmount(real, unix.MNT_DETACH)
		if err := hideLoaders(data, real); err != nil {
			return err
		}
	}
	vm, err := Start(context.Background(), o)
	if err == nil {
		defer vm.Close()
		select {
		case <-vm.Done():
			err = vm.Wait()
		case <-time.After(60 * time.Second):
			return errors.New("it still runs")
		}
	}
	var missing *MissingError
	if !errors.As(err, &missing) {
		return fmt.Errorf("got %v", err)
	}
	fmt.Println(missing.Err)
	return nil
}

// hideLoaders puts a directory in the place of another one that has all its files,
// but for those that start kernels. The real one is at the path real then.
func hideLoaders(data, real string) error {
	files, err := os.ReadDir(data)
	if err != nil {
		return nil // QEMU looks where there need not be anything
	}
	if err := os.Mkdir(real, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(data, real, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", data, err)
	}
	if err := unix.Mount("tmpfs", data, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("cover %s: %w", data, err)
	}
	for _, f := range files {
		if f.Name() == "pvh.bin" || strings.HasPrefix(f.Name(), "linuxboot") {
			continue
		}
		if err := os.Symlink(filepath.Join(real, f.Name()), filepath.Join(data, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// A QEMU that lacks what starts kernels is named at once: it would run a machine
// that never does anything.
func TestIncompleteQEMU(t *testing.T) {
	t.Parallel()
	out, err := privateCommand(t, "incomplete").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "its file linuxboot_dma.bin, which starts kernels, is missing\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
