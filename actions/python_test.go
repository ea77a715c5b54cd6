package actions

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/guest"
)

// clean runs python/clean.py on files and returns what it wrote and said.
func clean(t *testing.T, sdists bool, files map[string]string, args ...string) (list, constraints, said string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		mustWrite(t, filepath.Join(dir, "src", name), text)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "src", "link.txt")); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("python/clean.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", append([]string{script, dir + "/out"}, args...)...)
	cmd.Dir = filepath.Join(dir, "src")
	if sdists {
		cmd.Env = append(os.Environ(), "AMBIENT_ALLOW_SDIST=1")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", "", string(out)
	}
	read := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return read(dir + "/out"), read(dir + "/out.constraints"), string(out)
}

func TestPipClean(t *testing.T) {
	list, constraints, said := clean(t, false, map[string]string{
		"a.txt": "\ufeff# comment\nrequests[socks] >=2,<3 ; python_version > '3' # why\n\n-r sub/b.txt\n--constraint=c.txt\n" +
			"pytest==8 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n--index-url https://x.example/simple\n-fhttps://x.example/l\n--pre\n" +
			"w @ https://x.example/w-1-py3-none-any.whl#sha256=22\n",
		"sub/b.txt": "-r ../a.txt\n-r b.txt\nsix\n",
		"c.txt":     "urllib3<2\n-r sub/d.txt\n",
		"sub/d.txt": "idna<4\n",
	}, "-r", "a.txt")
	want := "requests[socks] >=2,<3 ; python_version > '3'\nsix\npytest==8     --hash=sha256:00     --hash=sha256:11\n" +
		"--index-url https://x.example/simple\n--find-links https://x.example/l\n--pre\nw @ https://x.example/w-1-py3-none-any.whl#sha256=22\n"
	if list != want || constraints != "urllib3<2\nidna<4\n" || said != "" {
		t.Errorf("list %q\nwant %q\nconstraints %q, said %q", list, want, constraints, said)
	}
}

// Of a pyproject.toml only the text counts.
func TestPipCleanProject(t *testing.T) {
	const text = "[build-system]\nrequires = [\"hatchling>=1\"]\nbuild-backend = \"x\"\n[project]\nname = \"My.Pkg\"\ndependencies = [\"idna>=2\", \"six; python_version<'3'\"]\n" +
		"[project.optional-dependencies]\nTest_it = [\"pytest\", \"my-pkg[docs]\"]\ndocs = [\"sphinx\", \"my_pkg[test-it]\"]\nbad = [\"x @ git+https://x.example/y\"]\n"
	for _, c := range []struct{ text, args, list, said string }{
		{text, "-p .", "hatchling>=1\nidna>=2\nsix; python_version<'3'\n", ""},
		{text, "-x test-it -p .", "hatchling>=1\nidna>=2\nsix; python_version<'3'\npytest\nsphinx\n", ""},
		{text, "-x bad -p .", "", "only http and https"},
		{text, "-x none -p .", "", "has no extra none"},
		{"[project]\ndynamic = [\"dependencies\"]\n", "-p .", "setuptools\nwheel\n", "leaves its dependencies to code"},
		{"[project]\ndependencies = \"x\"\n", "-p .", "", "is no list"},
		{"[project]\ndependencies = [\"--no-binary :all:\"]\n", "-p .", "", "is no requirement"},
		{"[project]\ndependencies = [\"x\\n-e .\"]\n", "-p .", "", "is no list"},
		{"project = 7\n", "-p .", "", "is no table"},
		{"[project", "-p .", "", "pyproject.toml"},
		{text, "-p sub", "", "there is no sub/pyproject.toml"},
	} {
		list, _, said := clean(t, false, map[string]string{"pyproject.toml": c.text}, strings.Fields(c.args)...)
		if list != c.list || !strings.Contains(said, c.said) || strings.Contains(said, "Traceback") {
			t.Errorf("%q, %s: list %q, said %q", c.text, c.args, list, said)
		}
	}
}

// cleanAll runs the script on 0.txt, 1.txt and so on, in one process.
const cleanAll = `
import runpy, sys
script, n = sys.argv[1], int(sys.argv[2])
for i in range(n):
    sys.argv = [script, "out", "-r", "%d.txt" % i]
    try:
        runpy.run_path(script, run_name="__main__")
        print("it was taken")
    except SystemExit as e:
        print(e)
`

// Whatever could run code is refused, with its line.
func TestPipCleanRefuses(t *testing.T) {
	dir := t.TempDir()
	var wants []string
	for line, want := range map[string]string{
		"-e .":                             "editable",
		"--editable=./x":                   "editable",
		"-e.":                              "editable",
		".":                                "by name",
		"./dir":                            "by name",
		"/abs/dir":                         "by name",
		"dir/sub":                          "by name",
		"~/x":                              "by name",
		"git+https://x.example/a":          "by name",
		"https://x.example/a.tar.gz":       "by name",
		"a @ git+https://x.example/a":      "only http and https",
		"a @ file:///x/a.whl":              "only http and https",
		"a@https://x.example/a.tar.gz":     "address of a wheel",
		"a @ https://x.example/a.zip?.whl": "address of a wheel",
		"--no-binary :all:":                "--no-binary",
		"--no-binary=:all:":                "--no-binary",
		"--trusted-host x":                 "not allowed",
		"--use-feature=x":                  "not allowed",
		"--pre x":                          "not allowed",
		"--find-links /x":                  "http or https",
		"-f file:///x":                     "http or https",
		"--index-url https://u:p@x/s":      "without a password",
		"-r /etc/passwd":                   "not a file below",
		"-r ../x":                          "not a file below",
		"-r link.txt":                      "not a file below",
		"-r none.txt":                      "there is no file",
		"-r":                               "not a file below",
		"a \\\n-e . \\\n--no-binary x":     "by name",
	} {
		number := fmt.Sprint(len(wants))
		wants = append(wants, want)
		mustWrite(t, filepath.Join(dir, number+".txt"), "six\n"+line+"\n")
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("python/clean.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", cleanAll, script, fmt.Sprint(len(wants)))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	said := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(said) != len(wants) {
		t.Fatalf("%v: %s", err, out)
	}
	for i, want := range wants {
		if !strings.Contains(said[i], want) || !strings.HasPrefix(said[i], "pip_get: ") {
			text, _ := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)+".txt"))
			t.Errorf("%q: said %q, want %q", text, said[i], want)
		}
	}
	if list, _, said := clean(t, true, map[string]string{"r.txt": "--no-binary :all:\na @ https://x.example/a.zip\n"}, "-r", "r.txt"); !strings.Contains(list, "a.zip") {
		t.Errorf("with allow_sdist: %q, %q", list, said)
	}
}

// pip can start nothing, so it can build nothing.
func TestPipGuard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustWrite(t, dir+"/p/setup.py", "open('"+dir+"/ran', 'w')\nfrom setuptools import setup\nsetup(name='p')\n")
	cmd := exec.Command("python3", "python/guard.py", "download", "--no-index", "--no-deps", "--no-build-isolation", "--dest", dir+"/out", dir+"/p")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "has no wheel") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(dir + "/ran"); err == nil {
		t.Error("setup.py ran")
	}
	for _, start := range []string{"import os; os.system('true')", "import os; os.fork()", "import os; os.execv('/bin/true', ['true'])", "import subprocess; subprocess.run(['true'])", "import os; os.posix_spawn('/bin/true', ['true'], {})"} {
		mustWrite(t, dir+"/m/pip.py", start+"\nprint('went on')\n")
		cmd := exec.Command("python3", "python/guard.py")
		cmd.Env = append(os.Environ(), "PYTHONPATH="+dir+"/m")
		if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "went on") {
			t.Errorf("%s: %v: %s", start, err, out)
		}
	}
}

func newPythonMachine(t *testing.T, source map[string]string) *machine {
	t.Helper()
	m := newMachine(t, source)
	m.env["PIP_CERT"], m.env["HOME"] = os.Getenv("PIP_CERT"), t.TempDir()
	if m.env["PIP_CERT"] == "" {
		delete(m.env, "PIP_CERT")
	}
	return m
}

const sixLine = "six==1.16.0 --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n"

func TestPipOffline(t *testing.T) {
	t.Parallel()
	m := newPythonMachine(t, map[string]string{
		"requirements.txt": sixLine,
		"test_six.py":      "import six\n\n\ndef test_six():\n    assert six.PY3\n",
	})
	before := m.tree(guest.DirSource)
	get := Lookup("pip_get")
	if out, failed := m.act(get.Name, values("require_hashes", true), thisHost()); failed != -1 {
		t.Fatalf("step %d failed: %s", failed, out)
	}
	if _, err := os.Stat(m.path(pipScratch)); err == nil || !maps.Equal(before, m.tree(guest.DirSource)) {
		t.Error("the scratch directory stayed, or the source tree changed")
	}
	if _, ok := m.tree(guest.DirDeps)["python/six-1.16.0-py2.py3-none-any.whl"]; !ok {
		t.Errorf("fetched %v", m.tree(guest.DirDeps))
	}
	maps.Copy(m.env, get.PlanEnv(values()))
	m.env["http_proxy"], m.env["https_proxy"] = "http://127.0.0.1:1", "http://127.0.0.1:1"
	if out, failed := m.act("pip_install", values(), thisHost()); failed != -1 {
		t.Fatalf("pip_install: %s", out)
	}
	maps.Copy(m.env, Lookup("pip_install").later(values(), m.env, map[string]string{}))
	if got := Lookup("pip_install").PathBefore(values(), "/bin"); got != pipVenv+"/bin:/bin" {
		t.Errorf("PATH = %s", got)
	}
	out, err := exec.Command(m.path(pipVenv+"/bin/python"), "-c", "import six; print(six.__version__)").CombinedOutput()
	if err != nil || string(out) != "1.16.0\n" {
		t.Errorf("python: %v: %s", err, out)
	}
	if out, failed := m.act("pip_install", values("packages", []string{"flask"}), thisHost()); failed == -1 || !strings.Contains(out, "No matching distribution") {
		t.Errorf("what was not fetched was installed: %s", out)
	}
}

func TestPipGetFailures(t *testing.T) {
	const fetching, finishing = 1, 2
	down := FixedHost{PipSettings: PipSettings{Index: "http://127.0.0.1:1/simple"}}
	for _, c := range []struct {
		name, requirements string
		host               Host
		step               int
		want               string
	}{
		{"index down", "six\n", down, fetching, "No matching distribution"},
		{"no such package", "no-such-package-at-all-anywhere\n", thisHost(), finishing, "No matching distribution"},
		{"wrong hash", "six==1.16.0 --hash=sha256:" + strings.Repeat("0", 64) + "\n", thisHost(), finishing, "DO NOT MATCH"},
		{"a hash for some only", sixLine + "idna\n", thisHost(), finishing, "require-hashes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newPythonMachine(t, map[string]string{"requirements.txt": c.requirements})
			action := build(t, "pip_get", withDefaults(t, Lookup("pip_get"), values()), c.host)
			for _, s := range action.Steps {
				if s.Exec != nil {
					s.Exec.Env["PIP_RETRIES"] = "0"
				}
			}
			out, failed := m.run(action)
			step := failed - (len(action.Steps) - 3) // without those that write
			if step != c.step || !strings.Contains(out, c.want) {
				t.Errorf("step %d failed, want %d, with %q: %s", step, c.step, c.want, out)
			}
			if failed >= 0 && action.Steps[failed].Exec.Outage != (c.step == fetching) {
				t.Errorf("step %d: outage is %v", failed, !(c.step == fetching))
			}
		})
	}
}
