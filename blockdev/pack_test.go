package blockdev

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sample makes a small tree with one of everything that can be packed.
func sample(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	long := strings.Repeat("d", 120) + "/" + strings.Repeat("f", 200)
	files := map[string]string{"a.txt": "hello\n", "sub/run.sh": "#!/bin/sh\n", "sub/grün": "é", long: "long"}
	for name, text := range files {
		path := filepath.Join(root, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(text), 0o600))
	}
	check(t, os.Chmod(filepath.Join(root, "sub/run.sh"), 0o700))
	check(t, os.Symlink("../a.txt", filepath.Join(root, "sub/link")))
	check(t, os.Mkdir(filepath.Join(root, "empty"), 0o700))
	return root
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program of the system and returns what it wrote.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	check(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPackFiles(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "exec")
	files := []File{{"plan.json", 0, []byte("{}")}, {"keys/id", 0o600, []byte("key")}, {"run", 0o755, nil}}
	_, err := PackFiles(context.Background(), dest, files)
	check(t, err)
	out := t.TempDir()
	run(t, "tar", "-C", out, "-xpf", dest)
	got := run(t, "find", out, "-mindepth", "1", "-printf", "%P %m %s\n")
	for _, want := range []string{"plan.json 644 2\n", "keys/id 600 3\n", "keys 755 ", "run 755 0\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, bad := range [][]File{{{"../x", 0, nil}}, {{"a", 0, nil}, {"a", 0, nil}}, {{"a", 0, nil}, {"a/b", 0, nil}}} {
		if _, err := PackFiles(context.Background(), dest, bad); !errors.As(err, new(*PathError)) {
			t.Errorf("%v: got %v, want a PathError", bad, err)
		}
	}
}

func TestPackStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out := t.TempDir()
	if _, err := PackFiles(ctx, filepath.Join(out, "x"), []File{{"f", 0, nil}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantEmpty(t, out)
}
