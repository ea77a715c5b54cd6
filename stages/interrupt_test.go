package stages_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/stages"
)

func TestCancel(t *testing.T) {
	tr := newTrial(t, map[string]string{"a/plan.x": "sleep 3600"},
		"a/pre.d", "a/plan.x", "a/plan.y after a/plan.x", "a/post.p")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr.watch = func(e stages.Event) {
		if e.Type == stages.ActionStarted {
			cancel()
		}
	}
	res := tr.run(t, ctx)
	want := "a/pre.d=succeeded a/plan.x=cancelled a/plan.y=cancelled a/post.p=cancelled"
	if got := outcomes(res); got != want || res.Outcome != stages.Cancelled {
		t.Errorf("got  %s: %s\nwant %s", res.Outcome, got, want)
	}
	if got := reason(res, "a/post.p"); got != "the run was cancelled before it started" {
		t.Errorf("reason %q", got)
	}
}

func TestCancelBeforeStart(t *testing.T) {
	tr := newTrial(t, nil, "a/pre.d", "a/plan.x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, want := outcomes(tr.run(t, ctx)), "a/pre.d=cancelled a/plan.x=cancelled"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestKill runs a stage that does not stop when it is asked to.
func TestKill(t *testing.T) {
	tests := []struct {
		name   string
		grace  time.Duration
		cancel bool // the first interrupt
		kill   bool // the second
	}{
		{"grace is over", time.Millisecond, true, false},
		{"second interrupt", time.Hour, true, true},
		{"second without first", time.Hour, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrial(t, map[string]string{"a/plan.x": "sleep 3600"}, "a/plan.x", "a/plan.y after a/plan.x")
			tr.runner.IgnoreStop = true
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			kill := make(chan struct{})
			tr.opts.Kill, tr.opts.Grace = kill, tt.grace
			tr.watch = func(e stages.Event) {
				if e.Type == stages.ActionStarted && tt.cancel {
					cancel()
				}
				if e.Type == stages.ActionStarted && tt.kill {
					close(kill)
				}
			}
			if got, want := outcomes(tr.run(t, ctx)), "a/plan.x=cancelled a/plan.y=cancelled"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestCancelAnywhere cancels random runs at a random event, some of them twice.
// The fake reports what is left open; checkEvents what is told wrongly.
func TestCancelAnywhere(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 4))
		tr := newTrial(t, nil, randomLines(rng, 20)...)
		for _, p := range tr.cfg.Projects {
			for _, s := range p.Stages {
				s.Actions = append(s.Actions, shell("echo one\nsleep 0.0005\necho two"))
			}
		}
		tr.opts.Parallelism = rng.IntN(4)
		ctx, cancel := context.WithCancel(t.Context())
		kill := make(chan struct{})
		tr.opts.Kill = kill
		first := rng.IntN(120)
		second := first + rng.IntN(5)
		count := 0
		tr.watch = func(stages.Event) {
			if count == first {
				cancel()
			}
			if count == second && seed%2 == 0 {
				close(kill)
			}
			count++
		}
		res := tr.run(t, ctx)
		cancel()
		for _, s := range res.Stages {
			if o := s.Result.Outcome; o != stages.Succeeded && o != stages.Cancelled {
				t.Errorf("seed %d: %s is %s: %s", seed, s.Stage.ID, o, s.Result.Reason)
			}
		}
		if cut := strings.Contains(outcomes(res), "cancelled"); cut != (res.Outcome == stages.Cancelled) {
			t.Errorf("seed %d: the run %s: %s", seed, res.Outcome, outcomes(res))
		}
	}
}
