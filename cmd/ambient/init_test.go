package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/starter"
)

// TestFirstConfigurationsAreRight writes the first configuration of every kind
// of project and loads it: it has no problem, not even a warning, and is in
// canonical form.
func TestFirstConfigurationsAreRight(t *testing.T) {
	samples := map[string]string{
		"go.mod":           "module m\ngo 1.22\nrequire x v1.0.0\n",
		"Cargo.toml":       "[dependencies]\nx = \"1\"\n",
		"package.json":     `{"dependencies":{"x":"1"},"scripts":{"test":"x"}}`,
		"pyproject.toml":   "[build-system]\nrequires = [\"x\"]\n[project]\ndependencies = [\"x\"]\n",
		"requirements.txt": "-e .\nx\n",
		"Makefile":         "check:\n",
		"configure.ac":     "AM_INIT_AUTOMAKE\n",
		"debian/control":   "Build-Depends: debhelper, libx-dev\n",
		"nothing":          "",
	}
	check := func(t *testing.T, name string, files map[string]string) {
		dir := t.TempDir()
		for file, text := range files {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, diags := config.Format(starter.Write("p", starter.Detect(os.DirFS(dir))))
		if diags.HasErrors() {
			t.Fatalf("%s: %v", name, diags)
		}
		if err := createFile(filepath.Join(dir, config.FileName), text); err != nil {
			t.Fatal(err)
		}
		cfg, diags := config.Load(dir, config.Options{Actions: actions.Schemas()})
		if len(diags) == 0 {
			_, diags = stages.Build(cfg)
		}
		var b strings.Builder
		if config.WriteDiagnostics(&b, cfg, diags, 0, false); len(diags) > 0 {
			t.Errorf("%s: %s", name, b.String())
		}
	}
	all := map[string]string{"a.c": "", "debian/changelog": ""}
	for file, text := range samples {
		check(t, file, map[string]string{file: text, "a.c": "", "debian/changelog": ""})
		all[file] = text
	}
	check(t, "all", all)
	delete(all, "debian/control")
	check(t, "all but Debian", all)
}
