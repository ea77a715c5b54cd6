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
		suite: stable, packages: []string{"ca-certificates", "nodejs"}, memory: "2GiB",
	}
	m := manager(t)
	switch {
	case pkg.dependencies() > 0 && m.lock != "":
		p.pre = []string{
			`# Fetches what ` + m.lock + ` names and checks it, from the registry that`,
			`# this machine uses. No script of a package runs here.`,
			`action "` + m.get + `" {}`,
		}
		p.plan = append(p.plan, `action "`+m.install+`" {}`)
	case pkg.dependencies() > 0:
		p.index = &index{"npm_registry", "Address of a registry of Node packages. Empty: the public one."}
		p.packages = append(p.packages, "npm")
		p.pre = npmFetch()
		p.plan = append(p.plan, script(`cp -a "$AMBIENT_DEPS/npm/node_modules" .`)...)
	default:
		p.packages = append(p.packages, "npm")
	}
	return p.nodeScripts(pkg, m)
}

// nodeManager is a package manager, by the lock file that it writes.
type nodeManager struct{ tool, lock, get, install string }

func manager(t tree) nodeManager {
	for _, m := range []nodeManager{
		{"pnpm", "pnpm-lock.yaml", "pnpm_get", "pnpm_install"},
		{"yarn", "yarn.lock", "yarn_get", "yarn_install"},
		{"npm", "npm-shrinkwrap.json", "npm_get", "npm_ci"},
		{"npm", "package-lock.json", "npm_get", "npm_ci"},
	} {
		if t.first(m.lock) != "" {
			return m
		}
	}
	return nodeManager{tool: "npm"}
}

// nodeScripts adds what the package itself says about building and testing.
func (p *Part) nodeScripts(pkg packageJSON, m nodeManager) *Part {
	tool := m.tool
	if len(p.pre) == 0 {
		tool = "npm" // nothing fetches another one
	}
	found := false
	for _, name := range []string{"build", "test"} {
		s := pkg.Scripts[name]
		if s == "" || strings.Contains(s, noTest) {
			continue
		}
		found = true
		block := []string{`action "npm_test" {`}
		if name != "test" {
			block = append(block, `  script = "`+name+`"`)
		}
		if tool != "npm" {
			block = append(block, `  tool = "`+tool+`"`)
		}
		if len(block) == 1 {
			p.plan = append(p.plan, block[0]+"}")
			continue
		}
		p.plan = append(p.plan, append(block, `}`)...)
	}
	if found {
		return p
	}
	p.plan = append(p.plan, script(
		`# package.json has neither a script "build" nor one "test": this only`,
		`# looks for syntax errors.`,
		`find . -name node_modules -prune -o \( -name '*.js' -o -name '*.mjs' -o -name '*.cjs' \) -print |`,
		`  while read -r file; do node --check "$file"; done`)...)
	return p
}

// npmFetch installs into the dependencies without running anybody's install
// scripts. Without a lock file the registry decides what.
func npmFetch() []string {
	return append([]string{
		`# There is no lock file, so every run may get other versions: check one in`,
		`# (npm install --package-lock-only), and use the actions npm_get and npm_ci.`,
		`# --ignore-scripts: no code of a dependency runs where there is a network.`,
	}, script(
		`if [ -n "${var.npm_registry}" ]; then`,
		`  export npm_config_registry="${var.npm_registry}"`,
		`fi`,
		`mkdir "$AMBIENT_DEPS/npm"`,
		`cp package.json "$AMBIENT_DEPS/npm/"`,
		`cd "$AMBIENT_DEPS/npm"`,
		`npm install --ignore-scripts --no-audit --no-fund`,
	)...)
}
