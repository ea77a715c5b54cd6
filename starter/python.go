package starter

import (
	"regexp"
	"strings"
)

var (
	pyBuildSystem = regexp.MustCompile(`(?m)^\[build-system\]`)
	pyProject     = regexp.MustCompile(`(?m)^\[project\]`)
	pyDepends     = regexp.MustCompile(`(?m)^dependencies\s*=\s*\[\s*[^\]\s]`)
	pyRequirement = regexp.MustCompile(`(?m)^\s*[A-Za-z0-9]`)
	pyTest        = regexp.MustCompile(`\bpytest\b`)
)

func detectPython(t tree) *Part {
	marker := t.first("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
	if marker == "" {
		return nil
	}
	toml := t.read("pyproject.toml")
	p := &Part{
		Name: "python", What: "Python code (" + marker + ")",
		suite: stable, packages: []string{"ca-certificates", "python3", "python3-pip", "python3-venv"},
	}
	lines := []string{
		`# The packages of the image can be used too, so that tools need no fetching.`,
		`python3 -m venv --system-site-packages /tmp/venv`,
		`. /tmp/venv/bin/activate`,
	}
	packaged := pyBuildSystem.MatchString(toml) || t.has("setup.py")
	backend := pyBuildSystem.MatchString(toml) && !strings.Contains(toml, "setuptools")
	if files := pyFiles(t); len(files) > 0 || pyDepends.MatchString(toml) || backend {
		p.index = &index{"python_index", "Address of an index of Python packages. Empty: the public one."}
		from := pyFrom(files, pyBuildSystem.MatchString(toml) || pyProject.MatchString(toml))
		p.pre = pipDownload(t, files, from)
		lines = append(lines, `pip install --no-index --find-links "$AMBIENT_DEPS/python"`+from)
	}
	if packaged {
		p.packages = append(p.packages, "python3-setuptools", "python3-wheel")
		lines = append(lines, `pip install --no-index --no-build-isolation --no-deps .`)
	}
	p.plan = script(append(lines, pyTests(t, toml, p)...)...)
	return p
}

// pyTests are the commands that test.
func pyTests(t tree, toml string, p *Part) []string {
	uses := pyTest.MatchString(toml) || t.first("pytest.ini", "conftest.py", "tests/conftest.py") != ""
	for _, f := range append(pyFiles(t), "setup.cfg", "tox.ini") {
		uses = uses || pyTest.MatchString(t.read(f))
	}
	switch {
	case uses:
		p.packages = append(p.packages, "python3-pytest")
		return []string{`python3 -m pytest`}
	case t.any("test*.py"):
		return []string{`python3 -m unittest discover`}
	}
	return []string{
		`# There is no test yet: this only looks for syntax errors.`,
		`python3 -m compileall -q .`,
	}
}

// pyFiles are the lists of requirements that ask for something.
func pyFiles(t tree) []string {
	var found []string
	for _, name := range []string{"requirements.txt", "requirements-dev.txt", "dev-requirements.txt", "requirements-test.txt", "test-requirements.txt"} {
		if pyRequirement.MatchString(t.read(name)) {
			found = append(found, name)
		}
	}
	return found
}

// pyOwn is a list of what pyproject.toml asks for.
const pyOwn = `"$AMBIENT_DEPS/python/project.txt"`

// pyFrom are pip's options that say what is needed.
func pyFrom(files []string, project bool) string {
	from := ""
	for _, f := range files {
		from += " -r " + f
	}
	if project {
		from += " -r " + pyOwn
	}
	return from
}

// pyOwnCode is a requirement that is a directory: code of the project itself.
var pyOwnCode = regexp.MustCompile(`(?m)^\s*(-e|--editable|\.)`)

// pipDownload fetches wheels. Source packages would run their own code to say
// what they need, so they are not asked for. What pyproject.toml needs is read
// from its text, since its build back end is code of the project.
func pipDownload(t tree, files []string, from string) []string {
	about := []string{
		`# Downloads wheels. With --only-binary no code of a package runs where`,
		`# there is a network; a package without wheels can not be fetched so.`,
	}
	for _, f := range files {
		if pyOwnCode.MatchString(t.read(f)) {
			about = append(about, `# `+f+` names a directory, whose code must not run here: take that line`, `# out of it.`)
		}
	}
	lines := []string{
		`if [ -n "${var.python_index}" ]; then`,
		`  export PIP_INDEX_URL="${var.python_index}"`,
		`fi`,
		`mkdir "$AMBIENT_DEPS/python"`,
	}
	if strings.Contains(from, pyOwn) {
		lines = append(lines,
			`python3 - > `+pyOwn+` <<'PYTHON'`,
			`import tomllib`,
			`with open("pyproject.toml", "rb") as f:`,
			`    t = tomllib.load(f)`,
			`for r in t.get("project", {}).get("dependencies", []) + t.get("build-system", {}).get("requires", []):`,
			`    print(r)`,
			`PYTHON`)
	}
	return append(about, script(append(lines,
		`pip download --only-binary :all: --dest "$AMBIENT_DEPS/python"`+from)...)...)
}
