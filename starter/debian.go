package starter

import (
	"regexp"
	"slices"
	"strings"
)

// debPackage is a package's name (Debian Policy 5.6.1).
var debPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

func detectDebian(t tree) *Part {
	control := t.read("debian/control")
	if control == "" || !t.has("debian/changelog") {
		return nil
	}
	p := &Part{
		Name: "deb", What: "a Debian package (debian/control)",
		suite: stable, packages: append([]string{"build-essential"}, buildDepends(control)...),
		memory: "2GiB",
		note:   []string{"What debian/control names in Build-Depends is in the image."},
	}
	p.plan = []string{`action "deb" {}`}
	return p
}

// buildDepends returns the packages of the Build-Depends fields of a control
// file (Debian Policy 7.1): of alternatives the first, and none that is for
// another architecture or for a build profile.
func buildDepends(control string) []string {
	var names []string
	for _, item := range strings.Split(buildFields(control), ",") {
		first, _, _ := strings.Cut(item, "|")
		if strings.Contains(first, "<") && !strings.Contains(first, "<!") {
			continue
		}
		if arch := between(first, "[", "]"); arch != "" && !slices.ContainsFunc(strings.Fields(arch), forThis) {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(first), " ")
		name, _, _ = strings.Cut(name, "(")
		name, _, _ = strings.Cut(name, ":")
		if name == "debhelper-compat" {
			name = "debhelper" // which provides it
		}
		if debPackage.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// forThis reports whether an architecture restriction is for a Linux that
// ambient has guests for.
func forThis(arch string) bool {
	return slices.Contains([]string{"amd64", "arm64", "any", "linux-any", "any-amd64", "any-arm64"}, arch) ||
		strings.HasPrefix(arch, "!")
}

func between(s, left, right string) string {
	_, s, ok := strings.Cut(s, left)
	inner, _, closed := strings.Cut(s, right)
	if !ok || !closed {
		return ""
	}
	return inner
}

// buildFields joins the values of the Build-Depends fields of the first
// paragraph.
func buildFields(control string) string {
	var values []string
	inside := false
	for line := range strings.Lines(strings.TrimLeft(control, "\n")) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "":
			return strings.Join(values, ",")
		case strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			if inside {
				values = append(values, line)
			}
		default:
			name, value, _ := strings.Cut(line, ":")
			inside = strings.HasPrefix(strings.ToLower(name), "build-depends")
			if inside {
				values = append(values, value)
			}
		}
	}
	return strings.Join(values, ",")
}
