package stages

import (
	"context"
	"fmt"
	"time"
)

// look asks for an earlier result of stage i. Without one the stage goes on.
func (r *run) look(i int, s slot) report {
	job, err := r.job(i)
	if err != nil {
		return report{node: i, over: true, result: errored(err)}
	}
	job.Attempt = 1
	var found Found
	if err := guard(s.obs, "looking for an earlier result", func() { found = r.opts.Reuser.Find(s.ctx, job) }); err != nil {
		found = Found{Reason: err.Error()}
	}
	if res := found.Result; res != nil && res.Outcome == Reused {
		return report{node: i, over: true, result: *res}
	}
	found.Result = nil
	if found.Reason != "" && s.ctx.Err() == nil {
		s.obs.Event(Event{Type: StageDecided, Text: found.Reason})
	}
	return report{node: i, job: job, found: found}
}

// prepare packs the inputs of stage i.
func (r *run) prepare(i int, s slot) (rep report) {
	rep = report{node: i, job: s.job, found: s.found}
	over := func(res Result) report {
		return report{node: i, over: true, result: r.byLimit(s.ctx, i, res)}
	}
	if rep.job == nil {
		job, err := r.job(i)
		if err != nil {
			return over(errored(err))
		}
		job.Attempt = 1
		rep.job = job
	}
	var err error
	if perr := guard(s.obs, "preparing the stage", func() {
		rep.prepared, err = r.opts.Runner.(Preparer).Prepare(s.ctx, rep.job, s.obs)
	}); perr != nil {
		err = perr
	}
	switch {
	case err != nil && s.ctx.Err() != nil:
		return over(Result{Outcome: Cancelled, Reason: "cancelled before its machine ran", Action: -1})
	case err == nil && rep.prepared == nil:
		err = fmt.Errorf("internal error: the runner prepared nothing")
	}
	if err != nil {
		// The attempt that follows fails with it, and is repeated or not.
		rep.prepared = unprepared{err}
	}
	return rep
}

// unprepared is what could not be prepared.
type unprepared struct{ err error }

func (u unprepared) Start(context.Context) (Execution, error) { return nil, u.err }
func (u unprepared) Close() error                             { return nil }

// release closes what was prepared for a stage that will not run.
func release(p Prepared, obs *stageObserver, res Result) Result {
	var err error
	if perr := guard(obs, "releasing the stage", func() { err = p.Close() }); perr != nil {
		err = perr
	}
	if err != nil {
		res.Warnings = append(res.Warnings, "not everything the stage held was released: "+err.Error())
	}
	return res
}

// keepLimit bounds the keeping of a result, on a context of its own: the run may
// have been cancelled once this stage was over.
const keepLimit = 2 * time.Minute

// keep hands the result of a stage that ran to the Reuser. What goes wrong is a
// warning.
func (r *run) keep(s slot, res Result) {
	if res.Outcome == Cancelled {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), keepLimit)
	defer cancel()
	var err error
	perr := guard(s.obs, "keeping the result", func() {
		err = r.opts.Reuser.Keep(ctx, s.job, s.found, res, s.worked+time.Since(s.began))
	})
	if perr == nil && err != nil {
		s.obs.Event(Event{Type: WarningRaised, Text: "its result is not kept to be used again: " + err.Error()})
	}
}
