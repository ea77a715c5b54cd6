package source

import (
	"archive/zip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An archive whose list of files alone would fill the memory is refused.
func TestUnpackZipDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(path)
	check(t, err)
	w := zip.NewWriter(f)
	comment := strings.Repeat("c", 1<<16-1)
	for i := range maxZipDirectory>>16 + 2 {
		_, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint("f", i), Comment: comment})
		check(t, err)
	}
	check(t, w.Close())
	check(t, f.Close())
	err = unpack(t.Context(), "zip", path, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "list of files is larger") {
		t.Errorf("got %v", err)
	}
}
