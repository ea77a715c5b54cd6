package fakerunner_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/stages/fakerunner"
)

// recorder is a test that only writes down what it is told.
type recorder struct {
	errors   []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// TestMisuse uses the fake wrongly: it must say so, and once.
func TestMisuse(t *testing.T) {
	start := func(r *fakerunner.Runner, j *stages.Job) stages.Execution {
		ex, err := r.Start(context.Background(), j, stages.ObserverFunc(func(stages.Event) {}))
		if err != nil {
			return nil
		}
		ex.Wait()
		return ex
	}
	tests := []struct {
		name   string
		misuse func(r *fakerunner.Runner, j *stages.Job)
		want   string // empty: nothing to report
	}{
		{"right", func(r *fakerunner.Runner, j *stages.Job) {
			ex := start(r, j)
			ex.Stop(stages.StopCancel)
			ex.Kill()
			ex.Close()
			ex.Close()
			ex.Wait()
		}, ""},
		{"never closed", func(r *fakerunner.Runner, j *stages.Job) { start(r, j) }, "never closed"},
		{"started twice", func(r *fakerunner.Runner, j *stages.Job) { start(r, j).Close(); start(r, j) }, "started twice"},
		{"stop after close", func(r *fakerunner.Runner, j *stages.Job) {
			ex := start(r, j)
			ex.Close()
			ex.Stop(stages.StopCancel)
		}, "Stop after Close"},
		{"kill after close", func(r *fakerunner.Runner, j *stages.Job) { ex := start(r, j); ex.Close(); ex.Kill() }, "Kill after Close"},
		{"no job", func(r *fakerunner.Runner, _ *stages.Job) { start(r, nil) }, "without stage"},
		{"no environment", func(r *fakerunner.Runner, j *stages.Job) { j.Env = nil; start(r, j) }, "no AMBIENT_SRC"},
		{"relative directory", func(r *fakerunner.Runner, j *stages.Job) { j.Dir = "logs"; start(r, j) }, "no absolute directory"},
		{"missing data", func(r *fakerunner.Runner, j *stages.Job) {
			j.Deps = []stages.Data{{Path: j.Dir + "/missing"}}
			start(r, j)
		}, "no such file"},
		{"data of another phase", func(r *fakerunner.Runner, j *stages.Job) { j.Union = make([]stages.Data, 1); start(r, j) }, "not for its phase"},
		{"unknown command", func(r *fakerunner.Runner, j *stages.Job) {
			j.Stage.Actions[0].Args.Values["script"] = "make install"
			start(r, j).Close()
		}, `"make install" is not understood`},
		{"unknown syntax", func(r *fakerunner.Runner, j *stages.Job) {
			j.Stage.Actions[0].Args.Values["script"] = "echo $(date)"
			start(r, j).Close()
		}, "not understood"},
		{"unknown action", func(r *fakerunner.Runner, j *stages.Job) { j.Stage.Actions[0].Name = "dance"; start(r, j).Close() }, `"dance" is not understood`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tb := &recorder{}
			tt.misuse(fakerunner.New(tb), job(t))
			for _, f := range tb.cleanups {
				f()
			}
			got := strings.Join(tb.errors, "\n")
			if len(tb.errors) > 1 || (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("reported %q, want %q", got, tt.want)
			}
		})
	}
}

func job(t *testing.T) *stages.Job {
	s := &config.Stage{
		ID:      config.StageID{Project: "p", Phase: config.Plan, Name: "x"},
		Actions: []*config.Action{{Name: "shell", Args: config.Args{Values: map[string]any{"script": "true"}}}},
	}
	project := &config.Project{Name: "p", Stages: []*config.Stage{s}}
	g, diags := stages.Build(&config.Config{Projects: []*config.Project{project}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return &stages.Job{RunID: "r", Project: project, Stage: s, Env: g.Env(s.ID), Dir: t.TempDir()}
}
