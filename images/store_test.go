package images

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images/apt"
	"github.com/ambient-ci/ambient/images/apt/apttest"
	"github.com/ambient-ci/ambient/images/kernel"
	"github.com/ambient-ci/ambient/images/kernel/kerneltest"
)

const poolKernel = "pool/linux-image-6.1-cloud-amd64_6.1.2.deb"

// fakeBusybox is a file with a table of programs.
func fakeBusybox() string {
	b := "\x7fELF\x00[\x00[[\x00ash\x00busybox\x00"
	for i := range 100 {
		b += fmt.Sprintf("c%03d\x00", i)
	}
	return b + "sh\x00\x00"
}

// kernelFiles is the content of a kernel package.
func kernelFiles(image string) []apttest.File {
	files := []apttest.File{{Name: "./boot/vmlinuz-6.1-cloud-amd64", Content: image}}
	for i, name := range kernel.Wanted {
		info := "depends="
		if i > 0 {
			info += "virtio_ring"
		}
		files = append(files, apttest.File{Name: "./lib/modules/6.1/kernel/" + name + ".ko", Content: kerneltest.Module(info)})
	}
	return append(files, apttest.File{Name: "./lib/modules/6.1/kernel/virtio_ring.ko", Content: kerneltest.Module()})
}

// archive serves what the built-in image is made of.
func archive(t *testing.T) *apttest.Archive {
	t.Helper()
	key := apttest.Key(t)
	t.Setenv(apt.EnvKeyring, apttest.WriteKey(t, key))
	t.Setenv(apt.EnvMirror, "")
	a := apttest.New(key)
	a.Packages = []apttest.Package{
		{Name: "linux-image-cloud-amd64", Version: "6.1.2", Depends: "linux-image-6.1-cloud-amd64 (= 6.1.2)"},
		{Name: "linux-image-6.1-cloud-amd64", Version: "6.1.2", Data: apttest.Deb(t, "gz", kernelFiles("kernel")...)},
		{Name: "busybox-static", Version: "1:1.35", Data: apttest.Deb(t, "gz",
			apttest.File{Name: "./bin/busybox", Content: fakeBusybox(), Mode: 0o755})},
	}
	return a
}

func spec(a *apttest.Archive) Spec { return Spec{Suite: "bookworm", Mirror: a.URL, Arch: "amd64"} }

// ensure builds the built-in image in a fresh home.
func ensure(t *testing.T) (*home.Home, *apttest.Archive, *Image) {
	t.Helper()
	a := archive(t)
	a.Serve(t)
	h := home.At(t.TempDir())
	img, err := Open(h).Ensure(context.Background(), spec(a), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h, a, img
}

// content lists all files of a home but locks and downloads.
func content(t *testing.T, h *home.Home) string {
	t.Helper()
	var all []string
	err := filepath.Walk(h.Images(), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(h.Images(), path)
			all = append(all, rel)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

func TestEnsure(t *testing.T) {
	h, a, img := ensure(t)
	if data, err := os.ReadFile(img.Kernel); err != nil || string(data) != "kernel" {
		t.Errorf("kernel: %q, %v", data, err)
	}
	if out, err := exec.Command("fsck.erofs", img.Root).CombinedOutput(); err != nil {
		t.Errorf("root: %v: %s", err, out)
	}
	if len(img.Modules) != len(kernel.Wanted)+1 || filepath.Base(img.Modules[1]) != "01-virtio_ring.ko" {
		t.Errorf("modules: %v", img.Modules)
	}
	if p := img.Info.Packages; len(p) != 2 || p[0].Version != "6.1.2" || p[1].Name != "busybox-static" {
		t.Errorf("packages: %v", p)
	}
	if img.Info.Release != "6.1-cloud-amd64" || len(img.Info.Archives) != 1 || img.Info.MadeBy == "" {
		t.Errorf("info: %+v", img.Info)
	}
	again, err := Open(h).Ensure(context.Background(), spec(a), func(s string) { t.Errorf("built again: %s", s) })
	if err != nil || again.Digest != img.Digest {
		t.Errorf("%+v, %v", again, err)
	}
	if found, ok := Open(h).Lookup(spec(a)); !ok || found.Digest != img.Digest {
		t.Error("it is not found")
	}
	if _, ok := Open(h).Lookup(Spec{Suite: "bookworm", Arch: "arm64"}); ok {
		t.Error("another is found")
	}
}

func TestSameContentSameDigest(t *testing.T) {
	_, _, a := ensure(t)
	_, _, b := ensure(t)
	if a.Digest != b.Digest {
		t.Errorf("%s and %s", a.Digest, b.Digest)
	}
}

// TestEnsureTogether has several stores, as several processes would, want one
// image at once.
func TestEnsureTogether(t *testing.T) {
	a := archive(t)
	a.Serve(t)
	h := home.At(t.TempDir())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := Open(h).Ensure(context.Background(), spec(a), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := a.Hits(poolKernel); n != 1 {
		t.Errorf("the kernel was fetched %d times", n)
	}
}

func TestEnsureAfterDamage(t *testing.T) {
	for name, damage := range map[string]func(*Image) error{
		"root gone":         func(i *Image) error { return os.Remove(i.Root) },
		"root cut short":    func(i *Image) error { return os.Truncate(i.Root, 100) },
		"kernel empty":      func(i *Image) error { return os.WriteFile(i.Kernel, nil, 0o600) },
		"no description":    func(i *Image) error { return os.Remove(info(i)) },
		"empty description": func(i *Image) error { return os.WriteFile(info(i), nil, 0o600) },
		"other description": func(i *Image) error { return os.WriteFile(info(i), []byte(`{"version":1}`), 0o600) },
		"directory empty":   func(i *Image) error { return os.RemoveAll(filepath.Dir(i.Root)) },
	} {
		h, a, img := ensure(t)
		before := content(t, h)
		if err := damage(img); err != nil {
			t.Fatal(err)
		}
		if _, ok := Open(h).Lookup(spec(a)); ok {
			t.Errorf("%s: found all the same", name)
		}
		again, err := Open(h).Ensure(context.Background(), spec(a), nil)
		if err != nil || again.Digest != img.Digest {
			t.Errorf("%s: %v", name, err)
		}
		if after := content(t, h); after != before {
			t.Errorf("%s: left\n%s", name, after)
		}
	}
}

func info(i *Image) string { return filepath.Join(filepath.Dir(i.Root), infoFile) }

func TestFailedBuildLeavesNothing(t *testing.T) {
	cases := map[string]func(*apttest.Archive){
		"kernel damaged":     func(a *apttest.Archive) { a.Tamper[poolKernel] = []byte("x") },
		"no busybox":         func(a *apttest.Archive) { a.Packages = a.Packages[:2] },
		"busybox is another": func(a *apttest.Archive) { a.Packages[2].Data = apttest.Deb(t, "gz") },
		"busybox is text": func(a *apttest.Archive) {
			a.Packages[2].Data = apttest.Deb(t, "gz", apttest.File{Name: "bin/busybox", Content: "x"})
		},
		"kernel names none":  func(a *apttest.Archive) { a.Packages[0].Depends = "other" },
		"kernel has nothing": func(a *apttest.Archive) { a.Packages[1].Data = apttest.Deb(t, "gz") },
	}
	for name, change := range cases {
		a := archive(t)
		change(a)
		a.Serve(t)
		h := home.At(t.TempDir())
		if _, err := Open(h).Ensure(context.Background(), spec(a), nil); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left := content(t, h); left != "" {
			t.Errorf("%s: left %s", name, left)
		}
	}
}

func TestCancelledBuildLeavesNothing(t *testing.T) {
	a := archive(t)
	a.Serve(t)
	h := home.At(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Open(h).Ensure(ctx, spec(a), func(s string) {
		if strings.HasPrefix(s, "unpacking") {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || content(t, h) != "" {
		t.Errorf("%v, left %q", err, content(t, h))
	}
}

// TestKilledBuildIsSwept leaves what a killed build leaves: the lock is free.
// A build that lives keeps its directory.
func TestKilledBuildIsSwept(t *testing.T) {
	a := archive(t)
	a.Serve(t)
	s := Open(home.At(t.TempDir()))
	dead, err := s.newStage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), toolDirPrefix+"1")
	for _, dir := range []string{outside, filepath.Join(dead.dir, "image")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dead.dir, toolDirFile), []byte(outside), 0o600); err != nil {
		t.Fatal(err)
	}
	live, err := s.newStage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer live.remove()
	dead.release()
	if _, err := s.Ensure(context.Background(), spec(a), nil); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{dead.dir: false, outside: false, live.dir: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestSweepTrustsNoName has a build name a directory that no tool had.
func TestSweepTrustsNoName(t *testing.T) {
	precious := t.TempDir()
	removeToolDir(precious)
	removeToolDir("relative/" + toolDirPrefix)
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestSweepOld(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{".tmp-old": 48 * time.Hour, ".tmp-new": time.Minute, "sha256-old": 48 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	sweepOld(dir)
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".tmp-*"))
	if len(left) != 2 || len(hidden) != 1 || filepath.Base(hidden[0]) != ".tmp-new" {
		t.Errorf("left %v %v", left, hidden)
	}
}

func TestInitrd(t *testing.T) {
	h, _, img := ensure(t)
	elf := []byte("\x7fELF program")
	program := func(context.Context) ([]byte, error) { return elf, nil }
	sum := fmt.Sprintf("%x", sha256.Sum256(elf))
	path, err := Open(h).Initrd(context.Background(), img, program, sum)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cpio", "-t", "--quiet")
	cmd.Stdin = strings.NewReader(string(data))
	out, err := cmd.Output()
	want := []string{"dev", "dev/console", "init", "modules"}
	for _, m := range img.Modules {
		want = append(want, "modules/"+filepath.Base(m))
	}
	if err != nil || strings.TrimSpace(string(out)) != strings.Join(want, "\n") {
		t.Errorf("%v: %s", err, out)
	}
	again, err := Open(h).Initrd(context.Background(), img, nil, sum)
	if err != nil || again != path {
		t.Errorf("it was made again: %s, %v", again, err)
	}
	other, err := Open(h).Initrd(context.Background(), img, program, "another")
	if err != nil || other == path {
		t.Errorf("another program: %s, %v", other, err)
	}
	if err := os.Remove(img.Modules[0]); err != nil {
		t.Fatal(err)
	}
	before := content(t, h)
	if _, err := Open(h).Initrd(context.Background(), img, program, "third"); err == nil || content(t, h) != before {
		t.Errorf("without a module: %v", err)
	}
}

func TestRefresh(t *testing.T) {
	h, a, img := ensure(t)
	good := a.Packages[2].Data
	a.Packages[2].Data = apttest.Deb(t, "gz")
	a.Update(t)
	if _, err := Open(h).Refresh(context.Background(), spec(a), nil); err == nil {
		t.Error("no error from a package without busybox")
	}
	if found, ok := Open(h).Lookup(spec(a)); !ok || found.Digest != img.Digest {
		t.Error("the old image is lost")
	}
	a.Packages[1].Data = apttest.Deb(t, "gz", kernelFiles("newer kernel")...)
	a.Packages[2].Data = good
	a.Update(t)
	other, err := Open(h).Refresh(context.Background(), spec(a), nil)
	if err != nil || other.Digest == img.Digest {
		t.Fatalf("got %+v, %v", other, err)
	}
	if found, ok := Open(h).Lookup(spec(a)); !ok || found.Digest != other.Digest {
		t.Error("the new image is not found")
	}
	if data, err := os.ReadFile(img.Kernel); err != nil || string(data) != "kernel" {
		t.Errorf("the old image changed: %q, %v", data, err)
	}
}

// Several specifications give the same content at once: each gets an image, which
// stays.
func TestSameContentAtOnce(t *testing.T) {
	for range 50 {
		s := Open(home.At(t.TempDir()))
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				st, err := s.newStage(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer st.remove()
				spec := Spec{Suite: "s", Arch: "amd64", Mirror: string(rune('a' + i))}
				b := &builder{spec: spec, dir: filepath.Join(st.dir, "image"), work: st.dir, info: Info{Version: infoVersion, Spec: spec}}
				err = errors.Join(os.MkdirAll(filepath.Join(b.dir, moduleDir), 0o700),
					b.write(kernelFile, []byte("kernel")), b.write(rootFile, []byte("root")))
				if err != nil {
					t.Error(err)
					return
				}
				img, err := s.publish(b, st)
				if err != nil {
					t.Error(err)
					return
				}
				for range 20 {
					if _, err := os.Stat(img.Kernel); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}
