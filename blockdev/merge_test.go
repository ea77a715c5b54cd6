package blockdev

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/erofs/go-erofs"
)

// part makes a canonical part of headers.
func part(t *testing.T, name, prefix string, headers ...tar.Header) Part {
	t.Helper()
	path := filepath.Join(t.TempDir(), "part")
	_, _, err := ReadOutput(context.Background(), device(t, tarOf(t, headers...)), path, Limits{})
	check(t, err)
	return Part{Name: name, Prefix: prefix, Path: path}
}

func newFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// top is the directory of an image that has what was merged.
const top = "tree"

// listImage lists an image with another reader, sorted. Names that come later and
// share an inode are shown as hard links; files of these tests hold their names.
func listImage(t testing.TB, image *os.File) []string {
	t.Helper()
	tree, err := erofs.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	first := map[int64]string{}
	err = fs.WalkDir(tree, top, func(full string, d fs.DirEntry, err error) error {
		if err != nil || full == top {
			return err
		}
		name := strings.TrimPrefix(full, top+"/")
		info, err := d.Info()
		if err != nil {
			return err
		}
		ino := info.Sys().(*erofs.Stat).Ino
		switch {
		case d.IsDir():
			name += "/"
		case d.Type()&fs.ModeSymlink != 0:
			target, err := tree.(fs.ReadLinkFS).ReadLink(full)
			all = append(all, name+" -> "+target)
			return err
		case first[ino] != "":
			name += " = " + first[ino]
		default:
			first[ino] = name
			if data, err := fs.ReadFile(tree, full); err != nil || !strings.HasSuffix(name, string(data)) {
				t.Errorf("%s holds %q, %v", name, data, err)
			}
		}
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
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
			out := newFile(t)
			size, err := Merge(context.Background(), out, tt.parts, 0)
			check(t, err)
			if got := listImage(t, out); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if st, err := out.Stat(); err != nil || st.Size() != size {
				t.Errorf("%d bytes, %v", size, st)
			}
			run(t, "fsck.erofs", out.Name())
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
			_, err := Merge(context.Background(), newFile(t), []Part{part(t, "first", ""), tt.a, tt.b}, 0)
			if got, ok := errors.AsType[*ConflictError](err); !ok || *got != (ConflictError{tt.path, "a", "b"}) {
				t.Errorf("got %v, want a conflict of a and b at %s", err, tt.path)
			}
		})
	}
}

// What entries have besides their names comes through.
func TestMergeKeepsAttributes(t *testing.T) {
	program := exe("d/program")
	program.Mode, program.ModTime = 0o4751, time.Unix(1234567890, 0)
	late := reg("d/late")
	late.ModTime = time.Unix(1300000000, 0)
	own := dir("own")
	own.Mode, own.ModTime = 0o2750, time.Unix(1111111111, 0)
	out := newFile(t)
	_, err := Merge(context.Background(), out, []Part{part(t, "a", "p", program, late, own)}, 0)
	check(t, err)
	tree, err := erofs.Open(out)
	check(t, err)
	for name, want := range map[string]string{
		"p/d/program": "-rwxr-x--x 1234567890", "p/d": "drwxr-xr-x 1300000000", "p": "drwxr-xr-x 1300000000", "p/own": "drwxr-x--- 1111111111",
	} {
		info, err := fs.Stat(tree, top+"/"+name)
		check(t, err)
		if got := fmt.Sprint(info.Mode(), info.ModTime().Unix()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestMergeTooLarge(t *testing.T) {
	a, b := part(t, "a", "", reg("f")), part(t, "b", "", reg("g"))
	for _, parts := range [][]Part{{a}, {a, b}} {
		t.Run(fmt.Sprint(len(parts)), func(t *testing.T) {
			_, err := Merge(context.Background(), newFile(t), append(parts, part(t, "c", "", reg("h"))), int64(len(parts))*4096)
			if tl, ok := errors.AsType[*TooLargeError](err); !ok || tl.Size != tl.Limit+1 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMergeOfBadParts(t *testing.T) {
	bad := Part{Name: "plan.bad", Path: device(t, []byte(strings.Repeat("junk", 1024)))}
	good := part(t, "good", "")
	for _, parts := range [][]Part{{bad}, {good, bad}, {{Name: "plan.bad", Path: "/no/such"}}, {good, {Name: "plan.bad", Prefix: "../x", Path: good.Path}}} {
		if _, err := Merge(context.Background(), newFile(t), parts, 0); err == nil || !strings.Contains(err.Error(), "plan.bad") {
			t.Errorf("got %v, want an error that names the part", err)
		}
	}
}
