package inputs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	reader "github.com/erofs/go-erofs"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/blockdev/erofs"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/source"
)

func newStore(t testing.TB) (*Store, *home.Home) {
	h := home.At(t.TempDir())
	return Open(h), h
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// write makes files, whose names end with / for directories and @ for links.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, strings.TrimSuffix(name, "@"))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case strings.HasSuffix(name, "@"):
			err = os.Symlink(text, path)
		default:
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func scan(t testing.TB, dir string) *source.Tree {
	t.Helper()
	return must[*source.Tree](t)(source.Scan(t.Context(), dir, source.ScanOptions{}))
}

func image(t testing.TB, s *Store, trees ...Placed) *Image {
	t.Helper()
	img := must[*Image](t)(s.Trees(t.Context(), trees...))
	t.Cleanup(func() { img.Close() })
	return img
}

// list reads an image with another reader.
func list(t testing.TB, img *Image) map[string]string {
	t.Helper()
	if out, err := exec.Command("fsck.erofs", img.Path).CombinedOutput(); err != nil {
		t.Errorf("fsck.erofs: %v\n%s", err, out)
	}
	f := must[*os.File](t)(os.Open(img.Path))
	defer f.Close()
	tree := must[fs.FS](t)(reader.Open(f))
	found := map[string]string{}
	err := fs.WalkDir(tree, erofs.Top, func(full string, d fs.DirEntry, err error) error {
		if err != nil || full == erofs.Top {
			return err
		}
		name := strings.TrimPrefix(full, erofs.Top+"/")
		info, err := d.Info()
		text := fmt.Sprint(info.Mode(), " ", info.ModTime().Unix())
		switch {
		case err != nil || d.IsDir():
			text = info.Mode().String()
		case d.Type()&fs.ModeSymlink != 0:
			target, _ := tree.(fs.ReadLinkFS).ReadLink(full)
			text += " -> " + target
		default:
			data, err := fs.ReadFile(tree, full)
			if err != nil {
				return err
			}
			text += " " + string(data)
		}
		found[name] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// onHost lists a directory in the same way, as it should be in an image.
func onHost(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		when := blockdev.WholeSecond(info.ModTime())
		switch {
		case d.IsDir():
			found[name] = "drwxr-xr-x"
		case d.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			found[name] = fmt.Sprintf("Lrwxrwxrwx %d -> %s", when, target)
		default:
			mode := "-rw-r--r--"
			if info.Mode()&0o100 != 0 {
				mode = "-rwxr-xr-x"
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[name] = fmt.Sprintf("%s %d %s", mode, when, data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func same(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%q: got %.200q, want %.200q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d files, want %d", len(got), len(want))
	}
}

// TestTreesAfterEdits changes a tree again and again: its image always holds what
// is there, whatever was taken over from the one before.
func TestTreesAfterEdits(t *testing.T) {
	s, _ := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "one", "b/c": strings.Repeat("two", 5000), "b/same": "one", "empty": "", "hollow/": "", "l@": "b/c",
		"odd\n\xff": "odd", strings.Repeat("n", 255): "long"})
	for i, edit := range []func(){
		func() {},
		func() { write(t, dir, map[string]string{"b/c": "short"}) },
		func() { write(t, dir, map[string]string{"new": strings.Repeat("n", 9000)}) },
		func() { os.Remove(filepath.Join(dir, "a")) },
		func() { os.Chmod(filepath.Join(dir, "new"), 0o4755) },
		func() { os.Chtimes(filepath.Join(dir, "new"), time.Unix(1, 1), time.Unix(1, 1)) },
		func() { os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "moved")) },
		func() { write(t, dir, map[string]string{"moved/c": "", "new": ""}) },
		func() { write(t, dir, map[string]string{"moved/c": strings.Repeat("two", 5000)}) },
	} {
		edit()
		img := image(t, s, Placed{Tree: scan(t, dir)})
		same(t, list(t, img), onHost(t, dir))
		if t.Failed() {
			t.Fatalf("after edit %d", i)
		}
	}
	if u := s.Usage(); u.Count != 9 {
		t.Errorf("%d images are kept", u.Count)
	}
}

// The same tree is the same image, and needs no file.
func TestTreesAreMadeOnce(t *testing.T) {
	s, h := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "one"})
	tree := scan(t, dir)
	first := image(t, s, Placed{Tree: tree})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	again := image(t, Open(h), Placed{Tree: tree})
	if again.Path != first.Path || again.Size != first.Size || first.Size < 3*4096 {
		t.Errorf("%+v and %+v", first, again)
	}
	if _, err := s.Trees(t.Context(), Placed{Prefix: "p", Tree: tree}); !errors.Is(err, source.ErrChanged) {
		t.Errorf("a tree that is gone gave %v", err)
	}
}

// What is not read again is not needed: only the file that changed is opened.
func TestTreesReadOnlyWhatChanged(t *testing.T) {
	s, _ := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "one", "b": "two"})
	image(t, s, Placed{Tree: scan(t, dir)})
	write(t, dir, map[string]string{"b": "three"})
	tree := scan(t, dir)
	os.Remove(filepath.Join(dir, "a"))
	if got := list(t, image(t, s, Placed{Tree: tree})); !strings.HasSuffix(got["a"], " one") || !strings.HasSuffix(got["b"], " three") {
		t.Errorf("got %q", got)
	}
}

// Nothing is left in an image of what a tree had before, also where it can only
// be seen on the device.
func TestNoRemains(t *testing.T) {
	s, _ := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": strings.Repeat("kept", 5000), "b": strings.Repeat("SECRET", 100), "c": strings.Repeat("kept too", 5000), "SECRET": ""})
	image(t, s, Placed{Tree: scan(t, dir)})
	os.Remove(filepath.Join(dir, "SECRET"))
	write(t, dir, map[string]string{"b": "public"})
	img := image(t, s, Placed{Tree: scan(t, dir)})
	same(t, list(t, img), onHost(t, dir))
	data := must[[]byte](t)(os.ReadFile(img.Path))
	if strings.Contains(string(data), "SECRET") || int64(len(data)) <= img.Size {
		t.Errorf("%d bytes, %d of them used, with what is gone", len(data), img.Size)
	}
}

func TestTreesWithPlaces(t *testing.T) {
	s, _ := newStore(t)
	one, two := t.TempDir(), t.TempDir()
	write(t, one, map[string]string{"a": "one"})
	write(t, two, map[string]string{"b": "two"})
	got := list(t, image(t, s, Placed{"lib", scan(t, one)}, Placed{"data", scan(t, two)}, Placed{"none", scan(t, t.TempDir())}))
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range got {
			if !yield(name) {
				return
			}
		}
	})
	if want := []string{"data", "data/b", "lib", "lib/a", "none"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// A tree that changes between its scan and its image is refused, and nothing is
// left behind.
func TestTreesThatChange(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"content": func(path string) error { return os.WriteFile(path, []byte("two"), 0o644) },
		"size":    func(path string) error { return os.Truncate(path, 1) },
		"gone":    os.Remove,
		"pipe": func(path string) error {
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644))
		},
		"link": func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path))
		},
		"directory is a link": func(path string) error {
			return errors.Join(os.RemoveAll(filepath.Dir(path)), os.Symlink("/etc", filepath.Dir(path)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := newStore(t)
			dir := t.TempDir()
			write(t, dir, map[string]string{"d/passwd": "one"})
			tree := scan(t, dir)
			if err := change(filepath.Join(dir, "d/passwd")); err != nil {
				t.Fatal(err)
			}
			_, err := s.Trees(t.Context(), Placed{Tree: tree})
			if name != "link" && name != "directory is a link" && !errors.Is(err, source.ErrChanged) || err == nil {
				t.Errorf("got %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(h.Inputs(), "*", "*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	s, _ := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "one"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Trees(ctx, Placed{Tree: scan(t, dir)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func archive(t *testing.T, files ...string) Part {
	t.Helper()
	var list []blockdev.File
	for _, name := range files {
		list = append(list, blockdev.File{Name: name, Data: []byte(name)})
	}
	path := filepath.Join(t.TempDir(), "tar")
	a := must[blockdev.Archive](t)(blockdev.PackFiles(t.Context(), path, list))
	return Part{blockdev.Part{Name: "plan." + files[0], Path: path}, a.Digest}
}

func TestUnion(t *testing.T) {
	s, _ := newStore(t)
	a, b := archive(t, "a", "d/x"), archive(t, "b", "d/y")
	union := func(parts ...Part) *Image {
		t.Helper()
		img := must[*Image](t)(s.Union(t.Context(), parts, 0))
		t.Cleanup(func() { img.Close() })
		return img
	}
	first := union(a, b)
	if got := list(t, first); len(got) != 5 || !strings.HasSuffix(got["d/y"], " d/y") {
		t.Errorf("got %q", got)
	}
	if again := union(a, b); again.Path != first.Path {
		t.Errorf("made again: %s", again.Path)
	}
	b.Prefix = "p"
	if got := list(t, union(a, b)); got["p/d/y"] == "" {
		t.Errorf("got %q", got)
	}
	a.Digest = ""
	once := union(a)
	if once.Close(); exists(once.Path) {
		t.Error("an image for one use is still there")
	}
	same := archive(t, "a")
	os.Truncate(same.Path, 0)
	must[blockdev.Archive](t)(blockdev.PackFiles(t.Context(), same.Path, []blockdev.File{{Name: "a", Data: []byte("other")}}))
	same.Digest, same.Name = "sha256:other", "plan.other"
	_, err := s.Union(t.Context(), []Part{archive(t, "a"), same}, 0)
	if conflict, ok := errors.AsType[*blockdev.ConflictError](err); !ok || *conflict != (blockdev.ConflictError{Path: "a", A: "plan.a", B: "plan.other"}) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Union(t.Context(), []Part{archive(t, "b", "c")}, 4096); !errors.As(err, new(*blockdev.TooLargeError)) {
		t.Errorf("got %v", err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
