package runnertest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// testEnds runs stages that end in every way a script can.
func testEnds(t *testing.T, h Harness) {
	tests := []struct {
		name    string
		scripts []string
		timeout time.Duration // of the stage; 0: plenty
		want    stages.Result // Outcome, Limit, Action, Exit, Signal
	}{
		{"success", []string{"true", "exit 0"}, 0,
			stages.Result{Outcome: stages.Succeeded, Action: -1}},
		{"exit status", []string{"exit 7", "echo too late"}, 0,
			stages.Result{Outcome: stages.Failed, Exit: 7}},
		{"second action", []string{"true", "false", "echo too late"}, 0,
			stages.Result{Outcome: stages.Failed, Action: 1, Exit: 1}},
		{"signal", []string{"kill -KILL $$", "echo too late"}, 0,
			stages.Result{Outcome: stages.Failed, Signal: "SIGKILL"}},
		{"timeout", []string{"sleep 3600", "echo too late"}, h.Boot,
			stages.Result{Outcome: stages.TimedOut, Limit: guest.LimitTimeout}},
		{"dead guest", []string{"echo b > /proc/sysrq-trigger\nsleep 3600", "echo too late"}, 0,
			stages.Result{Outcome: stages.Errored}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, h)
			job := b.job(config.Plan, "build", tt.scripts...)
			if tt.timeout > 0 {
				job.Stage.Limits.Timeout = tt.timeout
			}
			res := b.run(job)
			if !same(res, tt.want) {
				b.dump()
				t.Errorf("got  %+v\nwant %+v", res, tt.want)
			}
			if (res.Reason == "") != (res.Outcome == stages.Succeeded) {
				t.Errorf("outcome %s with the reason %q", res.Outcome, res.Reason)
			}
			if slices.Contains(b.logged("stdout"), "too late") {
				t.Error("an action ran after one that failed")
			}
		})
	}
}

// same compares what a script's end decides. Which action ended a stage, and
// how, is certain only when none of the host, the machine and the clock did.
func same(a, b stages.Result) bool {
	if a.Outcome != b.Outcome || a.Limit != b.Limit {
		return false
	}
	certain := a.Outcome == stages.Succeeded || a.Outcome == stages.Failed
	return !certain || a.Action == b.Action && a.Exit == b.Exit && a.Signal == b.Signal
}

// testEvents runs a stage of two actions and checks all it reports, then that
// an execution that is over can be asked and closed any number of times.
func testEvents(t *testing.T, h Harness) {
	b := newBench(t, h)
	job := b.job(config.Plan, "build", "echo $GREETING world\necho oops >&2", "echo $CI $AMBIENT_SRC")
	ex := b.start(t.Context(), job)
	results := make([]stages.Result, 4)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = ex.Wait() })
	}
	wg.Wait()
	for _, res := range results {
		if !same(res, stages.Result{Outcome: stages.Succeeded, Action: -1}) || res.Times != results[0].Times {
			t.Errorf("results differ or are wrong: %+v", results)
		}
	}
	for range 2 {
		if err := ex.Close(); err != nil {
			t.Error("Close:", err)
		}
	}
	if again := ex.Wait(); !same(again, results[0]) {
		t.Errorf("after Close the result is another: %+v", again)
	}
	if out := b.logged("stdout"); !slices.Equal(out, []string{"hello world", "true /ci/src"}) {
		t.Errorf("stdout: %q", out)
	}
	if out := b.logged("stderr"); !slices.Contains(out, "oops") {
		t.Errorf("stderr: %q", out)
	}
	checkOrder(t, b.recorded(), 2)
}

// checkOrder checks the events of a stage that succeeded with that many
// actions. Logs have a channel of their own, so only their action is certain.
func checkOrder(t *testing.T, events []stages.Event, actions int) {
	t.Helper()
	var order, want []string
	for _, e := range events {
		switch e.Type {
		case stages.StagePreparing, stages.WarningRaised:
			if e.Text == "" {
				t.Errorf("%s says nothing", e.Type)
			}
		case stages.ConnectionMade:
		case stages.LogOutput:
			if e.Stream != "system" && e.Action == nil {
				t.Errorf("log line %q of no action", e.Text)
			}
		case stages.StageStarted:
			order = append(order, string(e.Type))
		case stages.ActionStarted, stages.ActionFinished:
			if e.Action == nil || *e.Action != (len(order)-1)/2 || e.Name == "" {
				t.Errorf("%s: action %v, name %q", e.Type, e.Action, e.Name)
			}
			if e.Type == stages.ActionFinished && e.Outcome != stages.Succeeded {
				t.Errorf("%s: outcome %q", e.Type, e.Outcome)
			}
			order = append(order, string(e.Type))
		default:
			t.Errorf("%s is not a Runner's to send", e.Type)
		}
	}
	want = append(want, string(stages.StageStarted))
	for range actions {
		want = append(want, string(stages.ActionStarted), string(stages.ActionFinished))
	}
	if !slices.Equal(order, want) {
		t.Errorf("events: %v\nwant:   %v", order, want)
	}
}

// testInterrupts ends stages from outside, in the middle of an action.
func testInterrupts(t *testing.T, h Harness) {
	tests := []struct {
		name  string
		end   func(stages.Execution, context.CancelFunc)
		limit time.Duration
	}{
		{"stop", func(ex stages.Execution, _ context.CancelFunc) {
			ex.Stop(stages.StopCancel)
			ex.Stop(stages.StopCancel)
		}, stages.Grace + h.Boot},
		{"context", func(_ stages.Execution, cancel context.CancelFunc) { cancel() }, stages.Grace + h.Boot},
		{"kill", func(ex stages.Execution, _ context.CancelFunc) { ex.Kill() }, min(h.Boot, stages.Grace)},
		{"kill after stop", func(ex stages.Execution, _ context.CancelFunc) {
			ex.Stop(stages.StopCancel)
			ex.Kill()
		}, min(h.Boot, stages.Grace)},
		{"close", func(ex stages.Execution, _ context.CancelFunc) { ex.Close() }, min(h.Boot, stages.Grace)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, h)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ex := b.start(ctx, b.job(config.Plan, "build", "echo ready\nsleep 3600\necho too late", "echo too late"))
			b.hear("ready")
			tt.end(ex, cancel)
			res := b.wait(ex, tt.limit)
			if res.Outcome != stages.Cancelled || res.Reason == "" {
				t.Errorf("outcome %s, reason %q", res.Outcome, res.Reason)
			}
			if slices.Contains(b.logged("stdout"), "too late") {
				t.Error("the stage went on")
			}
		})
	}
}

// testRefusals starts what can not be started. A Runner may say so at once or
// by the result.
func testRefusals(t *testing.T, h Harness) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name   string
		ctx    context.Context
		change func(*stages.Job)
		want   stages.Outcome
	}{
		{"unknown image", t.Context(), func(j *stages.Job) { j.Stage.Image = h.Unknown }, stages.Errored},
		{"no directory", t.Context(), func(j *stages.Job) { j.Dir += "/missing" }, stages.Errored},
		{"ended context", ended, func(*stages.Job) {}, stages.Cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, h)
			job := b.job(config.Plan, "build", "echo too late")
			tt.change(job)
			ex, err := b.runner.Start(tt.ctx, job, b)
			if err == nil {
				defer ex.Close()
				if res := b.wait(ex, stages.Grace+h.Boot); res.Outcome != tt.want || res.Reason == "" {
					t.Errorf("outcome %s, reason %q", res.Outcome, res.Reason)
				}
			}
			if len(b.logged("stdout")) > 0 {
				t.Error("it ran")
			}
		})
	}
}
