package stages

import (
	"fmt"

	"github.com/ambient-ci/ambient/config"
)

// What a stage waits for goes well or badly. It went badly if it ended in
// anything but success. A stage that its own `when` kept from running has done
// nothing wrong: who only comes after it goes on, who names its artifacts lacks
// them. A barrier, and so every later phase, is spoiled by any stage of its
// phase and of those before.

// settle records a stage's result, tells of it and decides about what waited
// for the stage.
func (r *run) settle(i int, res Result) {
	r.settled[i] = true
	r.results[i].Result = res
	r.emit(r.stageFinished(i))
	id := r.g.nodes[i].stage.ID.String()
	switch {
	case res.Unneeded:
		r.spoilReaders(i, fmt.Sprintf("it needs the artifacts of %s, which had nothing to do", id))
	case res.Outcome == Skipped:
		r.spoil(i, res.Reason) // which names the stage where it began
	case !res.Outcome.Good():
		r.spoil(i, fmt.Sprintf("it needs %s, which %s", id, Verb(res.Outcome)))
	}
	r.over(i)
}

// over tells the nodes that wait for node i that it is over.
func (r *run) over(i int) {
	for _, w := range r.g.nodes[i].wanted {
		if r.left[w]--; r.left[w] > 0 || r.settled[w] {
			continue
		}
		if r.g.nodes[w].stage == nil {
			r.settled[w] = true
			r.over(w)
			continue
		}
		r.decide(w)
	}
}

// decide queues or skips a stage for which all it needs is over.
func (r *run) decide(i int) {
	switch when := r.g.nodes[i].stage.When; {
	case when == config.WhenFailure && r.spoiled[i] == "":
		r.settle(i, Result{Outcome: Skipped, Unneeded: true, Reason: `nothing that it needs failed (when = "failure")`, Action: -1})
	case patient(when) || r.spoiled[i] == "":
		r.queue(i)
	default:
		r.settle(i, Result{Outcome: Skipped, Reason: r.spoiled[i], Action: -1})
	}
}

// patient reports whether a stage waits for the end of all it needs even when
// some of it went badly.
func patient(w config.When) bool { return w == config.WhenFailure || w == config.WhenAlways }

// spoil tells the nodes that wait for node i that it went badly. Stages that run
// on success only have their result at once; all get the same reason.
func (r *run) spoil(i int, reason string) {
	for _, w := range r.g.nodes[i].wanted {
		r.spoilOne(w, reason)
	}
}

// spoilReaders does the same for the stages that name the artifacts of stage i.
func (r *run) spoilReaders(i int, reason string) {
	for _, w := range r.g.nodes[i].wanted {
		for _, n := range r.g.nodes[w].needs {
			if n.node == i && n.kind == EdgeArtifacts {
				r.spoilOne(w, reason)
				break
			}
		}
	}
}

func (r *run) spoilOne(w int, reason string) {
	if r.spoiled[w] != "" || r.settled[w] {
		return
	}
	r.spoiled[w] = reason
	s := r.g.nodes[w].stage
	switch {
	case s == nil:
		r.spoil(w, reason)
	case !patient(s.When):
		r.settle(w, Result{Outcome: Skipped, Reason: reason, Action: -1})
	}
}
