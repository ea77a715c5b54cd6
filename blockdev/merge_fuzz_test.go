package blockdev

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erofs/go-erofs"
)

// FuzzMerge makes an image of what a hostile guest may have packed: another
// reader of each format finds the same in both.
func FuzzMerge(f *testing.F) {
	f.Add(tarOf(f, dir("./"), reg("a/f"), hard("a/h", "a/f"), sym("l", "../x"), sym("a/m", "f"), dir("a"), reg(strings.Repeat("n", 150))), false)
	f.Add(tarOf(f, reg("!"), reg("."), dir("d/"), sym("long", strings.Repeat("t", 4095)), exe("x")), true)
	f.Add(make([]byte, 1024), true)
	f.Fuzz(func(t *testing.T, data []byte, placed bool) {
		prefix := ""
		if placed {
			prefix = "p/q"
		}
		ctx, tarFile := context.Background(), filepath.Join(t.TempDir(), "tar")
		if _, _, err := ReadOutput(ctx, device(t, data), tarFile, Limits{Entries: 1000}); err != nil {
			return
		}
		out := newFile(t)
		_, err := Merge(ctx, out, []Part{{Name: "a", Prefix: prefix, Path: tarFile}, {Name: "b", Prefix: prefix, Path: tarFile}}, 0)
		check(t, err)
		tree, err := erofs.Open(out)
		check(t, err)
		want := unpacked(t, tarFile)
		err = fs.WalkDir(tree, top, func(full string, d fs.DirEntry, err error) error {
			file := strings.TrimPrefix(strings.TrimPrefix(full, top), "/")
			name := strings.TrimPrefix(strings.TrimPrefix(file, prefix), "/")
			if err != nil || strings.HasPrefix(prefix+"/", file+"/") || file == "" {
				return err
			}
			info, err := d.Info()
			check(t, err)
			got := fmt.Sprint(info.Mode())
			switch {
			case d.Type()&fs.ModeSymlink != 0:
				target, err := tree.(fs.ReadLinkFS).ReadLink(full)
				check(t, err)
				got += " -> " + target
			case !d.IsDir():
				text, err := fs.ReadFile(tree, full)
				check(t, err)
				got += fmt.Sprintf(" %d %s", info.ModTime().Unix(), text)
			}
			if want[name] != got {
				t.Errorf("%q is %q, want %q", name, got, want[name])
			}
			delete(want, name)
			return nil
		})
		if err != nil || len(want) > 0 {
			t.Errorf("%v; missing: %q", err, want)
		}
	})
}

// unpacked lists a canonical archive with the standard library's reader.
func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	in, err := os.Open(file)
	check(t, err)
	defer in.Close()
	found := map[string]string{}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return found
		}
		check(t, err)
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeLink:
			found[name] = found[path.Clean(h.Linkname)]
		case tar.TypeSymlink:
			found[name] = "Lrwxrwxrwx -> " + h.Linkname
		case tar.TypeDir:
			found[name] = fmt.Sprint(h.FileInfo().Mode())
		default:
			text, err := io.ReadAll(r)
			check(t, err)
			found[name] = fmt.Sprintf("%v %d %s", h.FileInfo().Mode(), h.ModTime.Unix(), text)
		}
	}
}
