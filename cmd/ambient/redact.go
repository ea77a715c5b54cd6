package main

import (
	"slices"

	"github.com/ambient-ci/ambient/secrets"
	"github.com/ambient-ci/ambient/stages"
)

// sensitiveText stands where a sensitive value stood.
const sensitiveText = secrets.Mark

// redactor takes the values of sensitive variables out of what a run says.
type redactor struct{ secrets.Redactor }

func newRedactor(values []string) redactor { return redactor{secrets.NewRedactor(values)} }

func (r redactor) event(e stages.Event) stages.Event {
	e.Text, e.Reason, e.Name = r.Text(e.Text), r.Text(e.Reason), r.Text(e.Name)
	if len(e.Stages) > 0 {
		e.Stages = slices.Clone(e.Stages)
		for i, s := range e.Stages {
			e.Stages[i] = r.stage(s)
		}
	}
	return e
}

func (r redactor) stage(s stages.StageRecord) stages.StageRecord {
	s.Reason = r.Text(s.Reason)
	return s
}
