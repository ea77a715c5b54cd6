package agent

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// listing describes a tree, an entry a line.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		line := fmt.Sprintf("%q %s %d", name, info.Mode(), wholeSecond(info.ModTime()).Unix())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %s links %d", sum(b)[:8], stat(info).Nlink)
		}
		if target, err := os.Readlink(path); err == nil {
			line = fmt.Sprintf("%q -> %q", name, target) // its time is not kept
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// tree makes a directory with one of everything that is kept.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]int{"empty": 0, "small": 5, "big": 3 << 20, "sub/deep/er/file": 512, "name with\nnewline": 1,
		"mapped": leastMapped, "mapped and more": leastMapped + 513, "windows": window + leastMapped + 1,
		"not utf-8 \xff\xfe": 1, strings.Repeat("long/", 60) + strings.Repeat("n", 200): 3, "ünïcode": 2}
	for name, size := range files {
		path := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(os.WriteFile(path, bytes.Repeat([]byte("content "), size/8+1)[:size], 0o644))
	}
	must(os.Chmod(filepath.Join(dir, "small"), 0o755))
	must(os.Chmod(filepath.Join(dir, "empty"), 0o711))
	must(os.Link(filepath.Join(dir, "small"), filepath.Join(dir, "sub/hard")))
	must(os.Link(filepath.Join(dir, "small"), filepath.Join(dir, "aaa first name")))
	must(os.Symlink("../nowhere", filepath.Join(dir, "sub/dangling")))
	must(os.Symlink("/etc/"+strings.Repeat("x", 150), filepath.Join(dir, "sub/absolute")))
	must(os.Mkdir(filepath.Join(dir, "closed"), 0o700))
	must(os.Chtimes(filepath.Join(dir, "big"), time.Time{}, time.Unix(1234567890, 0)))
	must(os.Chtimes(filepath.Join(dir, "sub"), time.Time{}, time.Unix(1234567891, 0)))
	return dir
}

func noWarning(t *testing.T) func(string, ...any) {
	return func(format string, args ...any) { t.Errorf("warning: "+format, args...) }
}

// packed packs dir into a file and returns what that holds.
func packed(t *testing.T, dir string, limit int64, warn func(string, ...any)) (*bytes.Buffer, int64, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "device"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := pack(f, dir, limit, warn)
	data, rerr := os.ReadFile(f.Name())
	if rerr != nil {
		t.Fatal(rerr)
	}
	return bytes.NewBuffer(data), n, err
}

func TestPackAndUnpack(t *testing.T) {
	dir, back := tree(t), t.TempDir()
	b, n, err := packed(t, dir, math.MaxInt64, noWarning(t))
	if err != nil || n != int64(b.Len()) || n%512 != 0 {
		t.Fatalf("%d of %d bytes: %v", n, b.Len(), err)
	}
	b.Write(make([]byte, 4096)) // the rest of the device
	if err := unpack(context.Background(), b, back); err != nil {
		t.Fatal(err)
	}
	if want, got := listing(t, dir), listing(t, back); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPackLeavesOut(t *testing.T) {
	dir := t.TempDir()
	for i := range 7 {
		if err := syscall.Mkfifo(filepath.Join(dir, fmt.Sprint("fifo", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(dir, "socket")}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "zfile"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	b, _, err := packed(t, dir, 1<<20, func(f string, a ...any) { warnings = append(warnings, fmt.Sprintf(f, a...)) })
	if err != nil || len(warnings) != maxSkipped+1 || !strings.Contains(warnings[maxSkipped], "3 more") {
		t.Errorf("%q %v", warnings, err)
	}
	if got := names(t, b); !slices.Equal(got, []string{"zfile"}) {
		t.Errorf("%q", got)
	}
}

func names(t *testing.T, r io.Reader) []string {
	t.Helper()
	var names []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func TestPackLimit(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	const need = 512 + 1024 + 1024 // header, content, end
	for limit, want := range map[int64]error{0: errTooLarge, 100: errTooLarge, need - 1: errTooLarge, need: nil, need + 1: nil} {
		if _, n, err := packed(t, dir, limit, noWarning(t)); !errors.Is(err, want) || err == nil && n != need {
			t.Errorf("limit %d: %d %v", limit, n, err)
		}
	}
	huge := filepath.Join(dir, "hole")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, _, err := packed(t, dir, 1<<39, noWarning(t)); !errors.Is(err, errTooLarge) {
		t.Errorf("a terabyte of nothing: %v", err)
	}
}

func TestPackOutputs(t *testing.T) {
	output := func(name, serial string, limit int64) guest.Output {
		return guest.Output{Name: name, Dir: "/ci/" + name, Serial: serial, Limit: limit}
	}
	h := newHost(t, guest.Plan{Outputs: []guest.Output{output("cache", "small", 600), output("deps", "full", 1<<20),
		output("gone", "gone", 1<<20), output("file", "file", 1<<20), output("artifacts", "good", 1<<20)}})
	for _, d := range []string{"cache", "deps", "artifacts"} {
		os.MkdirAll(h.path("/ci/"+d), 0o755)
		os.WriteFile(h.path("/ci/"+d+"/f"), []byte("content"), 0o600)
	}
	os.WriteFile(h.path("/ci/file"), nil, 0o600)
	h.give("small", bytes.Repeat([]byte("old"), 2000))
	got := h.packAll()
	want := []guest.Packed{{Name: "cache", Limit: guest.LimitCache}, {Name: "deps", Limit: guest.LimitDeps},
		{Name: "gone", Bytes: 1024}, {Name: "file", Fault: true}, {Name: "artifacts", Bytes: 2048}}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.Limit != w.Limit || g.Bytes != w.Bytes || g.Fault != w.Fault || (g.Error == "") != (w.Bytes > 0) {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
	b, err := os.ReadFile(filepath.Join(h.dir, "small"))
	if err != nil || !bytes.Equal(b[:1024], make([]byte, 1024)) {
		t.Errorf("a device after a failure is not empty: %v", err)
	}
	if !strings.Contains(h.logged(guest.StreamSystem), "/ci/gone is gone") {
		t.Errorf("no warning: %s", h.logged(guest.StreamSystem))
	}
}

// Names that no file system is asked to bear are the tar writer's to refuse.
func TestPackDeep(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", 1000)), 0o755); err != nil {
		t.Fatal(err)
	}
	b, _, err := packed(t, dir, 64<<20, noWarning(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, b); len(got) != 1000 {
		t.Errorf("%d directories", len(got))
	}
}

// The device of an empty output is not touched; what is no empty directory is
// packed, or refused, as ever.
func TestPackEmpty(t *testing.T) {
	h := newHost(t, guest.Plan{})
	out := guest.Output{Name: "artifacts", Dir: guest.DirArtifacts, Serial: "a", Limit: 1 << 20}
	device := filepath.Join(h.dir, "a")
	if err := os.MkdirAll(h.path(out.Dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if n, err := h.packOutput(out); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := os.Stat(device); err == nil {
		t.Error("the device was opened")
	}
	if err := os.Mkdir(h.path(out.Dir)+"/d", 0o755); err != nil {
		t.Fatal(err)
	}
	if n, err := h.packOutput(out); n == 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	os.RemoveAll(h.path(out.Dir))
	if err := os.Symlink(t.TempDir(), h.path(out.Dir)); err != nil {
		t.Fatal(err)
	}
	if isEmptyDir(h.path(out.Dir)) {
		t.Error("a link counts as an empty directory")
	}
}

// An output that is also an input is packed only when something in it changed.
// A stage without a cache leaves nothing to keep, unless it made something.
func TestPackNothingGiven(t *testing.T) {
	for _, made := range []bool{false, true} {
		h := newHost(t, guest.Plan{
			Inputs:  []guest.Input{{Dir: guest.DirCache, Optional: true}},
			Outputs: []guest.Output{{Name: "cache", Dir: guest.DirCache, Serial: "out", Limit: 1 << 20}},
		})
		if err := h.unpackAll(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.give("out", make([]byte, 64<<10))
		if made {
			if err := os.WriteFile(h.path(guest.DirCache)+"/f", []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.packAll()[0]; got.Unchanged == made || (got.Bytes > 0) != made || got.Error != "" {
			t.Errorf("made %v: %+v", made, got)
		}
	}
}

// Directories that a plan does not name are not there: what a stage put into them
// would be lost.
func TestDirectoriesOfOtherPhases(t *testing.T) {
	h := newHost(t, guest.Plan{Inputs: []guest.Input{{Dir: guest.DirInputs}},
		Outputs: []guest.Output{{Name: "deps", Dir: guest.DirDeps, Serial: "out", Limit: 1 << 20}}})
	for _, dir := range guest.PlanDirs {
		if err := os.MkdirAll(h.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.unpackAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{guest.DirSource: true, guest.DirInputs: true, guest.DirDeps: true}
	for _, dir := range guest.PlanDirs {
		if _, err := os.Stat(h.path(dir)); (err == nil) != want[dir] {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestPackUnchanged(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"":        func(string) error { return nil },
		"read":    func(dir string) error { _, err := os.ReadFile(dir + "/small"); return err },
		"written": func(dir string) error { return os.WriteFile(dir+"/small", []byte("CONTE"), 0o755) },
		"time":    func(dir string) error { return os.Chtimes(dir+"/big", time.Time{}, time.Unix(1, 0)) },
		"mode":    func(dir string) error { return os.Chmod(dir+"/sub/deep", 0o750) },
		"removed": func(dir string) error { return os.Remove(dir + "/sub/deep/er/file") },
		"renamed": func(dir string) error { return os.Rename(dir+"/sub/dangling", dir+"/sub/link") },
		"added":   func(dir string) error { return os.Mkdir(dir+"/closed/new", 0o755) },
		"gone":    func(dir string) error { return os.RemoveAll(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, guest.Plan{
				Inputs:  []guest.Input{{Serial: "in", Dir: guest.DirCache}},
				Outputs: []guest.Output{{Name: guest.LimitCache, Dir: guest.DirCache, Serial: "out", Limit: 1 << 30}},
			})
			archive, _, err := packed(t, tree(t), math.MaxInt64, noWarning(t))
			if err != nil {
				t.Fatal(err)
			}
			h.give("in", archive.Bytes())
			if err := h.unpackAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := change(h.path(guest.DirCache)); err != nil {
				t.Fatal(err)
			}
			same := name == "" || name == "read"
			if got := h.packAll()[0]; got.Unchanged != same || got.Error != "" || (got.Bytes == 0) != same {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A cache that could not be read is not what the host has.
func TestPackAfterADamagedInput(t *testing.T) {
	h := newHost(t, guest.Plan{
		Inputs:  []guest.Input{{Serial: "in", Dir: guest.DirCache, Optional: true}},
		Outputs: []guest.Output{{Name: guest.LimitCache, Dir: guest.DirCache, Serial: "out", Limit: 1 << 30}},
	})
	h.give("in", bytes.Repeat([]byte("damaged"), 1000))
	if err := h.unpackAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.packAll()[0]; got.Unchanged {
		t.Errorf("%+v", got)
	}
}
