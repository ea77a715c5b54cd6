package blockdev

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadOutputRefuses also unpacks every attack, and shows that neither did
// anything.
func TestReadOutputRefuses(t *testing.T) {
	for _, tt := range attacks {
		t.Run(tt.name, func(t *testing.T) {
			dev, out := device(t, tt.data(t)), t.TempDir()
			dest := filepath.Join(out, "keep")
			check(t, os.WriteFile(dest, []byte("earlier"), 0o600))
			before := snapshot(t, out)
			_, _, err := ReadOutput(context.Background(), dev, dest, Limits{})
			wantHostile(t, err, tt.want)
			_, _, err = TakeOutput(context.Background(), dev, dest, Limits{})
			wantHostile(t, err, tt.want)
			_, err = Extract(context.Background(), dev, filepath.Join(out, "target"), ExtractOptions{})
			wantHostile(t, err, tt.want)
			if after := snapshot(t, out); !maps.Equal(before, after) {
				t.Errorf("before %v\nafter  %v", before, after)
			}
		})
	}
}

func wantHostile(t *testing.T, err error, want string) {
	t.Helper()
	if _, ok := errors.AsType[*HostileError](err); !ok || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want a HostileError with %q", err, want)
	}
}

// snapshot is everything below a directory, links not followed.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch info.Mode().Type() {
		case 0:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		}
		name, err := filepath.Rel(dir, path)
		all[name] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReadOutputLimits(t *testing.T) {
	many := make([]tar.Header, 20)
	for i := range many {
		many[i] = reg(fmt.Sprint("f", i))
	}
	tests := []struct {
		name string
		data []byte
		lim  Limits
		want string
	}{
		{"entries", tarOf(t, many...), Limits{Entries: 19}, "is one too many: there may be 19"},
		{"implied directories", tarOf(t, reg("a/b/c/d/e/f")), Limits{Entries: 5}, "is one too many"},
		{"bytes", tarOf(t, many...), Limits{Bytes: 5000}, "is cut off at 5000 bytes"},
		{"bytes of a file", tarOf(t, reg(strings.Repeat("d/", 30)+"f")), Limits{Bytes: 520}, "claims 61 bytes of content where at most 8"},
		{"path", tarOf(t, reg("abcdef")), Limits{Path: 5}, "a name of 6 bytes, more than 5"},
		{"link", tarOf(t, sym("l", "abcdef")), Limits{LinkLen: 5}, "symbolic link to 6 bytes, more than 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := t.TempDir()
			_, _, err := ReadOutput(context.Background(), device(t, tt.data), filepath.Join(out, "x"), tt.lim)
			wantHostile(t, err, tt.want)
			wantEmpty(t, out)
		})
	}
}

// TestReadOutputDoesNotGrow: a short archive names many deep directories without
// listing them, each of which would be an entry with a long name.
func TestReadOutputDoesNotGrow(t *testing.T) {
	const limit = 64 << 10
	var deep []tar.Header
	for i := range 6 {
		deep = append(deep, reg(fmt.Sprint(i, "/", strings.Repeat("a/", 2000), "f")))
	}
	out := t.TempDir()
	_, _, err := ReadOutput(context.Background(), device(t, tarOf(t, deep...)), filepath.Join(out, "x"), Limits{Bytes: limit})
	wantHostile(t, err, "would grow beyond ")
	wantEmpty(t, out)
}

// TestReadOutputOfTooManyEntries: the default refuses a million, and to refuse
// takes no longer than to read what is allowed.
func TestReadOutputOfTooManyEntries(t *testing.T) {
	const allowed = 20_000
	if n := (Limits{}).withDefaults().Entries; n >= 1_000_000 {
		t.Errorf("%d entries are allowed", n)
	}
	var data []byte
	for i := range allowed + 1 {
		data = append(data, rawHeader(fmt.Sprintf("%07d", i), '0', "00000000000\x00")...)
	}
	dev, out := device(t, data), t.TempDir()
	check(t, os.Truncate(dev, 1<<40))
	_, _, err := ReadOutput(context.Background(), dev, filepath.Join(out, "x"), Limits{Entries: allowed})
	wantHostile(t, err, `"0020000" is one too many: there may be 20000`)
	wantEmpty(t, out)
}

// TestReadOutputIsCanonical reads an untidy archive and then its own result.
func TestReadOutputIsCanonical(t *testing.T) {
	setuid := reg("bin/su")
	setuid.Mode, setuid.Uid, setuid.Uname, setuid.PAXRecords = 0o6755, 1000, "joe", map[string]string{"SCHILY.xattr.user.x": "y"}
	closed := dir("closed")
	closed.Mode = 0
	long := strings.Repeat("l", 200) + "/" + strings.Repeat("m", 200)
	data := tarOf(t, dir("./"), setuid, dir("bin"), closed, sym("out", "/etc/passwd"), sym("up", "../../.."), hard("bin/sudo", "./bin/su"),
		reg("gr\xfcn"), reg("deep//er/./f"), reg(long), sym("long", strings.Repeat("x", 300)))
	a, warnings, err := ReadOutput(context.Background(), device(t, data), filepath.Join(t.TempDir(), "a"), Limits{})
	if check(t, err); len(warnings) > 0 {
		t.Errorf("warnings %q", warnings)
	}
	got, err := List(a.Path)
	check(t, err)
	var lines []string
	for _, e := range got {
		lines = append(lines, fmt.Sprintf("%.20s %s %o %d %.20s", e.Name, e.Kind, e.Mode, e.Size, e.Link))
	}
	want := []string{
		"bin directory 755 0 ", "bin/su file 755 6 ", "closed directory 700 0 ",
		"out symbolic link 777 0 /etc/passwd", "up symbolic link 777 0 ../../..", "bin/sudo hard link 0 0 bin/su",
		"gr\xfcn file 644 4 ", "deep directory 755 0 ", "deep/er directory 755 0 ", "deep/er/f file 644 12 ",
		"llllllllllllllllllll directory 755 0 ", "llllllllllllllllllll file 644 401 ", "long symbolic link 777 0 xxxxxxxxxxxxxxxxxxxx",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") || a.Entries != len(want) {
		t.Errorf("%d entries:\n%s\nwant:\n%s", a.Entries, strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	b, _, err := ReadOutput(context.Background(), a.Path, filepath.Join(t.TempDir(), "b"), Limits{})
	if check(t, err); a.Digest != b.Digest || a.Size != b.Size {
		t.Errorf("%+v\n%+v", a, b)
	}
	listing := run(t, "tar", "-tvf", a.Path)
	if strings.Contains(listing, "joe") || strings.Contains(listing, "rws") {
		t.Error(listing)
	}
}

// TestReadOutputOfSystemTar: an archive that another program made.
func TestReadOutputOfSystemTar(t *testing.T) {
	root := sample(t)
	check(t, os.Link(filepath.Join(root, "a.txt"), filepath.Join(root, "hard")))
	for _, format := range []string{"gnu", "pax", "ustar", "v7"} {
		t.Run(format, func(t *testing.T) {
			dev := filepath.Join(t.TempDir(), "device")
			args := []string{"--format=" + format, "-C", root, "-cf", dev, "."}
			if format == "v7" || format == "ustar" { // they can not say the long name
				args = []string{"--format=" + format, "-C", root, "-cf", dev, "a.txt", "hard", "sub", "empty"}
			}
			run(t, "tar", args...)
			f, err := os.OpenFile(dev, os.O_WRONLY, 0)
			check(t, err)
			check(t, f.Truncate(1<<40))
			check(t, f.Close())
			a, _, err := ReadOutput(context.Background(), dev, filepath.Join(t.TempDir(), "x"), Limits{})
			check(t, err)
			out := filepath.Join(t.TempDir(), "out")
			_, err = Extract(context.Background(), a.Path, out, ExtractOptions{})
			check(t, err)
			if format == "v7" || format == "ustar" {
				run(t, "diff", "-r", "--no-dereference", filepath.Join(root, "sub"), filepath.Join(out, "sub"))
				return
			}
			run(t, "diff", "-r", "--no-dereference", root, out)
		})
	}
}

func TestReadOutputOfAnEmptyDevice(t *testing.T) {
	dev := filepath.Join(t.TempDir(), "device")
	check(t, CreateSparse(dev, 1<<40))
	a, _, err := ReadOutput(context.Background(), dev, filepath.Join(t.TempDir(), "x"), Limits{})
	check(t, err)
	if a.Size != MinSize || a.Entries != 0 {
		t.Errorf("%+v", a)
	}
	data, err := os.ReadFile(a.Path)
	if check(t, err); !bytes.Equal(data, make([]byte, MinSize)) {
		t.Error("an empty archive is not all zeroes")
	}
}

func TestReadOutputStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out := t.TempDir()
	if _, _, err := ReadOutput(ctx, device(t, tarOf(t, reg("f"))), filepath.Join(out, "x"), Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantEmpty(t, out)
}

// taken takes the device, and finds the archive that was read from it.
func taken(t *testing.T, dev string, want Archive) {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "taken")
	got, _, err := TakeOutput(context.Background(), dev, dest, Limits{})
	check(t, err)
	a, err := os.ReadFile(dest)
	check(t, err)
	b, err := os.ReadFile(want.Path)
	check(t, err)
	if got.Digest != want.Digest || got.Size != want.Size || got.Entries != want.Entries || !bytes.Equal(a, b) {
		t.Errorf("taken: %+v\nread:  %+v", got, want)
	}
}

func TestTakeOutput(t *testing.T) {
	longer := tarOf(t, reg("a"))
	garbage := bytes.Clone(longer)
	garbage[512+100] = 1 // where a file of one byte is filled up with zeroes
	for _, tt := range []struct {
		name   string
		data   []byte
		copied bool
	}{
		{"canonical", tarOf(t, dir("a/"), reg("a/b"), hard("c", "a/b")), false},
		{"of another mode", tarOf(t, special("d/", tar.TypeDir)), true},
		{"garbage after a file", garbage, true},
		{"a directory at the end, twice", tarOf(t, dir("a/"), dir("a/")), true},
		{"garbage after its end", append(longer, "garbage"...), false},
		{"empty", make([]byte, 1024), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dev := device(t, tt.data)
			check(t, os.Truncate(dev, 1<<30))
			want, _, err := ReadOutput(context.Background(), dev, filepath.Join(t.TempDir(), "read"), Limits{})
			check(t, err)
			taken(t, dev, want)
			if _, err := os.Stat(dev); (err == nil) != tt.copied {
				t.Errorf("the device: %v", err)
			}
		})
	}
}
