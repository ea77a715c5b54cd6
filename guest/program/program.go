// Package program hands out the guest program (cmd/ambient-guest) for each
// architecture of guest. `make build` embeds it ready to run; an ambient that
// was built without that step builds it from the source it carries, on first
// need and with the Go toolchain of the machine.
package program

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

//go:embed bin
var built embed.FS

// Program is a guest program: a static ELF executable for Linux.
type Program struct {
	Digest string // "sha256:…" of Data
	read   func(context.Context) ([]byte, error)
}

// Data returns the program, some 8 MB, which is not to be changed. It is read and
// checked only now: most runs need no more than the digest.
func (p Program) Data(ctx context.Context) ([]byte, error) {
	data, err := p.read(ctx)
	if err == nil && digest(data) != p.Digest {
		err = fmt.Errorf("the guest program is not the one with the digest %s: run `make clean build`", p.Digest)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Of makes a Program of a file's content.
func Of(data []byte) Program {
	return Program{digest(data), func(context.Context) ([]byte, error) { return data, nil }}
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// Load returns the guest program for an architecture by Go's name for it
// ("amd64", "arm64"): the embedded one, else the one in cacheDir, else it builds
// one and keeps it there. Several processes may use one cacheDir; it is made
// when it is needed. The error is a *ToolchainError when there is nothing to
// build with, a *BuildError when the compiler fails.
func Load(ctx context.Context, arch, cacheDir string) (Program, error) {
	return load(ctx, built, arch, cacheDir)
}

// Find is Load without building: ok is false when there is nothing yet.
func Find(arch, cacheDir string) (p Program, ok bool, err error) {
	return find(built, arch, cacheDir)
}

func load(ctx context.Context, built fs.FS, arch, cacheDir string) (Program, error) {
	if arch != "amd64" && arch != "arm64" {
		return Program{}, fmt.Errorf("there is no guest program for %q machines, only for amd64 and arm64", arch)
	}
	p, ok, err := embedded(built, arch)
	if err != nil || ok {
		return p, err
	}
	data, err := cached(ctx, arch, cacheDir)
	if err != nil {
		return Program{}, err
	}
	return Of(data), nil
}

func find(built fs.FS, arch, cacheDir string) (p Program, ok bool, err error) {
	if p, ok, err = embedded(built, arch); err != nil || ok {
		return p, ok, err
	}
	path, _, err := cachePath(arch, cacheDir)
	if err != nil {
		return Program{}, false, err
	}
	sum := keptDigest(path)
	if sum == nil {
		return Program{}, false, nil
	}
	return Program{fmt.Sprintf("sha256:%x", sum), func(ctx context.Context) ([]byte, error) { return cached(ctx, arch, cacheDir) }}, true, nil
}

// stampedBytes is how much of a program its stamp also has a digest of, which
// tells programs apart: Go's build ID is in it.
const stampedBytes = 4096

// embedded finds the program that was there when ambient was built. Reading and
// hashing it takes longer than a plan of one stage, so `make build` puts a stamp
// beside it: the digest of the program and that of its start. A stamp that is not
// of this program is as good as none.
func embedded(built fs.FS, arch string) (p Program, ok bool, err error) {
	name := "bin/ambient-guest-" + arch
	f, err := built.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Program{}, false, nil
	}
	if err != nil {
		return Program{}, false, err
	}
	defer f.Close()
	stamp, _ := fs.ReadFile(built, name+".stamp")
	start, err := io.ReadAll(io.LimitReader(f, stampedBytes))
	if err != nil {
		return Program{}, false, err
	}
	whole, rest, _ := strings.Cut(string(stamp), "\n")
	if len(whole) == hex.EncodedLen(sha256.Size) && strings.TrimSpace(rest) == fmt.Sprintf("%x", sha256.Sum256(start)) {
		return Program{"sha256:" + whole, func(context.Context) ([]byte, error) { return fs.ReadFile(built, name) }}, true, nil
	}
	data, err := fs.ReadFile(built, name)
	if err != nil {
		return Program{}, false, err
	}
	return Of(data), true, nil
}

// ToolchainError says that ambient carries no guest program and the machine has
// no Go toolchain to build it with.
type ToolchainError struct {
	Arch string
	Err  error
}

// Error names the remedy.
func (e *ToolchainError) Error() string {
	return fmt.Sprintf("this ambient was built without the guest program for %s machines, and there is no Go toolchain to build it now (%v): "+
		"use an ambient made by `make build`, or install Go %s or later and put it on the PATH", e.Arch, e.Err, goVersion)
}

// Unwrap returns why no toolchain was found.
func (e *ToolchainError) Unwrap() error { return e.Err }

// BuildError says that the Go toolchain could not build the guest program.
type BuildError struct {
	Arch   string
	Output string // of go build, at most its last 4096 bytes
	Err    error
}

// Error has the compiler's words and the remedy.
func (e *BuildError) Error() string {
	return fmt.Sprintf("the guest program for %s machines can not be built: %v\n%s\n"+
		"use an ambient made by `make build`, or Go %s or later", e.Arch, e.Err, e.Output, goVersion)
}

// Unwrap returns how go build ended.
func (e *BuildError) Unwrap() error { return e.Err }
