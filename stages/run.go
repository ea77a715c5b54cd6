package stages

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// Capacity is what the stages that run at the same time may use together.
type Capacity struct {
	Memory int64 // bytes; 0: not bounded
	CPUs   int   // 0: not bounded
}

// RunOptions say how a graph is run.
type RunOptions struct {
	Runner      Runner
	Observer    Observer // told everything; nil: nobody
	RunID       string
	Capacity    Capacity
	Parallelism int // stages at the same time, at most; 0: only Capacity bounds them

	// Reuser knows the results of earlier runs; nil: every stage runs.
	Reuser Reuser

	// Duration says how long a stage took the last time, 0 if that is not known:
	// those with the longest way to the end of the run start first. Nil: the
	// first in order do.
	Duration func(config.StageID) time.Duration

	// Dir returns the directory that keeps a stage's logs and artifacts, and
	// creates it. It is called when the stage starts or is looked up, more than
	// once, from several goroutines.
	Dir func(config.StageID) (string, error)

	// Kill, once closed, is the second interrupt: everything that runs is
	// killed at once. The first is the end of Run's context. Nil: there is none.
	Kill <-chan struct{}

	// Grace is how long stages may take to stop after the first interrupt
	// before they are killed; 0: the constant Grace.
	Grace time.Duration
}

// RunResult is what became of a run.
type RunResult struct {
	Outcome  Outcome
	Stages   []StageResult // all stages, in the graph's order
	Started  time.Time
	Duration time.Duration
}

// StageResult is what became of one stage of a run.
type StageResult struct {
	Stage    *config.Stage
	Result   Result
	Started  time.Time     // zero: it never started
	Duration time.Duration // until everything it held was released, without waiting for room
}

// Record returns the stage's line in the record of its run.
func (s StageResult) Record() StageRecord {
	r := StageRecord{
		Stage:    s.Stage.ID.String(),
		Outcome:  s.Result.Outcome,
		Limit:    s.Result.Limit,
		Reason:   s.Result.Reason,
		Duration: s.Duration.Seconds(),
		From:     s.Result.From,
		Tests:    s.Result.Tests,
	}
	if s.Result.Attempts > 1 {
		r.Attempts = s.Result.Attempts
	}
	if out := s.Result.Output; out != nil {
		r.Output, r.Bytes = out.Digest, out.Size
	}
	return r
}

// Run runs all stages, each once all it needs is over, as many at a time as the
// options permit; of those that could start, that with the longest way to the
// end does (RunOptions.Duration). A stage that needs one that did not succeed is
// skipped, unless its When says otherwise; the others go on. A stage for which
// the Reuser has a result is over at once.
//
// Inputs of a few stages are packed before there is room for their machines,
// when the Runner is a Preparer; Capacity and Parallelism bound machines alone.
//
// When ctx ends, nothing more is started, what runs is asked to stop, has Grace
// to do so and then is killed; what waits is cancelled. Run returns when every
// Execution is closed.
func (g *Graph) Run(ctx context.Context, opts RunOptions) RunResult {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := newRun(ctx, g, opts)
	over := make(chan struct{})
	var interrupts sync.WaitGroup
	interrupts.Go(func() { r.interrupts(cancel, over) })
	defer interrupts.Wait()
	defer close(over)

	r.emit(Event{Type: RunStarted, Projects: g.projectNames(), Stages: r.planned()})
	r.begin()
	r.loop()
	return r.finish()
}

// run is the state of one Run. Only the goroutine of Run changes it.
type run struct {
	ctx     context.Context // ends with the first interrupt
	kill    chan struct{}   // closed by interrupts when everything has to go
	g       *Graph
	opts    RunOptions
	started time.Time
	rank    []int
	left    []int         // by node: how many needs are not over yet
	spoiled []string      // by node: why something it needs went badly, empty if nothing did
	settled []bool        // by node: it has its result
	budgets []*budget     // by project
	results []StageResult // by stage; each is written before any stage that needs it starts
	slots   []slot        // by stage
	ready   []int         // stages whose next step could start, by rank
	active  int           // steps at work
	use     use           // of the machines
	beside  beside        // known while steps are started
	reports chan report
}

func newRun(ctx context.Context, g *Graph, opts RunOptions) *run {
	if opts.Grace <= 0 {
		opts.Grace = Grace
	}
	r := &run{
		ctx:     ctx,
		kill:    make(chan struct{}),
		g:       g,
		opts:    opts,
		started: time.Now(),
		rank:    g.priorities(opts.Duration),
		left:    make([]int, len(g.nodes)),
		spoiled: make([]string, len(g.nodes)),
		budgets: newBudgets(g.projects),
		settled: make([]bool, len(g.nodes)),
		results: make([]StageResult, g.stages),
		slots:   make([]slot, g.stages),
		reports: make(chan report, 2*g.stages), // a step and its note of being slow
	}
	for i, n := range g.nodes {
		r.left[i] = len(n.needs)
		if n.stage != nil {
			r.results[i].Stage = n.stage
		}
	}
	return r
}

// interrupts turns the end of the context and the kill channel into r.ctx and
// r.kill, until over is closed.
func (r *run) interrupts(cancel context.CancelFunc, over <-chan struct{}) {
	defer cancel()
	select {
	case <-over:
		return
	case <-r.opts.Kill:
	case <-r.ctx.Done():
		grace := time.NewTimer(r.opts.Grace)
		defer grace.Stop()
		select {
		case <-over:
			return
		case <-r.opts.Kill:
		case <-grace.C:
		}
	}
	close(r.kill)
}

// begin settles the stages that can never start and decides about those that
// need nothing.
func (r *run) begin() {
	for _, i := range r.g.order {
		if reason := r.opts.Capacity.refuses(r.g.nodes[i].stage); reason != "" {
			r.settle(i, Result{Outcome: Errored, Reason: reason, Action: -1})
		}
	}
	for _, i := range r.g.order {
		if len(r.g.nodes[i].needs) == 0 && !r.settled[i] {
			r.decide(i)
		}
	}
}

// loop ends when all stages have their result.
func (r *run) loop() {
	interrupted := r.ctx.Done()
	for {
		r.dropSpent()
		r.startReady()
		if r.active == 0 {
			r.cancelWaiting() // the run was cancelled, or there is nothing
			if r.active == 0 {
				return
			}
		}
		limit := r.nextLimit()
		select {
		case <-limit.C:
			r.stopSpent()
		case <-interrupted:
			interrupted = nil
			r.cancelWaiting()
		case f := <-r.reports:
			if r.ctx.Err() != nil {
				r.cancelWaiting() // first: what needs f's stage is cancelled, not skipped
			}
			r.advance(f)
		}
		limit.Stop()
	}
}

// refuses says why a stage can not run on the machine at all, "" if it can.
func (c Capacity) refuses(s *config.Stage) string {
	if c.Memory <= 0 || s.Limits.Memory <= c.Memory {
		return ""
	}
	return fmt.Sprintf("it needs %s of memory and the machine has %s for stages: lower limits.memory or use a larger machine",
		size(s.Limits.Memory), size(c.Memory))
}

func cpus(s *config.Stage) int { return max(1, s.Limits.CPUs) }

// size writes bytes as the limits block does: with the largest unit in which
// they are whole, but at least MiB with one decimal.
func size(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	default:
		return fmt.Sprintf("%.1fMiB", float64(n)/(1<<20))
	}
}

// finish makes the result of the run and tells of it.
func (r *run) finish() RunResult {
	res := RunResult{Started: r.started, Duration: time.Since(r.started)}
	var records []StageRecord
	var outcomes []Outcome
	for _, i := range r.g.order {
		res.Stages = append(res.Stages, r.results[i])
		records = append(records, r.results[i].Record())
		if !r.results[i].Result.Unneeded { // which says nothing about the run
			outcomes = append(outcomes, r.results[i].Result.Outcome)
		}
	}
	res.Outcome = Combine(outcomes...)
	r.emit(Event{Type: RunFinished, Outcome: res.Outcome, Duration: res.Duration.Seconds(), Stages: records})
	return res
}

// Verb completes "a stage that …".
func Verb(o Outcome) string {
	switch o {
	case TimedOut:
		return "timed out"
	case Cancelled, Skipped:
		return "was " + string(o)
	default:
		return string(o)
	}
}
