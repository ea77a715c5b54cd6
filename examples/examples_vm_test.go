//go:build vm

// Package examples runs every example as its README says.
package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/internal/vmtest"
)

// Every directory here is an example that applies, and leaves what it promises.
func TestVMExamples(t *testing.T) {
	promised := map[string][]string{
		"hello":           nil,
		"c-project":       {"gnu-hello/plan.build/usr/bin/hello", "gnu-hello/post.check/SHA256SUMS"},
		"go-module":       {"nearest/plan.build/nearest"},
		"rust-and-pytest": {"roman/plan.build/bin/roman", "roman/plan.try/pytest.xml"},
		"node":            {"odd-words/plan.test/report.txt"},
	}
	dirs, err := filepath.Glob("*/ambient.hcl")
	if err != nil || len(dirs) != len(promised) {
		t.Fatalf("examples %v, expected %d, %v", dirs, len(promised), err)
	}
	for name, files := range promised {
		t.Run(name, func(t *testing.T) {
			env := vmtest.Env(t)
			if status, out := vmtest.Run(t, env, name, "apply"); status != 0 {
				t.Fatalf("exit status %d\n%s", status, out)
			}
			out := filepath.Join(t.TempDir(), "out")
			if status, text := vmtest.Run(t, env, name, "artifacts", "latest", out); status != 0 {
				t.Fatalf("artifacts: %d\n%s", status, text)
			}
			for _, f := range files {
				if info, err := os.Stat(filepath.Join(out, f)); err != nil || info.Size() == 0 {
					t.Errorf("%s: %v", f, err)
				}
			}
			vmtest.NothingLeft(t, env)
			if r := vmtest.Runs(t, env); len(r) != 1 || r[0].Outcome != "succeeded" || !strings.Contains(r[0].ID, "-") {
				t.Errorf("the record: %+v", r)
			}
		})
	}
}
