package erofs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	reader "github.com/erofs/go-erofs"
)

// file is what a test puts into an image, and what it finds there.
type file struct {
	name, text, target, same string // same: a hard link to that name
	mode                     fs.FileMode
	time                     int64
	dir                      bool
}

func (f file) String() string {
	text := f.text
	if len(text) > 20 {
		text = fmt.Sprintf("%d bytes", len(text))
	}
	return fmt.Sprintf("%q %v %d %q -> %.20q = %q", f.name, f.mode, f.time, text, f.target, f.same)
}

// write makes an image of files and returns its path.
func write(t testing.TB, files []file) string {
	t.Helper()
	out := create(t)
	w := NewWriter(out)
	for _, f := range files {
		if err := add(w, f); err != nil {
			t.Fatalf("%v: %v", f, err)
		}
	}
	size, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if st, err := out.Stat(); err != nil || st.Size() != size || size%BlockSize != 0 {
		t.Fatalf("%d bytes: %v %v", size, st, err)
	}
	return out.Name()
}

func create(t testing.TB) *os.File {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

func add(w *Writer, f file) error {
	a := Attr{f.mode, f.time}
	switch {
	case f.dir:
		return w.Dir(f.name, a)
	case f.target != "":
		return w.Symlink(f.name, f.target, a)
	case f.same != "":
		return w.Link(f.name, f.same)
	}
	e, err := w.Content(strings.NewReader(f.text), int64(len(f.text)))
	if err != nil {
		return err
	}
	return w.File(f.name, a, e)
}

// read lists an image with another reader, in the order of its names, without
// Top.
func read(t testing.TB, path string) []file {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	tree, err := reader.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	names := map[any]string{} // first name of an inode
	var found []file
	if entries, err := fs.ReadDir(tree, "."); err != nil || len(entries) != 1 {
		t.Errorf("the root directory has %v, %v", entries, err)
	}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := fs.ReadDir(tree, dir)
		if err != nil {
			t.Fatalf("%q: %v", dir, err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			full := dir + "/" + e.Name()
			f := file{name: strings.TrimPrefix(full, Top+"/"), mode: info.Mode().Perm(), time: info.ModTime().Unix(), dir: e.IsDir()}
			st := info.Sys().(*reader.Stat)
			if st.UID != 0 || st.GID != 0 || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
				t.Errorf("%q: %+v", f.name, st)
			}
			switch {
			case e.IsDir():
			case info.Mode()&fs.ModeSymlink != 0:
				f.target, err = tree.(fs.ReadLinkFS).ReadLink(full)
			case names[st.Ino] != "":
				f.same = names[st.Ino]
			default:
				names[st.Ino] = f.name
				var data []byte
				data, err = fs.ReadFile(tree, full)
				f.text = string(data)
			}
			if err != nil {
				t.Fatalf("%q: %v", f.name, err)
			}
			found = append(found, f)
			if e.IsDir() {
				walk(full)
			}
		}
	}
	walk(Top)
	slices.SortFunc(found, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return found
}

// fsck runs the format's own checker, which reads every content.
func fsck(t testing.TB, path string) {
	t.Helper()
	out, err := exec.Command("fsck.erofs", "--extract", "-d3", path).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("<E>")) {
		t.Errorf("fsck.erofs: %v\n%s", err, out)
	}
}

// dump compares what the format's own tool counts in an image.
func dump(t testing.TB, path string, files []file) {
	t.Helper()
	out, err := exec.Command("dump.erofs", "-s", "-S", path).CombinedOutput()
	if err != nil {
		t.Fatalf("dump.erofs: %v\n%s", err, out)
	}
	kinds := map[string]int{"directory": 2} // the root and Top
	for _, f := range files {
		switch {
		case f.dir:
			kinds["directory"]++
		case f.target != "":
			kinds["symlink"]++
		case f.same == "":
			kinds["regular"]++
		}
	}
	want := map[string]int{"inode": kinds["directory"] + kinds["symlink"] + kinds["regular"], "root nid": rootOffset / nidUnit, "metadata start block": metaBlock}
	names := map[string]string{"inode": "inode count", "root nid": "root nid", "metadata start block": "inode metadata start block"}
	for name, n := range want {
		if m := regexp.MustCompile("Filesystem " + names[name] + `:\s+([0-9]+)`).FindSubmatch(out); m == nil || string(m[1]) != fmt.Sprint(n) {
			t.Errorf("dump.erofs: %s is %q, want %d", name, m, n)
		}
	}
	for _, kind := range []string{"directory", "symlink"} {
		if m := regexp.MustCompile("Filesystem " + kind + `[a-z ]*count:\s+([0-9]+)`).FindSubmatch(out); m == nil || string(m[1]) != fmt.Sprint(kinds[kind]) {
			t.Errorf("dump.erofs: %q of kind %s, want %d", m, kind, kinds[kind])
		}
	}
}

func compare(t testing.TB, got, want []file) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("got  %d files, %v\nwant %d files, %v", len(got), got[min(i, len(got)):min(i+3, len(got))], len(want), want[min(i, len(want)):min(i+3, len(want))])
			return
		}
	}
}

// odd is every kind of file that has been trouble somewhere.
func odd() []file {
	long := strings.Repeat("n", 255)
	files := []file{
		{name: "!before dot", mode: 0o644, time: 5},
		{name: "-", mode: 0o644, time: 1, text: "x"},
		{name: ".hidden", mode: 0o600, time: 1 << 33, text: "x"},
		{name: "dir", mode: 0o700, time: 7, dir: true},
		{name: "dir/empty", mode: 0, time: 9},
		{name: "dir/hard", same: "dir/data", mode: 0o755, time: 3, text: ""},
		{name: "dir/data", mode: 0o755, time: 3, text: strings.Repeat("d", BlockSize)},
		{name: "dir/more", mode: 0o644, time: 3, text: strings.Repeat("d", BlockSize+1)},
		{name: "large", mode: 0o644, time: 3, text: strings.Repeat("0123456789", 1<<20)},
		{name: "new\nline", mode: 0o644, time: 3, text: "n"},
		{name: "not utf8 \xff\xfe", mode: 0o644, time: 3, text: "u"},
		{name: long, mode: 0o755, time: 4, dir: true},
		{name: long + "/" + long, mode: 0o644, time: 3, text: "l"},
	}
	for _, n := range []int{1, 100, 4031, 4032, 4033, 4094, 4095} {
		files = append(files, file{name: fmt.Sprintf("link%d", n), target: strings.Repeat("t", n), mode: 0o777, time: int64(n)})
	}
	// Directories whose sizes lie around those of blocks.
	for n := 1; n < 700; n += 23 {
		dir := fmt.Sprintf("many%d", n)
		files = append(files, file{name: dir, dir: true, mode: 0o755, time: 1})
		for i := range n {
			files = append(files, file{name: fmt.Sprintf("%s/file%d", dir, i), mode: 0o644, time: 2})
		}
	}
	// dir/data must be there before its second name.
	files[5], files[6] = files[6], files[5]
	return files
}

func TestImageHoldsWhatWasAdded(t *testing.T) {
	files := odd()
	path := write(t, files)
	fsck(t, path)
	dump(t, path, files)
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	compare(t, read(t, path), files)
}

func TestEmptyImage(t *testing.T) {
	path := write(t, nil)
	fsck(t, path)
	if got := read(t, path); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// What a kernel has read when it has mounted an image, but for numbers in the
// superblock that it only shows.
func TestRootIsAlwaysTheSame(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := Empty(empty); err != nil {
		t.Fatal(err)
	}
	fsck(t, empty)
	var blocks [2][]byte
	for i, path := range []string{empty, write(t, odd())} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		super := data[superOffset : superOffset+128]
		clear(super[4:8])   // checksum
		clear(super[16:24]) // number of inodes
		clear(super[36:40]) // number of blocks
		blocks[i] = data[:2*BlockSize]
	}
	if !bytes.Equal(blocks[0], blocks[1]) {
		t.Error("two images differ in their first two blocks")
	}
}

func TestLargeDirectory(t *testing.T) {
	var files []file
	for i := range 10_000 {
		files = append(files, file{name: fmt.Sprintf("%05d-%s", i, strings.Repeat("x", i%200)), mode: 0o644, time: 1, text: fmt.Sprint(i)})
	}
	path := write(t, files)
	fsck(t, path)
	compare(t, read(t, path), files)
}

// Directories that are implied, or have no time, get the latest one below them.
func TestTimesOfDirectories(t *testing.T) {
	path := write(t, []file{
		{name: "a/b/c", mode: 0o644, time: 10}, {name: "a/d", mode: 0o644, time: 20},
		{name: "a/b", dir: true, mode: 0o700}, {name: "e", dir: true, mode: 0o755}, {name: "f", dir: true, mode: 0o755, time: 5},
	})
	got := map[string]int64{}
	for _, f := range read(t, path) {
		got[f.name] = f.time
	}
	for name, want := range map[string]int64{"a": 20, "a/b": 10, "e": 20, "f": 5} {
		if got[name] != want {
			t.Errorf("%s: %d, want %d", name, got[name], want)
		}
	}
}

func TestNamesThatCanNotBe(t *testing.T) {
	w := NewWriter(create(t))
	for _, f := range []file{{name: "file"}, {name: "dir", dir: true}, {name: "link", target: "x"}} {
		if err := add(w, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []file{
		{name: ""}, {name: "/abs"}, {name: "a//b"}, {name: "a/"}, {name: "."}, {name: "../x"}, {name: "a/.."}, {name: "nul\x00"},
		{name: strings.Repeat("n", 256)}, {name: "file"}, {name: "file/x"}, {name: "link/x"}, {name: "dir"}, {name: "dir", dir: true},
		{name: "file", dir: true}, {name: "l", target: strings.Repeat("t", 4096)}, {name: "l", target: "a\x00b"},
		{name: "l", same: "dir"}, {name: "l", same: "nothing"}, {name: "l", same: "link"}, {name: "l", same: "../x"},
	} {
		var bad *NameError
		if err := add(w, f); !errors.As(err, &bad) {
			t.Errorf("%v gave %v", f, err)
		}
	}
	if _, err := w.Content(strings.NewReader("short"), 6); err != io.ErrUnexpectedEOF {
		t.Errorf("a short content gave %v", err)
	}
}

// TestKeep makes each image of what the one before has, and something new.
func TestKeep(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type content struct {
		text string
		at   Extent
	}
	var kept []content
	var before *os.File
	for round := range 30 {
		out := create(t)
		w := NewWriter(out)
		kept = slices.DeleteFunc(kept, func(content) bool { return random.IntN(10) < round/3 })
		random.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
		if before != nil {
			var old []Extent
			for _, c := range kept {
				old = append(old, c.at)
			}
			now, err := w.Keep(before, old)
			if err != nil {
				t.Fatal(err)
			}
			for i := range kept {
				kept[i].at = now[i]
			}
		}
		for range 10 {
			text := strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN(20000))
			at, err := w.Content(strings.NewReader(text), int64(len(text)))
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, content{text, at})
		}
		var want []file
		for i, c := range kept {
			f := file{name: fmt.Sprintf("%04d", i), text: c.text, mode: 0o644, time: 1}
			want = append(want, f)
			if err := w.File(f.name, Attr{f.mode, f.time}, c.at); err != nil {
				t.Fatal(err)
			}
		}
		size, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		if st, err := out.Stat(); err != nil || st.Size() > 2*size+200_000 || st.Size() < size {
			t.Errorf("round %d: %d bytes for %d", round, st.Size(), size)
		}
		fsck(t, out.Name())
		compare(t, read(t, out.Name()), want)
		before = out
	}
}

func TestKeepRefusesOverlaps(t *testing.T) {
	w := NewWriter(create(t))
	if _, err := w.Keep(create(t), []Extent{{1, 5000}, {2, 1}}); err == nil {
		t.Error("no error")
	}
	if _, err := w.Keep(create(t), []Extent{{1, 5000}}); err == nil {
		t.Error("contents that are not there gave no error")
	}
}

// FuzzWriter adds what a hostile archive may hold: whatever the writer takes,
// another reader finds.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("d a\x00f a/b\x00l a/c\x00h d\x00f .\x00f ..\x00f a/b/c\x00"))
	f.Add([]byte("f " + strings.Repeat("x/", 300) + "y\x00f \xff\x00l \n\x00"))
	f.Fuzz(func(t *testing.T, script []byte) {
		out := create(t)
		w := NewWriter(out)
		want := map[string]file{}
		last := ""
		for i, line := range strings.SplitN(string(script), "\x00", 200) {
			kind, name, _ := strings.Cut(line, " ")
			f := file{name: name, mode: fs.FileMode(i) & 0o777, time: int64(i) + 1}
			switch kind {
			case "d":
				f.dir = true
			case "l":
				f.target, f.mode = name+strings.Repeat("/t", i*20), 0o777
			case "h":
				f.same = last
			default:
				f.text = strings.Repeat(name, i)
			}
			if add(w, f) == nil {
				want[name] = f
				if f.text != "" {
					last = name
				}
			}
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, got := range read(t, out.Name()) {
			f, ok := want[got.name]
			switch {
			case !ok && got.dir: // implied
			case !ok:
				t.Errorf("%v was not added", got)
			case f.same != "" || got.same != "": // which of two names is read first is chance
			case got != f:
				t.Errorf("got %v, want %v", got, f)
			}
			delete(want, got.name)
		}
		if len(want) > 0 {
			t.Errorf("lost: %v", want)
		}
	})
}
