package stages_test

import (
	"context"
	"math/rand/v2"
	"runtime"
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

// TestFailureDuringCancel lets a stage fail and the run be cancelled at the
// same time: what waited for the stage is cancelled, whichever is seen first.
func TestFailureDuringCancel(t *testing.T) {
	for range 30 {
		tr := newTrial(t, map[string]string{"a/plan.x": "exit 1"}, "a/plan.x", "b/plan.y", "a/post.p")
		ctx, cancel := context.WithCancel(t.Context())
		closed := make(chan struct{})
		tr.runner.OnClose = func(j *stages.Job) error {
			if j.Stage.ID.Name == "x" {
				cancel()
				close(closed)
			}
			return nil
		}
		tr.opts.Observer = stages.ObserverFunc(func(e stages.Event) {
			if e.Type == stages.StageFinished && e.ID.Name == "y" {
				<-closed // the scheduler sees both at once
				runtime.Gosched()
			}
		})
		res := mustBuild(t, tr.cfg).Run(ctx, tr.opts)
		if got := res.Stages[1].Result.Outcome; got != stages.Cancelled || res.Stages[0].Result.Outcome != stages.Failed {
			t.Fatal(outcomes(res))
		}
	}
}

// obedient is an execution that does nothing until it is stopped, and talks
// after it was closed.
type obedient struct {
	cancel  context.CancelFunc // called once it has started
	stopped chan struct{}
	obs     stages.Observer
}

func (o *obedient) Start(_ context.Context, _ *stages.Job, obs stages.Observer) (stages.Execution, error) {
	o.obs = obs
	o.cancel()
	return o, nil
}
func (o *obedient) Wait() stages.Result {
	<-o.stopped
	return stages.Result{Outcome: stages.Cancelled, Reason: "stopped", Action: -1}
}
func (o *obedient) Stop(stages.StopReason) { close(o.stopped) }
func (o *obedient) Kill()                  {}
func (o *obedient) Close() error           { return nil }

func TestStopIsPassedOnAndLateEventsAreNot(t *testing.T) {
	tr := newTrial(t, nil, "a/plan.x")
	ctx, cancel := context.WithCancel(t.Context())
	o := &obedient{cancel: cancel, stopped: make(chan struct{})}
	tr.opts.Runner, tr.opts.Grace = o, time.Hour
	res := tr.run(t, ctx)
	n := len(tr.events)
	o.obs.Event(stages.Event{Type: stages.LogOutput, Text: "late"})
	if res.Outcome != stages.Cancelled || len(tr.events) != n {
		t.Errorf("%s, %d events after the end", res.Outcome, len(tr.events)-n)
	}
}
