package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

// mapTree is a source tree in memory.
type mapTree map[string]string

func (m mapTree) Read(path string, limit int64) ([]byte, error) {
	text, ok := m[path]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case int64(len(text)) > limit:
		return nil, errors.New("too large")
	}
	return []byte(text), nil
}

// reached returns what an action asks for, as host:port.
func reached(t *testing.T, action string, args config.Args, host Host, tree Tree) []string {
	t.Helper()
	all, err := Lookup(action).Reach(withDefaults(t, Lookup(action), args), host, tree)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range all {
		if a.By != action || a.UDP {
			t.Errorf("entry %+v", a)
		}
		got = append(got, fmt.Sprintf("%s:%d", a.Host, a.Port))
	}
	slices.Sort(got)
	return got
}

func TestCargoReach(t *testing.T) {
	host := FixedHost{
		CargoSettings: CargoSettings{Registries: map[string]string{"corp": "sparse+https://Corp.Example:8443/i/", "unused": "https://unused.example/git"}},
		Defaults:      map[string]string{"cargo": "sparse+https://index.example/"},
		Documents: map[string]string{
			"https://index.example/config.json":        `{"dl": "https://files.example:444/crates", "api": "https://api.example"}`,
			"https://Corp.Example:8443/i/config.json":  `{"dl": "http://10.1.2.3/{crate}/{version}"}`,
			"https://broken.example/config.json":       `{"dl": 7`,
			"https://localhost.example/x/config.json":  `{}`,
			"https://never.example/index/config.json":  `{"dl": "https://never-files.example"}`,
			"https://foreign.example/idx/config.json":  `{"dl": "https://internal.example"}`,
			"https://127.0.0.1:8080/index/config.json": `{}`,
		},
	}
	lock := func(sources ...string) string {
		text := "version = 4\n"
		for _, s := range sources {
			text += "\n[[package]]\nname = \"a\"\nsource = \"" + s + "\"\n"
		}
		return text
	}
	for _, c := range []struct {
		name, lock string
		args       config.Args
		want       string
	}{
		{"default", lock("registry+https://old-git.example/index"), values(), "files.example:444 index.example:443"},
		{"no lock: every registry of the host", "", values(), "10.1.2.3:80 corp.example:8443 files.example:444 index.example:443 unused.example:443"},
		{"a registry of the host", lock("sparse+https://Corp.Example:8443/i/"), values(), "10.1.2.3:80 corp.example:8443 files.example:444 index.example:443"},
		{"index of the action", lock("x"), values("index", "sparse+https://broken.example/"), "broken.example:443"},
		{"hosts of the lock file, but none by number or of this machine",
			lock("git+https://git.example/a?rev=1#2", "git+ssh://git@ssh.example/b#3", "sparse+https://foreign.example/idx/",
				"git+https://127.0.0.1/c#4", "git+https://localhost/d", "git+https://x.localhost/d", "git+https://[::1]/e", "git+https://10.0.0.1:22/f",
				"git+file:///etc", "git+https://a b/", "git+http://2130706433/"),
			values(), "files.example:444 foreign.example:443 git.example:443 index.example:443 ssh.example:22"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := mapTree{}
			if c.lock != "" {
				tree["Cargo.lock"] = c.lock
			}
			if got := strings.Join(reached(t, "cargo_fetch", c.args, host, tree), " "); got != c.want {
				t.Errorf("reach = %s, want %s", got, c.want)
			}
		})
	}
	if got := reached(t, "cargo_fetch", values(), FixedHost{}, nil); len(got) != 0 {
		t.Errorf("with nothing known: %v", got)
	}
	deny := mapTree{"Cargo.lock": "version = 4\n", "sub/Cargo.lock": "x", "sub/deny.toml": "[advisories]\ndb-urls = [\n  \"https://db.example/a\", 'https://127.0.0.1/b',\n]\n"}
	if got := reached(t, "cargo_fetch", values("dirs", []string{".", "sub"}), FixedHost{}, deny); !slices.Equal(got, []string{"db.example:443"}) {
		t.Errorf("with deny.toml: %v", got)
	}
	many := ""
	for i := range 1000 {
		many += fmt.Sprintf("source = \"git+https://h%d.example/x\"\n", i)
	}
	if got := reached(t, "cargo_fetch", values(), FixedHost{}, mapTree{"Cargo.lock": many}); len(got) != maxForeign {
		t.Errorf("a lock file added %d hosts", len(got))
	}
}

func TestPipReach(t *testing.T) {
	host := FixedHost{
		Defaults:    map[string]string{"pip": "https://index.example/simple"},
		PipSettings: PipSettings{Extra: []string{"https://extra.example/s/"}, FindLinks: []string{"http://links.example/"}},
		Documents: map[string]string{
			"https://index.example/simple/my-package/": `{"files": [{"url": "https://files.example/a.whl"}, {"url": "b.whl"}]}`,
			"https://extra.example/s/pytest/":          `<a href="https://other.example:8443/p/x.whl#sha256=1">x</a><a href="../y.whl">y</a>`,
		},
	}
	tree := mapTree{
		"requirements.txt": "--index-url https://torch.example/whl\n-r sub/more.txt # more\n-r ../out.txt\nMy_.Package==1 --hash=sha256:00\n",
		"sub/more.txt":     "-r more.txt\n-r deep.txt\npytest\nx @ https://wheel.example/x.whl\n--find-links=http://127.0.0.1/x\n",
		"sub/deep.txt":     "--extra-index-url=https://deep.example/s\n",
	}
	want := "deep.example:443 extra.example:443 files.example:443 index.example:443 links.example:80 other.example:8443 torch.example:443 wheel.example:443"
	if got := strings.Join(reached(t, "pip_get", values(), host, tree), " "); got != want {
		t.Errorf("reach = %s, want %s", got, want)
	}
	if got := strings.Join(reached(t, "pip_get", values("index", "https://mine.example/s", "packages", []string{"a"}), host, nil), " "); got != "mine.example:443" {
		t.Errorf("with an index of its own: %s", got)
	}
	host.Documents["https://index.example/simple/setuptools/"] = `{"url": "https://build.example/s.whl"}`
	if got := strings.Join(reached(t, "pip_get", values("project", "."), host, tree), " "); got != "build.example:443 extra.example:443 index.example:443 links.example:80" {
		t.Errorf("for pyproject.toml: %s", got)
	}
	if got := reached(t, "pip_get", values(), FixedHost{}, nil); len(got) != 0 {
		t.Errorf("with nothing known: %v", got)
	}
}

func TestRustupReach(t *testing.T) {
	for want, host := range map[string]FixedHost{
		"rust.example:443":                  {Defaults: map[string]string{"rustup": "https://rust.example"}},
		"a.example:80 b.example:443":        {RustupSettings: RustupSettings{DistServer: "http://a.example", UpdateRoot: "https://b.example/x"}},
		"mirror.example:443 rust.example:1": {RustupSettings: RustupSettings{UpdateRoot: "https://mirror.example"}, Defaults: map[string]string{"rustup": "https://rust.example:1"}},
		"":                                  {},
	} {
		if got := strings.Join(reached(t, "rustup", values(), host, nil), " "); got != want {
			t.Errorf("reach = %s, want %s", got, want)
		}
	}
}

func FuzzPublicName(f *testing.F) {
	for _, s := range []string{"a.example", "127.0.0.1", "localhost", "1.2.3", "[::1]", "a..b", "xn--a.example", "*.example", "a.example."} {
		f.Add("git+https://" + s + "/x")
	}
	f.Fuzz(func(t *testing.T, address string) {
		r := &reach{by: "x"}
		r.foreign(address)
		for _, a := range r.all {
			if strings.ContainsAny(a.Host, "*/:[]% \n") || a.Host == "localhost" || a.Port == 0 || !strings.Contains(a.Host, ".") {
				t.Errorf("%q gave %+v", address, a)
			}
		}
	})
}
