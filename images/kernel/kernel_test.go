package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/images/apt/apttest"
	"github.com/ambient-ci/ambient/images/kernel/kerneltest"
)

// read makes a package of files and reads it.
func readFiles(t *testing.T, wanted []string, files ...apttest.File) (*Kernel, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "linux.deb")
	if err := os.WriteFile(path, apttest.Deb(t, "xz", files...), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(context.Background(), path, wanted)
}

func names(k *Kernel) string {
	var all []string
	for _, m := range k.Modules {
		all = append(all, m.Name)
	}
	return strings.Join(all, " ")
}

const dir = "./lib/modules/6.1/"

func module(name string, info ...string) apttest.File {
	return apttest.File{Name: dir + "kernel/" + name + ".ko", Content: kerneltest.Module(info...)}
}

func TestRead(t *testing.T) {
	vmlinuz := apttest.File{Name: "./boot/vmlinuz-6.1", Content: "kernel"}
	builtin := apttest.File{Name: dir + "modules.builtin", Content: "kernel/fs/ext4/ext4.ko\nkernel/lib/base.ko\n"}
	squeeze := func(f apttest.File) apttest.File {
		return apttest.File{Name: f.Name + ".xz", Content: string(apttest.Compress(t, "xz", []byte(f.Content)))}
	}
	cases := []struct {
		name   string
		files  []apttest.File
		wanted string
		want   string
		ok     bool
	}{
		{"alone", []apttest.File{vmlinuz, module("a")}, "a", "a", true},
		{"dependencies first", []apttest.File{vmlinuz, module("a", "depends=b,c"), module("b", "depends=c"), module("c")}, "a", "c b a", true},
		{"dash for underscore", []apttest.File{vmlinuz, module("virtio-rng", "depends=virtio-x"), module("virtio_x")}, "virtio_rng", "virtio_x virtio_rng", true},
		{"built in", []apttest.File{vmlinuz, builtin, module("a", "depends=base")}, "a ext4", "a", true},
		{"shared once", []apttest.File{vmlinuz, module("a", "depends=c"), module("b", "depends=c"), module("c")}, "a b", "c a b", true},
		{"compressed", []apttest.File{vmlinuz, squeeze(module("a", "depends=b")), squeeze(module("b"))}, "a", "b a", true},
		{"merged usr", []apttest.File{vmlinuz, {Name: "./usr/lib/modules/6.1/kernel/a.ko", Content: kerneltest.Module()}}, "a", "a", true},
		{"soft dependency", []apttest.File{vmlinuz, module("a", "softdep=pre: b alias-of-none post: c"), module("b"), module("c")}, "a", "b a", true},
		{"circle", []apttest.File{vmlinuz, module("a", "depends=b"), module("b", "depends=a")}, "a", "b a", true},
		{"no kernel", []apttest.File{module("a")}, "a", "", false},
		{"no such module", []apttest.File{vmlinuz}, "a", "", false},
		{"dependency missing", []apttest.File{vmlinuz, module("a", "depends=b")}, "a", "", false},
		{"no module inside", []apttest.File{vmlinuz, {Name: dir + "a.ko", Content: "text"}}, "a", "", false},
		{"broken compression", []apttest.File{vmlinuz, {Name: dir + "a.ko.xz", Content: "\xfd7zXZ\x00xxx"}}, "a", "", false},
	}
	for _, tc := range cases {
		k, err := readFiles(t, strings.Fields(tc.wanted), tc.files...)
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if !tc.ok {
			continue
		}
		if got := names(k); got != tc.want || k.Release != "6.1" || string(k.Image) != "kernel" {
			t.Errorf("%s: %s, %s", tc.name, got, k.Release)
		}
		for _, m := range k.Modules {
			if !strings.HasPrefix(string(m.Data), "\x7fELF") {
				t.Errorf("%s: %s is not a module", tc.name, m.Name)
			}
		}
	}
}

func TestErrorsSayWhichModule(t *testing.T) {
	_, err := readFiles(t, []string{"a"}, apttest.File{Name: "boot/vmlinuz-1", Content: "k"}, module("a", "depends=nosuch"))
	if !errors.Is(err, ErrPackage) || !strings.Contains(err.Error(), "a needs module nosuch") {
		t.Errorf("got %v", err)
	}
}

func FuzzModinfo(f *testing.F) {
	f.Add([]byte(kerneltest.Module("depends=a,b", "license=GPL")))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = modinfo(data) })
}
