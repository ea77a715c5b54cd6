package actions

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

const (
	cargoText     = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\nbuild = \"build.rs\"\n\n[dependencies]\nitoa = \"1\"\n"
	cargoMainText = "fn main() {\n    println!(\"{}\", itoa::Buffer::new().format(env!(\"BUILT\").len()));\n}\n"
	cargoBuildRun = "fn main() {\n    println!(\"cargo:rustc-env=BUILT=four\");\n}\n"
)

// A build script and a configuration that must not run where there is a network.
func tinyCrate() map[string]string {
	return map[string]string{"Cargo.toml": cargoText, "src/main.rs": cargoMainText, "build.rs": cargoBuildRun}
}

// newCargoMachine lets cargo be found by a home of the host, as rustup needs it.
func newCargoMachine(t *testing.T, source map[string]string) *machine {
	t.Helper()
	m := newMachine(t, source)
	m.env["HOME"] = os.Getenv("HOME")
	m.env["RUSTUP_AUTO_INSTALL"] = "0"
	return m
}

// lockFile is a lock file for a manifest, as cargo on this machine makes it.
func lockFile(t *testing.T, source map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range source {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("cargo", "generate-lockfile")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCargoOffline(t *testing.T) {
	source := tinyCrate()
	source["Cargo.lock"] = lockFile(t, source)
	m := newCargoMachine(t, source)
	// cargo fails if it reads the project's configuration.
	mustWrite(t, m.path(guest.DirSource+"/.cargo/config.toml"), "[build\n")
	before := m.tree(guest.DirSource)
	fetch := Lookup("cargo_fetch")
	out, failed := m.act(fetch.Name, values(), thisHost())
	if failed != -1 {
		t.Fatalf("step %d failed: %s", failed, out)
	}
	if after := m.tree(guest.DirSource); !maps.Equal(before, after) {
		t.Error("the source tree changed")
	}
	crate := false
	for name := range m.tree(guest.DirDeps) {
		if strings.Contains(name, ".package-cache") || strings.Contains(name, ".global-cache") {
			t.Errorf("%s stayed", name)
		}
		crate = crate || strings.HasSuffix(name, ".crate")
	}
	if _, err := os.Stat(m.path(cargoScratch)); err == nil || !crate {
		t.Errorf("the scratch directory stayed, or there is no crate (%v)", crate)
	}
	if err := os.Remove(m.path(guest.DirSource + "/.cargo/config.toml")); err != nil {
		t.Fatal(err)
	}
	maps.Copy(m.env, fetch.PlanEnv(values()))
	m.env["http_proxy"], m.env["https_proxy"] = "http://127.0.0.1:1", "http://127.0.0.1:1"
	for _, step := range []struct {
		action string
		args   config.Args
	}{
		{"cargo_build", values()},
		{"cargo_install", values("profile", "dev")},
	} {
		if out, failed := m.act(step.action, step.args, thisHost()); failed != -1 {
			t.Errorf("%s: step %d failed: %s", step.action, failed, out)
		}
	}
	printed, err := exec.Command(m.path(guest.DirArtifacts + "/bin/tiny")).CombinedOutput()
	if err != nil || string(printed) != "4\n" {
		t.Errorf("it printed %q: %v", printed, err)
	}
	mustWrite(t, m.path(guest.DirSource+"/src/main.rs"), "fn main(){}\n")
	if out, failed := m.act("cargo_fmt", values(), thisHost()); failed != 0 || !strings.Contains(out, "Diff in") {
		t.Errorf("cargo_fmt: step %d: %s", failed, out)
	}
}

func mustWrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A fault of the project fails the step that only looks, an outage the one that
// fetches.
func TestCargoFetchFailures(t *testing.T) {
	lock := lockFile(t, tinyCrate())
	change := func(name, old, new string) map[string]string {
		source := tinyCrate()
		source["Cargo.lock"] = lock
		source[name] = strings.Replace(source[name], old, new, 1)
		return source
	}
	sum := lock[strings.Index(lock, "checksum = \"")+len("checksum = \""):][:8]
	const preparing, fetching, finishing = 0, 1, 2
	index := strings.TrimPrefix(thisHost().Default("cargo"), "sparse+")
	for _, c := range []struct {
		name   string
		source map[string]string
		args   config.Args
		step   int
		want   string
	}{
		{"no manifest", map[string]string{"README": "x"}, values(), preparing, "there is no Cargo.toml"},
		{"malformed manifest", change("Cargo.toml", "[package]", "[package"), values(), preparing, "Cargo.toml"},
		{"registry down", change("Cargo.toml", "", ""), values("index", "sparse+https://127.0.0.1:1/"), fetching, "download of config.json failed"},
		{"no such registry", change("Cargo.toml", "", ""), values("index", "sparse+"+index+"nothing/here/"), finishing, "as the project asks"},
		{"wrong checksum", change("Cargo.lock", sum, "00000000"), values(), finishing, "checksum"},
		{"no such version", change("Cargo.toml", `itoa = "1"`, `itoa = "999"`), values(), finishing, "failed to select a version"},
		{"no such crate", map[string]string{"src/main.rs": "", "Cargo.toml": strings.Replace(cargoText, "itoa", "no-such-crate-at-all-anywhere", 1), "build.rs": ""}, values(), finishing, "no matching package"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newCargoMachine(t, c.source)
			m.env["CARGO_NET_RETRY"] = "0"
			action := build(t, "cargo_fetch", withDefaults(t, Lookup("cargo_fetch"), c.args), FixedHost{})
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
