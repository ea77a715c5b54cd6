//go:build vm

package actions

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// These tests run package managers many times, on this machine: they take longer
// than a unit test may.

func TestVMNodeOffline(t *testing.T) {
	for _, c := range nodeCases[1:] {
		t.Run(c.project, func(t *testing.T) { nodeOffline(t, c.project, c.get, c.install, c.tool) })
	}
}

// What two runs fetch is the same, so that plan stages can be reused.
func TestVMNodeSame(t *testing.T) {
	for _, c := range nodeCases {
		t.Run(c.project, func(t *testing.T) {
			t.Parallel()
			var trees [2]map[string]string
			for i := range trees {
				m := newNodeMachine(t, nodeProject(t, c.project))
				if out, failed := m.act(c.get, values(), thisHost()); failed != -1 {
					t.Fatalf("step %d failed: %s", failed, out)
				}
				trees[i] = m.tree(guest.DirDeps)
				for name, text := range trees[i] {
					trees[i][name] = strings.ReplaceAll(text, m.root, "")
				}
			}
			for name, text := range trees[0] {
				if trees[1][name] != text {
					t.Errorf("%s differs: %.300q, %.300q", name, text, trees[1][name])
				}
			}
			if len(trees[0]) != len(trees[1]) {
				t.Errorf("%d and %d files", len(trees[0]), len(trees[1]))
			}
		})
	}
}

func TestVMNodeFails(t *testing.T) {
	const prepare, finish = 6, 8 // only the last makes the stage failed
	nowhere := FixedHost{NpmSettings: NpmSettings{Registry: "http://127.0.0.1:1/"}}
	change := func(project, file string, oldnew ...string) map[string]string {
		files := nodeProject(t, project)
		for i := 0; i < len(oldnew); i += 2 {
			if !strings.Contains(files[file], oldnew[i]) {
				t.Fatalf("%s has no %s", file, oldnew[i])
			}
		}
		files[file] = strings.NewReplacer(oldnew...).Replace(files[file])
		return files
	}
	without := func(project, file string) map[string]string {
		files := nodeProject(t, project)
		delete(files, file)
		return files
	}
	for _, c := range []struct {
		name, action string
		source       map[string]string
		args         config.Args
		host         Host
		step         int
		want         string
	}{
		{"no package", "npm_get", map[string]string{"README": "x"}, values(), nowhere, finish, "there is no package.json in the top"},
		{"no lock file", "npm_get", without("npm", "package-lock.json"), values(), nowhere, finish, "no npm-shrinkwrap.json and no package-lock.json"},
		{"malformed lock file", "npm_get", change("npm", "package-lock.json", "{", "{{"), values(), nowhere, finish, "package-lock.json is not JSON"},
		{"git", "npm_get", change("npm", "package-lock.json", `"resolved": "local",`, `"resolved": "git+ssh://git@git.example/x.git#1234",`, `"link": true`, `"x": 1`), values(), nowhere, finish, `packages from git, which no checksum covers: "node_modules/`},
		{"pnpm git", "pnpm_get", change("pnpm", "pnpm-lock.yaml", "resolution: {integrity: sha512-W", "resolution: {type: git, commit: W"), values(), nowhere, finish, `packages from git, which no checksum covers: "is-number@6.0.0"`},
		{"berry git", "yarn_get", change("berry", "yarn.lock", `is-odd@npm:3.0.1"`, `is-odd@https://git.example/x.git#commit=12"`), values(), nowhere, finish, `packages from git`},
		{"no checksum", "npm_get", change("npm", "package-lock.json", `"integrity"`, `"other"`), values(), nowhere, finish, `without a checksum: "node_modules/is-number"`},
		{"no checksum and no address", "npm_get", change("npm", "package-lock.json", `"integrity"`, `"other"`, `"resolved": "https:`, `"elsewhere": "https:`), values(), nowhere, finish, `without a checksum: "node_modules/is-number"`},
		{"registry down", "npm_get", nodeProject(t, "npm"), values(), nowhere, prepare, "ECONNREFUSED"},
		{"no such version of npm", "npm_get", nodeProject(t, "npm"), values("version", "10.999.0"), thisHost(), finish, "npm 10.999.0: "},
		{"wrong checksum of npm", "npm_get", change("npm", "package.json", `"private": true`, `"packageManager": "npm@10.9.9+sha512.00"`), values(), thisHost(), finish, "another checksum"},
		{"wrong checksum", "npm_get", change("npm", "package-lock.json", `sha512-CQpn`, `sha512-DQpn`), values(), thisHost(), finish, "EINTEGRITY"},
		{"other package.json", "npm_get", change("npm", "package.json", `3.0.1`, `3.0.0`), values(), thisHost(), finish, "EUSAGE"},
		{"pnpm wrong checksum", "pnpm_get", change("pnpm", "pnpm-lock.yaml", `sha512-CQpn`, `sha512-DQpn`), values(), thisHost(), finish, "ERR_PNPM_TARBALL_INTEGRITY"},
		{"yarn wrong checksum", "yarn_get", change("yarn", "yarn.lock", `sha512-CQpn`, `sha512-DQpn`), values(), thisHost(), finish, "integrity"},
		{"yarn no checksum", "yarn_get", change("yarn", "yarn.lock", `.tgz#`, `.tgz?x=`, `integrity sha512`, `other sha512`), values(), nowhere, finish, "without a checksum"},
		{"berry wrong checksum", "yarn_get", change("berry", "yarn.lock", `10c0/89`, `10c0/99`), values(), thisHost(), finish, "YN0018"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newNodeMachine(t, c.source)
			action := build(t, c.action, withDefaults(t, Lookup(c.action), c.args), c.host)
			out, failed := m.run(action)
			if failed != c.step || !strings.Contains(out, c.want) {
				t.Errorf("step %d failed, want %d, with %q: %s", failed, c.step, c.want, out)
			}
			if failed >= 0 && action.Steps[failed].Exec.Outage != (c.step != finish) {
				t.Errorf("step %d: outage is %v", failed, c.step == finish)
			}
		})
	}
}

// The package manager that a second action finds is not the first one's wrapper.
func TestVMNodeTwice(t *testing.T) {
	m := newNodeMachine(t, nodeProject(t, "npm"))
	get := &config.Action{Name: "npm_get", Args: withDefaults(t, Lookup("npm_get"), values())}
	all, err := Build(&config.Stage{Actions: []*config.Action{get, get}}, m.env, thisHost())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if out, failed := m.run(a); failed != -1 {
			t.Fatalf("step %d failed: %s", failed, out)
		}
	}
	wrapper := m.path(nodeDeps + "/bin/npm")
	if out, err := exec.Command("timeout", "60", wrapper, "--version").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
