package actions

import (
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

const (
	goModText = "module example.org/tiny\n\ngo 1.20\n\nrequire github.com/agext/levenshtein v1.2.3\n"
	goSumText = "github.com/agext/levenshtein v1.2.3 h1:YB2fHEn0UJagG8T1rrWknE3ZQzWM06O8AMAatNn7lmo=\n" +
		"github.com/agext/levenshtein v1.2.3/go.mod h1:JEDfjyjHDjOF/1e4FlBE/PkbqA9OfWu2ki2W0IB5558=\n"
	goMainText = "package main\n\nimport \"github.com/agext/levenshtein\"\n\nfunc main() { println(levenshtein.Distance(\"plan\", \"plam\", nil)) }\n"
)

func tinyModule() map[string]string {
	return map[string]string{"go.mod": goModText, "go.sum": goSumText, "main.go": goMainText, "go.work.sum": ""}
}

// The modules come through the proxy of this machine's own settings.
func thisHost() Host { return NewHost(nil) }

// newGoMachine shares the cache of compiled packages with the host, because the
// standard library takes long.
func newGoMachine(t *testing.T, source map[string]string) *machine {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, source)
	m.env["GOCACHE"] = strings.TrimSpace(string(cache))
	return m
}

func TestGoOffline(t *testing.T) {
	m := newGoMachine(t, tinyModule())
	before := m.tree(guest.DirSource)
	fetch := Lookup("go_mod_download")
	out, failed := m.act(fetch.Name, values(), thisHost())
	if failed != -1 {
		t.Fatalf("step %d failed: %s", failed, out)
	}
	if after := m.tree(guest.DirSource); !maps.Equal(before, after) {
		t.Error("the source tree changed")
	}
	for name := range m.tree(guest.DirDeps) {
		if strings.Contains(name, "sumdb") || strings.Contains(name, "/vcs/") {
			t.Errorf("%s stayed", name)
		}
	}
	if _, err := os.Stat(m.path(goScratch)); err == nil {
		t.Error("the scratch directory stayed")
	}
	maps.Copy(m.env, fetch.PlanEnv(values()))
	for _, step := range []struct {
		action string
		args   config.Args
	}{
		{"go_vet", values()},
		{"go_build", values("output", "bin/", "ldflags", "-s -w")},
		{"go_build", values("output", "deep/er/tiny", "packages", []string{"."}, "trimpath", false)},
	} {
		out, failed := m.act(step.action, step.args, thisHost())
		if failed != -1 {
			t.Errorf("%s %v: step %d failed: %s", step.action, step.args, failed, out)
		}
	}
	for _, program := range []string{"bin/tiny", "deep/er/tiny"} {
		out, err := exec.Command(m.path(guest.DirArtifacts + "/" + program)).CombinedOutput()
		if err != nil || string(out) != "1\n" {
			t.Errorf("%s printed %q: %v", program, out, err)
		}
	}
}

func TestGoModDownloadFails(t *testing.T) {
	const copying, fetching, finishing = 0, 1, 2 // only the second makes an outage
	nowhere := FixedHost{GoSettings: GoSettings{Proxy: "http://127.0.0.1:1"}}
	change := func(file, old, new string) map[string]string {
		files := tinyModule()
		files[file] = strings.Replace(files[file], old, new, 1)
		return files
	}
	for _, c := range []struct {
		name   string
		source map[string]string
		host   Host
		step   int
		want   string
	}{
		{"no module", map[string]string{"README": "x"}, nowhere, copying, "there is no go.mod"},
		{"malformed go.mod", change("go.mod", "require", "requier"), nowhere, copying, "unknown directive"},
		{"proxy down", tinyModule(), nowhere, fetching, "connection refused"},
		{"wrong checksum", change("go.sum", "YB2", "XB2"), thisHost(), finishing, "checksum mismatch"},
		{"no such version", change("go.mod", "v1.2.3", "v1.2.999"), thisHost(), finishing, "as the project asks"},
		{"Go too old", change("go.mod", "go 1.20", "go 1.9999"), nowhere, finishing, "requires go >= 1.9999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newGoMachine(t, c.source)
			action := build(t, "go_mod_download", withDefaults(t, Lookup("go_mod_download"), values()), c.host)
			out, failed := m.run(action)
			if failed != c.step || !strings.Contains(out, c.want) {
				t.Errorf("step %d failed, want %d, with %q: %s", failed, c.step, c.want, out)
			}
			if failed >= 0 && action.Steps[failed].Exec.Outage != (c.step == fetching) {
				t.Errorf("step %d: outage is %v", failed, !(c.step == fetching))
			}
		})
	}
}

func TestGoTestRuns(t *testing.T) {
	m := newGoMachine(t, map[string]string{"sub/go.mod": "module x\n", "sub/x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Log(\"seen\") }\n"})
	out, failed := m.act("go_test", values("dir", "sub", "args", []string{"-v", "-run=X"}), testHost)
	if failed != -1 || !strings.Contains(out, "seen") {
		t.Errorf("step %d failed: %s", failed, out)
	}
}

func TestGoSettings(t *testing.T) {
	t.Setenv("GOPROXY", "https://a.example")
	t.Setenv("GONOSUMDB", "b.example")
	if got := thisHost().Go(); got.Proxy != "https://a.example" || got.NoSumDB != "b.example" {
		t.Errorf("with Go: %+v", got)
	}
	t.Setenv("PATH", t.TempDir())
	if got := thisHost().Go(); got.Proxy != "https://a.example" || got.NoSumDB != "b.example" || got.SumDB != "" {
		t.Errorf("without Go: %+v", got)
	}
}
