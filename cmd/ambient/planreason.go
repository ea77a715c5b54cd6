package main

import (
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/results"
)

// What a plan does with a stage.
const (
	planRun   = "run"
	planReuse = "reuse" // an earlier result stands for it
	planMaybe = "maybe" // run or reuse: that depends on what other stages make
	planSkip  = "skip"
)

// decide says what is done with a stage, and why.
func (l *loaded) decide(s *config.Stage, w waits) (action, reason string) {
	why, wanted := l.reasons[s.ID]
	if l.reasons != nil && !wanted {
		return planSkip, "no target, and no target needs it"
	}
	if wanted {
		why += "; "
	}
	after := w.of(s) + whenWords(s.When)
	p, known := l.predicted[s.ID]
	if !known {
		return planRun, why + after
	}
	if p.Forecast == results.Reuses {
		return planReuse, why + p.Reason + whenWords(s.When)
	}
	if p.Reason != "" {
		why += p.Reason + "; "
	}
	return string(p.Forecast), why + after
}

// whenWords is the condition under which a stage runs.
func whenWords(w config.When) string {
	switch w {
	case config.WhenFailure:
		return ", if one of them does not succeed"
	case config.WhenAlways:
		return ", whatever became of them"
	}
	return ""
}

// waits knows what stages wait for. Unlike the graph's edges, of which there is
// one for each pair of stages, it says so briefly.
type waits struct {
	barrier map[string]map[config.Phase]config.Phase // by project: the phase before one
}

func newWaits(cfg *config.Config) waits {
	w := waits{map[string]map[config.Phase]config.Phase{}}
	for _, p := range cfg.Projects {
		before := map[config.Phase]config.Phase{}
		last := config.Phase("")
		for _, phase := range config.Phases {
			if slices.ContainsFunc(p.Stages, func(s *config.Stage) bool { return s.ID.Phase == phase }) {
				before[phase] = last
				last = phase
			}
		}
		w.barrier[p.Name] = before
	}
	return w
}

// of is what a stage waits for: "after every pre and plan.lint, with the
// artifacts of plan.build".
func (w waits) of(s *config.Stage) string {
	var after, artifacts []string
	if phase := w.barrier[s.ID.Project][s.ID.Phase]; phase != "" {
		after = append(after, "every "+string(phase))
	}
	for _, r := range s.Refs {
		name := r.Stage.Short()
		if r.Stage.Project != s.ID.Project {
			name = r.Stage.String()
		}
		if r.Kind == config.RefArtifacts {
			artifacts = append(artifacts, name)
		} else {
			after = append(after, name)
		}
	}
	var parts []string
	if len(after) > 0 {
		parts = append(parts, "after "+someWords(after))
	}
	if len(artifacts) > 0 {
		parts = append(parts, "with the artifacts of "+someWords(artifacts))
	}
	if len(parts) == 0 {
		return "waits for nothing"
	}
	return strings.Join(parts, ", ")
}

// mostWords bounds the names in one line of a plan.
const mostWords = 4

// someWords is "a", "a and b", "a, b and 7 more".
func someWords(names []string) string {
	names = slices.Compact(names)
	if len(names) == 1 {
		return names[0]
	}
	last := names[len(names)-1]
	if over := len(names) - mostWords; over > 0 {
		last = count(over, "other")
		names = names[:mostWords+1]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + last
}
