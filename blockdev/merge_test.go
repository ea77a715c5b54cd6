package blockdev

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// part makes a canonical part of headers.
func part(t *testing.T, name, prefix string, headers ...tar.Header) Part {
	t.Helper()
	path := filepath.Join(t.TempDir(), "part")
	_, _, err := ReadOutput(context.Background(), device(t, tarOf(t, headers...)), path, Limits{})
	check(t, err)
	return Part{Name: name, Prefix: prefix, Path: path}
}

func exe(name string) tar.Header {
	h := reg(name)
	h.Mode = 0o755
	return h
}

func TestMerge(t *testing.T) {
	// A regular file of these parts holds its own name.
	tests := []struct {
		name  string
		parts []Part
		want  []string
	}{
		{"nothing", nil, nil},
		{"an empty part", []Part{part(t, "a", "")}, nil},
		{"an empty part with a place", []Part{part(t, "a", "p/q")}, []string{"p/", "p/q/"}},
		{"disjoint", []Part{part(t, "a", "", reg("a/x")), part(t, "b", "", reg("b/x"))}, []string{"a/", "a/x", "b/", "b/x"}},
		{"directories meet", []Part{part(t, "a", "", reg("d/x")), part(t, "b", "", dir("d"), reg("d/y"))}, []string{"d/", "d/x", "d/y"}},
		{"equal files", []Part{part(t, "a", "", reg("f")), part(t, "b", "", reg("f"), reg("g"))}, []string{"f", "g"}},
		{"equal links", []Part{part(t, "a", "", sym("l", "x")), part(t, "b", "", sym("l", "x"))}, []string{"l -> x"}},
		{"places", []Part{part(t, "a", "p/a", reg("f")), part(t, "b", "p/b", reg("f"))}, []string{"p/", "p/a/", "p/a/f", "p/b/", "p/b/f"}},
		{"hard links move along", []Part{part(t, "a", "p", reg("f"), hard("h", "f")), part(t, "b", "")}, []string{"p/", "p/f", "p/h = p/f"}},
		{"hard link to a file that both have", []Part{part(t, "a", "", reg("f")), part(t, "b", "", reg("f"), hard("h", "f"))}, []string{"f", "h = f"}},
		{"equal hard links", []Part{part(t, "a", "", reg("f"), hard("h", "f")), part(t, "b", "", reg("f"), hard("h", "f"))}, []string{"f", "h = f"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := Merge(context.Background(), filepath.Join(t.TempDir(), "union"), tt.parts, 0)
			check(t, err)
			entries, err := List(a.Path)
			check(t, err)
			var got []string
			for _, e := range entries {
				got = append(got, e.Name+map[Kind]string{Dir: "/", Symlink: " -> " + e.Link, HardLink: " = " + e.Link}[e.Kind])
			}
			if !slices.Equal(got, tt.want) || a.Entries != len(tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			run(t, "tar", "-tf", a.Path)
		})
	}
}

func TestMergeConflicts(t *testing.T) {
	other := func(name string) Part {
		path := filepath.Join(t.TempDir(), "part")
		_, err := PackFiles(context.Background(), path, []File{{Name: name, Data: []byte("other")}})
		check(t, err)
		return Part{Name: "b", Path: path}
	}
	tests := []struct {
		name string
		a, b Part
		path string
	}{
		{"content", part(t, "a", "", reg("d/f")), other("d/f"), "d/f"},
		{"mode", part(t, "a", "", reg("f")), part(t, "b", "", exe("f")), "f"},
		{"target", part(t, "a", "", sym("l", "x")), part(t, "b", "", sym("l", "y")), "l"},
		{"file and link", part(t, "a", "", reg("x")), part(t, "b", "", sym("x", "y")), "x"},
		{"file and directory", part(t, "a", "", reg("x")), part(t, "b", "", dir("x")), "x"},
		{"directory and file", part(t, "a", "", dir("x")), part(t, "b", "", reg("x")), "x"},
		{"file and what is below it", part(t, "a", "", reg("x")), part(t, "b", "", reg("x/y/z")), "x"},
		{"what is below a link", part(t, "a", "", sym("x", "/etc")), part(t, "b", "", reg("x/passwd")), "x"},
		{"link in place of a directory", part(t, "a", "", reg("x/passwd")), part(t, "b", "", sym("x", "/etc")), "x"},
		{"place is a file", part(t, "a", "", reg("p")), part(t, "b", "p/q", reg("f")), "p"},
		{"file in place of a place", part(t, "a", "p/q"), part(t, "b", "", reg("p")), "p"},
		{"hard link", part(t, "a", "", reg("f"), hard("h", "f")), part(t, "b", "", reg("f"), reg("h")), "h"},
		{"hard link the other way", part(t, "a", "", reg("h")), part(t, "b", "", reg("f"), hard("h", "f")), "h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := t.TempDir()
			_, err := Merge(context.Background(), filepath.Join(out, "union"), []Part{part(t, "first", ""), tt.a, tt.b}, 0)
			if got, ok := errors.AsType[*ConflictError](err); !ok || *got != (ConflictError{tt.path, "a", "b"}) {
				t.Errorf("got %v, want a conflict of a and b at %s", err, tt.path)
			}
			wantEmpty(t, out)
		})
	}
}

func TestMergeOfOnePartCopiesNothing(t *testing.T) {
	p := part(t, "a", "", reg("f"))
	dest := filepath.Join(filepath.Dir(p.Path), "union")
	want, _, err := ReadOutput(context.Background(), p.Path, filepath.Join(t.TempDir(), "x"), Limits{})
	check(t, err)
	for range 2 { // the second time over the first
		a, err := Merge(context.Background(), dest, []Part{p}, 0)
		check(t, err)
		one, err := os.Stat(p.Path)
		check(t, err)
		two, err := os.Stat(dest)
		check(t, err)
		if !os.SameFile(one, two) || a.Path != dest || a.Digest != want.Digest || a.Size != want.Size || a.Entries != 1 {
			t.Errorf("%+v, want %+v as a hard link", a, want)
		}
	}
	left, err := os.ReadDir(filepath.Dir(p.Path))
	if check(t, err); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	a, err := Merge(context.Background(), "/proc/union", []Part{p}, 0)
	if err != nil || a.Path != p.Path {
		t.Errorf("where no link can be: %+v, %v, want the part itself", a, err)
	}
}

func TestMergeTooLarge(t *testing.T) {
	a, b := part(t, "a", "", reg("f")), part(t, "b", "", reg("g"))
	for _, parts := range [][]Part{{a}, {a, b}} {
		t.Run(fmt.Sprint(len(parts)), func(t *testing.T) {
			out := t.TempDir()
			_, err := Merge(context.Background(), filepath.Join(out, "union"), parts, 1000)
			if tl, ok := errors.AsType[*TooLargeError](err); !ok || tl.Limit != 1000 {
				t.Errorf("got %v", err)
			}
			wantEmpty(t, out)
		})
	}
}

func TestMergeOfBadParts(t *testing.T) {
	bad := Part{Name: "plan.bad", Path: device(t, []byte(strings.Repeat("junk", 1024)))}
	good := part(t, "good", "")
	for _, parts := range [][]Part{{bad}, {good, bad}, {{Name: "plan.bad", Path: "/no/such"}}, {good, {Name: "plan.bad", Prefix: "../x", Path: good.Path}}} {
		out := t.TempDir()
		if _, err := Merge(context.Background(), filepath.Join(out, "union"), parts, 0); err == nil || !strings.Contains(err.Error(), "plan.bad") {
			t.Errorf("got %v, want an error that names the part", err)
		}
		wantEmpty(t, out)
	}
}
