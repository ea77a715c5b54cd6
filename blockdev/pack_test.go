package blockdev

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sample makes a small tree with one of everything that can be packed.
func sample(t *testing.T) (root string, paths []string) {
	t.Helper()
	root = t.TempDir()
	long := strings.Repeat("d", 120) + "/" + strings.Repeat("f", 200)
	files := map[string]string{"a.txt": "hello\n", "sub/run.sh": "#!/bin/sh\n", "sub/grün": "é", long: "long"}
	for name, text := range files {
		path := filepath.Join(root, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(text), 0o600))
		paths = append(paths, name)
	}
	check(t, os.Chmod(filepath.Join(root, "sub/run.sh"), 0o700))
	check(t, os.Symlink("../a.txt", filepath.Join(root, "sub/link")))
	check(t, os.Mkdir(filepath.Join(root, "empty"), 0o700))
	return root, append(paths, "sub/link", "empty")
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

func TestPackTreeIsWhatTarUnpacks(t *testing.T) {
	root, paths := sample(t)
	when := time.Unix(1_700_000_000, 1)
	check(t, os.Chtimes(filepath.Join(root, "a.txt"), when, when))
	dest := filepath.Join(t.TempDir(), "src.tar")
	a, err := PackTree(context.Background(), dest, root, paths, 0)
	check(t, err)
	out := t.TempDir()
	run(t, "tar", "-C", out, "-xf", dest)
	run(t, "diff", "-r", "--no-dereference", root, out)
	info, err := os.Stat(filepath.Join(out, "a.txt"))
	check(t, err)
	if got := info.ModTime().Unix(); got != 1_700_000_001 || info.Mode() != 0o644 {
		t.Errorf("a.txt: time %d, mode %v: want rounded up and 0644", got, info.Mode())
	}
	if info, _ := os.Stat(filepath.Join(out, "sub/run.sh")); info.Mode() != 0o755 {
		t.Errorf("run.sh: mode %v", info.Mode())
	}
	if a.Size%512 != 0 || a.Size < MinSize || a.Entries != 8 {
		t.Errorf("%+v: want whole blocks and 8 entries", a)
	}
	if want := "sha256:" + strings.Fields(run(t, "sha256sum", dest))[0]; a.Digest != want {
		t.Errorf("digest %s, want %s", a.Digest, want)
	}
	for line := range strings.Lines(run(t, "tar", "--numeric-owner", "-tvf", dest)) {
		if !strings.Contains(line, " 0/0 ") {
			t.Errorf("owner of %s", line)
		}
	}
}

func TestPackTreeIsDeterministic(t *testing.T) {
	root, paths := sample(t)
	first, err := PackTree(context.Background(), filepath.Join(t.TempDir(), "a"), root, paths, 0)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(root, "unlisted"), nil, 0o644))
	check(t, os.Chmod(filepath.Join(root, "empty"), 0o755))
	paths[0], paths[1] = paths[1], paths[0]
	second, err := PackTree(context.Background(), filepath.Join(t.TempDir(), "b"), root, append(paths, paths[0], "sub"), 0)
	check(t, err)
	if first.Digest != second.Digest || first.Size != second.Size || first.Entries != second.Entries {
		t.Errorf("%+v\n%+v", first, second)
	}
}

func TestPackTreeRefuses(t *testing.T) {
	tests := []struct {
		name  string
		make  func(root string) error
		paths []string
		path  string
		want  string
	}{
		{"vanished", nil, []string{"gone"}, "gone", "no such file"},
		{"escape", nil, []string{"../x"}, "../x", "not a clean relative path"},
		{"absolute", nil, []string{"/etc/passwd"}, "/etc/passwd", "not a clean relative path"},
		{"the tree itself", nil, []string{"."}, ".", "not a clean relative path"},
		{"pipe", func(r string) error { return syscall.Mkfifo(r+"/p", 0o600) }, []string{"p"}, "p", "is a named pipe"},
		{"link out of the tree", func(r string) error { return os.Symlink("/etc", r+"/l") }, []string{"l/passwd"}, "l/passwd", "escapes"},
		{"below a packed link", func(r string) error {
			return errors.Join(os.Mkdir(r+"/d", 0o755), os.WriteFile(r+"/d/f", nil, 0o644), os.Symlink("d", r+"/l"))
		}, []string{"l", "l/f"}, "l/f", `"l" is a symbolic link`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, out := t.TempDir(), t.TempDir()
			if tt.make != nil {
				check(t, tt.make(root))
			}
			_, err := PackTree(context.Background(), filepath.Join(out, "x"), root, tt.paths, 0)
			pe, ok := errors.AsType[*PathError](err)
			if !ok || pe.Path != tt.path || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a PathError of %q with %q", err, tt.path, tt.want)
			}
			wantEmpty(t, out)
		})
	}
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	check(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestPackTreeUnreadable runs as a user without rights, since root reads all.
func TestPackTreeUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	root, out := t.TempDir(), t.TempDir()
	check(t, os.WriteFile(filepath.Join(root, "secret"), nil, 0))
	_, err := PackTree(context.Background(), filepath.Join(out, "x"), root, []string{"secret"}, 0)
	pe, ok := errors.AsType[*PathError](err)
	if !ok || pe.Path != "secret" || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want a PathError of secret", err)
	}
	wantEmpty(t, out)
}

// asNobody runs the test again as an ordinary user.
func asNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ambient-test-")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o777))
	exe := filepath.Join(dir, "test")
	run(t, "cp", os.Args[0], exe)
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$")
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPackTreeOfChangingFiles uses files of the kernel that are shorter or
// longer than they say.
func TestPackTreeOfChangingFiles(t *testing.T) {
	out := t.TempDir()
	_, err := PackTree(context.Background(), filepath.Join(out, "x"), "/sys/kernel", []string{"uevent_seqnum"}, 0)
	pe, ok := errors.AsType[*PathError](err)
	if !ok || pe.Path != "uevent_seqnum" || !errors.Is(err, ErrChanged) {
		t.Errorf("a file that shrank: got %v", err)
	}
	wantEmpty(t, out)
	a, err := PackTree(context.Background(), filepath.Join(out, "x"), "/proc", []string{"version"}, 0)
	check(t, err)
	if got, err := List(a.Path); err != nil || len(got) != 1 || got[0].Size != 0 {
		t.Errorf("a file that grew: got %v, %v", got, err)
	}
}

func TestPackTreeTakesAnyName(t *testing.T) {
	root, dest, out := t.TempDir(), filepath.Join(t.TempDir(), "x"), t.TempDir()
	names := []string{"gr\xfcn", "a\nb", " ", "-rf", "\u202e"}
	for _, name := range names {
		check(t, os.WriteFile(filepath.Join(root, name), []byte(name), 0o644))
	}
	_, err := PackTree(context.Background(), dest, root, names, 0)
	check(t, err)
	run(t, "tar", "-C", out, "-xf", dest)
	run(t, "diff", "-r", root, out)
	if got, err := List(dest); err != nil || len(got) != len(names) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestPackTreeTooLarge(t *testing.T) {
	root, out := t.TempDir(), t.TempDir()
	check(t, os.WriteFile(filepath.Join(root, "big"), make([]byte, 100_000), 0o644))
	_, err := PackTree(context.Background(), filepath.Join(out, "x"), root, []string{"big"}, 50_000)
	tl, ok := errors.AsType[*TooLargeError](err)
	if !ok || tl.What != root || tl.Limit != 50_000 || tl.Size < 100_000 {
		t.Errorf("got %v", err)
	}
	wantEmpty(t, out)
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
	root, paths := sample(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out := t.TempDir()
	if _, err := PackTree(ctx, filepath.Join(out, "x"), root, paths, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantEmpty(t, out)
}
