package inputs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/source"
)

// Damage is found, and what is damaged made again.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"about":     func(dir string) error { return os.WriteFile(filepath.Join(dir, aboutFile), []byte("{"), 0o600) },
		"no about":  func(dir string) error { return os.Remove(filepath.Join(dir, aboutFile)) },
		"image":     func(dir string) error { return os.Truncate(filepath.Join(dir, imageFile), 8192) },
		"no image":  func(dir string) error { return os.Remove(filepath.Join(dir, imageFile)) },
		"rewritten": func(dir string) error { return os.WriteFile(filepath.Join(dir, imageFile), make([]byte, 12288), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			dir := t.TempDir()
			write(t, dir, map[string]string{"a": "one"})
			img := must[*Image](t)(s.Trees(t.Context(), Placed{Tree: scan(t, dir)}))
			img.Close()
			if err := damage(filepath.Dir(img.Path)); err != nil {
				t.Fatal(err)
			}
			if got := list(t, image(t, s, Placed{Tree: scan(t, dir)})); !strings.HasSuffix(got["a"], " one") {
				t.Errorf("got %q", got)
			}
		})
	}
	t.Run("contents", func(t *testing.T) {
		s, _ := newStore(t)
		dir := t.TempDir()
		write(t, dir, map[string]string{"a": "one"})
		img := image(t, s, Placed{Tree: scan(t, dir)})
		path := filepath.Join(filepath.Dir(img.Path), contentsFile)
		data := must[[]byte](t)(os.ReadFile(path))
		data[len(contentsMagic)+40]++
		os.WriteFile(path, data, 0o600)
		write(t, dir, map[string]string{"b": "two"})
		same(t, list(t, image(t, s, Placed{Tree: scan(t, dir)})), onHost(t, dir))
	})
}

func TestEvict(t *testing.T) {
	s, h := newStore(t)
	dir := t.TempDir()
	var all []*Image
	for i := range 4 {
		write(t, dir, map[string]string{"a": strings.Repeat(fmt.Sprint(i), 1<<20)})
		img := must[*Image](t)(s.Trees(t.Context(), Placed{Tree: scan(t, dir)}))
		all = append(all, img)
	}
	for i, img := range all {
		when := time.Now().Add(time.Duration(i-10) * time.Hour)
		os.Chtimes(filepath.Dir(img.Path), when, when)
	}
	// What a killed process left, now and before the host booted.
	for _, name := range []string{".tmp-1", "../before/KEY"} {
		left := filepath.Join(s.dir, name)
		write(t, left, map[string]string{imageFile: "x"})
		os.Chtimes(left, time.Unix(1, 0), time.Unix(1, 0))
	}
	fresh := filepath.Join(s.dir, ".tmp-2")
	write(t, fresh, map[string]string{imageFile: "x"})
	if got := s.Evict(Limits{}); got.Count != 2 || exists(filepath.Join(h.Inputs(), "before")) {
		t.Errorf("removed %+v", got)
	}
	if got := s.Evict(Limits{Count: -1}); got.Count != 0 {
		t.Errorf("removed %d that are in use", got.Count)
	}
	for _, img := range all {
		img.Close()
	}
	if got := s.Evict(Limits{Bytes: 2<<20 + 200<<10}); got.Count != 2 || exists(all[1].Path) || !exists(all[2].Path) {
		t.Errorf("removed %+v", got)
	}
	if got := s.Evict(Limits{Age: 7*time.Hour + time.Minute}); got.Count != 1 || !exists(all[3].Path) {
		t.Errorf("removed %+v", got)
	}
	if got := s.Evict(Limits{Count: -1}); got.Count != 1 || s.Usage().Count != 1 || got.Bytes < 1<<20 {
		t.Errorf("removed %+v, %+v are left", got, s.Usage())
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*")); len(left) != 1 || left[0] != fresh {
		t.Errorf("left behind: %q", left)
	}
}

// Processes that make, use and remove the same images do not hinder each other.
func TestDiscard(t *testing.T) {
	s, h := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "one"})
	img := must[*Image](t)(s.Trees(t.Context(), Placed{Tree: scan(t, dir)}))
	for _, stray := range []string{tempPrefix + "1", "stray", lastPrefix + "1"} {
		os.Mkdir(filepath.Join(s.dir, stray), 0o700)
	}
	earlier := filepath.Join(h.Inputs(), "earlier", filepath.Base(filepath.Dir(img.Path)))
	os.MkdirAll(earlier, 0o700)
	past := time.Now().Add(-time.Hour)
	os.Chtimes(earlier, past, past)

	all := s.List()
	if len(all) != 1 || all[0].Dir != filepath.Dir(img.Path) || all[0].Bytes < 8192 || time.Since(all[0].Used) > time.Minute {
		t.Fatalf("got %+v", all)
	}
	s.Sweep()
	if _, err := os.Stat(earlier); err == nil {
		t.Error("an image of an earlier boot was left")
	}
	if s.Discard(all[0]) || len(s.List()) != 1 {
		t.Error("an image in use was discarded")
	}
	img.Close()
	if !s.Discard(all[0]) || len(s.List()) != 0 {
		t.Error("it was not discarded")
	}
}

func TestManyAtOnce(t *testing.T) {
	_, h := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "one", "b": "two"})
	trees := []*source.Tree{scan(t, dir)}
	write(t, dir, map[string]string{"c": "three"})
	trees = append(trees, scan(t, dir))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s := Open(h)
			for n := range 50 {
				img, err := s.Trees(t.Context(), Placed{Tree: trees[(i+n)%2]})
				if err != nil {
					t.Error(err)
					return
				}
				data, err := os.ReadFile(img.Path)
				if err != nil || int64(len(data)) < img.Size {
					t.Errorf("%d bytes, %v", len(data), err)
				}
				img.Close()
				s.Evict(Limits{Count: -1})
			}
		})
	}
	wg.Wait()
	if u := Open(h).Usage(); u.Count > 0 {
		t.Errorf("left behind: %+v", u)
	}
}

func FuzzContents(f *testing.F) {
	f.Add(encodeContents(nil))
	f.Add(encodeContents([]content{{sum: [32]byte{1}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := decodeContents(data)
		if err == nil && !slices.Equal(data, encodeContents(list)) {
			t.Errorf("%v is not what was read", list)
		}
	})
}
