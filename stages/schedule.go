package stages

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// A stage that could start goes through steps, each in a goroutine of its own
// and with its own rule of admission: an earlier result is looked for, its
// inputs are packed, its machine runs. Only the last one holds memory and
// processors. The first is left out without a Reuser, the second without a
// Preparer.

type station int

const (
	stepLook station = iota
	stepPrepare
	stepRun
)

// slot is what the run knows of a stage beside its result.
type slot struct {
	step     station
	working  bool // at the step; else it waits for it, or is not in it yet
	claims   bool // it is preparing for a machine for which there is room now
	slow     bool // its preparation takes long, as that of an image: others pass it
	began    time.Time
	worked   time.Duration // in the steps so far
	ctx      context.Context
	cancel   context.CancelCauseFunc
	obs      *stageObserver
	job      *Job // of the first attempt, once there is one
	found    Found
	prepared Prepared
}

// report is what a step tells when it ends.
type report struct {
	node     int
	slow     bool // it has not ended and takes long
	over     bool // the stage is over with result
	result   Result
	job      *Job
	found    Found
	prepared Prepared
}

// use is what machines take together.
type use struct {
	machines int
	memory   int64
	cpus     int
}

func (u *use) add(s *config.Stage, sign int) {
	u.machines += sign
	u.memory += int64(sign) * s.Limits.Memory
	u.cpus += sign * cpus(s)
}

// Bounds of what goes on beside machines.
const (
	maxAhead     = 2  // stages prepared before there is room for them
	maxPreparing = 32 // with those that take long
)

// slowPreparation is when a preparation no longer counts among the few.
const slowPreparation = time.Second

func lookers() int { return max(2, runtime.GOMAXPROCS(0)) }

// queue puts a stage among those that could start.
func (r *run) queue(i int) {
	s := &r.slots[i]
	s.obs = r.observe(i)
	s.ctx, s.cancel = context.WithCancelCause(r.ctx)
	s.step = r.from(stepLook)
	r.wait(i)
	r.emit(r.event(StageQueued, i))
}

// from returns the first step that there is, from that one on.
func (r *run) from(s station) station {
	if s == stepLook && r.opts.Reuser == nil {
		s = stepPrepare
	}
	if _, ok := r.opts.Runner.(Preparer); s == stepPrepare && !ok {
		s = stepRun
	}
	return s
}

func (r *run) wait(i int) {
	at, _ := slices.BinarySearchFunc(r.ready, r.rank[i], func(n, rank int) int { return r.rank[n] - rank })
	r.ready = slices.Insert(r.ready, at, i)
}

// startReady starts every step that is admitted.
func (r *run) startReady() {
	waiting := r.ready[:0]
	r.beside = r.preparing()
	for k, i := range r.ready {
		if r.ctx.Err() != nil || r.stuck() {
			waiting = append(waiting, r.ready[k:]...)
			break
		}
		if !r.admits(i) {
			waiting = append(waiting, i)
			continue
		}
		r.start(i)
	}
	r.ready = waiting
}

func (r *run) admits(i int) bool {
	s := &r.slots[i]
	switch s.step {
	case stepLook:
		return r.beside.looking < lookers()
	case stepPrepare:
		return r.mayPrepare(i)
	}
	return !r.full(r.use) && r.fits(r.use, r.g.nodes[i].stage)
}

// stuck reports whether nothing could be admitted, whatever it is.
func (r *run) stuck() bool {
	canLook := r.from(stepLook) == stepLook && r.beside.looking < lookers()
	canPrepare := r.from(stepPrepare) == stepPrepare && r.beside.few()
	return r.full(r.use) && !canLook && !canPrepare
}

// mayPrepare admits the preparation of a stage for which there is room, beside
// those that prepare for it already, and else of a few more.
func (r *run) mayPrepare(i int) bool {
	stage := r.g.nodes[i].stage
	both := r.use.plus(r.beside.claimed)
	r.slots[i].claims = !r.full(both) && r.fits(both, stage) && r.beside.working < maxPreparing
	return r.slots[i].claims || r.beside.few()
}

func (u use) plus(v use) use {
	return use{u.machines + v.machines, u.memory + v.memory, u.cpus + v.cpus}
}

// beside is what goes on beside machines.
type beside struct {
	looking int
	working int // preparations at work
	claimed use // of those for whose machine there is room
	ahead   int // of the others, those that are ready included, without slow ones
}

// few reports whether a stage without room may be prepared: never while another
// is prepared for which there is room.
func (b beside) few() bool {
	return b.claimed.machines == 0 && b.ahead < maxAhead && b.working < maxPreparing
}

func (b *beside) add(s *slot, stage *config.Stage) {
	switch {
	case s.working && s.step == stepLook:
		b.looking++
	case s.working && s.step == stepPrepare:
		b.working++
		if s.claims {
			b.claimed.add(stage, 1)
		} else if !s.slow {
			b.ahead++
		}
	case !s.working && s.prepared != nil:
		b.ahead++
	}
}

// preparing counts what goes on beside machines.
func (r *run) preparing() (b beside) {
	for i := range r.slots {
		b.add(&r.slots[i], r.g.nodes[i].stage)
	}
	return b
}

// full reports whether no stage whatever could have a machine beside u.
func (r *run) full(u use) bool {
	return r.opts.Parallelism > 0 && u.machines >= r.opts.Parallelism ||
		r.opts.Capacity.CPUs > 0 && u.cpus >= r.opts.Capacity.CPUs
}

// fits reports whether there is room for s beside u. A stage with more CPUs than
// the machine runs alone.
func (r *run) fits(u use, s *config.Stage) bool {
	if u.machines == 0 {
		return true
	}
	c := r.opts.Capacity
	return (c.Memory <= 0 || s.Limits.Memory <= c.Memory-u.memory) &&
		(c.CPUs <= 0 || cpus(s) <= c.CPUs-u.cpus)
}

// start starts the step of a stage that was admitted.
func (r *run) start(i int) {
	s := &r.slots[i]
	if s.prepared != nil {
		r.beside.ahead--
	}
	s.working, s.began = true, time.Now()
	r.active++
	r.beside.add(s, r.g.nodes[i].stage)
	if s.step != stepLook {
		if r.results[i].Started.IsZero() {
			r.results[i].Started = s.began
		}
		r.budget(i).begin(i, s.began)
	}
	switch now := *s; s.step {
	case stepLook:
		go func() { r.reports <- r.look(i, now) }()
	case stepPrepare:
		slow := time.AfterFunc(slowPreparation, func() { r.reports <- report{node: i, slow: true} })
		go func() {
			defer slow.Stop()
			r.reports <- r.prepare(i, now)
		}()
	default:
		r.use.add(r.g.nodes[i].stage, 1)
		go func() { r.reports <- report{node: i, over: true, result: r.execute(i, now)} }()
	}
}

// advance takes what a step reports: the stage is over, or its next step waits.
func (r *run) advance(f report) {
	s := &r.slots[f.node]
	if f.slow {
		s.slow, s.claims = s.working && s.step == stepPrepare, false
		return
	}
	took := r.leave(f.node)
	s.job, s.found, s.prepared = f.job, f.found, f.prepared
	switch {
	case f.over:
		r.end(f.node, f.result, took)
	case r.ctx.Err() != nil:
		r.drop(f.node, cancelledEarly())
	default:
		s.step = r.from(s.step + 1)
		r.wait(f.node)
	}
}

// leave notes that a step has ended and returns how long it took.
func (r *run) leave(i int) time.Duration {
	s := &r.slots[i]
	took := time.Since(s.began)
	if s.step == stepRun {
		r.use.add(r.g.nodes[i].stage, -1)
	}
	if s.step != stepLook {
		s.worked += took
		r.budget(i).end(i, took)
	}
	s.working, s.claims, s.slow = false, false, false
	r.active--
	return took
}

// end gives a stage that no step works at its result.
func (r *run) end(i int, res Result, took time.Duration) {
	s := &r.slots[i]
	r.results[i].Duration = s.worked
	if res.Outcome == Reused {
		r.results[i].Started, r.results[i].Duration = s.began, took
	}
	if s.obs != nil {
		s.obs.close()
		s.cancel(nil)
	}
	*s = slot{}
	r.settle(i, res)
}

// drop gives a stage that waits its result, and releases what was prepared for
// it first.
func (r *run) drop(i int, res Result) {
	s := &r.slots[i]
	if s.prepared == nil {
		r.end(i, res, 0)
		return
	}
	prepared, obs := s.prepared, s.obs
	s.prepared, s.step, s.working, s.began = nil, stepLook, true, time.Now()
	r.active++
	go func() { r.reports <- report{node: i, over: true, result: release(prepared, obs, res)} }()
}

func cancelledEarly() Result {
	return Result{Outcome: Cancelled, Reason: "the run was cancelled before it started", Action: -1}
}

// cancelWaiting gives all stages that no step works at their result.
func (r *run) cancelWaiting() {
	r.ready = nil
	for _, i := range r.g.order {
		s := &r.slots[i]
		if r.settled[i] || s.working {
			continue
		}
		if s.prepared != nil {
			r.drop(i, cancelledEarly())
			continue
		}
		// Not by settle, which would decide about those that need it.
		r.settled[i] = true
		if s.obs != nil {
			s.obs.close()
			s.cancel(nil)
		}
		*s = slot{}
		r.results[i].Result = cancelledEarly()
		r.emit(r.stageFinished(i))
	}
}
