package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestReadPlain(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for name, content := range map[string]string{"outside": "secret", "tree/a/file": "12345"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out": "../outside", "in": "a/file"} {
		if err := os.Symlink(to, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(tree, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/file", "in"} {
		if data, err := ReadPlain(tree, name, 5); err != nil || string(data) != "12345" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	for _, name := range []string{"out", "../outside", "pipe", "a", "/etc/hostname"} {
		if data, err := ReadPlain(tree, name, 100); err == nil {
			t.Errorf("%s: %q", name, data)
		}
	}
	if _, err := ReadPlain(tree, "a/file", 4); err == nil {
		t.Error("a file that is too large was read")
	}
	if _, err := ReadPlain(tree, "none", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
