package stages

import "time"

// Stamp fills what every event has: the version and, where they are missing,
// the time and the run.
func (e Event) Stamp(runID string) Event {
	e.Version = EventVersion
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Run == "" {
		e.Run = runID
	}
	return e
}

func (r *run) emit(e Event) {
	if r.opts.Observer != nil {
		r.opts.Observer.Event(e.Stamp(r.opts.RunID))
	}
}

// event returns an event of stage i.
func (r *run) event(t EventType, i int) Event {
	return r.complete(Event{Type: t}, i)
}

// complete makes e an event of stage i.
func (r *run) complete(e Event, i int) Event {
	e.ID = r.g.nodes[i].stage.ID
	e.Stage = e.ID.String()
	return e.Stamp(r.opts.RunID)
}

// observe returns what the Runner of stage i reports to.
func (r *run) observe(i int) *stageObserver {
	return &stageObserver{
		next:     r.opts.Observer,
		complete: func(e Event) Event { return r.complete(e, i) },
	}
}

func (r *run) stageFinished(i int) Event {
	e := r.event(StageFinished, i)
	s := r.results[i]
	e.Outcome, e.Limit, e.Reason = s.Result.Outcome, s.Result.Limit, s.Result.Reason
	e.Exit, e.Signal, e.From = s.Result.Exit, s.Result.Signal, s.Result.From
	e.Tests = s.Result.Tests
	if s.Started.IsZero() {
		return e
	}
	e.Duration = s.Duration.Seconds()
	t := s.Result.Times
	e.Times = &EventTimes{
		Prepare: t.Prepare.Seconds(),
		Boot:    t.Boot.Seconds(),
		Work:    t.Work.Seconds(),
		Collect: t.Collect.Seconds(),
	}
	return e
}

// planned returns the stages in order, none with an outcome yet.
func (r *run) planned() []StageRecord {
	var records []StageRecord
	for _, i := range r.g.order {
		records = append(records, StageRecord{Stage: r.g.nodes[i].stage.ID.String()})
	}
	return records
}

func (g *Graph) projectNames() []string {
	var names []string
	for _, p := range g.projects {
		names = append(names, p.Name)
	}
	return names
}
