package cpio

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func archive(t *testing.T, fill func(*Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sample(w *Writer) {
	w.Dir("dev", 0o755)
	w.Char("dev/console", 0o600, 5, 1)
	w.File("init", 0o755, 5)
	w.Write([]byte("he"))
	w.Write([]byte("llo"))
	w.Dir("d", 0o700)
	w.File("d/empty", 0o644, 0)
	w.File("d/"+strings.Repeat("n", 200), 0o600, 3)
	w.Write([]byte("abc"))
}

// run gives an archive to the cpio tool.
func run(t *testing.T, data []byte, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("cpio", args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cpio: %v: %s", err, stderr.String())
	}
	return string(out)
}

func TestListedByCpio(t *testing.T) {
	got := run(t, archive(t, sample), "/", "-tv", "--quiet", "--numeric-uid-gid")
	var lines []string
	for line := range strings.Lines(got) {
		f := strings.Fields(line)
		lines = append(lines, f[0]+" "+f[2]+" "+f[3]+" "+f[len(f)-1])
	}
	want := []string{
		"drwxr-xr-x 0 0 dev", "crw------- 0 0 dev/console", "-rwxr-xr-x 0 0 init",
		"drwx------ 0 0 d", "-rw-r--r-- 0 0 d/empty", "-rw------- 0 0 d/" + strings.Repeat("n", 200),
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
	if !strings.Contains(got, "5,") {
		t.Errorf("no device number in\n%s", got)
	}
}

func TestUnpackedByCpio(t *testing.T) {
	dir := t.TempDir()
	run(t, archive(t, sample), dir, "-idm", "--quiet", "--no-absolute-filenames", "init", "d/*")
	for name, want := range map[string]string{"init": "hello", "d/empty": "", "d/" + strings.Repeat("n", 200): "abc"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestSameEveryTime(t *testing.T) {
	a, b := archive(t, sample), archive(t, sample)
	if !bytes.Equal(a, b) || len(a)%512 != 0 {
		t.Errorf("%d and %d bytes", len(a), len(b))
	}
}

func TestMistakes(t *testing.T) {
	cases := map[string]func(*Writer){
		"too much":      func(w *Writer) { w.File("x", 0o644, 2); w.Write([]byte("abc")) },
		"too little":    func(w *Writer) { w.File("x", 0o644, 2); w.Write([]byte("a")) },
		"absolute name": func(w *Writer) { w.Dir("/x", 0o755) },
		"no name":       func(w *Writer) { w.Dir("", 0o755) },
		"long name":     func(w *Writer) { w.Dir(strings.Repeat("x", 5000), 0o755) },
		"huge file":     func(w *Writer) { w.File("x", 0o644, 1<<32) },
		"negative size": func(w *Writer) { w.File("x", 0o644, -1) },
	}
	for name, do := range cases {
		var out bytes.Buffer
		w := NewWriter(&out)
		do(w)
		if err := w.Close(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("full")

func TestFullDisk(t *testing.T) {
	for n := range len(archive(t, sample)) {
		w := NewWriter(&full{left: n})
		sample(w)
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}
