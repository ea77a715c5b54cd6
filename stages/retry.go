package stages

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// attempts is how often a stage may be tried.
func attempts(s *config.Stage) int {
	if s.Retry == nil {
		return 1
	}
	return max(1, s.Retry.Attempts)
}

// persist runs stage i as often as its retry block asks for, and returns the
// result of the last attempt. Every attempt has a Job and an Execution of its
// own; what the stage holds of the machine's capacity it keeps in between.
func (r *run) persist(i int, slot slot) Result {
	s, ctx, obs := r.g.nodes[i].stage, slot.ctx, slot.obs
	if attempts(s) == 1 {
		return attempted(r.attempt(i, 1, slot, obs.attempt(0)), 1, obs)
	}
	for n := 1; ; n++ {
		if n > 1 {
			obs.attempt(n).Event(Event{Type: LogOutput, Stream: "system", Text: fmt.Sprintf("attempt %d of %d", n, attempts(s))})
		}
		res := r.attempt(i, n, slot, obs.attempt(n))
		if n >= attempts(s) || ctx.Err() != nil || !slices.Contains(s.Retry.On, string(res.Outcome)) {
			return attempted(res, n, obs)
		}
		obs.attempt(n).Event(Event{
			Type: StageRetried, Outcome: res.Outcome, Limit: res.Limit, Reason: res.Reason, Exit: res.Exit, Signal: res.Signal,
			Text: fmt.Sprintf("attempt %d of %d follows%s", n+1, attempts(s), inTime(s.Retry.Delay)),
		})
		if !pause(ctx, s.Retry.Delay) {
			return attempted(Result{Outcome: Cancelled, Reason: fmt.Sprintf("cancelled before attempt %d", n+1), Action: -1}, n, obs)
		}
	}
}

func inTime(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " in " + config.FormatDuration(d)
}

// attempted warns when there was more than one attempt: a stage that does not
// always succeed wants to be looked at.
func attempted(res Result, n int, obs *stageObserver) Result {
	res.Attempts = n
	if n < 2 {
		return res
	}
	text := fmt.Sprintf("it took %d attempts", n)
	if res.Outcome != Succeeded {
		text = fmt.Sprintf("it was tried %d times", n)
	}
	res.Warnings = append(slices.Clip(res.Warnings), text)
	obs.Event(Event{Type: WarningRaised, Text: text})
	return res
}

// pause reports whether the whole time went by.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// attempt returns an observer that adds to each event which attempt it is of; 0
// adds nothing. To close it does not close o.
func (o *stageObserver) attempt(n int) *stageObserver {
	return &stageObserver{next: ObserverFunc(func(e Event) {
		e.Attempt = n
		o.Event(e)
	}), complete: func(e Event) Event { return e }}
}
