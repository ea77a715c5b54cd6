package actions

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var update = flag.Bool("update", false, "write the golden files")

const digest = "31E066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"

var testHost = FixedHost{
	GoSettings:  GoSettings{Proxy: "https://proxy.example,direct", SumDB: "sum.example", Private: "git.example/*"},
	NpmSettings: NpmSettings{Registry: "https://npm.example/", Scopes: map[string]string{"@corp": "http://npm.corp.example:4873/x"}, ReplaceHost: "always"},
	Archives: []DebianSource{
		{URI: "https://deb.example/debian", Suite: "bookworm", Components: []string{"main", "contrib"}},
		{URI: "https://deb.example/security", Suite: "bookworm-security", Components: []string{"main"}},
	},
	CargoSettings: CargoSettings{
		Index:      "sparse+https://crates.example/index/",
		Registries: map[string]string{"corp": "sparse+https://corp.example/"},
		Withheld:   []string{"crates.example"},
	},
	PipSettings: PipSettings{Index: "https://wheels.example/simple", Trusted: []string{"wheels.example"}},
	Defaults:    map[string]string{"rustup": "https://rust.example"},
}

var goldens = []struct {
	name   string
	action string
	args   config.Args
}{
	{"shell", "shell", values("script", "make\n")},
	{"shell_dir", "shell", values("script", "pwd", "shell", "sh", "dir", "sub//dir/")},
	{"dummy", "dummy", values()},
	{"mkdir", "mkdir", values("pathname", "a//b/../c")},
	{"mkdir_absolute", "mkdir", values("pathname", "/ci/artifacts/x/")},
	{"pwd", "pwd", values("dir", "sub")},
	{"setenv", "setenv", values("set", map[string]string{"B": "2", "A": "1"})},
	{"junit", "junit", values("files", []string{"out/**/*.xml", "/ci/artifacts/r.xml"}, "required", false)},
	{"make", "make", values()},
	{"make_all", "make", values("targets", []string{"all", "it's"}, "variables", map[string]string{"B": "x y", "A": "$(HOME)"},
		"jobs", int64(3), "dir", "sub", "file", "GNUmakefile.ci")},
	{"deb", "deb", values()},
	{"deb_all", "deb", values("dir", "pkg", "packages", "out", "source", true, "options", []string{"nocheck", "parallel=1"}, "profiles", []string{"nodoc", "pkg.x"})},
	{"rsync", "rsync", values("target", "www@files.example.org:/srv/www/")},
	{"rsync_all", "rsync", values("target", "[2001:db8::1]:site", "artifacts", "out/html", "delete", false, "options", []string{"--chmod=D755,F644"}, "port", int64(2222), "key", "/ci/secrets/deploy", "retries", int64(0))},
	{"scp", "scp", values("files", []string{"a.tar", "dir//b"}, "target", "h:~/in/")},
	{"git_push", "git_push", values("repository", "site.bundle", "url", "git@git.example.org:team/site.git", "refspecs", []string{"HEAD:refs/heads/pages"})},
	{"git_push_https", "git_push", values("repository", "r/.git", "url", "https://git.example.org:8443/team/site.git", "refspecs", []string{"main", "+v1:refs/tags/v1"}, "force", true, "token", "/ci/secrets/git", "username", "bot")},
	{"dput", "dput", values("host", "archive.example.org", "incoming", "/srv/queue")},
	{"dput_https", "dput", values("host", "archive.example.org", "method", "https", "port", int64(8443), "incoming", "queue", "artifacts", "debian")},
	{"http_put", "http_put", values("files", []string{"a/*.gz", "b"}, "url", "https://h.example/x/", "method", "POST", "headers", map[string]string{"X-A": "1"}, "token", "/ci/secrets/t", "token_format", "Basic %s")},
	{"oci_push", "oci_push", values("image", "img.tar", "target", "registry.example.org:5000/team/x:1.0", "tags", []string{"latest"}, "token", "/ci/secrets/reg", "tls", false)},
	{"http_get", "http_get", values("url", "https://example.org/a/words.tar.gz?x=1", "sha256", digest)},
	{"http_get_files", "http_get", files(
		values("url", "https://example.org/tool", "path", "bin/./tool", "mode", "0755"),
		values("url", "http://example.org/a%20b.txt"))},
	{"custom", "custom", values("name", "check", "args", map[string]any{
		"text": "a <b> 'c'", "flag": true, "count": int64(3), "ratio": 0.5, "none": nil,
		"list": []any{"x", int64(1)}, "map": map[string]any{"b": "2", "a": "1"}})},
	{"custom_bare", "custom", values("name", "check")},
	{"git_get", "git_get", values("url", "https://git.example/a/it's.git")},
	{"git_get_pinned", "git_get", values("url", "ssh://git@git.example/a/words.git", "ref", "v1.2", "sha", digest[:40], "path", "sub/w", "submodules", true, "history", true)},
	{"npm_get", "npm_get", values()},
	{"npm_get_all", "npm_get", values("dirs", []string{"a", "it's"}, "omit", []string{"dev", "peer"}, "tarballs", true, "version", "11.0.0", "registry", "http://npm.example:4873/", "retries", int64(0))},
	{"pnpm_get", "pnpm_get", values()},
	{"yarn_get", "yarn_get", values()},
	{"npm_ci", "npm_ci", values("dir", "web", "omit", []string{"dev"}, "ignore_scripts", true)},
	{"npm_test", "npm_test", values()},
	{"npm_test_args", "npm_test", values("script", "e2e", "args", []string{"--grep", "a b"}, "dir", "web")},
	{"npm_test_yarn", "npm_test", values("tool", "yarn", "args", []string{"-v"})},
	{"pnpm_install", "pnpm_install", values("ignore_scripts", true)},
	{"yarn_install", "yarn_install", values("ignore_scripts", true, "dir", "web")},
	{"go_mod_download", "go_mod_download", values("dirs", []string{".", "tools/it's"}, "retries", int64(1))},
	{"go_vet", "go_vet", values("dir", "sub", "tags", []string{"a", "b"})},
	{"go_build", "go_build", values("packages", []string{"./cmd/x"}, "output", "bin/x", "ldflags", "-s -w -X main.v=1", "cgo", false)},
	{"go_build_dir", "go_build", values("output", "bin/", "trimpath", false)},
	{"go_build_bare", "go_build", values()},
	{"go_test", "go_test", values("race", true, "args", []string{"-run=A B", "-v"}, "cgo", true)},
	{"cargo_fetch", "cargo_fetch", values("dirs", []string{".", "tools/it's"})},
	{"cargo_fetch_index", "cargo_fetch", values("index", "sparse+https://other.example/", "registries", map[string]string{"mine": "https://mine.example/git"}, "advisories", false)},
	{"cargo_build", "cargo_build", values("packages", []string{"a"}, "features", []string{"x", "y"}, "default_features", false, "profile", "release", "target", "aarch64-unknown-linux-gnu", "all_targets", false)},
	{"cargo_test", "cargo_test", values("dir", "sub", "args", []string{"--test-threads=1", "it's"})},
	{"cargo_clippy", "cargo_clippy", values("all_features", true)},
	{"cargo_clippy_warn", "cargo_clippy", values("deny_warnings", false)},
	{"cargo_fmt", "cargo_fmt", values("dir", "sub")},
	{"cargo_doc", "cargo_doc", values("output", "doc/api")},
	{"cargo_doc_bare", "cargo_doc", values("deps", true)},
	{"cargo_deny", "cargo_deny", values("checks", []string{"licenses", "advisories"})},
	{"cargo_install", "cargo_install", values("dir", "cli", "output", "usr", "bins", []string{"a"})},
	{"rustup", "rustup", values("channel", "1.85.0", "components", []string{"clippy"}, "target", []string{"wasm32-unknown-unknown"})},
	{"pip_get", "pip_get", values("require_hashes", true, "constraints", []string{"c.txt"})},
	{"pip_get_sdist", "pip_get", values("packages", []string{"pytest>=8,<9", "tox"}, "allow_sdist", true, "index", "https://other.example/simple")},
	{"pip_install", "pip_install", values("project", "sub", "editable", true, "build_isolation", false, "system_site_packages", true, "packages", []string{"a>=1"})},
	{"pip_install_bare", "pip_install", values()},
	{"pytest", "pytest", values("paths", []string{"tests"}, "args", []string{"-k", "a b"}, "junit", "reports/py.xml", "dir", "sub")},
	{"deb_get", "deb_get", values("packages", []string{"g++", "hello=2.10-3"})},
	{"deb_get_source", "deb_get", values("sources", []string{"hello"}, "recommends", true, "suite", "bookworm", "retries", int64(0))},
}

func TestSteps(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			d := Lookup(g.action)
			args := withDefaults(t, d, g.args)
			if d.Check != nil {
				if p := d.Check(args); len(p) > 0 {
					t.Fatalf("Check: %+v", p)
				}
			}
			got := goldenText(t, g.action, args)
			if again := goldenText(t, g.action, args); !bytes.Equal(got, again) {
				t.Error("two calls gave different steps")
			}
			file := filepath.Join("testdata", g.name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
}

// goldenText returns an action as JSON with its texts readable.
func goldenText(t *testing.T, name string, args config.Args) []byte {
	t.Helper()
	action := build(t, name, args, testHost)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(readable(action)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readable replaces bytes and long texts by lists of lines.
func readable(a guest.Action) any {
	steps := []any{}
	for _, s := range a.Steps {
		step := map[string]any{}
		if s.Exec != nil {
			e := *s.Exec
			if e.Script != "" {
				step["script"] = strings.Split(e.Script, "\n")
			}
			if e.Stdin != nil {
				step["stdin"] = string(e.Stdin)
			}
			e.Script, e.Stdin = "", nil
			step["exec"] = e
		}
		if s.Write != nil {
			w := *s.Write
			step["content"] = strings.Split(string(w.Content), "\n")
			if bytes.Equal(w.Content, nodeGet) {
				step["content"] = "nodejs/get.js"
			}
			w.Content = nil
			step["write"] = w
		}
		if s.Fetch != nil {
			step["fetch"] = s.Fetch
		}
		if s.Upload != nil {
			step["upload"] = s.Upload
		}
		steps = append(steps, step)
	}
	all := map[string]any{"name": a.Name, "title": a.Title, "steps": steps}
	if a.Reports != nil {
		all["reports"] = a.Reports
	}
	return all
}

func build(t *testing.T, name string, args config.Args, host Host) guest.Action {
	t.Helper()
	stage := &config.Stage{Actions: []*config.Action{{Name: name, Args: args}}}
	all, err := Build(stage, nil, host)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// Every shell must be able to read the scripts that actions make.
func TestScriptSyntax(t *testing.T) {
	for _, g := range goldens {
		if g.action == "shell" {
			continue
		}
		for _, s := range build(t, g.action, withDefaults(t, Lookup(g.action), g.args), testHost).Steps {
			if s.Exec == nil || s.Exec.Script == "" {
				continue
			}
			for _, shell := range []string{"sh", "bash"} {
				cmd := exec.Command(shell, "-n")
				cmd.Stdin = strings.NewReader(s.Exec.Script)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %v\n%s%s", g.name, shell, err, out, s.Exec.Script)
				}
			}
		}
	}
}

func TestBuild(t *testing.T) {
	action := func(name string, env map[string]string, args config.Args) *config.Action {
		return &config.Action{Name: name, Args: withDefaults(t, Lookup(name), args), Env: env, Timeout: time.Minute}
	}
	stage := &config.Stage{
		Image: &config.Image{Suite: "trixie", Mirror: "http://mirror.example/debian"},
		Actions: []*config.Action{
			action("go_vet", nil, values()),
			action("go_vet", map[string]string{"GOTOOLCHAIN": "auto"}, values()),
			action("custom", map[string]string{"AMBIENT_CI_x": "mine"}, values("name", "a", "args", map[string]any{"x": "y"})),
			action("deb_get", nil, values("packages", []string{"hello"})),
			action("setenv", nil, values("set", map[string]string{"GOTOOLCHAIN": "set", "GOCACHE": "/set"})),
			action("setenv", nil, values("set", map[string]string{"GOCACHE": "/last", "A": "1"})),
			action("go_vet", map[string]string{"A": "2"}, values()),
			action("custom", nil, values("name", "a", "args", map[string]any{"x": "y"})),
		},
	}
	env := map[string]string{"GOCACHE": "/elsewhere"}
	all, err := Build(stage, env, FixedHost{})
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Timeout != time.Minute || all[0].Title != "go_vet ./..." {
		t.Errorf("action = %+v", all[0])
	}
	checkEnv(t, all[0], map[string]string{"GOTOOLCHAIN": "local"})
	checkEnv(t, all[1], map[string]string{"GOTOOLCHAIN": "auto"})
	checkEnv(t, all[2], map[string]string{"AMBIENT_CI_x": "mine"})
	checkEnv(t, all[6], map[string]string{"A": "2", "GOCACHE": "/last", "GOTOOLCHAIN": "set"})
	checkEnv(t, all[7], map[string]string{"A": "1", "AMBIENT_CI_x": "y", "GOCACHE": "/last", "GOTOOLCHAIN": "set"})
	if list := string(all[3].Steps[2].Write.Content); !strings.Contains(list, "] http://mirror.example/debian trixie main\n") {
		t.Errorf("sources.list = %q, want the image's suite and mirror", list)
	}
}

func checkEnv(t *testing.T, a guest.Action, want map[string]string) {
	t.Helper()
	got, _ := json.Marshal(a.Steps[0].Exec.Env)
	if w, _ := json.Marshal(want); string(got) != string(w) {
		t.Errorf("%s: environment %s, want %s", a.Title, got, w)
	}
}

func TestBuildErrors(t *testing.T) {
	debian := func(uri, suite string) Host {
		return FixedHost{Archives: []DebianSource{{URI: uri, Suite: suite, Components: []string{"main"}}}}
	}
	proxy := func(p string) Host { return FixedHost{GoSettings: GoSettings{Proxy: p}} }
	for _, c := range []struct {
		action, want string
		host         Host
	}{
		{"deb_get", "no Debian archive", FixedHost{}},
		{"deb_get", "not http or https", debian("file:///mirror", "bookworm")},
		{"deb_get", "not http or https", debian("http://x/ [trusted=yes]", "bookworm")},
		{"deb_get", "not http or https", debian("http://x/\ndeb http://y/", "bookworm")},
		{"deb_get", "which is no name", debian("http://x/", "a b")},
		{"go_mod_download", "forbid downloads", proxy("off")},
		{"go_mod_download", "is a directory", proxy("https://x|file:///x")},
		{"nosuch", "no action \"nosuch\"", FixedHost{}},
	} {
		args := values("packages", []string{"hello"}, "dirs", []string{"."})
		stage := &config.Stage{Image: &config.Image{}, Actions: []*config.Action{{Name: c.action, Args: args}}}
		if _, err := Build(stage, nil, c.host); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.action, err, c.want)
		}
	}
}

func TestPlanEnv(t *testing.T) {
	env := Lookup("go_mod_download").PlanEnv(values())
	got, _ := json.Marshal(env)
	want := `{"GOFLAGS":"-mod=readonly -modcacherw","GOMODCACHE":"/ci/deps/go/mod","GOPROXY":"off","GOSUMDB":"off","GOTOOLCHAIN":"local"}`
	if string(got) != want {
		t.Errorf("PlanEnv = %s, want %s", got, want)
	}
}
