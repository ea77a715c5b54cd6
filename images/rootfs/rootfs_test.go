package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/erofs/go-erofs"
)

var when = time.Unix(1_000_000_000, 0)

// image makes an image and returns its path, checked by Debian's own tool.
func image(t *testing.T, fill func(*Writer) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.erofs")
	w, err := Create(path, when)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := fill(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("fsck.erofs", path).CombinedOutput(); err != nil {
		t.Fatalf("fsck.erofs: %v: %s", err, out)
	}
	return path
}

// describe lists an image: type and mode, owner, name, content or target.
func describe(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := erofs.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	modes := unpack(t, path)
	var all []string
	err = fs.WalkDir(img, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*erofs.Stat)
		line := fmt.Sprintf("%v %d:%d %s", modes(name), st.UID, st.GID, name)
		for attr, value := range st.Xattrs {
			line += fmt.Sprintf(" {%s=%q}", attr, value)
		}
		if info.Mode().IsRegular() {
			data, err := fs.ReadFile(img, name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %.20q", data)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := img.(fs.ReadLinkFS).ReadLink(name)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(all)
	return all
}

// unpack has Debian's own tool unpack an image and returns the modes of what
// came out: the library leaves special bits out when it reads.
func unpack(t *testing.T, path string) func(name string) fs.FileMode {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	out, err := exec.Command("fsck.erofs", "--extract="+dir, "--preserve-perms", "--no-preserve-owner", path).CombinedOutput()
	if err != nil {
		t.Fatalf("fsck.erofs: %v: %s", err, out)
	}
	return func(name string) fs.FileMode {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
}

type entry struct {
	tar.Header
	content string
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		e.ModTime, e.Format = when, tar.FormatPAX
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func dir(name string, mode int64) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}, ""}
}

func file(name, content string, mode int64) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}, content}
}

func link(kind byte, name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: 0o777}, ""}
}

func TestFromTar(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<12) // more than a block
	capable := file("./bin/ping", "ping", 0o755)
	capable.Uid, capable.Gid = 100000, 7
	capable.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00"}
	data := archive(t,
		dir("./", 0o755), dir("./tmp/", 0o1777), dir("./bin", 0o755), capable,
		file("./bin/su", big, 0o4755), link(tar.TypeLink, "./bin/su2", "./bin/su"),
		link(tar.TypeSymlink, "./bin/sh", "busybox"), link(tar.TypeLink, "./bin/sh2", "bin/sh"),
		file("deep/er/x", "", 0o600), dir("deep", 0o700), file("skipped", "x", 0o644),
		entry{tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, ""},
		entry{tar.Header{Name: "pipe", Typeflag: tar.TypeFifo}, ""},
	)
	var tee bytes.Buffer
	path := image(t, func(w *Writer) error {
		return FromTar(context.Background(), w, bytes.NewReader(data),
			TarOptions{Skip: map[string]bool{"skipped": true}, Tee: map[string]io.Writer{"bin/su": &tee}})
	})
	if tee.String() != big {
		t.Errorf("the copy has %d bytes", tee.Len())
	}
	want := []string{
		`-rw------- 0:0 deep/er/x ""`,
		`-rwxr-xr-x 100000:7 bin/ping {security.capability="\x01\x00\x00\x02\x00"} "ping"`,
		`Lrwxrwxrwx 0:0 bin/sh -> busybox`, `Lrwxrwxrwx 0:0 bin/sh2 -> busybox`,
		`drwx------ 0:0 deep`, `drwxr-xr-x 0:0 .`, `drwxr-xr-x 0:0 bin`, `drwxr-xr-x 0:0 deep/er`,
		`dtrwxrwxrwx 0:0 tmp`,
		fmt.Sprintf(`urwxr-xr-x 0:0 bin/su %.20q`, big), fmt.Sprintf(`urwxr-xr-x 0:0 bin/su2 %.20q`, big),
	}
	if got := describe(t, path); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestFromTarHostile(t *testing.T) {
	whole := archive(t, file("x", strings.Repeat("y", 5000), 0o644))
	cases := map[string][]byte{
		"parent":               archive(t, file("../x", "y", 0o644)),
		"parent inside":        archive(t, file("a/../../x", "y", 0o644)),
		"twice":                archive(t, file("x", "1", 0o644), file("./x", "2", 0o644)),
		"below a file":         archive(t, file("x", "1", 0o644), file("x/y", "2", 0o644)),
		"below a link":         archive(t, link(tar.TypeSymlink, "x", "/etc"), file("x/y", "2", 0o644)),
		"directory over file":  archive(t, file("x", "1", 0o644), dir("x", 0o755)),
		"hard link to nothing": archive(t, link(tar.TypeLink, "x", "nosuch")),
		"hard link to parent":  archive(t, link(tar.TypeLink, "x", "../etc/shadow")),
		"hard link to a dir":   archive(t, dir("d", 0o755), link(tar.TypeLink, "x", "d")),
		"empty link":           archive(t, link(tar.TypeSymlink, "x", "")),
		"long link":            archive(t, link(tar.TypeSymlink, "x", strings.Repeat("y", 5000))),
		"long name":            archive(t, file(strings.Repeat("x", 300), "y", 0o644)),
		"long path":            archive(t, file(strings.Repeat("x/", 3000)+"x", "y", 0o644)),
		"root is a link":       archive(t, link(tar.TypeSymlink, ".", "/etc")),
		"cut short":            whole[:3000],
		"no tar":               []byte(strings.Repeat("hello", 500)),
	}
	for name, data := range cases {
		path := filepath.Join(t.TempDir(), "root.erofs")
		w, err := Create(path, when)
		if err != nil {
			t.Fatal(err)
		}
		err = FromTar(context.Background(), w, bytes.NewReader(data), TarOptions{})
		w.Abort()
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a file was left", name)
		}
	}
}

func TestFromTarStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w, err := Create(filepath.Join(t.TempDir(), "root.erofs"), when)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	err = FromTar(ctx, w, bytes.NewReader(archive(t, file("x", "y", 0o644))), TarOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCreateKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.erofs")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, when); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "mine" {
		t.Errorf("it holds %q", data)
	}
}
