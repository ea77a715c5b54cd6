package actions

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/guest"
)

// hostArchives asks this machine's apt where its own release comes from.
func hostArchives(t *testing.T) FixedHost {
	t.Helper()
	out, err := exec.Command("sh", "-c", `. /etc/os-release; apt-get indextargets \
		--format '$(REPO_URI) $(RELEASE) $(COMPONENT)' "Created-By: Packages" "Release: $VERSION_CODENAME"`).Output()
	if err != nil {
		t.Fatalf("apt-get indextargets: %v", err)
	}
	var host FixedHost
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "main" {
			host.Archives = append(host.Archives, DebianSource{URI: f[0], Suite: f[1], Components: f[2:]})
		}
	}
	if len(host.Archives) != 1 {
		t.Fatalf("this machine's apt has %d archives of its release: %q", len(host.Archives), out)
	}
	return host
}

// The whole chain with a real archive, on this host's apt: it must not matter
// what the host has installed.
func TestDebGet(t *testing.T) {
	host := hostArchives(t)
	m := newMachine(t, nil)
	args := values("packages", []string{"hello"}, "sources", []string{"hello"})
	action := build(t, "deb_get", withDefaults(t, Lookup("deb_get"), args), host)
	fetching, finishing := action.Steps[5:6], action.Steps[6:]

	action.Steps = action.Steps[:5]
	if out, failed := m.run(action); failed != -1 {
		t.Fatalf("step %d failed: %s", failed, out)
	}
	m.checkNames(host)
	action.Steps = slices.Concat(fetching, finishing)
	if out, failed := m.run(action); failed != -1 {
		t.Fatalf("step %d after those failed: %s", failed, out)
	}
	for _, prefix := range []string{"hello_", "libc6_", "libgcc-s1_", "gcc-1", "source/hello_"} {
		if !slices.ContainsFunc(m.names(guest.DirDeps+"/debian"), func(n string) bool { return strings.HasPrefix(n, prefix) }) {
			t.Errorf("no %s… among %q", prefix, m.names(guest.DirDeps+"/debian"))
		}
	}
	if _, err := os.Stat(m.path(debScratch)); err == nil {
		t.Error("the scratch directory stayed")
	}
}

// checkNames tries names that the archive does not have, after its lists were
// fetched: the step that finds them is not one that makes an outage.
func (m *machine) checkNames(host Host) {
	m.t.Helper()
	for _, c := range []struct{ param, name, want string }{
		{"packages", "nosuch-package", "nosuch-package"},
		{"packages", "hello=0.1", "'hello'"},
		{"packages", "hell.", "hell."},
		{"sources", "nosuch-package", "nosuch-package"},
		{"sources", "libc6", "libc6"}, // a binary package only
	} {
		action := build(m.t, "deb_get", withDefaults(m.t, Lookup("deb_get"), values(c.param, []string{"hello", c.name})), host)
		if action.Steps = action.Steps[4:5]; action.Steps[0].Exec.Outage {
			m.t.Fatal("the step that checks names makes an outage")
		}
		if out, failed := m.run(action); failed != 0 || !strings.Contains(out, c.want) {
			m.t.Errorf("%s %s: step %d failed, want 0, with %q: %s", c.param, c.name, failed, c.want, out)
		}
	}
}

func (m *machine) names(dir string) []string {
	var names []string
	for name := range m.tree(dir) {
		names = append(names, name)
	}
	return names
}

func TestDebGetArchiveDown(t *testing.T) {
	m := newMachine(t, nil)
	host := FixedHost{Archives: []DebianSource{{URI: "http://127.0.0.1:1/debian", Suite: "x", Components: []string{"main"}}}}
	action := build(t, "deb_get", withDefaults(t, Lookup("deb_get"), values("packages", []string{"hello"})), host)
	action.Steps[1].Write.Content = append(action.Steps[1].Write.Content, "Acquire::Retries \"0\";\n"...)
	out, failed := m.run(action)
	if failed != 3 || !action.Steps[3].Exec.Outage || !strings.Contains(out, "Could not connect") {
		t.Errorf("step %d failed, want 3: %s", failed, out)
	}
}
