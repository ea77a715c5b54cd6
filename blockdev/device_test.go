package blockdev

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCreateSparse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device")
	check(t, CreateSparse(path, 1<<40))
	info, err := os.Stat(path)
	check(t, err)
	if st := info.Sys().(*syscall.Stat_t); info.Size() != 1<<40 || info.Mode() != 0o600 || st.Blocks != 0 {
		t.Errorf("size %d, mode %v, %d blocks", info.Size(), info.Mode(), st.Blocks)
	}
	if err := CreateSparse(path, 1); !errors.Is(err, os.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
}

func TestMakeScratch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scratch, with a comma")
	check(t, MakeScratch(context.Background(), path, 4<<30))
	mkfs, err := findMkfs()
	check(t, err)
	features := run(t, filepath.Join(filepath.Dir(mkfs), "dumpe2fs"), "-h", path)
	for _, want := range []string{"Filesystem state:         clean", "Reserved block count:     0\n"} {
		if !strings.Contains(features, want) {
			t.Errorf("no %q in\n%s", want, features)
		}
	}
	if strings.Contains(features, "has_journal") {
		t.Error("it has a journal")
	}
	info, err := os.Stat(path)
	check(t, err)
	if st := info.Sys().(*syscall.Stat_t); st.Blocks*512 > 1<<20 || info.Size() != 4<<30 {
		t.Errorf("%d bytes take %d", info.Size(), st.Blocks*512)
	}
}

func TestMakeScratchFails(t *testing.T) {
	out := t.TempDir()
	path := filepath.Join(out, "scratch")
	if err := MakeScratch(context.Background(), path, 1<<20); err == nil || !strings.Contains(err.Error(), "needs at least") {
		t.Errorf("too small: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := MakeScratch(ctx, path, 64<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	wantEmpty(t, out)
}

func TestFreeSpace(t *testing.T) {
	if n, err := FreeSpace(t.TempDir()); err != nil || n <= 0 {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := FreeSpace("/no/such"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestFullDisk runs everything that writes where there is no room: in a child
// whose files may not be large, and, where the kernel lets us mount, on a full
// file system.
func TestFullDisk(t *testing.T) {
	switch how := os.Getenv("BLOCKDEV_FULL_DISK"); how {
	case "":
		child(t, "rlimit", nil)
		child(t, "tmpfs", &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		})
	case "rlimit":
		signal.Ignore(syscall.SIGXFSZ)
		out := t.TempDir()
		big := bigTree(t)
		check(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}))
		fullDisk(t, big, out)
		if err := CreateSparse(filepath.Join(out, "x"), 1<<20); !errors.As(err, new(*FullError)) {
			t.Errorf("CreateSparse: %v", err)
		}
		wantEmpty(t, out)
	case "tmpfs":
		out := t.TempDir()
		big := bigTree(t)
		check(t, syscall.Mount("none", out, "tmpfs", 0, "size=128k"))
		fullDisk(t, big, out)
		if err := MakeScratch(context.Background(), filepath.Join(out, "x"), 256<<30); !errors.As(err, new(*FullError)) {
			t.Errorf("MakeScratch: %v", err)
		}
		wantEmpty(t, out)
		check(t, syscall.Unmount(out, 0))
	}
}

func child(t *testing.T, how string, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), "BLOCKDEV_FULL_DISK="+how)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if attr != nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL)) {
		t.Logf("%s: this kernel allows no user namespace: %v; the other way was tried", how, err)
	} else if err != nil {
		t.Errorf("%s: %v\n%s", how, err, out)
	}
}

// bigTree is a tree of one file, and the same as an archive.
func bigTree(t *testing.T) (dir string) {
	dir = t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "big"), []byte(strings.Repeat("x", 1<<20)), 0o644))
	run(t, "tar", "-C", dir, "-cf", filepath.Join(dir, "tar"), "big")
	return dir
}

func fullDisk(t *testing.T, big, out string) {
	t.Helper()
	ctx, dest, packed := context.Background(), filepath.Join(out, "x"), filepath.Join(big, "tar")
	for name, do := range map[string]func() error{
		"PackFiles": func() error {
			_, err := PackFiles(ctx, dest, []File{{Name: "f", Data: make([]byte, 1<<20)}})
			return err
		},
		"ReadOutput": func() error { _, _, err := ReadOutput(ctx, packed, dest, Limits{}); return err },
		"Merge": func() error {
			f, err := os.Create(dest)
			if err != nil {
				return HostError(dest, err)
			}
			defer os.Remove(dest)
			defer f.Close()
			_, err = Merge(ctx, f, []Part{{Name: "a", Prefix: "a", Path: packed}}, 0)
			return err
		},
		"Extract": func() error { _, err := Extract(ctx, packed, dest, ExtractOptions{}); return err },
	} {
		if err := do(); !errors.As(err, new(*FullError)) || !strings.Contains(err.Error(), "the host's disk is full") {
			t.Errorf("%s: got %v, want a FullError", name, err)
		}
		wantEmpty(t, out)
	}
}
