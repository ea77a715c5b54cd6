package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

func TestLoadEmbedded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("program")))
	files := fstest.MapFS{"bin/ambient-guest-arm64": {Data: []byte("program")}, "bin/ambient-guest-arm64.stamp": {Data: []byte(sum + "\n" + sum + "\n")}}
	p, err := load(context.Background(), files, "arm64", dir)
	if err != nil || string(data(t, p)) != "program" || p.Digest != "sha256:"+sum {
		t.Fatalf("%s %v", p.Digest, err)
	}
	other := []byte("another")
	files["bin/ambient-guest-arm64"].Data = other
	if data, err := p.Data(context.Background()); err == nil || data != nil {
		t.Errorf("a program that its digest is not of: %q, %v", data, err)
	}
	for name, stamp := range map[string]string{"of the last program": sum + "\n" + sum + "\n", "empty": "", "cut off": sum[:10]} {
		files["bin/ambient-guest-arm64.stamp"].Data = []byte(stamp)
		if p, err := load(context.Background(), files, "arm64", dir); err != nil || p.Digest != digest(other) {
			t.Errorf("a stamp that is %s: %s, %v", name, p.Digest, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a cache was made that nobody needed: %v", err)
	}
}

func data(t *testing.T, p Program) []byte {
	t.Helper()
	data, err := p.Data(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestLoadUnknownArchitecture(t *testing.T) {
	if _, err := Load(context.Background(), "../x", t.TempDir()); err == nil || !strings.Contains(err.Error(), "amd64") {
		t.Fatal(err)
	}
}

func TestLoadBuilds(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	results := make([]Program, 2)
	for i := range results {
		group.Go(func() {
			var err error
			if results[i], err = load(context.Background(), fstest.MapFS{}, runtime.GOARCH, dir); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	p := results[0]
	if t.Failed() || !bytes.Equal(data(t, p), data(t, results[1])) {
		t.Fatal("two loads at once gave two programs")
	}
	f, err := elf.NewFile(bytes.NewReader(data(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Progs {
		if s.Type == elf.PT_INTERP {
			t.Error("the program is not static")
		}
	}
	runProgram(t, data(t, p))
	t.Run("kept", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		again, err := load(context.Background(), fstest.MapFS{}, runtime.GOARCH, dir)
		if err != nil || again.Digest != p.Digest {
			t.Fatalf("%s, want %s: %v", again.Digest, p.Digest, err)
		}
	})
	t.Run("damaged", func(t *testing.T) { rebuildsDamaged(t, dir, p) })
	left, _ := filepath.Glob(filepath.Join(dir, "build-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// runProgram starts the program where it is not PID 1.
func runProgram(t *testing.T, data []byte) {
	path := filepath.Join(t.TempDir(), "guest")
	if err := os.WriteFile(path, data, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "init program") {
		t.Errorf("%v: %s", err, out)
	}
}

func rebuildsDamaged(t *testing.T, dir string, want Program) {
	kept, _ := filepath.Glob(filepath.Join(dir, "ambient-guest-*"))
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	for _, damage := range []func(f *os.File) error{
		func(f *os.File) error { return f.Truncate(1000) },
		func(f *os.File) error { _, err := f.WriteAt([]byte("the digest of another program"), 0); return err },
	} {
		f, err := os.OpenFile(kept[0], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(damage(f), f.Close()); err != nil {
			t.Fatal(err)
		}
		rebuildsOne(t, dir, want)
	}
}

func rebuildsOne(t *testing.T, dir string, want Program) {
	p, err := load(context.Background(), fstest.MapFS{}, runtime.GOARCH, dir)
	if err != nil || p.Digest != want.Digest || !bytes.Equal(data(t, p), data(t, want)) {
		t.Fatalf("%s, want %s: %v", p.Digest, want.Digest, err)
	}
}

func TestLoadWithoutToolchain(t *testing.T) {
	old := usualGo
	t.Cleanup(func() { usualGo = old })
	usualGo = filepath.Join(t.TempDir(), "go")
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	_, err := load(context.Background(), fstest.MapFS{}, "arm64", dir)
	var none *ToolchainError
	if !errors.As(err, &none) || none.Arch != "arm64" || !strings.Contains(err.Error(), "make build") {
		t.Fatal(err)
	}
}

func TestLoadWithBrokenToolchain(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\necho go.mod requires a later go >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	_, err := load(context.Background(), fstest.MapFS{}, "amd64", t.TempDir())
	var broken *BuildError
	if !errors.As(err, &broken) || !strings.Contains(err.Error(), "requires a later go") {
		t.Fatal(err)
	}
}

func TestLoadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := load(ctx, fstest.MapFS{}, "amd64", t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// The embedded tree must be what the repository has, and must need nothing but
// the standard library.
func TestTreeIsComplete(t *testing.T) {
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"go.mod", "cmd/ambient-guest/main.go"}
	for _, dir := range []string{"guest", "guest/agent"} {
		names, _ := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		for _, n := range names {
			if !strings.HasSuffix(n, "_test.go") {
				want = append(want, filepath.ToSlash(filepath.Join(dir, filepath.Base(n))))
			}
		}
	}
	for _, name := range want {
		if files[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if len(files) != len(want) {
		t.Errorf("%d files, want %d", len(files), len(want))
	}
	for name, content := range files {
		checkImports(t, name, content)
	}
}

func checkImports(t *testing.T, name string, content []byte) {
	if !strings.HasSuffix(name, ".go") {
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, i := range f.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		own := path == module+"/guest" || path == module+"/guest/agent"
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") && !own {
			t.Errorf("%s imports %s", name, path)
		}
	}
}

func TestMainIsTheRepositorys(t *testing.T) {
	b, err := os.ReadFile("../../cmd/ambient-guest/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`import "` + module + `/guest/agent"`, "func main() { agent.Main() }"} {
		if !strings.Contains(string(b), line) {
			t.Errorf("cmd/ambient-guest has no %q", line)
		}
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil || !strings.Contains(string(mod), "\ngo "+goVersion) {
		t.Errorf("go.mod is of another version than %s: %v", goVersion, err)
	}
}

// What `make build` left in bin must be of this source, or the two halves differ.
func TestBuiltIsCurrent(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		data, err := built.ReadFile("bin/ambient-guest-" + arch)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		stamp, err := built.ReadFile("bin/ambient-guest-" + arch + ".stamp")
		if want := fmt.Sprintf("%x\n%x\n", sha256.Sum256(data), sha256.Sum256(data[:stampedBytes])); err != nil || string(stamp) != want {
			t.Errorf("bin/ambient-guest-%s.stamp is not of the program beside it: run `make clean build` (%v)", arch, err)
		}
		out := filepath.Join(t.TempDir(), "guest")
		cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", out, module+"/cmd/ambient-guest")...)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if now, err := os.ReadFile(out); err != nil || !bytes.Equal(now, data) {
			t.Errorf("bin/ambient-guest-%s is not of this source: run `make build` (%v)", arch, err)
		}
	}
}

func TestEnviron(t *testing.T) {
	got := strings.Join(environ([]string{"PATH=/bin", "GOFLAGS=-mod=vendor", "GOROOT=/go", "CGO_CFLAGS=x"}, "arm64", "/tmp/x"), " ")
	for _, want := range []string{"PATH=/bin", "GOROOT=/go", "GOARCH=arm64", "GOCACHE=/tmp/x/cache", "GOPROXY=off"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	for _, no := range []string{"vendor", "CGO_CFLAGS"} {
		if strings.Contains(got, no) {
			t.Errorf("%s in %s", no, got)
		}
	}
	if with := environ([]string{"HOME=/h"}, "amd64", "/t"); strings.Contains(strings.Join(with, " "), "GOCACHE=") {
		t.Error("the user's build cache is not used")
	}
}
