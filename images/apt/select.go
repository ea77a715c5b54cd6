package apt

import (
	"net/url"
	"os"
	"strings"
)

// Settings in the environment of ambient itself.
const (
	EnvMirror  = "AMBIENT_DEBIAN_MIRROR"  // address of an archive, such as apt's URIs
	EnvKeyring = "AMBIENT_DEBIAN_KEYRING" // files that hold the only keys to trust, separated by ":"
)

// FallbackSuite is used where the host is no Debian with apt sources.
const FallbackSuite = "bookworm"

// DefaultSuite returns the host's own Debian release when its apt sources have
// it, else FallbackSuite.
func (h Host) DefaultSuite() string {
	name := h.Codename()
	if name == "" {
		return FallbackSuite
	}
	for _, s := range h.Entries() {
		if s.role(name, name) != "" {
			return name
		}
	}
	return FallbackSuite
}

// DefaultSuite returns the default of this host.
func DefaultSuite() string { return Host{}.DefaultSuite() }

// Sources returns the archives of a suite: the one at mirror if that is given,
// else at EnvMirror, else every entry of this host's apt sources that looks
// like Debian's, with its updates and its security updates. It reads local
// files only; a Client finds out whether they are what they look like. The
// error is a *NoArchiveError.
func Sources(suite, mirror string) ([]Source, error) { return Host{}.Sources(suite, mirror) }

// Sources is as the function of that name.
func (h Host) Sources(suite, mirror string) ([]Source, error) {
	if suite == "" {
		suite = h.DefaultSuite()
	}
	if mirror == "" {
		mirror = os.Getenv(EnvMirror)
	}
	none := &NoArchiveError{Suite: suite}
	if !validName(suite) {
		none.add("", "%q is not the name of a suite", suite)
		return nil, none
	}
	if mirror != "" {
		s := Source{URI: cleanURI(mirror), Suite: suite, Components: []string{"main"}}
		if why := s.unusable(); why != "" {
			none.add(mirror, "%s", why)
			return nil, none
		}
		return []Source{s}, nil
	}
	found := h.choose(suite, none)
	if len(found) == 0 {
		return nil, none
	}
	return found, nil
}

// choose picks the entries of a suite; none learns why others were not. There
// must be one of the suite itself: updates alone are no archive.
func (h Host) choose(suite string, none *NoArchiveError) []Source {
	var found []Source
	base := false
	debian := h.archiveKeys()
	for _, s := range h.Entries() {
		role := s.role(suite, h.Codename())
		if role == "" {
			continue
		}
		if why := s.unusable(); why != "" {
			none.add(s.URI, "%s", why)
			continue
		}
		if !h.signedByDebian(s, debian) {
			none.add(s.URI, "it is signed by another's key")
			continue
		}
		base = base || role == suite
		found = append(found, s)
	}
	if !base {
		return nil
	}
	return found
}

// role returns "suite", "suite-updates" or "suite-security" when the entry is
// that by name, else "". An alias such as stable stands for the host's own
// release.
func (s Source) role(suite, host string) string {
	if !contains(s.Components, "main") {
		return ""
	}
	base, extra := s.Suite, ""
	for _, suffix := range []string{"-updates", "-security"} {
		if b, ok := strings.CutSuffix(s.Suite, suffix); ok {
			base, extra = b, suffix
		}
	}
	switch base {
	case suite:
		return suite + extra
	case "stable", "oldstable", "testing", "unstable":
		if suite == host {
			return suite + extra
		}
	}
	return ""
}

// unusable says why this client can not read the source, "" if it can.
func (s Source) unusable() string {
	u, err := url.Parse(s.URI)
	switch {
	case err != nil || u.Host == "":
		return "it is not an address such as http://HOST/PATH"
	case u.Scheme != "http" && u.Scheme != "https":
		return "only http and https are supported"
	}
	return ""
}

// validName says whether s can stand in a path of the archive and in a sources
// list.
func validName(s string) bool {
	if s == "" || len(s) > 100 || strings.Contains(s, "..") {
		return false
	}
	for _, c := range []byte(s) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || strings.IndexByte("-._+~", c) >= 0
		if !ok {
			return false
		}
	}
	return s[0] != '-' && s[0] != '.'
}
