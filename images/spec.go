package images

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"runtime"
	"slices"

	"github.com/ambient-ci/ambient/images/apt"
)

// recipe is part of every key; raise it when the same specification gives
// another image.
const recipe = "1"

// Spec says which image is wanted. The zero value is the built-in image for
// the host's architecture.
type Spec struct {
	Debian   bool     `json:"debian"`             // a Debian root; else the built-in image
	Suite    string   `json:"suite"`              // empty: apt.DefaultSuite
	Packages []string `json:"packages,omitempty"` // only with Debian; order and repetition do not matter
	Mirror   string   `json:"mirror,omitempty"`   // address of an archive; empty: the setting's or the host's
	Arch     string   `json:"arch"`               // as Debian names it; empty: the host's
}

// packageName is what a package can be called (Debian policy 5.6.1), with or
// without a version. A "-" at the end would tell apt to remove it.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*[a-z0-9+](=[A-Za-z0-9.+:~-]+)?$`)

// suiteName is what a suite can be called here.
var suiteName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// normal fills in defaults, so that specifications of the same image are equal,
// and checks what the user gave.
func (s Spec) normal() (Spec, error) {
	if s.Arch == "" {
		s.Arch = hostArch()
	}
	if s.Arch != "amd64" && s.Arch != "arm64" {
		return s, &SpecError{Reason: fmt.Sprintf("architecture %q is not supported: use amd64 or arm64", s.Arch)}
	}
	if s.Suite == "" {
		s.Suite = apt.DefaultSuite()
	}
	if !suiteName.MatchString(s.Suite) {
		return s, &SpecError{Reason: fmt.Sprintf("%q is not the name of a Debian suite", s.Suite)}
	}
	if !s.Debian && len(s.Packages) > 0 {
		return s, &SpecError{Reason: "the built-in image can not have packages"}
	}
	for _, p := range s.Packages {
		if !packageName.MatchString(p) {
			return s, &PackageError{Package: p, Suite: s.Suite, Reason: "this is not the name of a Debian package"}
		}
	}
	s.Packages = slices.Compact(slices.Sorted(slices.Values(s.Packages)))
	return s, nil
}

func hostArch() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "amd64"
}

// key identifies a normal specification: 64 hex digits.
func (s Spec) key() string {
	fields := []string{"image", recipe, fmt.Sprint(s.Debian), s.Suite, s.Mirror, s.Arch}
	return digest(append(fields, s.Packages...)...)
}

// String describes the image in a few words, for messages.
func (s Spec) String() string {
	if s.Debian {
		return fmt.Sprintf("Debian %s image for %s", s.Suite, s.Arch)
	}
	return "built-in image for " + s.Arch
}

// digest hashes fields so that no two lists have the same text: each is
// preceded by its length.
func digest(fields ...string) string {
	sum := sha256.New()
	for _, f := range fields {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(f)))
		sum.Write(n[:])
		sum.Write([]byte(f))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
