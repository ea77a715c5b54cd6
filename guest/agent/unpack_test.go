package agent

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/guest"
)

// entry is a header and its content.
type entry struct {
	tar.Header
	body string
}

func file(name, body string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, body}
}

func dir(name string) entry {
	return entry{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
}

func link(kind byte, name, target string) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777}, ""}
}

func archive(entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.body))
		if err := w.WriteHeader(&e.Header); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(e.body)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	tests := map[string]struct {
		data []byte
		want string // names, a space between
	}{
		"nothing":           {nil, ""},
		"zeroes":            {make([]byte, 8192), ""},
		"empty archive":     {archive(), ""},
		"implied parents":   {archive(file("a/b/c", "x")), "a a/b a/b/c"},
		"the root itself":   {archive(dir("./"), file("./f", "")), "f"},
		"a name twice":      {archive(file("f", "old"), file("f", "new")), "f"},
		"a directory twice": {archive(dir("d/"), file("d/f", ""), dir("d/")), "d d/f"},
		"link replaced":     {archive(link(tar.TypeSymlink, "l", "/etc/passwd"), file("l", "x")), "l"},
		"hard link":         {archive(file("f", "x"), link(tar.TypeLink, "g", "f")), "f g"},
		"link to nowhere":   {archive(link(tar.TypeSymlink, "l", "../../nowhere")), "l"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unpack(context.Background(), bytes.NewReader(test.data), dir); err != nil {
				t.Fatal(err)
			}
			if got := found(t, dir); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func found(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); name != "." {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

var hostile = map[string][]byte{
	"absolute":          archive(file("/outside", "x")),
	"parent":            archive(file("../outside", "x")),
	"hidden parent":     archive(file("a/../../outside", "x")),
	"through a link":    archive(link(tar.TypeSymlink, "l", ".."), file("l/outside", "x")),
	"through two links": archive(dir("d"), link(tar.TypeSymlink, "d/l", ".."), link(tar.TypeSymlink, "m", "d/l"), file("m/outside", "x")),
	"link over a dir":   archive(dir("d"), link(tar.TypeSymlink, "d", "..")),
	"file over a dir":   archive(dir("d"), file("d", "x")),
	"dir over a link":   archive(link(tar.TypeSymlink, "d", ".."), dir("d"), link(tar.TypeSymlink, "d", ".."), file("d/outside", "x")),
	"hard link out":     archive(link(tar.TypeLink, "h", "../secret")),
	"hard link abs":     archive(link(tar.TypeLink, "h", "/etc/passwd")),
	"hard link by link": archive(link(tar.TypeSymlink, "l", ".."), link(tar.TypeLink, "h", "l/secret")),
	"hard to missing":   archive(link(tar.TypeLink, "h", "none")),
	"device":            archive(entry{tar.Header{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}, ""}),
	"fifo":              archive(entry{tar.Header{Typeflag: tar.TypeFifo, Name: "fifo"}, ""}),
	"the root a file":   archive(file(".", "x")),
	"cut header":        archive(file("f", "x"))[:300],
	"cut content":       archive(file("f", strings.Repeat("x", 5000)))[:3000],
	"garbage":           bytes.Repeat([]byte("damage "), 500),
}

func TestUnpackRefuses(t *testing.T) {
	for name, data := range hostile {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			if err := os.WriteFile(filepath.Join(top, "secret"), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			inner := filepath.Join(top, "inner")
			if err := os.Mkdir(inner, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unpack(context.Background(), bytes.NewReader(data), inner); err == nil {
				t.Error("accepted")
			}
			checkOutside(t, top)
		})
	}
}

// checkOutside wants the directory above the archive's unchanged.
func checkOutside(t *testing.T, top string) {
	t.Helper()
	entries, err := os.ReadDir(top)
	if err != nil || len(entries) != 2 {
		t.Errorf("outside: %v %v", entries, err)
	}
	info, err := os.Lstat(filepath.Join(top, "secret"))
	if err != nil || stat(info).Nlink != 1 || info.Size() != 4 {
		t.Errorf("secret: %v %v", info, err)
	}
}

func FuzzUnpack(f *testing.F) {
	for _, data := range hostile {
		f.Add(data)
	}
	f.Add(archive(dir("d"), file("d/f", "x"), link(tar.TypeLink, "g", "d/f")))
	f.Fuzz(func(t *testing.T, data []byte) {
		top := t.TempDir()
		os.WriteFile(filepath.Join(top, "secret"), []byte("kept"), 0o600)
		inner := filepath.Join(top, "inner")
		os.Mkdir(inner, 0o755)
		unpack(context.Background(), bytes.NewReader(data), inner)
		checkOutside(t, top)
	})
}

func TestUnpackInputs(t *testing.T) {
	good, bad := archive(file("f", "x")), archive(file("f", strings.Repeat("x", 5000)))[:3000]
	tests := map[string]struct {
		inputs  []guest.Input
		failed  string
		message string
		found   string
	}{
		"good":             {[]guest.Input{{Serial: "good", Dir: "/ci/in", ReadOnly: true}}, "", "", "f"},
		"two":              {[]guest.Input{{Serial: "good", Dir: "/ci/in"}, {Serial: "good", Dir: "/ci/in/sub"}}, "", "", "f sub sub/f"},
		"damaged":          {[]guest.Input{{Serial: "bad", Dir: "/ci/in"}}, "bad: \"f\": damaged archive", "", "f"},
		"damaged optional": {[]guest.Input{{Serial: "bad", Dir: "/ci/in", Optional: true}}, "", "warning", ""},
		"missing":          {[]guest.Input{{Serial: "none", Dir: "/ci/in"}}, "no disk none", "", ""},
		"missing optional": {[]guest.Input{{Serial: "none", Dir: "/ci/in", Optional: true}}, "", "warning", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, guest.Plan{Inputs: test.inputs})
			h.give("good", good)
			h.give("bad", bad)
			done := h.work(context.Background())
			if (done.Error == "") != (test.failed == "") || !strings.Contains(done.Error, test.failed) || h.said() != test.message {
				t.Errorf("%+v, %q", done, h.said())
			}
			if got := found(t, h.path("/ci/in")); got != test.found {
				t.Errorf("found %q, want %q", got, test.found)
			}
		})
	}
}

func TestUnpackStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errStopped)
	if err := unpack(ctx, bytes.NewReader(archive(file("f", ""))), t.TempDir()); !errors.Is(err, errStopped) {
		t.Error(err)
	}
	h := newHost(t, guest.Plan{Inputs: []guest.Input{{Serial: "bad", Dir: "/ci/in"}},
		Outputs: []guest.Output{{Name: "cache", Dir: "/ci/cache", Serial: "out", Limit: 1 << 20}}})
	if done := h.work(ctx); done.Error != "" || len(done.Outputs) != 1 {
		t.Errorf("%+v", done)
	}
}

func TestDoneError(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}
	if d := doneError(errors.Join(errors.New("src"), full)); d.Limit != guest.LimitDisk || d.Error == "" {
		t.Errorf("%+v", d)
	}
	if d := doneError(errors.New(strings.Repeat("x", 1<<20))); d.Limit != "" || len(d.Error) > 5000 {
		t.Errorf("%d bytes, %q", len(d.Error), d.Limit)
	}
}
