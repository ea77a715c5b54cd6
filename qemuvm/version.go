package qemuvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// BinaryVariable is the environment variable that names QEMU.
const BinaryVariable = "AMBIENT_QEMU"

// versionLimit is how long QEMU may take to print its version.
const versionLimit = 10 * time.Second

// Version is a version of QEMU.
type Version struct{ Major, Minor, Micro int }

// Minimum is the oldest QEMU that is known to work.
var Minimum = Version{7, 2, 0}

// String gives the usual form, "7.2.22".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// Less says whether v is older than w.
func (v Version) Less(w Version) bool {
	switch {
	case v.Major != w.Major:
		return v.Major < w.Major
	case v.Minor != w.Minor:
		return v.Minor < w.Minor
	}
	return v.Micro < w.Micro
}

// FindBinary gives the absolute path of the QEMU for guests of that
// architecture: $AMBIENT_QEMU when set, else qemu-system-ARCH in PATH. Its
// error is a *MissingError or an *OptionsError. It does not look at the version.
func FindBinary(arch Arch) (string, error) {
	if _, ok := platforms[arch]; !ok {
		return "", bad("Arch", "%q is not known", arch)
	}
	name, help := "qemu-system-"+string(arch), remedy(arch)
	if set := os.Getenv(BinaryVariable); set != "" {
		name, help = set, "correct "+BinaryVariable+" or unset it"
	}
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		var inner *exec.Error
		if errors.As(err, &inner) {
			err = inner.Err // its text repeats the name
		}
		return "", &MissingError{Binary: name, Remedy: help, Err: err}
	}
	return path, nil
}

func remedy(arch Arch) string {
	return fmt.Sprintf("install QEMU (Debian's package is %s) or set %s to its path", platforms[arch].pkg, BinaryVariable)
}

var versionRule = regexp.MustCompile(`^QEMU emulator version (\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?`)

// VersionOf asks a QEMU for its version. Its error is a *MissingError when the
// program can not be run.
func VersionOf(ctx context.Context, binary string) (Version, error) {
	p, err := startProcess([]string{binary, "--version"}, nil)
	if err != nil {
		return Version{}, &MissingError{Binary: binary, Remedy: "set " + BinaryVariable + " to QEMU's path", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.kill(nil)
		<-p.done
		return Version{}, fmt.Errorf("%s --version: %w", binary, context.Cause(ctx))
	}
	return parseVersion(binary, p.stderr.String())
}

func parseVersion(binary, text string) (Version, error) {
	m := versionRule.FindStringSubmatch(text)
	if m == nil {
		return Version{}, fmt.Errorf("%s --version: this is not QEMU's answer: %q", binary, text[:min(len(text), 200)])
	}
	var v Version
	for i, part := range []*int{&v.Major, &v.Minor, &v.Micro} {
		*part, _ = strconv.Atoi(m[i+1]) // digits by the rule, or empty
	}
	return v, nil
}
