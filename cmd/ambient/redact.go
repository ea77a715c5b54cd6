package main

import (
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/stages"
)

// sensitiveText stands where a sensitive value stood.
const sensitiveText = "(sensitive)"

// leastSensitive is the shortest value that is looked for, in bytes: a shorter
// one would garble ordinary words and is easily guessed.
const leastSensitive = 4

// redactor takes the values of sensitive variables out of what a run says. A
// value of several lines is looked for line by line, as logs have it. A guest
// that wants to can print a value in another form: this is against accidents.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(values []string) redactor {
	var parts []string
	for _, v := range values {
		parts = append(parts, v)
		for line := range strings.Lines(v) {
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return len(s) < leastSensitive })
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // a part of another is looked for after it
	var pairs []string
	for _, p := range parts {
		pairs = append(pairs, p, sensitiveText)
	}
	return redactor{strings.NewReplacer(pairs...)}
}

func (r redactor) event(e stages.Event) stages.Event {
	e.Text, e.Reason, e.Name = r.replacer.Replace(e.Text), r.replacer.Replace(e.Reason), r.replacer.Replace(e.Name)
	if len(e.Stages) > 0 {
		e.Stages = slices.Clone(e.Stages)
		for i, s := range e.Stages {
			e.Stages[i] = r.stage(s)
		}
	}
	return e
}

func (r redactor) stage(s stages.StageRecord) stages.StageRecord {
	s.Reason = r.replacer.Replace(s.Reason)
	return s
}
