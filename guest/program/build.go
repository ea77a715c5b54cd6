package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/guest/agent"
	"github.com/ambient-ci/ambient/home"
)

const (
	module    = "github.com/ambient-ci/ambient"
	goVersion = "1.26" // the language the source is written in
)

// flags of go build: the same source gives the same program everywhere.
var flags = []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"}

const mainSource = `package main

import "` + module + `/guest/agent"

func main() { agent.Main() }
`

// tree returns the files of a module that holds the guest program, by path.
func tree() (map[string][]byte, error) {
	files := map[string][]byte{
		"go.mod":                    []byte("module " + module + "\n\ngo " + goVersion + "\n"),
		"cmd/ambient-guest/main.go": []byte(mainSource),
	}
	for dir, source := range map[string]fs.FS{"guest": guest.Source, "guest/agent": agent.Source} {
		names, err := fs.Glob(source, "*.go")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			if files[dir+"/"+name], err = fs.ReadFile(source, name); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// key names what a build depends on, toolchain aside; each field has its length
// before it.
func key(arch string, files map[string][]byte) string {
	h := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	field([]byte(arch))
	field([]byte(strings.Join(flags, "\x00")))
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		field([]byte(name))
		field(files[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// cachePath returns where a built program is kept, and what it is built from.
func cachePath(arch, dir string) (string, map[string][]byte, error) {
	files, err := tree()
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(dir, "ambient-guest-"+arch+"-"+key(arch, files)[:32]), files, nil
}

// cached returns the program from dir; if it is not there it is built, once,
// whatever number of processes ask.
func cached(ctx context.Context, arch, dir string) ([]byte, error) {
	path, files, err := cachePath(arch, dir)
	if err != nil {
		return nil, err
	}
	if data := read(path); data != nil {
		return data, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	release, err := home.At(dir).Lock(ctx, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	defer release()
	if data := read(path); data != nil {
		return data, nil // another process was first
	}
	data, err := build(ctx, arch, dir, files)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return data, home.WriteFile(path, append(sum[:], data...), 0o600)
}

// read returns a kept program: the file is its SHA-256 and then the program. It
// returns nil for one that is missing or damaged.
func read(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil || len(b) < sha256.Size {
		return nil
	}
	data := b[sha256.Size:]
	if sum := sha256.Sum256(data); !bytes.Equal(sum[:], b[:sha256.Size]) {
		return nil
	}
	return data
}

// keptDigest returns the SHA-256 of a kept program as its file says it, nil if
// there is none.
func keptDigest(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	sum := make([]byte, sha256.Size)
	if _, err := io.ReadFull(f, sum); err != nil {
		return nil
	}
	return sum
}

// build writes the module to a temporary directory below dir and compiles it.
func build(ctx context.Context, arch, dir string, files map[string][]byte) ([]byte, error) {
	tool, err := findGo()
	if err != nil {
		return nil, &ToolchainError{Arch: arch, Err: err}
	}
	tmp, err := os.MkdirTemp(dir, "build-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	for name, content := range files {
		path := filepath.Join(tmp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}
	out := filepath.Join(tmp, "ambient-guest")
	cmd := exec.CommandContext(ctx, tool, append(append([]string{"build"}, flags...), "-o", out, "./cmd/ambient-guest")...)
	cmd.Dir = tmp
	cmd.Env = environ(os.Environ(), arch, tmp)
	if text, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &BuildError{Arch: arch, Err: err, Output: string(bytes.TrimSpace(text[max(0, len(text)-4096):]))}
	}
	return os.ReadFile(out)
}

// usualGo is where Go's own installation instructions put the command.
var usualGo = "/usr/local/go/bin/go"

// findGo returns the go command: on the PATH, else in its usual place.
func findGo() (string, error) {
	path, err := exec.LookPath("go")
	if err == nil {
		return path, nil
	}
	if _, serr := os.Stat(usualGo); serr == nil {
		return usualGo, nil
	}
	return "", err
}

// environ makes the build depend on nothing but the toolchain: no network, no
// other toolchain, no settings of the user's. Without a home directory the build
// cache goes to tmp.
func environ(env []string, arch, tmp string) []string {
	var kept []string
	cache := false
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case name == "GOCACHE", name == "XDG_CACHE_HOME", name == "HOME":
			cache = cache || value != ""
		case name == "GOROOT", name == "GOTMPDIR":
		case strings.HasPrefix(name, "GO"), strings.HasPrefix(name, "CGO"):
			continue
		}
		kept = append(kept, kv)
	}
	if !cache {
		kept = append(kept, fmt.Sprintf("GOCACHE=%s", filepath.Join(tmp, "cache")))
	}
	return append(kept, "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOTOOLCHAIN=local",
		"GOPROXY=off", "GOWORK=off", "GOENV=off", "GO111MODULE=on", "GOPATH="+filepath.Join(tmp, "gopath"))
}
