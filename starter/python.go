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
	packaged := pyBuildSystem.MatchString(toml) || pyProject.MatchString(toml) || t.has("setup.py")
	backend := pyBuildSystem.MatchString(toml) && !strings.Contains(toml, "setuptools")
	files := pyFiles(t)
	var what []string
	if len(files) > 0 {
		what = append(what, `  requirements = ["`+strings.Join(files, `", "`)+`"]`)
	}
	switch {
	case packaged && len(files) > 0:
		what = append(what, `  project      = "."`)
	case packaged:
		what = append(what, `  project = "."`)
	}
	fetches := len(files) > 0 || pyDepends.MatchString(toml) || backend
	if fetches {
		p.pre = pipGet(t, files, what)
	}
	if fetches || packaged {
		if !fetches {
			p.packages = append(p.packages, "python3-setuptools", "python3-wheel")
			what = append(what, ``, `  # With the setuptools of the image, so that nothing must be fetched.`, `  build_isolation = false`)
		}
		p.plan = append(p.plan, `action "pip_install" {`)
		p.plan = append(p.plan, what...)
		p.plan = append(p.plan,
			``,
			`  # The packages of the image can be used too, so that tools need no fetching.`,
			`  system_site_packages = true`,
			`}`, ``)
	}
	p.plan = append(p.plan, pyTests(t, toml, p)...)
	return p
}

// pyTests are the actions that test.
func pyTests(t tree, toml string, p *Part) []string {
	uses := pyTest.MatchString(toml) || t.first("pytest.ini", "conftest.py", "tests/conftest.py") != ""
	for _, f := range append(pyFiles(t), "setup.cfg", "tox.ini") {
		uses = uses || pyTest.MatchString(t.read(f))
	}
	switch {
	case uses:
		p.packages = append(p.packages, "python3-pytest")
		return []string{`action "pytest" {}`}
	case t.any("test*.py"):
		return script(`python3 -m unittest discover`)
	}
	return append([]string{`# There is no test yet: this only looks for syntax errors.`}, script(`python3 -m compileall -q .`)...)
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

// pyOwnCode is a requirement that is a directory: code of the project itself.
var pyOwnCode = regexp.MustCompile(`(?m)^\s*(-e|--editable|\.)`)

// pipGet fetches wheels.
func pipGet(t tree, files, what []string) []string {
	about := []string{
		`# Downloads wheels from where this machine's pip would get them. No code of a`,
		`# package runs, so one without wheels can not be fetched.`,
	}
	for _, f := range files {
		if pyOwnCode.MatchString(t.read(f)) {
			about = append(about, `# `+f+` names a directory, whose code must not run here: take that line`, `# out of it.`)
		}
	}
	about = append(about, `action "pip_get" {`)
	return append(append(about, what...), `}`)
}
