package deb

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/images/apt/apttest"
)

// list walks a package and returns "NAME=CONTENT" of its regular files.
func list(data []byte) ([]string, error) {
	var got []string
	err := walk(bytes.NewReader(data), func(name string, h *tar.Header, r io.Reader) error {
		content, err := io.ReadAll(r)
		if h.Typeflag == tar.TypeReg {
			got = append(got, name+"="+string(content))
		}
		return err
	})
	return got, err
}

func TestWalk(t *testing.T) {
	files := []apttest.File{{Name: "./"}, {Name: "./bin/"}, {Name: "./bin/x", Content: "one"}, {Name: "/../y", Content: "two"}}
	for _, ext := range []string{"gz", "xz"} {
		got, err := list(apttest.Deb(t, ext, files...))
		if err != nil || strings.Join(got, " ") != "bin/x=one y=two" {
			t.Errorf("%s: %v, %v", ext, got, err)
		}
	}
}

// TestWalkDpkg reads a package that Debian's own tool made.
func TestWalkDpkg(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "xz"} {
		dir, out := t.TempDir(), filepath.Join(t.TempDir(), "x.deb")
		write(t, dir, "DEBIAN/control", "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: x\n")
		write(t, dir, "usr/share/x", "odd")
		if b, err := exec.Command("dpkg-deb", "-Z"+compression, "--root-owner-group", "-b", dir, out).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := list(data)
		if err != nil || len(got) != 1 || got[0] != "usr/share/x=odd" {
			t.Errorf("%s: %v, %v", compression, got, err)
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func member(name, size, end string) string {
	return fmt.Sprintf("%-16s%-32s%-10s%s", name, "", size, end)
}

func TestWalkHostile(t *testing.T) {
	good := apttest.Deb(t, "gz", apttest.File{Name: "x", Content: strings.Repeat("y", 1000)})
	first := arMagic + member("debian-binary", "4", "`\n") + "2.0\n"
	cases := map[string]string{
		"empty":             "",
		"no archive":        "hello, this is text",
		"magic only":        arMagic,
		"half a header":     arMagic + "debian-b",
		"other first":       arMagic + member("control.tar", "0", "`\n"),
		"no data":           first,
		"negative size":     first + member("data.tar", "-1", "`\n"),
		"size is a word":    first + member("data.tar", "many", "`\n"),
		"huge size":         first + member("other", "9999999999", "`\n") + "x",
		"bad end":           first + member("data.tar", "4", "xx"),
		"no compression":    first + member("data.tar.zip", "4", "`\n") + "abcd",
		"not gzip":          first + member("data.tar.gz", "4", "`\n") + "abcd",
		"not xz":            first + member("data.tar.xz", "4", "`\n") + "abcd",
		"not tar":           first + member("data.tar", "600", "`\n") + strings.Repeat("x", 600),
		"data cut short":    string(good[:len(good)-20]),
		"cut after control": string(good[:200]),
	}
	for name, data := range cases {
		if _, err := list([]byte(data)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestWalkStops(t *testing.T) {
	stop := errors.New("enough")
	err := walk(bytes.NewReader(apttest.Deb(t, "gz", apttest.File{Name: "x"})), func(string, *tar.Header, io.Reader) error { return stop })
	if err != stop {
		t.Errorf("got %v", err)
	}
}

func FuzzAr(f *testing.F) {
	f.Add([]byte(arMagic + member("debian-binary", "3", "`\n") + "2.0\n" + member("x/", "0", "`\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := newAr(bytes.NewReader(data))
		total := 0
		for err == nil {
			var body io.Reader
			if _, body, err = r.next(); err != nil {
				break
			}
			content, _ := io.ReadAll(body)
			total += len(content)
		}
		if total > len(data) || err != io.EOF && !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes came out of %d: %v", total, len(data), err)
		}
	})
}

func FuzzWalk(f *testing.F) {
	f.Add(apttest.Deb(f, "gz", apttest.File{Name: "x", Content: "y"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = walk(bytes.NewReader(data), func(name string, _ *tar.Header, r io.Reader) error {
			if strings.HasPrefix(name, "/") || name != "" && !filepath.IsLocal(name) {
				t.Errorf("a name that leads out: %q", name)
			}
			return nil
		})
	})
}

func TestWalkStopsWithItsContext(t *testing.T) {
	name := filepath.Join(t.TempDir(), "p.deb")
	if err := os.WriteFile(name, apttest.Deb(t, "xz", apttest.File{Name: "x"}), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := Walk(ctx, name, func(string, *tar.Header, io.Reader) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
