package apt

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	cases := []struct {
		name, line string
		want       []Source
	}{
		{"plain", "deb http://a.example/debian/ bookworm main contrib",
			[]Source{{URI: "http://a.example/debian", Suite: "bookworm", Components: []string{"main", "contrib"}}}},
		{"options", `deb [ arch=amd64,arm64 signed-by=/k/a.gpg,/k/b.gpg check-valid-until=no ] http://a/ b main # why`,
			[]Source{{URI: "http://a", Suite: "b", Components: []string{"main"}, signedBy: "/k/a.gpg /k/b.gpg",
				arches: []string{"amd64", "arm64"}, anyDate: true}}},
		{"options without a space", "deb [arch=amd64]http://a b main",
			[]Source{{URI: "http://a", Suite: "b", Components: []string{"main"}, arches: []string{"amd64"}}}},
		{"tabs", "deb\thttp://a\tb\tmain", []Source{{URI: "http://a", Suite: "b", Components: []string{"main"}}}},
		{"comment", "# deb http://a b main", nil},
		{"sources", "deb-src http://a b main", nil},
		{"flat", "deb http://a ./", nil},
		{"open bracket", "deb [arch=amd64 http://a b main", nil},
		{"word", "debian http://a b main", nil},
		{"nothing", "deb", nil},
		{"binary", "deb \x00\xff", nil},
	}
	for _, tc := range cases {
		if got := parseList([]byte(tc.line)); !equalSources(got, tc.want) {
			t.Errorf("%s: got %+v", tc.name, got)
		}
	}
}

func equalSources(a, b []Source) bool {
	for i := range a {
		if a[i].arches != nil && len(a[i].arches) == 0 {
			a[i].arches = nil
		}
	}
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

const deb822 = `# Debian's own
Types: deb deb-src
URIs: http://a.example/debian https://b.example/debian/
Suites: bookworm bookworm-updates
# in the middle
Components: main
 contrib
Signed-By: /usr/share/keyrings/x.gpg
Architectures: amd64

Enabled: no
Types: deb
URIs: http://off.example/
Suites: bookworm
Components: main

Types: deb-src
URIs: http://src.example/
Suites: bookworm
Components: main


Types: deb
URIs: http://c.example/
Suites: bookworm-security
Components: main
Check-Valid-Until: false
`

func TestParseSources(t *testing.T) {
	var got []string
	for _, s := range parseSources([]byte(deb822)) {
		got = append(got, s.Line()+"|"+s.signedBy+"|"+strings.Join(s.arches, ","))
	}
	want := []string{
		"deb http://a.example/debian bookworm main contrib|/usr/share/keyrings/x.gpg|amd64",
		"deb http://a.example/debian bookworm-updates main contrib|/usr/share/keyrings/x.gpg|amd64",
		"deb https://b.example/debian bookworm main contrib|/usr/share/keyrings/x.gpg|amd64",
		"deb https://b.example/debian bookworm-updates main contrib|/usr/share/keyrings/x.gpg|amd64",
		"deb [check-valid-until=no] http://c.example bookworm-security main||",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestStanzas(t *testing.T) {
	cases := []struct {
		name, text string
		count      int
		ok         bool
	}{
		{"empty", "", 0, true},
		{"blank lines only", "\n \n\t\n", 0, true},
		{"two", "A: 1\n\n\nB: 2\n", 2, true},
		{"no newline at the end", "A: 1\nB: 2", 1, true},
		{"carriage returns", "A: 1\r\n\r\nB: 2\r\n", 2, true},
		{"continuation first", " x\n", 0, false},
		{"no colon", "A\n", 0, false},
		{"space in a name", "A b: c\n", 0, false},
		{"too large", "A: " + strings.Repeat("x", maxStanza) + "\n", 0, false},
		{"too large in all", strings.Repeat("A: "+strings.Repeat("x", 1<<16)+"\n", maxStanza>>16), 0, false},
	}
	for _, tc := range cases {
		n := 0
		err := stanzas(strings.NewReader(tc.text), func(Stanza) error { n++; return nil })
		if (err == nil) != tc.ok || tc.ok && n != tc.count {
			t.Errorf("%s: %d stanzas, %v", tc.name, n, err)
		}
		if err != nil && !errors.Is(err, errStanza) {
			t.Errorf("%s: error of another kind: %v", tc.name, err)
		}
	}
}

// host makes a host with the given files.
func host(t *testing.T, files map[string]string) Host {
	t.Helper()
	t.Setenv(EnvKeyring, "")
	t.Setenv(EnvMirror, "")
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Host{Root: root}
}

const bookworm = "PRETTY_NAME=x\nID=debian\nVERSION_CODENAME=bookworm\n"

func TestSourcesOfHost(t *testing.T) {
	list := "etc/apt/sources.list"
	cases := []struct {
		name, suite, mirror, list string
		want                      []string // "URI SUITE"
	}{
		{"all of a release", "bookworm", "", "deb http://d/debian bookworm main\ndeb http://d/debian bookworm-updates main\n" +
			"deb http://d/sec bookworm-security main\ndeb http://d/debian bookworm-backports main",
			[]string{"http://d/debian bookworm", "http://d/debian bookworm-updates", "http://d/sec bookworm-security"}},
		{"the default suite", "", "", "deb http://d bookworm main", []string{"http://d bookworm"}},
		{"alias of the host's release", "bookworm", "", "deb http://d stable main", []string{"http://d stable"}},
		{"alias of another", "trixie", "", "deb http://d testing main", nil},
		{"another's archive", "bookworm", "", "deb http://docker.example/debian bookworm stable\ndeb http://d bookworm main",
			[]string{"http://d bookworm"}},
		{"updates alone", "bookworm", "", "deb http://d bookworm-updates main", nil},
		{"no network", "bookworm", "", "deb cdrom:[Debian]/ bookworm main\ndeb file:/srv/debian bookworm main", nil},
		{"given mirror", "trixie", "http://m/debian/", "deb http://d bookworm main", []string{"http://m/debian trixie"}},
		{"bad mirror", "trixie", "m/debian", "", nil},
		{"bad suite", "../etc", "http://m", "", nil},
		{"none", "bookworm", "", "", nil},
	}
	for _, tc := range cases {
		h := host(t, map[string]string{list: tc.list, "etc/os-release": bookworm})
		found, err := h.Sources(tc.suite, tc.mirror)
		var got []string
		for _, s := range found {
			got = append(got, s.URI+" "+s.Suite)
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %v", tc.name, got)
		}
		var none *NoArchiveError
		if (len(tc.want) == 0) != errors.As(err, &none) {
			t.Errorf("%s: error %v", tc.name, err)
		}
	}
}

func TestNoArchiveSaysHow(t *testing.T) {
	h := host(t, map[string]string{"etc/apt/sources.list": "deb cdrom:[D]/ bookworm main"})
	_, err := h.Sources("bookworm", "")
	for _, want := range []string{"cdrom:", "mirror", EnvMirror, `"bookworm"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestDefaultSuite(t *testing.T) {
	cases := []struct{ name, release, list, want string }{
		{"Debian", "ID=debian\nVERSION_CODENAME=trixie\n", "deb http://d trixie main", "trixie"},
		{"quoted", "ID='debian'\nVERSION_CODENAME=\"trixie\"\n", "deb http://d trixie main", "trixie"},
		{"Debian without sources", "ID=debian\nVERSION_CODENAME=trixie\n", "", FallbackSuite},
		{"another", "ID=ubuntu\nVERSION_CODENAME=noble\n", "deb http://d noble main", FallbackSuite},
		{"unknown", "", "", FallbackSuite},
	}
	for _, tc := range cases {
		h := host(t, map[string]string{"etc/apt/sources.list": tc.list, "etc/os-release": tc.release})
		if got := h.DefaultSuite(); got != tc.want {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	ascending := []string{
		"1.0~rc1-1", "1.0-0", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0a-1", "1.0.1-1", "1.2-1", "1.10-1",
		"6.1.187-1", "6.1.192-1", "6.1.192-2", "1:0.1", "1:1.35.0-4+deb12u1", "1:1.35.0-4+deb12u1+b1", "2:0",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := compareVersions(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
}

func TestVersionsThatAreEqual(t *testing.T) {
	for _, p := range [][2]string{{"0:1", "1"}, {"1.01", "1.1"}, {"1-0", "1"}, {"", ""}} {
		if compareVersions(p[0], p[1]) != 0 {
			t.Errorf("%q and %q differ", p[0], p[1])
		}
	}
}
