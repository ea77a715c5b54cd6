package stages_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// told writes the events of one type as "attempt outcome: text".
func (tr *trial) told(typ stages.EventType) string {
	var out []string
	for _, e := range tr.events {
		if e.Type == typ {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s: %s", e.Attempt, e.Outcome, e.Text)))
		}
	}
	return strings.Join(out, "\n")
}

func TestRetry(t *testing.T) {
	outage := func(until int) func(*stages.Job) error {
		return func(j *stages.Job) error {
			if j.Attempt < until {
				return errors.New("no image")
			}
			return nil
		}
	}
	tests := []struct {
		name, script string
		start        func(*stages.Job) error
		on           []string
		want         stages.Outcome
		attempts     int
		retried      string
		warning      string
	}{
		{"succeeds at once", "true", nil, []string{"failed"}, stages.Succeeded, 1, "", ""},
		{"succeeds at last", "true", outage(3), []string{"errored"}, stages.Succeeded, 3,
			"1 errored: attempt 2 of 3 follows in 1ms\n2 errored: attempt 3 of 3 follows in 1ms", "0 : it took 3 attempts"},
		{"never succeeds", "exit 1", nil, []string{"failed"}, stages.Failed, 3,
			"1 failed: attempt 2 of 3 follows in 1ms\n2 failed: attempt 3 of 3 follows in 1ms", "0 : it was tried 3 times"},
		{"another outcome", "exit 1", nil, []string{"errored", "timed_out"}, stages.Failed, 1, "", ""},
		{"changes its outcome", "exit 1", outage(2), []string{"errored"}, stages.Failed, 2,
			"1 errored: attempt 2 of 3 follows in 1ms", "0 : it was tried 2 times"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrial(t, map[string]string{"a/plan.x": tt.script}, "a/plan.x", "a/post.p")
			tr.stage(t, "a/plan.x").Retry = &config.Retry{Attempts: 3, On: tt.on, Delay: time.Millisecond}
			tr.runner.OnStart = func(j *stages.Job) error {
				if tt.start == nil || j.Stage.ID.Phase == config.Post {
					return nil
				}
				return tt.start(j)
			}
			res := tr.run(t, t.Context()).Stages[0]
			if res.Result.Outcome != tt.want || res.Result.Attempts != tt.attempts {
				t.Errorf("%s after %d attempts, want %s after %d", res.Result.Outcome, res.Result.Attempts, tt.want, tt.attempts)
			}
			if got := tr.told(stages.StageRetried); got != tt.retried {
				t.Errorf("retried\n%s\nwant\n%s", got, tt.retried)
			}
			if got := tr.told(stages.WarningRaised); got != tt.warning || len(res.Result.Warnings) != min(1, len(tt.warning)) {
				t.Errorf("warned %q, %q in the result, want %q", got, res.Result.Warnings, tt.warning)
			}
			if want := tt.attempts; want > 1 && res.Record().Attempts != want {
				t.Errorf("the record has %d attempts, want %d", res.Record().Attempts, want)
			}
		})
	}
}

// TestRetryEvents shows that each attempt can be told from the others.
func TestRetryEvents(t *testing.T) {
	tr := newTrial(t, map[string]string{"a/plan.x": "exit 1"}, "a/plan.x", "a/plan.y")
	tr.stage(t, "a/plan.x").Retry = &config.Retry{Attempts: 2, On: []string{"failed"}}
	tr.run(t, t.Context())
	var got []string
	for _, e := range tr.events {
		switch {
		case e.Stage == "a/plan.x" && e.Type != stages.LogOutput:
			got = append(got, fmt.Sprintf("%s %d", e.Type, e.Attempt))
		case e.Attempt != 0 && e.Stage != "a/plan.x":
			t.Errorf("an attempt of a stage without retry: %+v", e)
		}
	}
	want := []string{"stage_queued 0",
		"stage_preparing 1", "stage_started 1", "action_started 1", "action_finished 1", "stage_retried 1",
		"stage_preparing 2", "stage_started 2", "action_started 2", "action_finished 2", "warning 0", "stage_finished 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRetryIsCancelled interrupts a run that waits for the next attempt.
func TestRetryIsCancelled(t *testing.T) {
	tr := newTrial(t, map[string]string{"a/plan.x": "exit 1"}, "a/plan.x")
	tr.stage(t, "a/plan.x").Retry = &config.Retry{Attempts: 3, On: []string{"failed"}, Delay: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr.watch = func(e stages.Event) {
		if e.Type == stages.StageRetried {
			cancel()
		}
	}
	res := tr.run(t, ctx)
	if got := reason(res, "a/plan.x"); res.Outcome != stages.Cancelled || got != "cancelled before attempt 2" {
		t.Errorf("%s: %q", res.Outcome, got)
	}
}
