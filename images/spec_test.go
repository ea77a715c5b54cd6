package images

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/images/apt"
)

func TestSpec(t *testing.T) {
	cases := []struct {
		name string
		spec Spec
		want any // type of the error
	}{
		{"built-in", Spec{}, nil},
		{"Debian", Spec{Debian: true, Suite: "trixie", Packages: []string{"g++", "libc6-dev", "make=4.3-4.1", "r-base"}}, nil},
		{"arm", Spec{Arch: "arm64"}, nil},
		{"unknown architecture", Spec{Arch: "riscv64"}, &SpecError{}},
		{"suite with a slash", Spec{Suite: "../x"}, &SpecError{}},
		{"suite that is an option", Spec{Suite: "-o"}, &SpecError{}},
		{"packages without Debian", Spec{Packages: []string{"git"}}, &SpecError{}},
		{"option", Spec{Debian: true, Packages: []string{"--foo"}}, &PackageError{}},
		{"two in one", Spec{Debian: true, Packages: []string{"git,make"}}, &PackageError{}},
		{"space", Spec{Debian: true, Packages: []string{"git make"}}, &PackageError{}},
		{"pattern", Spec{Debian: true, Packages: []string{"?essential"}}, &PackageError{}},
		{"wildcard", Spec{Debian: true, Packages: []string{"lib*"}}, &PackageError{}},
		{"path", Spec{Debian: true, Packages: []string{"./x.deb"}}, &PackageError{}},
		{"removal", Spec{Debian: true, Packages: []string{"perl-"}}, &PackageError{}},
		{"upper case", Spec{Debian: true, Packages: []string{"Git"}}, &PackageError{}},
		{"empty name", Spec{Debian: true, Packages: []string{""}}, &PackageError{}},
	}
	for _, tc := range cases {
		_, err := tc.spec.normal()
		if reflect.TypeOf(err) != reflect.TypeOf(tc.want) {
			t.Errorf("%s: %T: %v", tc.name, err, err)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Setenv(apt.EnvMirror, "")
	same := []Spec{
		{Debian: true, Suite: "bookworm", Packages: []string{"a1", "b1"}, Arch: "amd64"},
		{Debian: true, Suite: "bookworm", Packages: []string{"b1", "a1", "b1"}, Arch: "amd64"},
	}
	different := []Spec{
		same[0],
		{Debian: true, Suite: "trixie", Packages: []string{"a1", "b1"}, Arch: "amd64"},
		{Debian: true, Suite: "bookworm", Packages: []string{"a1b1"}, Arch: "amd64"},
		{Debian: true, Suite: "bookworm", Arch: "amd64"},
		{Suite: "bookworm", Arch: "amd64"},
		{Suite: "bookworm", Arch: "arm64"},
		{Suite: "bookworm", Arch: "amd64", Mirror: "http://m"},
	}
	keys := map[string]bool{}
	for _, s := range different {
		keys[key(t, s)] = true
	}
	if len(keys) != len(different) || key(t, same[0]) != key(t, same[1]) {
		t.Errorf("%d keys for %d specifications", len(keys), len(different))
	}
}

func key(t *testing.T, s Spec) string {
	t.Helper()
	n, err := s.normal()
	if err != nil {
		t.Fatal(err)
	}
	return n.key()
}

func TestExplain(t *testing.T) {
	b := &builder{spec: Spec{Suite: "bookworm"}}
	cases := []struct{ line, pkg string }{
		{"E: Unable to locate package nosuch", "nosuch"},
		{"E: Package 'awk' has no installation candidate", "awk"},
		{"E: Version '9' for 'make' was not found", "make"},
		{"E: Sub-process /usr/bin/dpkg returned an error code (1)", ""},
		{"W: Unable to locate package x", ""},
	}
	for _, tc := range cases {
		err := b.explain(&ToolError{Tool: mmdebstrap, Err: errors.New("exit status 1"), Lines: []string{"I: x", tc.line}})
		var pe *PackageError
		if errors.As(err, &pe) != (tc.pkg != "") || pe != nil && pe.Package != tc.pkg {
			t.Errorf("%s: %v", tc.line, err)
		}
	}
	err := b.explain(&ToolError{Tool: mmdebstrap, Lines: []string{"E: unable to pick chroot mode automatically"}})
	if !strings.Contains(err.Error(), "usermod --add-subuids") {
		t.Errorf("no hint in: %v", err)
	}
}
