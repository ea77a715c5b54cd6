package actions

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/guest"
)

// nodeProject returns the files of a project in testdata, with the registry of
// this machine in place of REGISTRY.
func nodeProject(t *testing.T, name string) map[string]string {
	t.Helper()
	files := map[string]string{}
	dir := filepath.Join("testdata", "node", name)
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(file)
		rel, _ := filepath.Rel(dir, file)
		files[rel] = strings.ReplaceAll(string(data), "REGISTRY", strings.TrimSuffix(thisHost().Npm().Registry, "/"))
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

// newNodeMachine has what a plan or pre stage has: node, and no configuration
// of this host.
func newNodeMachine(t *testing.T, source map[string]string) *machine {
	m := newMachine(t, source)
	m.env["NODE_EXTRA_CA_CERTS"] = os.Getenv("SSL_CERT_FILE")
	m.env["TMPDIR"] = m.path("/tmp")
	m.env["COREPACK_ENABLE_STRICT"] = "0"
	// The package managers of this host must not be found.
	bin := t.TempDir()
	for _, tool := range []string{"node", "sh", "env", "cp", "mv", "rm", "mkdir", "chmod", "cat", "tee", "grep", "tar", "gzip", "dirname", "sed", "uname"} {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if _, err := os.Stat(filepath.Join(dir, tool)); err == nil {
				os.Symlink(filepath.Join(dir, tool), filepath.Join(bin, tool))
				break
			}
		}
	}
	m.env["PATH"] = bin
	return m
}

// planStage sets what a plan stage after the fetching action has.
func (m *machine) planStage(action string) {
	d := Lookup(action)
	maps.Copy(m.env, d.PlanEnv(values()))
	m.env["PATH"] = d.PathBefore(values(), m.env["PATH"])
	// Whatever still wants the network fails.
	for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} {
		m.env[name] = "http://127.0.0.1:1"
	}
}

var nodeCases = []struct {
	project, get, install string
	tool                  string
}{
	{"npm", "npm_get", "npm_ci", "npm"},
	{"pnpm", "pnpm_get", "pnpm_install", "pnpm"},
	{"yarn", "yarn_get", "yarn_install", "yarn"},
	{"berry", "yarn_get", "yarn_install", "yarn"},
}

// TestVMNodeOffline has the others.
func TestNodeOffline(t *testing.T) {
	nodeOffline(t, nodeCases[0].project, nodeCases[0].get, nodeCases[0].install, nodeCases[0].tool)
}

// nodeOffline fetches, and then installs and tests without a network.
func nodeOffline(t *testing.T, project, get, install, tool string) {
	source := nodeProject(t, project)
	m := newNodeMachine(t, source)
	args := values()
	if tool == "npm" {
		args = values("tarballs", true)
	}
	if out, failed := m.act(get, args, thisHost()); failed != -1 {
		t.Fatalf("step %d failed: %s", failed, out)
	}
	for name := range m.tree(guest.DirDeps) {
		if dir, file := filepath.Split(name); dir == "npm/" && !slices.Contains([]string{"is-number-6.0.0.tgz", "is-odd-3.0.1.tgz", "left-pad-1.3.0.tgz"}, file) {
			t.Errorf("it made %s", name)
		}
	}
	if _, err := os.Stat(m.path(npmTarballs + "/is-odd-3.0.1.tgz")); (err == nil) != (tool == "npm") {
		t.Errorf("the archive of is-odd: %v", err)
	}
	if after := m.tree(guest.DirSource); !maps.Equal(source, after) {
		t.Error("the source tree changed")
	}
	if _, err := os.Stat(m.path(nodeScratch)); err == nil {
		t.Error("the scratch directory stayed")
	}
	m.planStage(get)
	if project == "berry" { // a plan stage runs what the project names
		os.WriteFile(m.path(guest.DirSource+"/.yarnrc.yml"), []byte("nodeLinker: node-modules\n"), 0o644)
	}
	if out, failed := m.act(install, values(), thisHost()); failed != -1 {
		t.Fatalf("%s: step %d failed: %s", install, failed, out)
	}
	out, failed := m.act("npm_test", values("tool", tool), thisHost())
	if failed != -1 || !strings.Contains(out, "odd works") {
		t.Errorf("npm_test: step %d failed: %s", failed, out)
	}
}
