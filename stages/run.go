package stages

import (
	"context"
	"fmt"
	"slices"
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

	// Dir returns the directory that keeps a stage's logs and artifacts, and
	// creates it. It is called when the stage starts, from several goroutines.
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
	Duration time.Duration // from there until everything it held was released
}

// Record returns the stage's line in the record of its run.
func (s StageResult) Record() StageRecord {
	r := StageRecord{
		Stage:    s.Stage.ID.String(),
		Outcome:  s.Result.Outcome,
		Limit:    s.Result.Limit,
		Reason:   s.Result.Reason,
		Duration: s.Duration.Seconds(),
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
// options permit; of those that could start the first in order does. A stage
// that needs one that did not succeed is skipped, unless its When says
// otherwise; the others go on.
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
	ctx      context.Context // ends with the first interrupt
	kill     chan struct{}   // closed by interrupts when everything has to go
	g        *Graph
	opts     RunOptions
	started  time.Time
	rank     []int
	left     []int    // by node: how many needs are not over yet
	spoiled  []string // by node: why something it needs went badly, empty if nothing did
	settled  []bool   // by node: it has its result
	running  []bool
	cancel   []context.CancelCauseFunc // by stage: ends its context, once it was started
	budgets  []*budget                 // by project
	results  []StageResult             // by stage; each is written before any stage that needs it starts
	ready    []int                     // stages that could start, by rank
	active   int
	memory   int64
	cpus     int
	finished chan finished
}

type finished struct {
	node   int
	result Result
}

func newRun(ctx context.Context, g *Graph, opts RunOptions) *run {
	if opts.Grace <= 0 {
		opts.Grace = Grace
	}
	r := &run{
		ctx:      ctx,
		kill:     make(chan struct{}),
		g:        g,
		opts:     opts,
		started:  time.Now(),
		rank:     g.ranks(),
		left:     make([]int, len(g.nodes)),
		spoiled:  make([]string, len(g.nodes)),
		cancel:   make([]context.CancelCauseFunc, g.stages),
		budgets:  newBudgets(g.projects),
		settled:  make([]bool, len(g.nodes)),
		running:  make([]bool, len(g.nodes)),
		results:  make([]StageResult, g.stages),
		finished: make(chan finished, g.stages),
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
			break
		}
		limit := r.nextLimit()
		select {
		case <-limit.C:
			r.stopSpent()
		case <-interrupted:
			interrupted = nil
			r.cancelWaiting()
		case f := <-r.finished:
			if r.ctx.Err() != nil {
				r.cancelWaiting() // first: what needs f's stage is cancelled, not skipped
			}
			r.release(f.node)
			r.settle(f.node, f.result)
		}
		limit.Stop()
	}
	r.cancelWaiting()
}

// startReady starts every stage there is room for.
func (r *run) startReady() {
	waiting := r.ready[:0]
	for k, i := range r.ready {
		if r.full() {
			waiting = append(waiting, r.ready[k:]...)
			break
		}
		if !r.fits(r.g.nodes[i].stage) {
			waiting = append(waiting, i)
			continue
		}
		r.start(i)
	}
	r.ready = waiting
}

func (r *run) start(i int) {
	s := r.g.nodes[i].stage
	r.running[i] = true
	r.active++
	r.memory += s.Limits.Memory
	r.cpus += cpus(s)
	r.results[i].Started = time.Now()
	r.budget(i).begin(i, r.results[i].Started)
	ctx, cancel := context.WithCancelCause(r.ctx)
	r.cancel[i] = cancel
	go func() { r.finished <- finished{i, r.execute(ctx, i)} }()
}

func (r *run) release(i int) {
	s := r.g.nodes[i].stage
	r.running[i] = false
	r.active--
	r.memory -= s.Limits.Memory
	r.cpus -= cpus(s)
	r.results[i].Duration = time.Since(r.results[i].Started)
	r.budget(i).end(i, r.results[i].Duration)
	r.cancel[i](nil)
}

// full reports whether no stage whatever could start now.
func (r *run) full() bool {
	return r.ctx.Err() != nil ||
		r.opts.Parallelism > 0 && r.active >= r.opts.Parallelism ||
		r.opts.Capacity.CPUs > 0 && r.cpus >= r.opts.Capacity.CPUs
}

// fits reports whether there is room for s beside what runs. A stage with more
// CPUs than the machine runs alone.
func (r *run) fits(s *config.Stage) bool {
	if r.active == 0 {
		return true
	}
	c := r.opts.Capacity
	return (c.Memory <= 0 || s.Limits.Memory <= c.Memory-r.memory) &&
		(c.CPUs <= 0 || cpus(s) <= c.CPUs-r.cpus)
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

// queue puts a stage among those that could start.
func (r *run) queue(i int) {
	at, _ := slices.BinarySearchFunc(r.ready, r.rank[i], func(n, rank int) int { return r.rank[n] - rank })
	r.ready = slices.Insert(r.ready, at, i)
	r.emit(r.event(StageQueued, i))
}

// cancelWaiting settles all stages that do not run.
func (r *run) cancelWaiting() {
	r.ready = nil
	for _, i := range r.g.order {
		if r.settled[i] || r.running[i] {
			continue
		}
		r.settled[i] = true
		r.results[i].Result = Result{Outcome: Cancelled, Reason: "the run was cancelled before it started", Action: -1}
		r.emit(r.stageFinished(i))
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

// verb completes "a stage that …".
func verb(o Outcome) string {
	switch o {
	case TimedOut:
		return "timed out"
	case Cancelled, Skipped:
		return "was " + string(o)
	default:
		return string(o)
	}
}
