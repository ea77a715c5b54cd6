package starter

import (
	"encoding/json"
	"strings"
)

// packageJSON is the part of a package.json that is of interest.
type packageJSON struct {
	Scripts              map[string]string `json:"scripts"`
	Dependencies         map[string]any    `json:"dependencies"`
	DevDependencies      map[string]any    `json:"devDependencies"`
	OptionalDependencies map[string]any    `json:"optionalDependencies"`
}

func (p packageJSON) dependencies() int {
	return len(p.Dependencies) + len(p.DevDependencies) + len(p.OptionalDependencies)
}

// noTest is the test script that `npm init` writes, which always fails.
const noTest = "no test specified"

func detectNode(t tree) *Part {
	text := t.read("package.json")
	if text == "" {
		return nil
	}
	var pkg packageJSON
	_ = json.Unmarshal([]byte(text), &pkg) // what can not be understood is left out
	p := &Part{
		Name: "node", What: "a Node package (package.json)",
		suite: stable, packages: []string{"ca-certificates", "nodejs", "npm"}, memory: "2GiB",
	}
	lines := []string{}
	if pkg.dependencies() > 0 {
		p.index = &index{"npm_registry", "Address of a registry of Node packages. Empty: the public one."}
		p.pre = npmFetch(t)
		lines = append(lines, `cp -a "$AMBIENT_DEPS/npm/node_modules" .`)
	}
	for _, name := range []string{"build", "test"} {
		if s := pkg.Scripts[name]; s != "" && !strings.Contains(s, noTest) {
			lines = append(lines, "npm run "+name)
		}
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], "npm") {
		lines = append(lines,
			`# package.json has neither a script "build" nor one "test": this only`,
			`# looks for syntax errors.`,
			`find . -name node_modules -prune -o \( -name '*.js' -o -name '*.mjs' -o -name '*.cjs' \) -print |`,
			`  while read -r file; do node --check "$file"; done`)
	}
	p.plan = script(lines...)
	return p
}

// npmFetch installs into the dependencies without running anybody's install
// scripts. The lock file decides what.
func npmFetch(t tree) []string {
	files, command := "package.json package-lock.json", "ci"
	about := []string{
		`# Installs what the lock file names. --ignore-scripts: no code of a`,
		`# dependency runs where there is a network.`,
	}
	switch lock := t.first("package-lock.json", "npm-shrinkwrap.json"); {
	case lock == "npm-shrinkwrap.json":
		files = "package.json npm-shrinkwrap.json"
	case lock == "":
		files, command = "package.json", "install"
		about = []string{
			`# There is no package-lock.json, so every run may get other versions:`,
			`# check one in (npm install --package-lock-only), and use "npm ci" here.`,
			`# --ignore-scripts: no code of a dependency runs where there is a network.`,
		}
	}
	return append(about, script(
		`if [ -n "${var.npm_registry}" ]; then`,
		`  export npm_config_registry="${var.npm_registry}"`,
		`fi`,
		`mkdir "$AMBIENT_DEPS/npm"`,
		`cp `+files+` "$AMBIENT_DEPS/npm/"`,
		`cd "$AMBIENT_DEPS/npm"`,
		`npm `+command+` --ignore-scripts --no-audit --no-fund`,
	)...)
}
