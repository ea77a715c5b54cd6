package fakerunner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// Causes of the end of an execution's context.
var (
	errStopped = errors.New("stopped")
	errKilled  = errors.New("killed")
	errTimeout = errors.New("stage timeout")
	errAction  = errors.New("action timeout")
)

type execution struct {
	r       *Runner
	job     *stages.Job
	obs     stages.Observer
	ctx     context.Context // of the machine: its cause says why it ended
	end     context.CancelCauseFunc
	done    chan struct{} // closed when result is there
	result  stages.Result
	closing sync.Once
	failed  error // of Close

	mu     sync.Mutex
	closed bool
}

func newExecution(r *Runner, job *stages.Job, obs stages.Observer) *execution {
	e := &execution{r: r, job: job, obs: obs, done: make(chan struct{})}
	e.ctx, e.end = context.WithCancelCause(context.Background())
	return e
}

// begin runs the stage; the end of ctx stops it.
func (e *execution) begin(ctx context.Context) {
	unlink := context.AfterFunc(ctx, e.stop)
	go func() {
		defer close(e.done)
		defer unlink()
		e.result = e.run()
	}()
}

func (e *execution) Wait() stages.Result {
	if e.r.OnWait != nil {
		e.r.OnWait(e.job)
	}
	<-e.done
	return e.result
}

func (e *execution) Stop(stages.StopReason) {
	e.mustBeOpen("Stop")
	e.stop()
}

func (e *execution) stop() {
	if !e.r.IgnoreStop {
		e.end(errStopped)
	}
}

func (e *execution) Kill() {
	e.mustBeOpen("Kill")
	e.end(errKilled)
}

func (e *execution) mustBeOpen(method string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		e.r.tb.Errorf("fakerunner: %s: %s after Close", e.job.Stage.ID, method)
	}
}

func (e *execution) Close() error {
	e.closing.Do(func() {
		e.end(errKilled)
		<-e.done
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.r.closed(e)
		if e.r.OnClose != nil {
			e.failed = e.r.OnClose(e.job)
		}
	})
	return e.failed
}

// run is the life of the stage.
func (e *execution) run() stages.Result {
	began := time.Now()
	e.obs.Event(stages.Event{Type: stages.StagePreparing, Text: "unpacking inputs"})
	m, err := newMachine(e)
	if err != nil {
		return stages.Result{Outcome: stages.Errored, Reason: err.Error(), Action: -1}
	}
	ctx, cancel := e.ctx, context.CancelFunc(func() {})
	if limit := e.job.Stage.Limits.Timeout; limit > 0 {
		ctx, cancel = context.WithTimeoutCause(e.ctx, limit, errTimeout)
	}
	defer cancel()
	e.obs.Event(stages.Event{Type: stages.StageStarted, Text: "without a machine"})
	res := e.actions(ctx, m)
	res.Times.Work = time.Since(began)
	if errors.Is(context.Cause(ctx), errKilled) || res.Outcome == stages.Errored {
		return res
	}
	if res.Output, err = m.pack(); err != nil {
		return stages.Result{Outcome: stages.Errored, Reason: err.Error(), Action: -1}
	}
	return res
}

// actions runs the stage's actions up to the first that fails.
func (e *execution) actions(ctx context.Context, m *machine) stages.Result {
	for i, a := range e.job.Stage.Actions {
		if ctx.Err() != nil {
			return interrupted(ctx, i)
		}
		e.obs.Event(stages.Event{Type: stages.ActionStarted, Action: &i, Name: a.Prefix() + a.Name})
		res := e.action(ctx, m, i, a)
		e.obs.Event(stages.Event{
			Type: stages.ActionFinished, Action: &i, Name: a.Prefix() + a.Name, Outcome: res.Outcome,
			Exit: res.Exit, Signal: res.Signal, Limit: res.Limit, Reason: res.Reason,
		})
		if res.Outcome != stages.Succeeded {
			return res
		}
	}
	return stages.Result{Outcome: stages.Succeeded, Action: -1}
}

func (e *execution) action(ctx context.Context, m *machine, i int, a *config.Action) stages.Result {
	if a.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.Timeout, errAction)
		defer cancel()
	}
	end := m.action(ctx, i, a)
	switch {
	case end.died:
		return stages.Result{Outcome: stages.Errored, Reason: "the guest died", Action: i}
	case end.interrupted:
		return interrupted(ctx, i)
	case end.signal != "":
		reason := fmt.Sprintf("action %d (%s) was killed by %s", i+1, a.Prefix()+a.Name, end.signal)
		return stages.Result{Outcome: stages.Failed, Signal: end.signal, Reason: reason, Action: i}
	case end.exit != 0:
		reason := fmt.Sprintf("action %d (%s) ended with exit status %d", i+1, a.Prefix()+a.Name, end.exit)
		return stages.Result{Outcome: stages.Failed, Exit: end.exit, Reason: reason, Action: i}
	}
	return stages.Result{Outcome: stages.Succeeded, Action: -1}
}

// interrupted is the result of a stage whose context ended during action i.
func interrupted(ctx context.Context, i int) stages.Result {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		return stages.Result{Outcome: stages.TimedOut, Limit: guest.LimitTimeout, Action: i, Reason: "the stage took longer than limits.timeout"}
	case errors.Is(cause, errAction):
		return stages.Result{Outcome: stages.TimedOut, Limit: guest.LimitAction, Action: i, Reason: "the action took longer than its timeout"}
	default:
		return stages.Result{Outcome: stages.Cancelled, Action: i, Reason: "the stage was " + cause.Error()}
	}
}

// inputs are all archives that a job hands to its machine.
func inputs(job *stages.Job) []archive {
	var all []archive
	add := func(dir string, data []stages.Data) {
		for _, d := range data {
			if dir == guest.DirInputs {
				all = append(all, archive{d, d.From.Inputs()})
				continue
			}
			all = append(all, archive{d, dir})
		}
	}
	add(guest.DirDeps, job.Deps)
	add(guest.DirArtifacts, job.Union)
	add(guest.DirInputs, job.Inputs)
	return slices.Clip(all)
}
