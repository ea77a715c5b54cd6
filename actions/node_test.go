package actions

import (
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

// fakeTree is a source tree in memory.
type fakeTree map[string]string

func (f fakeTree) Read(path string, limit int64) ([]byte, error) {
	text, ok := f[path]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return []byte(text), nil
}

// reaches returns what an action must reach as host:port.
func reaches(t *testing.T, action string, args config.Args, tree Tree) []string {
	t.Helper()
	d := Lookup(action)
	allow, err := d.Reach(withDefaults(t, d, args), testHost, tree)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range allow {
		if a.By != action || a.UDP {
			t.Errorf("%+v", a)
		}
		all = append(all, fmt.Sprintf("%s:%d", a.Host, a.Port))
	}
	return all
}

func TestNodeReach(t *testing.T) {
	host := []string{"npm.example:443", "npm.corp.example:4873"}
	for _, c := range []struct {
		name, action string
		args         config.Args
		tree         fakeTree
		want         []string
	}{
		{"no lock file", "npm_get", values(), fakeTree{}, nil},
		{"version 3", "npm_get", values(), fakeTree{"package-lock.json": `{"packages": {"": {"name": "https://name.example/"}, "node_modules/a":
			{"version": "1.0.0", "resolved": "https://A.example:8443/a/-/a-1.tgz", "funding": {"url": "https://fund.example/"}},
			"node_modules/b": {"resolved": "packages/b", "link": true}, "node_modules/c": {"resolved": "http://c.example./c.tgz"}}}`},
			[]string{"a.example:8443", "c.example:80"}},
		{"version 1", "npm_get", values("dirs", []string{"web/"}), fakeTree{"package-lock.json": `{"resolved": "https://other.example"}`, "web/npm-shrinkwrap.json": `{"dependencies":
			{"a": {"version": "https://v.example/a.tgz", "requires": {"resolved": ["https://list.example/x"]}, "dependencies": {"b": {"version": "1.0.0", "resolved": "https://b.example/b.tgz"}}}}}`},
			[]string{"v.example:443", "b.example:443"}},
		{"by number, and this machine", "npm_get", values(), fakeTree{"package-lock.json": `[{"resolved": "http://169.254.169.254/x"}, {"resolved": "http://127.0.0.1:22/"},
			{"resolved": "http://localhost/"}, {"resolved": "http://[::1]/"}, {"resolved": "http://0x7f000001/"}, {"resolved": "http://x.localhost/"}, {"resolved": "https://ok.example/"}`},
			[]string{"ok.example:443"}},
		{"broken", "npm_get", values(), fakeTree{"package-lock.json": `{"resolved": "https://a.example/", ]`}, []string{"a.example:443"}},
		{"the project's configuration", "npm_get", values(), fakeTree{".npmrc": "a=b\n@x:registry = https://x.example/\nregistry=\"https://r.example/\"\n//t.example/:_authToken=x\n"},
			[]string{"x.example:443", "r.example:443"}},
		{"pnpm", "pnpm_get", values(), fakeTree{"pnpm-lock.yaml": "packages:\n\n  a@1.0.0:\n    resolution: {integrity: sha512-x, tarball: https://p.example/a.tgz}\n    deprecated: see https://no.example/\n"},
			[]string{"p.example:443"}},
		{"yarn 1", "yarn_get", values(), fakeTree{"yarn.lock": "a@^1:\n  version \"1.0.0\"\n  resolved \"https://y.example/a/-/a-1.tgz#0123\"\n"}, []string{"y.example:443"}},
		{"yarn 4", "yarn_get", values(), fakeTree{".yarnrc.yml": "npmRegistryServer: \"https://n.example\"\n", "yarn.lock": "\"a@https://q.example/a.tgz\":\n  resolution: \"a@https://q.example/a.tgz\"\n"},
			[]string{"q.example:443", "n.example:443"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := append(slices.Clone(host), c.want...)
			if got := reaches(t, c.action, c.args, c.tree); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	if got := reaches(t, "npm_get", values("registry", "http://127.0.0.1:4873"), fakeTree{}); got[0] != "127.0.0.1:4873" {
		t.Errorf("with a registry of the configuration: %v", got)
	}
	if got := reaches(t, "git_get", values("url", "git@Git.example:a/b.git"), nil); !slices.Equal(got, []string{"git.example:22"}) {
		t.Errorf("git_get: %v", got)
	}
}

// However hostile a lock file is, what it adds is bounded and a public name.
func FuzzLockAddresses(f *testing.F) {
	files, _ := filepath.Glob("testdata/node/*/*lock*")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(`{"resolved":"https://a.example/"}]}[`)
	f.Add(`[[[{"resolved":{"version":["https://b.example"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"package-lock.json", "yarn.lock"} {
			r := reach{by: "x"}
			for _, a := range lockAddresses(name, text) {
				if _, err := url.Parse(a); err == nil {
					r.foreign(a)
				}
			}
			if len(r.all) > maxForeign {
				t.Fatalf("%d hosts", len(r.all))
			}
			for _, a := range r.all {
				if !publicName(a.Host) || a.Port == 0 {
					t.Fatalf("%+v", a)
				}
			}
		}
	})
}

func TestNpmSettings(t *testing.T) {
	home, rc := t.TempDir(), filepath.Join(t.TempDir(), "rc")
	t.Setenv("HOME", home)
	t.Setenv("NPM_CONFIG_USERCONFIG", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	t.Setenv("npm_config_registry", "")
	t.Setenv("MIRROR", "mirror.example")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(home, ".npmrc"), "; registry=https://no.example/\n#x\nregistry = https://me:secret@${MIRROR}/npm/\n"+
		"@corp:registry=\"https://corp.example\"\n@bad scope:registry=https://x.example\n@ftp:registry=ftp://x.example\n"+
		"//mirror.example/npm/:_authToken=abc\nreplace-registry-host=always\n")
	got := readNpmSettings()
	want := NpmSettings{Registry: "https://mirror.example/npm/", Scopes: map[string]string{"@corp": "https://corp.example"}, ReplaceHost: "always"}
	if got.Registry != want.Registry || got.ReplaceHost != want.ReplaceHost || !maps.Equal(got.Scopes, want.Scopes) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if text := got.npmrc() + got.yarnrc(); strings.Contains(text, "secret") || strings.Contains(text, "abc") {
		t.Errorf("a password is in %s", text)
	}
	write(rc, "registry=https://other.example/\n")
	t.Setenv("NPM_CONFIG_USERCONFIG", rc)
	if got := readNpmSettings(); got.Registry != "https://other.example/" || len(got.Scopes) != 0 {
		t.Errorf("with another file: %+v", got)
	}
	t.Setenv("npm_config_registry", "http://127.0.0.1:4873")
	if got := thisHost().Npm(); got.Registry != "http://127.0.0.1:4873" {
		t.Errorf("with a variable: %+v", got)
	}
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_USERCONFIG", filepath.Join(home, "none"))
	t.Setenv("PATH", t.TempDir())
	if got := readNpmSettings(); got.Registry != "" {
		t.Errorf("without npm: %+v", got)
	}
}

func TestNodeDepends(t *testing.T) {
	for _, c := range []struct {
		action string
		args   config.Args
		file   string // it depends on this; empty: on nothing
		why    string
	}{
		{"npm_get", values(), "**/package-lock.json", ""},
		{"pnpm_get", values(), "**/pnpm-lock.yaml", ""},
		{"yarn_get", values(), "**/yarn.lock", ""},
		{"git_get", values("sha", digest[:40]), "", ""},
		{"git_get", values("ref", digest[:40]), "", ""},
		{"git_get", values("ref", "main"), "", "git_get has a repository without sha"},
	} {
		d, why := Lookup(c.action).Depends(c.args)
		if why != c.why || (c.file != "") != slices.Contains(d.Files, c.file) || d.MaxAge != 0 {
			t.Errorf("%s: %+v, %q", c.action, d, why)
		}
	}
}
