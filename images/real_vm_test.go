//go:build vm

package images

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images/apt"
)

// The tests in this file use the archive that the host's apt sources name. They
// fail where there is none.

func realImage(t *testing.T, s Spec) (*Store, *Image) {
	t.Helper()
	store := Open(home.At(t.TempDir()))
	img, err := store.Ensure(t.Context(), s, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("fsck.erofs", img.Root).CombinedOutput(); err != nil {
		t.Fatalf("fsck.erofs: %v: %s", err, out)
	}
	return store, img
}

// unpacked has Debian's tool unpack a root and returns the directory.
func unpacked(t *testing.T, img *Image) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	out, err := exec.Command("fsck.erofs", "--extract="+dir, "--preserve-perms", "--no-preserve-owner", img.Root).CombinedOutput()
	if err != nil {
		t.Fatalf("fsck.erofs: %v: %s", err, out)
	}
	return dir
}

func TestVMImageBuiltIn(t *testing.T) {
	_, img := realImage(t, Spec{Arch: "amd64"})
	kernel, err := elf.Open(img.Kernel) // no longer packed as Debian has it
	if err != nil || kernel.Machine != elf.EM_X86_64 {
		t.Errorf("no x86 kernel: %+v, %v", kernel, err)
	}
	var modules []string
	for _, m := range img.Modules {
		modules = append(modules, filepath.Base(m)[3:])
	}
	for _, want := range [][2]string{{"virtio.ko", "virtio_pci.ko"}, {"virtio.ko", "virtio_blk.ko"}, {"net_failover.ko", "virtio_net.ko"}, {"libcrc32c.ko", "erofs.ko"}} {
		if a, b := slices.Index(modules, want[0]), slices.Index(modules, want[1]); a < 0 || b < a {
			t.Errorf("%s is not before %s: %v", want[0], want[1], modules)
		}
	}
	root := unpacked(t, img)
	out, err := exec.Command(filepath.Join(root, "usr/bin/busybox"), "echo", "works").CombinedOutput()
	if err != nil || string(out) != "works\n" {
		t.Errorf("busybox: %q, %v", out, err)
	}
	if target, err := os.Readlink(filepath.Join(root, "usr/bin/sh")); err != nil || target != "busybox" {
		t.Errorf("sh: %q, %v", target, err)
	}
}

func TestVMImageDebian(t *testing.T) {
	store, img := realImage(t, Spec{Debian: true, Packages: []string{"hello"}, Arch: "amd64"})
	i := slices.IndexFunc(img.Info.Packages, func(p apt.Package) bool { return p.Name == "hello" })
	if i < 0 || img.Info.Packages[i].Version == "" {
		t.Errorf("hello is not in %v", img.Info.Packages)
	}
	root := unpacked(t, img)
	for name, want := range map[string]os.FileMode{
		"usr/bin/hello": 0o755, "usr/bin/apt-get": 0o755, "usr/bin/bash": 0o755,
		"usr/bin/su": 0o755 | os.ModeSetuid, "tmp": 0o777 | os.ModeSticky | os.ModeDir, "ci": 0o755 | os.ModeDir,
	} {
		if st, err := os.Stat(filepath.Join(root, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	for _, name := range []string{"etc/hostname", "etc/resolv.conf", "etc/machine-id", "etc/apt/apt.conf.d/99mmdebstrap", "dev/null"} {
		if _, err := os.Lstat(filepath.Join(root, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := os.ReadFile(filepath.Join(root, "etc/apt/sources.list")); err != nil || !bytes.Contains(list, []byte(img.Info.Spec.Suite+" main")) {
		t.Errorf("sources.list: %q, %v", list, err)
	}
	noStaging(t, store)
}

func TestVMImageDebianMistakes(t *testing.T) {
	store := Open(home.At(t.TempDir()))
	for _, p := range []string{"no-such-package-anywhere", "hello=9999"} {
		_, err := store.Ensure(t.Context(), Spec{Debian: true, Packages: []string{p}}, nil)
		var pe *PackageError
		if name, _, _ := strings.Cut(p, "="); !errors.As(err, &pe) || pe.Package != name {
			t.Errorf("%s: %T %v", p, err, err)
		}
	}
	_, err := store.Ensure(t.Context(), Spec{Suite: "nosuchsuite"}, nil)
	var none *apt.NoArchiveError
	if !errors.As(err, &none) || !strings.Contains(err.Error(), "nosuchsuite") {
		t.Errorf("%T %v", err, err)
	}
	noStaging(t, store)
}

func TestVMImageDebianCancelled(t *testing.T) {
	store := Open(home.At(t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := store.Ensure(ctx, Spec{Debian: true}, func(line string) {
		if strings.Contains(line, "extracting archives") {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	noStaging(t, store)
	if m := mountsBelow(store.home.Images()); len(m) > 0 {
		t.Errorf("mounts: %v", m)
	}
}

func noStaging(t *testing.T, s *Store) {
	t.Helper()
	left, _ := filepath.Glob(filepath.Join(s.home.Images(), "staging", "*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
