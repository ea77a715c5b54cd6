//go:build vm

package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// Further sources stand beside the main one: a plan stage can run and change
// them, which no other stage sees, and a post stage can do neither. What changes
// on the host during a run is not seen.
func TestVMSources(t *testing.T) {
	r := newRunner(t)
	job := testJob(t, config.DefaultLimits(),
		"/ci/sources/lib/run; cat /ci/sources/data/sub/file; echo changed > /ci/sources/data/sub/file; ls /ci/sources")
	lib, data := t.TempDir(), t.TempDir()
	write := func(mode os.FileMode, text string, parts ...string) {
		t.Helper()
		path := filepath.Join(parts...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(0o755, "#!/bin/sh\necho it runs\n", lib, "run")
	write(0o644, "first\n", data, "sub", "file")
	for name, dir := range map[string]string{"data": data, "lib": lib} {
		job.Project.Sources = append(job.Project.Sources, config.Sibling{Name: name, Source: config.Source{Address: dir, Local: true}})
	}
	got, rec := runJob(t, r, job)
	if want := "it runs\nfirst\ndata\nlib\n"; got.Outcome != stages.Succeeded || !strings.Contains(rec.log(), want) {
		t.Fatalf("%+v\n%s", got, rec.log())
	}
	write(0o644, "second\n", data, "sub", "file")
	stage := *job.Stage
	stage.ID.Phase = config.Post
	stage.Actions = []*config.Action{{Name: "shell", Args: config.Args{Values: map[string]any{
		"script": "cat /ci/sources/data/sub/file; touch /ci/sources/lib/new || echo not written; /ci/sources/lib/run || echo not run"}}}}
	post := *job
	post.Stage, post.Dir = &stage, t.TempDir()
	got, rec = runJob(t, r, &post)
	log := rec.log()
	for _, want := range []string{"first\n", "not written\n", "not run\n"} {
		if got.Outcome != stages.Succeeded || !strings.Contains(log, want) {
			t.Errorf("no %q: %+v\n%s", want, got, log)
		}
	}
}
