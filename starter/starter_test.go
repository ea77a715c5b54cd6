package starter

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func dir(files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1]), Mode: 0o644}
	}
	return m
}

func TestDetect(t *testing.T) {
	control := "Source: x\nBuild-Depends: debhelper-compat (= 13), libfoo-dev (>= 2) | libbar-dev,\n # a comment\n zlib1g-dev:any [linux-any], only-hurd [hurd-i386], doc-tool <!nodoc>, stage1 <stage1>\nBuild-Depends-Indep: python3\nX: y\n\nPackage: x\nDepends: no\n"
	for _, tt := range []struct {
		name  string
		files fstest.MapFS
		parts string   // names
		want  []string // in the text
		never []string
	}{
		{"nothing", dir("notes.txt", "x"), "", []string{`plan "look"`}, []string{`pre "`}},
		{"go", dir("go.mod", "module m\n\ngo 1.19\n"), "go", []string{`packages = ["golang-go"]`, "bookworm", `plan "build"`}, []string{"pre "}},
		{"go with modules", dir("go.mod", "module m\ngo 1.22.1\nrequire x v1.0.0\n"), "go", []string{"trixie", "go_mod_download", `pre "deps"`}, nil},
		{"go, vendored", dir("go.mod", "module m\nrequire x v1.0.0\n", "vendor/modules.txt", ""), "go", nil, []string{"go_mod_download"}},
		{"newest go", dir("go.mod", "module m\ngo 1.99\n"), "go", []string{`"sid"`}, nil},
		{"rust", dir("Cargo.toml", "[package]\n", "Cargo.lock", "version = 3\n"), "rust", []string{`action "cargo_build" {}`, `"cargo-web"`, "bookworm"}, []string{"pre \"", "variable"}},
		{"rust with crates", dir("Cargo.toml", "[dependencies]\nx = \"1\"\n", "Cargo.lock", "version = 4\nsource = \"registry+x\"\n"), "rust",
			[]string{`action "cargo_fetch" {}`, `action "cargo_test" {}`}, []string{"variable"}},
		{"rust without lock", dir("Cargo.toml", "[dev-dependencies]\nx = \"1\"\n"), "rust", []string{`action "cargo_fetch" {}`}, nil},
		{"rust, vendored", dir("Cargo.toml", "[dependencies]\nx = \"1\"\n", "vendor/x/Cargo.toml", ""), "rust", nil, []string{`action "cargo_fetch"`}},
		{"node", dir("package.json", `{"scripts":{"test":"node t.js","build":"x"},"dependencies":{"a":"1"}}`, "package-lock.json", "{}"), "node",
			[]string{`action "npm_get" {}`, `action "npm_ci" {}`, `script = "build"`, `action "npm_test" {}`, "package-lock.json"}, []string{"shell", `"npm"`, "npm_registry", "network {"}},
		{"pnpm", dir("package.json", `{"scripts":{"test":"node t.js"},"dependencies":{"a":"1"}}`, "pnpm-lock.yaml", "x"), "node",
			[]string{`action "pnpm_get" {}`, `action "pnpm_install" {}`, `tool = "pnpm"`}, []string{"shell", `"npm"`}},
		{"yarn", dir("package.json", `{"scripts":{"test":"node t.js"},"devDependencies":{"a":"1"}}`, "yarn.lock", ""), "node",
			[]string{`action "yarn_get" {}`, `action "yarn_install" {}`, `tool = "yarn"`}, []string{"shell"}},
		{"node without lock", dir("package.json", `{"scripts":{"test":"echo no test specified; exit 1"},"devDependencies":{"a":"1"}}`), "node",
			[]string{"npm install --ignore-scripts", `network { mode = "open" }`, "node --check"}, []string{"npm run test"}},
		{"node without anything", dir("package.json", `{`), "node", []string{"node --check"}, []string{"pre "}},
		{"python", dir("requirements.txt", "idna\n", "test_x.py", ""), "python", []string{`requirements = ["requirements.txt"]`, "unittest", `action "pip_get" {`}, []string{"project =", "project  ", "build_isolation"}},
		{"python package", dir("pyproject.toml", "[build-system]\nrequires = [\"hatchling\"]\n[project]\ndependencies = [\"x\"]\n[tool.pytest.ini_options]\n"), "python",
			[]string{`action "pytest" {}`, `project = "."`, `action "pip_get" {`}, []string{"build_isolation", "requirements"}},
		{"python without anything", dir("setup.py", "", "requirements.txt", "# none\n"), "python", []string{"compileall", "build_isolation = false"}, []string{"pre "}},
		{"python script", dir("requirements.txt", "# none\n"), "python", []string{"compileall"}, []string{"pre ", "pip_install"}},
		{"python with its own code", dir("requirements.txt", "-e .\nx\n"), "python", []string{"names a directory"}, nil},
		{"make", dir("Makefile", "test := no\nall:\n\ncheck all: x\n", "src/a.c", ""), "c", []string{`action "make" {}`, `targets = ["check"]`}, []string{"g++", `["test"]`}},
		{"make with C++", dir("GNUmakefile", "test:\n", "a.cc", ""), "c", []string{`targets = ["test"]`, `"g++"`}, nil},
		{"make without C", dir("Makefile", "all:\n"), "", nil, nil},
		{"autotools", dir("configure.ac", "AM_INIT_AUTOMAKE\nLT_INIT\n PKG_CHECK_MODULES([X],[x])\n", "a.c", ""), "c", []string{"autoreconf", "libtool", "pkg-config", "make check"}, nil},
		{"configure", dir("configure", "", "a.c", ""), "c", []string{"sh ./configure"}, []string{"autoreconf", "make check"}},
		{"debian", dir("debian/control", control, "debian/changelog", "x", "Makefile", "", "a.c", ""), "deb",
			[]string{`"debhelper"`, `"libfoo-dev"`, `"zlib1g-dev"`, `"doc-tool"`, `"python3"`, `action "deb" {}`}, []string{"libbar", "hurd", "stage1", `"no"`}},
		{"several", dir("go.mod", "module m\nrequire x v1\n", "requirements.txt", "x", "Makefile", "", "a.c", ""), "go python c", []string{`pre "go-deps"`, `pre "python-deps"`, `plan "c"`}, []string{`"build"`}},
		{"a directory in place of a file", fstest.MapFS{"go.mod": {Mode: fs.ModeDir | 0o755}}, "", nil, nil},
		{"a file too large", dir("go.mod", strings.Repeat("x", maxRead+1)), "", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := Detect(tt.files)
			var names []string
			for _, p := range found {
				names = append(names, p.Name)
			}
			if got := strings.Join(names, " "); got != tt.parts {
				t.Fatalf("found %q, want %q", got, tt.parts)
			}
			text := string(Write("x", found))
			for _, w := range tt.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is not in\n%s", w, text)
				}
			}
			for _, w := range tt.never {
				if strings.Contains(text, w) {
					t.Errorf("%q is in\n%s", w, text)
				}
			}
			if text != string(Write("x", Detect(tt.files))) {
				t.Error("the same directory gives other bytes")
			}
		})
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"greet": "greet", "My Project": "My-Project", "3d": "d", "": "project", "..": "project", "a..b": "a-b",
		"日本": "project", "x\"\n${y}": "x-y", strings.Repeat("a", 99): strings.Repeat("a", 60), "-a-": "a",
	} {
		if got := Name(in); got != want {
			t.Errorf("Name(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzDetect looks for text of a project that gets into the configuration.
func FuzzDetect(f *testing.F) {
	f.Add("go.mod", "module m\ngo 1.22\nrequire x v1")
	f.Add("debian/control", "Build-Depends: a\"b, ${x}, c\n")
	f.Add("package.json", `{"scripts":{"test":"x"}}`)
	f.Add("pyproject.toml", "[project]\ndependencies = [\"x\"]")
	f.Fuzz(func(t *testing.T, name, text string) {
		if !fs.ValidPath(name) {
			return
		}
		files := dir("debian/changelog", "", "a.c", "", name, text)
		for line := range strings.Lines(string(Write("x", Detect(files)))) {
			if len(line) > 400 || strings.ContainsAny(line, "\x00\r\x1b") {
				t.Errorf("a line of the project's: %q", line)
			}
		}
	})
}
