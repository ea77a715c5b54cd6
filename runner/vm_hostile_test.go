//go:build vm

package runner

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest/program"
	"github.com/ambient-ci/ambient/stages"
)

// hostileRunner is a Runner whose guests run a program that lies.
func hostileRunner(t *testing.T, mode string) *Runner {
	t.Helper()
	r := newRunner(t)
	if err := r.machine.find(context.Background(), r, func(string) {}); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "hostile")
	build := exec.Command("go", "build", "-ldflags=-s -w -X main.mode="+mode, "-o", out, "./testdata/hostile")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	r.machine.program = program.Of(data)
	return r
}

// A guest that breaks the protocol errs; nothing it says does more.
func TestVMHostileGuest(t *testing.T) {
	for _, c := range []struct {
		mode    string
		outcome stages.Outcome
		reason  string
	}{
		{"garbage", stages.Errored, "protocol"},
		{"huge", stages.Errored, "protocol"},
		{"early", stages.Errored, "protocol"},
		{"order", stages.Errored, "protocol"},
		{"host", stages.Errored, "protocol"},
		{"death", stages.Errored, "without saying"},
		{"flood", stages.Succeeded, ""},
		{"log", stages.Succeeded, ""},
	} {
		t.Run(c.mode, func(t *testing.T) {
			r := hostileRunner(t, c.mode)
			got, _ := runJob(t, r, testJob(t, config.DefaultLimits(), "true"))
			if got.Outcome != c.outcome || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("got %s: %s; want %s: …%s…", got.Outcome, got.Reason, c.outcome, c.reason)
			}
			if len(got.Warnings) > maxWarnings {
				t.Errorf("kept %d warnings", len(got.Warnings))
			}
		})
	}
}

// Artifacts that a guest forged are refused, the stage fails, and no file is
// written for them.
func TestVMHostileArtifacts(t *testing.T) {
	r := hostileRunner(t, "tar")
	job := testJob(t, config.DefaultLimits(), "true")
	var evil bytes.Buffer
	w := tar.NewWriter(&evil)
	w.WriteHeader(&tar.Header{Name: "../../escape", Typeflag: tar.TypeReg, Mode: 0o644, Size: 4})
	w.Write([]byte("evil"))
	w.Close()
	if err := os.WriteFile(filepath.Join(job.Project.Source.Address, "evil.tar"), evil.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	got, _ := runJob(t, r, job)
	if got.Outcome != stages.Failed || !strings.Contains(got.Reason, "refused") || got.Output != nil {
		t.Errorf("got %+v", got)
	}
	for _, name := range []string{"escape", "../escape", "../../escape", ArtifactsFile} {
		if _, err := os.Lstat(filepath.Join(job.Dir, name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}
