package stages

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// execute runs stage i to its end, in a goroutine of its own, and hands what
// became of it to the Reuser.
func (r *run) execute(i int, s slot) Result {
	res := r.byLimit(s.ctx, i, r.persist(i, s))
	if r.opts.Reuser != nil && s.job != nil {
		r.keep(s, res)
	}
	return res
}

// attempt runs stage i from its job to the closed Execution. It returns a usable
// result whatever the Runner does.
func (r *run) attempt(i, n int, s slot, obs *stageObserver) (res Result) {
	defer obs.close()
	err := guard(obs, "starting the stage", func() { res = r.startAndAttend(i, n, s, obs) })
	if err != nil {
		return errored(err)
	}
	return checked(res)
}

func (r *run) startAndAttend(i, n int, s slot, obs *stageObserver) Result {
	ex, err := r.startAttempt(i, n, s, obs)
	switch {
	case err != nil && s.ctx.Err() != nil:
		return Result{Outcome: Cancelled, Reason: "cancelled before its machine ran", Action: -1}
	case err != nil:
		return errored(err)
	case ex == nil:
		return errored(errors.New("internal error: the runner started nothing"))
	}
	return r.attend(s.ctx, ex, obs)
}

// startAttempt starts what was prepared, which is the first attempt, or a new
// job.
func (r *run) startAttempt(i, n int, s slot, obs *stageObserver) (Execution, error) {
	if n == 1 && s.prepared != nil {
		return s.prepared.Start(s.ctx)
	}
	job, err := r.job(i)
	if err != nil {
		return nil, err
	}
	job.Attempt = n
	return r.opts.Runner.Start(s.ctx, job, obs)
}

// attend waits for the end of an execution, passes interrupts on to it and
// closes it.
func (r *run) attend(ctx context.Context, ex Execution, obs *stageObserver) (res Result) {
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	over := make(chan struct{})
	interrupted := make(chan error, 1)
	go func() { interrupted <- r.passInterrupts(ctx, ex, obs, over) }()
	check(guard(obs, "waiting for the stage", func() { res = ex.Wait() }))
	close(over)
	check(<-interrupted)

	var closing error
	check(guard(obs, "closing the stage", func() { closing = ex.Close() }))
	if closing != nil {
		text := "not everything the stage held was released: " + closing.Error()
		res.Warnings = append(res.Warnings[:len(res.Warnings):len(res.Warnings)], text)
		obs.Event(Event{Type: WarningRaised, Text: text})
	}
	if len(errs) > 0 {
		return errored(errors.Join(errs...))
	}
	return res
}

// passInterrupts stops ex when its stage or the run is cancelled, and kills it
// when the run is killed or when a stage that was stopped by itself takes longer
// than Grace. It returns once over is closed; then it touches ex no more.
func (r *run) passInterrupts(ctx context.Context, ex Execution, obs Observer, over <-chan struct{}) (err error) {
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		err = guard(obs, "stopping the stage", func() { ex.Stop(StopCancel) })
	}
	grace := time.NewTimer(r.opts.Grace)
	defer grace.Stop()
	select {
	case <-over:
	case <-grace.C:
		err = errors.Join(err, guard(obs, "killing the stage", ex.Kill))
	case <-r.kill:
		err = errors.Join(err, guard(obs, "killing the stage", ex.Kill))
	}
	return err
}

// guard calls f and makes an error of its panic; the stack goes to obs.
func guard(obs Observer, doing string, f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: panic while %s: %v", doing, p)
			obs.Event(Event{Type: WarningRaised, Text: fmt.Sprintf("%v\n%s", err, debug.Stack())})
		}
	}()
	f()
	return nil
}

// errored is the result of a stage that the machine's fault or ours ended.
func errored(err error) Result {
	reason := strings.TrimSpace(err.Error())
	return Result{Outcome: Errored, Reason: reason, Action: -1}
}

// checked replaces a result that no Runner may give.
func checked(res Result) Result {
	switch res.Outcome {
	case Succeeded, Failed, Errored, TimedOut, Cancelled:
		return res
	}
	return errored(fmt.Errorf("internal error: the runner gave the outcome %q", res.Outcome))
}

// stageObserver completes a stage's events and drops those that come after the
// stage is over, so that stage_finished is the last of them.
type stageObserver struct {
	complete func(Event) Event
	next     Observer
	mu       sync.RWMutex
	closed   bool
}

// Event passes e on.
func (o *stageObserver) Event(e Event) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if !o.closed && o.next != nil {
		o.next.Event(o.complete(e))
	}
}

func (o *stageObserver) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}
