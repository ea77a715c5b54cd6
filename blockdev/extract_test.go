package blockdev

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func extract(t *testing.T, target string, opts ExtractOptions, headers ...tar.Header) ([]string, error) {
	t.Helper()
	return Extract(context.Background(), device(t, tarOf(t, headers...)), target, opts)
}

func TestExtract(t *testing.T) {
	when := time.Unix(1_600_000_000, 0)
	setuid, old := exe("bin/su"), dir("bin")
	setuid.Mode, setuid.ModTime, old.ModTime = 0o4555, when, when
	target := filepath.Join(t.TempDir(), "new")
	warnings, err := extract(t, target, ExtractOptions{}, old, setuid, hard("bin/sudo", "bin/su"), sym("bin/l", "../bin/su"), reg("deep/er/f"))
	if check(t, err); len(warnings) > 0 {
		t.Errorf("warnings %q", warnings)
	}
	got := run(t, "find", target, "-mindepth", "1", "-printf", "%P %M %n %T@\n")
	for _, want := range []string{
		"bin/su -rwxr-xr-x 2 1600000000.0", "bin/sudo -rwxr-xr-x 2 1600000000.0", "bin drwxr-xr-x 2 1600000000.0",
		"bin/l lrwxrwxrwx", "deep/er/f -rw-r--r-- 1",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if data, err := os.ReadFile(filepath.Join(target, "bin/l")); string(data) != "bin/su" {
		t.Errorf("through the link: %q, %v", data, err)
	}
}

// TestExtractLeavesOutLinks that lead out, directly or through one another.
func TestExtractLeavesOutLinks(t *testing.T) {
	tests := []struct {
		name string
		link tar.Header
		out  bool
	}{
		{"absolute", sym("l", "/etc/passwd"), true},
		{"up", sym("l", ".."), true},
		{"up from below", sym("d/l", "../.."), true},
		{"far up", sym("d/e/l", "../../../x"), true},
		{"up after a name", sym("l", "d/../x"), true},
		{"up through another link", sym("l", "d/e/top/../.."), true},
		{"to the top", sym("d/l", ".."), false},
		{"beside", sym("d/l", "./../x"), false},
		{"below", sym("l", "d/e"), false},
		{"to nothing", sym("l", "nothing"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "new")
			warnings, err := extract(t, target, ExtractOptions{}, dir("d"), dir("d/e"), sym("d/e/top", "../.."), tt.link)
			check(t, err)
			_, err = os.Lstat(filepath.Join(target, tt.link.Name))
			if out := err != nil; out != tt.out || len(warnings) == 1 != tt.out {
				t.Errorf("left out: %v, warnings %q; want %v", out, warnings, tt.out)
			}
			if tt.out && !strings.Contains(strings.Join(warnings, ""), quote(tt.link.Linkname)) {
				t.Errorf("warning %q does not say where the link leads", warnings)
			}
		})
	}
}

// TestExtractStaysInside fills a directory that holds links to the outside.
func TestExtractStaysInside(t *testing.T) {
	tests := []struct {
		name    string
		entries []tar.Header
		want    string // of the error; empty: the link was replaced
	}{
		{"through a link to a directory", []tar.Header{reg("dirlink/f")}, `"dirlink": is in the way: it is not a directory`},
		{"directory over a link", []tar.Header{dir("dirlink")}, `"dirlink": is in the way: it is not a directory`},
		{"file over a link", []tar.Header{reg("filelink")}, ""},
		{"file over a dangling link", []tar.Header{reg("dangling")}, ""},
		{"link over a link", []tar.Header{sym("filelink", "x")}, ""},
		{"file over a directory", []tar.Header{reg("dir")}, `"dir": is in the way: it is a directory`},
		{"hard link from outside", []tar.Header{reg("filelink"), hard("h", "filelink")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			outside, target := filepath.Join(top, "outside"), filepath.Join(top, "target")
			check(t, os.MkdirAll(filepath.Join(outside, "d"), 0o755))
			check(t, os.WriteFile(filepath.Join(outside, "f"), []byte("precious"), 0o644))
			check(t, os.MkdirAll(filepath.Join(target, "dir"), 0o755))
			check(t, os.Symlink("../outside/d", filepath.Join(target, "dirlink")))
			check(t, os.Symlink("../outside/f", filepath.Join(target, "filelink")))
			check(t, os.Symlink("../outside/new", filepath.Join(target, "dangling")))
			before := snapshot(t, outside)
			_, err := extract(t, target, ExtractOptions{Overwrite: true}, tt.entries...)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if after := snapshot(t, outside); !maps.Equal(before, after) {
				t.Errorf("outside changed: %v, now %v", before, after)
			}
			if tt.want == "" {
				info, err := os.Lstat(filepath.Join(target, tt.entries[0].Name))
				if check(t, err); tt.entries[0].Typeflag == tar.TypeReg && !info.Mode().IsRegular() {
					t.Errorf("%s is a %v", info.Name(), info.Mode())
				}
			}
		})
	}
}

func TestExtractIntoAUsedDirectory(t *testing.T) {
	target := t.TempDir()
	check(t, os.WriteFile(filepath.Join(target, "f"), []byte("mine"), 0o644))
	before := snapshot(t, target)
	_, err := extract(t, target, ExtractOptions{}, reg("f"), reg("g"))
	if !errors.As(err, new(*PathError)) || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
	if after := snapshot(t, target); !maps.Equal(before, after) {
		t.Errorf("changed: %v", after)
	}
	_, err = extract(t, target, ExtractOptions{Overwrite: true}, reg("f"), reg("g"))
	check(t, err)
	if data, err := os.ReadFile(filepath.Join(target, "f")); string(data) != "f" {
		t.Errorf("f holds %q, %v", data, err)
	}
}

// TestExtractUndoes what it did before an archive turned out to be bad.
func TestExtractUndoes(t *testing.T) {
	for _, exists := range []bool{false, true} {
		top := t.TempDir()
		target := filepath.Join(top, "t")
		if exists {
			check(t, os.Mkdir(target, 0o755))
		}
		before := snapshot(t, top)
		_, err := extract(t, target, ExtractOptions{}, reg("a/b/c"), sym("l", "a"), reg("../x"))
		wantHostile(t, err, "..")
		if after := snapshot(t, top); !maps.Equal(before, after) {
			t.Errorf("before %v, after %v", before, after)
		}
	}
}

func FuzzReadOutput(f *testing.F) {
	for _, a := range attacks {
		if data := a.data(f); len(data) < 64<<10 {
			f.Add(data)
		}
	}
	f.Add(tarOf(f, dir("./"), reg("a/f"), hard("a/h", "a/f"), sym("l", "../x"), sym("a/m", "f"), dir("a"), reg(strings.Repeat("n", 150))))
	f.Add(make([]byte, 1024))
	f.Fuzz(func(t *testing.T, data []byte) {
		top, ctx := t.TempDir(), context.Background()
		dev := device(t, data)
		one, _, err := ReadOutput(ctx, dev, filepath.Join(top, "one"), Limits{Entries: 1000})
		if err != nil {
			if !errors.As(err, new(*HostileError)) {
				t.Fatalf("not a HostileError: %v", err)
			}
			wantEmpty(t, top)
			return
		}
		taken(t, dev, one)
		two, _, err := ReadOutput(ctx, one.Path, filepath.Join(top, "two"), Limits{Entries: 1000})
		if err != nil || one.Digest != two.Digest || one.Entries != two.Entries {
			t.Fatalf("its own output reads as %+v, %v; it was %+v", two, err, one)
		}
		before := snapshot(t, top)
		target := filepath.Join(top, "target")
		_, err = Extract(ctx, one.Path, target, ExtractOptions{})
		if err != nil && !errors.As(err, new(*PathError)) {
			t.Fatal(err)
		}
		check(t, os.RemoveAll(target))
		if after := snapshot(t, top); !maps.Equal(before, after) {
			t.Fatalf("outside changed: %v, now %v", before, after)
		}
	})
}

// An archive of links that lead out can not fill the memory with warnings.
func TestExtractBoundsWarnings(t *testing.T) {
	var links []tar.Header
	for i := range 3 * maxWarnings {
		links = append(links, sym(fmt.Sprint("l", i), "/etc/passwd"))
	}
	warnings, err := extract(t, filepath.Join(t.TempDir(), "out"), ExtractOptions{}, links...)
	if check(t, err); len(warnings) != maxWarnings || warnings[maxWarnings-1] != "more was left out" {
		t.Errorf("%d warnings, the last %q", len(warnings), warnings[len(warnings)-1])
	}
}
