package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images"
	"github.com/ambient-ci/ambient/images/apt"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/templates"
)

// Check is one thing that Diagnose looked at.
type Check struct {
	Name   string
	Status CheckStatus
	Detail string
	Remedy string // what to do, when Status is not CheckOK
}

// CheckStatus says whether a stage can run in spite of what was found.
type CheckStatus string

// The statuses of a check.
const (
	CheckOK   CheckStatus = "ok"
	CheckWarn CheckStatus = "warn" // stages run, but slower, or not every kind
	CheckFail CheckStatus = "fail" // no stage can run
)

// Least free space and memory for a stage with the default limits to start, in
// bytes.
const (
	leastDisk   = 1 << 30
	leastMemory = 512 << 20
)

// Diagnose looks at everything that a stage needs, boots a probe, and says for
// all that is missing what to do. Memory is what stages can have, in bytes; 0:
// not known. It may fetch and build the built-in image.
func Diagnose(ctx context.Context, h *home.Home, memory int64) []Check {
	checks := []Check{checkQEMU(ctx), checkDisk(h), checkMemory(memory)}
	checks = append(checks, checkTools()...)
	checks = append(checks, checkArchive(), checkTemplates(h))
	return append(checks, checkMachine(ctx, h)...)
}

func checkQEMU(ctx context.Context) Check {
	c := Check{Name: "qemu", Status: CheckOK}
	binary, err := qemuvm.FindBinary(qemuvm.HostArch())
	if err == nil {
		var v qemuvm.Version
		if v, err = qemuvm.VersionOf(ctx, binary); err == nil {
			c.Detail = fmt.Sprintf("%s, version %s", binary, v)
			return c
		}
	}
	return Check{Name: "qemu", Status: CheckFail, Detail: err.Error(), Remedy: "install QEMU: apt-get install " + qemuvm.HostArch().Package()}
}

func checkDisk(h *home.Home) Check {
	c := Check{Name: "disk", Status: CheckOK}
	dir := existing(h.Runs())
	free, err := blockdev.FreeSpace(dir)
	switch {
	case err != nil:
		return Check{"disk", CheckFail, err.Error(), "set AMBIENT_HOME to a directory that can be written"}
	case free < leastDisk:
		c.Status, c.Remedy = CheckFail, "free some space there, or set AMBIENT_HOME to a directory with more"
	}
	c.Detail = fmt.Sprintf("%s free in %s", size(free), dir)
	return c
}

// size is a number of bytes to look at, in whole MiB.
func size(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

// existing is the nearest directory above path that is there.
func existing(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}

func checkMemory(free int64) Check {
	c := Check{Name: "memory", Status: CheckOK, Detail: size(free) + " for stages"}
	switch {
	case free == 0:
		return Check{"memory", CheckWarn, "how much is free is not known", "ambient reads /proc/meminfo"}
	case free < leastMemory:
		c.Status, c.Remedy = CheckFail, "end other programs: a stage with the default limits needs 1GiB"
	}
	return c
}

// tools are the programs that stages need on the host.
var tools = []struct {
	name, pkg, why string
	status         CheckStatus // when it is missing
}{
	{"mkfs.ext4", "e2fsprogs", "makes the writable layer of every stage", CheckFail},
	{"mmdebstrap", "mmdebstrap", "makes images with a debian block", CheckWarn},
	{"git", "git", "finds the files of a source tree, and fetches sources", CheckWarn},
	{"go", "golang-go", "tells go_mod_download which module proxy this machine uses", CheckOK},
}

func checkTools() []Check {
	var checks []Check
	for _, tool := range tools {
		c := Check{Name: tool.name, Status: CheckOK}
		if path, err := lookPath(tool.name); err == nil {
			c.Detail = path
		} else {
			c.Status, c.Detail = tool.status, "not found; it "+tool.why
			c.Remedy = "apt-get install " + tool.pkg
		}
		checks = append(checks, c)
	}
	return checks
}

// lookPath finds a program, also where only root's PATH leads.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	return path, err
}

func checkArchive() Check {
	sources, err := apt.Sources("", "")
	if err != nil {
		return Check{"archive", CheckWarn, err.Error(), "set " + apt.EnvMirror + " to the address of a Debian archive"}
	}
	var all []string
	for _, s := range sources {
		all = append(all, s.URI+" "+s.Suite)
	}
	return Check{Name: "archive", Status: CheckOK, Detail: strings.Join(all, ", ")}
}

func checkTemplates(h *home.Home) Check {
	kept := templates.Open(h).List()
	var bytes int64
	for _, k := range kept {
		bytes += k.Bytes
	}
	detail := fmt.Sprintf("%d kept, %s of at most %s in %s", len(kept), size(bytes), size(templates.DefaultLimit.Bytes), h.Templates())
	return Check{Name: "templates", Status: CheckOK, Detail: detail}
}

// checkMachine boots the built-in image.
func checkMachine(ctx context.Context, h *home.Home) []Check {
	r, err := New(Options{Home: h})
	if err != nil {
		return []Check{{"state", CheckFail, err.Error(), "set AMBIENT_HOME to a directory that can be written"}}
	}
	defer r.Close()
	err = r.machine.find(ctx, r, func(string) {})
	var checks []Check
	if img, ok := r.store.Lookup(images.Spec{}); ok {
		checks = append(checks, Check{Name: "image", Status: CheckOK, Detail: "built-in, " + img.Digest})
	}
	if err != nil {
		return append(checks, Check{"machine", CheckFail, err.Error(), remedy(err)})
	}
	c := r.machine.choice
	for _, why := range c.Reasons {
		checks = append(checks, Check{"accelerator", CheckWarn, fmt.Sprintf("%s (%s) does not work: %s", why.Accel, why.CPU, brief(errors.New(why.Why))),
			"stages run without it, slower; on bare metal enable virtualisation and join the group kvm"})
	}
	return append(checks, Check{Name: "machine", Status: CheckOK, Detail: fmt.Sprintf("a probe booted with %s (%s)", c.Accel, c.CPU)})
}

func remedy(err error) string {
	var missing *qemuvm.MissingError
	if errors.As(err, &missing) {
		return missing.Remedy
	}
	return "see the checks above"
}
