package stages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// LimitProject is the name of the time limit of a project. The others are those
// of package guest: of a stage and of an action.
const LimitProject = "project timeout"

// errProjectTimeout ends the context of stages whose project has no time left.
var errProjectTimeout = errors.New(LimitProject)

// budget is the time that the stages of a project may take together.
type budget struct {
	limit   time.Duration // 0: no limit
	used    time.Duration // by stages that are over
	running map[int]time.Time
	stopped bool // what runs was told to stop
}

// total returns what the stages have taken up to now.
func (b *budget) total(now time.Time) time.Duration {
	sum := b.used
	for _, since := range b.running {
		sum += now.Sub(since)
	}
	return sum
}

func (b *budget) spent(now time.Time) bool { return b.limit > 0 && b.total(now) >= b.limit }

// left returns when the limit will be reached if nothing starts or ends; ok is
// false if it will not.
func (b *budget) left(now time.Time) (d time.Duration, ok bool) {
	if b.limit <= 0 || b.stopped || len(b.running) == 0 {
		return 0, false
	}
	return (b.limit-b.total(now))/time.Duration(len(b.running)) + 1, true
}

// begin and end note that a stage starts and is over.
func (b *budget) begin(i int, at time.Time) { b.running[i] = at }

func (b *budget) end(i int, took time.Duration) {
	delete(b.running, i)
	b.used += took
}

func newBudgets(projects []*config.Project) []*budget {
	var all []*budget
	for _, p := range projects {
		all = append(all, &budget{limit: p.Timeout, running: map[int]time.Time{}})
	}
	return all
}

func (r *run) budget(i int) *budget { return r.budgets[r.g.nodes[i].project] }

// nextLimit returns a timer for the first project whose time will be used up;
// it never fires if there is none.
func (r *run) nextLimit() *time.Timer {
	const never = 1 << 62
	first, now := time.Duration(never), time.Now()
	for _, b := range r.budgets {
		if d, ok := b.left(now); ok {
			first = min(first, max(d, 0))
		}
	}
	return time.NewTimer(first)
}

// stopSpent stops what runs of the projects that have no time left.
func (r *run) stopSpent() {
	now := time.Now()
	for _, b := range r.budgets {
		if b.stopped || !b.spent(now) {
			continue
		}
		b.stopped = true
		for i := range b.running {
			r.slots[i].cancel(errProjectTimeout)
		}
	}
}

// dropSpent settles the stages that could start if their project had time left.
func (r *run) dropSpent() {
	for {
		now := time.Now()
		k := slices.IndexFunc(r.ready, func(i int) bool { return r.budget(i).spent(now) })
		if k < 0 {
			return
		}
		i := r.ready[k]
		r.ready = slices.Delete(r.ready, k, k+1)
		r.drop(i, r.outOfTime(i, Result{Action: -1}))
	}
}

// outOfTime is the result of a stage that the limit of its project ended.
func (r *run) outOfTime(i int, res Result) Result {
	p := r.g.projects[r.g.nodes[i].project]
	res.Outcome, res.Limit = TimedOut, LimitProject
	res.Reason = fmt.Sprintf("the stages of the project %s together took longer than its timeout of %s (project timeout)", p.Name, config.FormatDuration(p.Timeout))
	return res
}

// byLimit names the project's limit where it is what cancelled the stage.
func (r *run) byLimit(ctx context.Context, i int, res Result) Result {
	if res.Outcome == Cancelled && errors.Is(context.Cause(ctx), errProjectTimeout) {
		return r.outOfTime(i, res)
	}
	return res
}
