package blockdev

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCopySparse(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for name, writes := range map[string]map[int64]string{
		"nothing":    {},
		"the middle": {1 << 20: "middle"},
		"both ends":  {0: "first", 8<<20 - 4: "last"},
	} {
		os.Remove(from)
		os.Remove(to)
		if err := CreateSparse(from, 8<<20); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(from, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for at, text := range writes {
			if _, err := f.WriteAt([]byte(text), at); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		if err := CopySparse(to, from); err != nil {
			t.Fatal(err)
		}
		want, err1 := os.ReadFile(from)
		got, err2 := os.ReadFile(to)
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(want), err)
		}
		var st syscall.Stat_t
		if err := syscall.Stat(to, &st); err != nil || st.Blocks*512 > 64<<10 || st.Mode&0o77 != 0 {
			t.Errorf("%s: %d bytes on disk, mode %o, %v", name, st.Blocks*512, st.Mode, err)
		}
		if err := CopySparse(to, from); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: over another: %v", name, err)
		}
	}
	if err := CopySparse(filepath.Join(dir, "x"), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy of nothing: %v", err)
	}
}
