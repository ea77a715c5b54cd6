package images

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/home"
)

func TestListAndRemove(t *testing.T) {
	h := home.At(t.TempDir())
	s := Open(h)
	dir := filepath.Join(h.Images(), "sha256-0123456789abcdef")
	initrd := filepath.Join(s.initrdDir(), "0123456789abcdef.cpio")
	for _, file := range []string{filepath.Join(dir, infoFile), filepath.Join(dir, kernelFile), initrd} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, infoFile), old, old); err != nil {
		t.Fatal(err)
	}
	if all := s.List(); len(all) != 2 || time.Since(all[0].Used) < time.Hour {
		t.Fatalf("%+v", all)
	}
	(&Image{Kernel: filepath.Join(dir, kernelFile)}).touch()
	all := s.List()
	if time.Since(all[0].Used) > time.Minute {
		t.Errorf("the use was not noted: %+v", all)
	}
	for _, k := range all {
		if err := s.Remove(k); err != nil {
			t.Error(err)
		}
	}
	if err := s.Remove(Kept{Path: h.Images()}); err == nil {
		t.Error("it removes what is no image")
	}
	if all := s.List(); len(all) > 0 {
		t.Errorf("left: %+v", all)
	}
}
