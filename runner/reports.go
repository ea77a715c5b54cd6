package runner

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/reports"
	"github.com/ambient-ci/ambient/stages"
)

// testReports are the test reports that a guest sent, read as they come. They
// belong to the session; the execution looks at them once that is over.
type testReports struct {
	warn   func(string)
	redact func(string) string
	sum    reports.Summary
	byName map[int]*reports.Summary // by the action that names them
	count  int
	total  int64
	wrong  int // reports that could not be read to their end

	open   bytes.Buffer // the pieces of one report
	file   string
	action int
	more   bool
}

// maxReportTrouble bounds the warnings about reports of one stage.
const maxReportTrouble = 5

// take adds a piece. An error is the guest's, which breaks the protocol.
func (t *testReports) take(plan *guest.Plan, r *guest.Report) error {
	switch {
	case r.Action >= len(plan.Actions) || plan.Actions[r.Action].Reports == nil:
		return errors.New("the guest broke the protocol: a test report that no action names")
	case t.more && (r.File != t.file || r.Action != t.action):
		return errors.New("the guest broke the protocol: a test report in another one")
	}
	if !t.more {
		t.file, t.action = r.File, r.Action
		t.count++
	}
	t.more = r.More
	t.total += int64(len(r.Data))
	if t.count > guest.MaxReports || t.total > guest.MaxReportTotal || t.open.Len()+len(r.Data) > guest.MaxReportBytes {
		return errors.New("the guest broke the protocol: more test reports than are allowed")
	}
	t.open.Write(r.Data)
	if !r.More {
		t.read()
		t.open.Reset()
	}
	return nil
}

// read reads the report whose pieces are complete.
func (t *testReports) read() {
	if t.byName == nil {
		t.byName = map[int]*reports.Summary{}
	}
	one := &reports.Summary{}
	err := one.Add(t.file, strings.NewReader(t.redact(t.open.String())), func(s string) string {
		return t.redact(stages.PlainText(s))
	})
	if err != nil {
		if t.wrong++; t.wrong <= maxReportTrouble {
			t.warn(fmt.Sprintf("test report %s: %s", clip(t.file), clip(err.Error())))
		}
	}
	t.sum.Join(one)
	if t.byName[t.action] == nil {
		t.byName[t.action] = &reports.Summary{}
	}
	t.byName[t.action].Join(one)
}

// judge puts the summary into the result, and lets reports fail a stage that had
// succeeded.
func (t *testReports) judge(plan *guest.Plan, r *stages.Result) {
	if t.sum.Reports > 0 {
		r.Tests = &t.sum
	}
	for i, a := range plan.Actions {
		if a.Reports == nil || r.Outcome != stages.Succeeded {
			continue
		}
		sum := t.byName[i]
		where := fmt.Sprintf("action %d (%s): ", i+1, a.Name)
		switch {
		case a.Reports.Required && (sum == nil || sum.Reports == 0):
			*r = end(*r, stages.Failed, "", where+"there is no test report "+clip(strings.Join(a.Reports.Files, ", "))+" (required = false allows that)")
		case a.Reports.Fail && sum != nil && sum.Bad() > 0:
			*r = end(*r, stages.Failed, "", where+fmt.Sprintf("%d of %d tests failed (fail = false allows that)", sum.Bad(), sum.Total))
		default:
			continue
		}
		r.Action = i
	}
}
