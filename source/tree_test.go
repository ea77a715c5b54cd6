package source

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/home"
)

// long is a time at which files are settled.
var long = time.Now().Add(-time.Hour)

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func scan(t *testing.T, dir string, opts ScanOptions) *Tree {
	t.Helper()
	tree, err := Scan(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestScanSeesWhatAGuestSees changes one thing at a time.
func TestScanSeesWhatAGuestSees(t *testing.T) {
	tests := []struct {
		name    string
		change  func(at func(string) string) error
		differs bool
	}{
		{"nothing", func(func(string) string) error { return nil }, false},
		{"times", func(at func(string) string) error { return os.Chtimes(at("a"), long, long) }, false},
		{"the same content again", func(at func(string) string) error { return os.WriteFile(at("a"), []byte("one"), 0o644) }, false},
		{"a group's permission", func(at func(string) string) error { return os.Chmod(at("a"), 0o664) }, false},
		{"a byte", func(at func(string) string) error { return os.WriteFile(at("a"), []byte("onE"), 0o644) }, true},
		{"executable", func(at func(string) string) error { return os.Chmod(at("a"), 0o755) }, true},
		{"another name", func(at func(string) string) error { return os.Rename(at("a"), at("c")) }, true},
		{"one more", func(at func(string) string) error { return os.WriteFile(at("new"), nil, 0o644) }, true},
		{"an empty directory", func(at func(string) string) error { return os.Mkdir(at("empty"), 0o755) }, true},
		{"one less", func(at func(string) string) error { return os.Remove(at("a")) }, true},
		{"a link", func(at func(string) string) error { return os.Symlink("a", at("l")) }, true},
		{"a link in place of the file", func(at func(string) string) error { os.Remove(at("a")); return os.Symlink("d/b", at("a")) }, true},
		{"content moves over", func(at func(string) string) error {
			os.WriteFile(at("a"), []byte("on"), 0o644)
			return os.WriteFile(at("d/b"), []byte("etwo"), 0o644)
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"a": "one", "d/b": "two"})
			h := home.At(t.TempDir())
			before := scan(t, dir, ScanOptions{Home: h})
			if err := tt.change(func(name string) string { return filepath.Join(dir, name) }); err != nil {
				t.Fatal(err)
			}
			after := scan(t, dir, ScanOptions{Home: h})
			if (before.Digest != after.Digest) != tt.differs {
				t.Errorf("%s and %s", before.Digest, after.Digest)
			}
			if fresh := scan(t, dir, ScanOptions{}); fresh.Digest != after.Digest {
				t.Errorf("with an index %s, without %s", after.Digest, fresh.Digest)
			}
		})
	}
}

// scanLater scans as if an hour had passed, so that the files are settled.
func scanLater(t *testing.T, dir string, h *home.Home) *scanner {
	t.Helper()
	return scanAt(t, dir, h, time.Now().Add(time.Hour))
}

func scanAt(t *testing.T, dir string, h *home.Home, began time.Time) *scanner {
	t.Helper()
	names, err := Files(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	root, _ := realPath(dir)
	s := &scanner{ctx: t.Context(), root: root, began: began, known: loadIndex(h, root)}
	for _, name := range names {
		if _, err := s.entry(name); err != nil {
			t.Fatal(err)
		}
	}
	s.next.save(h, root, s.known)
	return s
}

// TestIndexSavesReading swaps the content behind a file that looks unchanged:
// only reading could tell, and there is none.
func TestIndexSavesReading(t *testing.T) {
	dir, h := writeTree(t, map[string]string{"a": "one", "b/c": "two"}), home.At(t.TempDir())
	if s := scanLater(t, dir, h); len(s.next.records) != 2 {
		t.Fatalf("%d records", len(s.next.records))
	}
	root, _ := realPath(dir)
	x := loadIndex(h, root)
	x.records[0].sum[0] ^= 1
	x.save(h, root, &index{})
	if scan(t, dir, ScanOptions{Home: h, ReadOnly: true}).Digest == scan(t, dir, ScanOptions{}).Digest {
		t.Error("the file was read although the index knows it")
	}
	if err := os.Chtimes(filepath.Join(dir, "a"), long, long); err != nil {
		t.Fatal(err)
	}
	if scan(t, dir, ScanOptions{Home: h}).Digest != scan(t, dir, ScanOptions{}).Digest {
		t.Error("the file was not read although its times changed")
	}
}

// TestYoungFilesAreReadAgain changes a file without changing its size, time and
// inode, as two writes within one tick of a file system's clock do.
func TestYoungFilesAreReadAgain(t *testing.T) {
	began := time.Now()
	dir, h := writeTree(t, map[string]string{"a": "one"}), home.At(t.TempDir())
	first := scan(t, dir, ScanOptions{})
	scanAt(t, dir, h, began)
	root, _ := realPath(dir)
	if n := len(loadIndex(h, root).records); n != 0 {
		t.Fatalf("%d files that are too young are in the index", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	if scan(t, dir, ScanOptions{Home: h}).Digest == first.Digest {
		t.Error("the change was not seen")
	}
}

func TestScanIsBounded(t *testing.T) {
	dir := writeTree(t, map[string]string{"a": "one"})
	if err := os.Truncate(filepath.Join(dir, "a"), 1<<42); err != nil {
		t.Fatal(err)
	}
	if _, err := Scan(t.Context(), dir, ScanOptions{Limit: 1 << 30}); err == nil {
		t.Error("4 TiB were read")
	}
}

func TestLookChangesNothing(t *testing.T) {
	dir, h := writeTree(t, map[string]string{"a": "one"}), home.At(filepath.Join(t.TempDir(), "home"))
	scan(t, dir, ScanOptions{Home: h, ReadOnly: true})
	if _, err := os.Stat(filepath.Dir(h.SourceIndexes())); err == nil {
		t.Error("something was written")
	}
}

func TestDamagedIndex(t *testing.T) {
	dir, h := writeTree(t, map[string]string{"a": "one", "b": "two"}), home.At(t.TempDir())
	scanLater(t, dir, h)
	want := scan(t, dir, ScanOptions{}).Digest
	root, _ := realPath(dir)
	good, err := os.ReadFile(indexFile(h, root))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x40
		if _, err := decodeIndex(bad, root); err == nil {
			t.Fatalf("a flip at %d is not seen", i)
		}
		if _, err := decodeIndex(good[:i], root); err == nil {
			t.Fatalf("the first %d bytes are an index", i)
		}
	}
	if _, err := decodeIndex(good, root+"x"); err == nil {
		t.Error("the index of another tree is taken")
	}
	if err := os.WriteFile(indexFile(h, root), good[:len(good)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, dir, ScanOptions{Home: h}).Digest; got != want {
		t.Errorf("with half an index %s, want %s", got, want)
	}
}

func TestIndexesAreBounded(t *testing.T) {
	h := home.At(t.TempDir())
	if err := os.MkdirAll(h.SourceIndexes(), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range maxIndexes + 5 {
		if err := os.WriteFile(filepath.Join(h.SourceIndexes(), fmt.Sprint("old", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := writeTree(t, map[string]string{"a": "one"})
	scanLater(t, dir, h)
	left, _ := os.ReadDir(h.SourceIndexes())
	root, _ := realPath(dir)
	if _, err := os.Stat(indexFile(h, root)); len(left) != maxIndexes || err != nil {
		t.Errorf("%d are left, and the new one: %v", len(left), err)
	}
}

func TestPart(t *testing.T) {
	tree := scan(t, writeTree(t, map[string]string{
		"go.mod": "m", "go.sum": "s", "sub/go.mod": "m2", "sub/x/go.mod": "m3", "sub/go.module": "", "third/a": "", "third/b/c": "", "thirdly": "",
	}), ScanOptions{})
	for pattern, want := range map[string]int{
		"go.mod": 1, "**/go.mod": 3, "go.*": 2, "**/go.*": 5, "sub": 3, "third": 2, "none": 0, ".": 8, "**/x/go.mod": 1, "**/b": 0, "*/go.mod": 1, "third/*": 1,
	} {
		if digest, n := tree.Part(pattern); n != want || !strings.HasPrefix(digest, "sha256:") {
			t.Errorf("%s means %d files, want %d (%s)", pattern, n, want, digest)
		}
	}
	a, _ := tree.Part("go.mod")
	b, _ := tree.Part("go.sum")
	if a == b {
		t.Error("two files have the same digest")
	}
}

// FuzzDecodeIndex gives the decoder bodies whose checksum is right.
func FuzzDecodeIndex(f *testing.F) {
	x := index{}
	x.add("a/b", stamp{size: 1, mtime: 2, ctime: 3, inode: 4, device: 5}, [32]byte{6})
	good := x.encode("/root")
	f.Add(good[len(indexMagic) : len(good)-sha256.Size])
	f.Fuzz(func(t *testing.T, body []byte) {
		data := append([]byte(indexMagic), body...)
		sum := sha256.Sum256(data)
		got, err := decodeIndex(append(data, sum[:]...), "/root")
		if err != nil {
			return
		}
		again, err := decodeIndex(got.encode("/root"), "/root")
		if err != nil || !slices.Equal(again.records, got.records) {
			t.Errorf("%q: %v, %v", body, got.records, err)
		}
	})
}
