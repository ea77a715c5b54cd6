package runner

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// newReports returns an empty collection that keeps its warnings.
func newReports(warned *[]string) *testReports {
	return &testReports{
		warn:   func(s string) { *warned = append(*warned, s) },
		redact: func(s string) string { return strings.ReplaceAll(s, "hunter22", "***") },
	}
}

var reportPlan = &guest.Plan{Actions: []guest.Action{
	{Name: "shell"},
	{Name: "junit", Reports: &guest.Reports{Files: []string{"/ci/src/*.xml"}, Required: true, Fail: true}},
	{Name: "junit", Reports: &guest.Reports{Files: []string{"/ci/src/more/*.xml"}}},
}}

func report(action int, file, data string, more bool) *guest.Report {
	return &guest.Report{Action: action, File: file, Data: []byte(data), More: more}
}

func TestReports(t *testing.T) {
	const bad = "<testsuite name='s'><testcase name='a\x1b[1m hunter22'><failure message='&#104;unter22'/></testcase><testcase name='b'/></testsuite>"
	const good = "<testsuite><testcase name='c'/></testsuite>"
	for name, c := range map[string]struct {
		sent    []*guest.Report
		outcome stages.Outcome // of a stage that had succeeded
		reason  string
		total   int
		warned  string
	}{
		"none":             {nil, stages.Failed, "action 2 (junit): there is no test report /ci/src/*.xml (required = false allows that)", 0, ""},
		"of another":       {[]*guest.Report{report(2, "x", good, false)}, stages.Failed, "action 2 (junit): there is no", 1, ""},
		"good":             {[]*guest.Report{report(1, "x", good, false)}, stages.Succeeded, "", 1, ""},
		"bad":              {[]*guest.Report{report(1, "x", good, false), report(1, "y", bad, false)}, stages.Failed, "action 2 (junit): 1 of 3 tests failed", 3, ""},
		"bad, and allowed": {[]*guest.Report{report(1, "x", good, false), report(2, "y", bad, false)}, stages.Succeeded, "", 3, ""},
		"in pieces":        {[]*guest.Report{report(1, "x", good[:20], true), report(1, "x", good[20:], false)}, stages.Succeeded, "", 1, ""},
		"damaged":          {[]*guest.Report{report(1, "x", good[:30], false)}, stages.Succeeded, "", 0, "test report x: it is damaged at line 1"},
		"no report":        {[]*guest.Report{report(1, "x\x1b[2J", "hello", false)}, stages.Failed, "there is no test report", 0, "test report x␛[2J: it is no test report"},
	} {
		t.Run(name, func(t *testing.T) {
			var warned []string
			r := newReports(&warned)
			for _, p := range c.sent {
				if err := r.take(reportPlan, p); err != nil {
					t.Fatal(err)
				}
			}
			got := stages.Result{Outcome: stages.Succeeded, Action: -1}
			r.judge(reportPlan, &got)
			if got.Outcome != c.outcome || !strings.HasPrefix(got.Reason, c.reason) && !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%+v", got)
			}
			if got.Tests != nil && got.Tests.Total != c.total || got.Tests == nil && c.total > 0 {
				t.Errorf("tests %+v", got.Tests)
			}
			if !strings.HasPrefix(strings.Join(warned, "\n"), c.warned) || c.warned == "" && warned != nil {
				t.Errorf("warnings %q", warned)
			}
			if got.Tests != nil && strings.Contains(fmt.Sprint(*got.Tests), "hunter") {
				t.Errorf("a secret in %+v", got.Tests)
			}
			failed := stages.Result{Outcome: stages.Failed, Reason: "its own"}
			if r.judge(reportPlan, &failed); failed.Reason != "its own" {
				t.Errorf("a stage that failed by itself: %+v", failed)
			}
		})
	}
}

// A guest that sends what it must not ends the stage.
func TestReportsThatBreakTheProtocol(t *testing.T) {
	large := bytes.Repeat([]byte(" "), guest.MaxReportData)
	many := func(n int, file func(i int) string, more func(i int) bool) []*guest.Report {
		var all []*guest.Report
		for i := range n {
			all = append(all, &guest.Report{Action: 1, File: file(i), Data: large, More: more(i)})
		}
		return all
	}
	for name, sent := range map[string][]*guest.Report{
		"no such action": {report(9, "x", "", false)},
		"not its action": {report(0, "x", "", false)},
		"in another":     {report(1, "x", "", true), report(1, "y", "", false)},
		"too large":      many(guest.MaxReportBytes/guest.MaxReportData+1, func(int) string { return "x" }, func(int) bool { return true }),
		"too many bytes": many(guest.MaxReportTotal/guest.MaxReportData+1, func(i int) string { return fmt.Sprint(i) }, func(int) bool { return false }),
		"too many": func() (all []*guest.Report) {
			for range guest.MaxReports + 1 {
				all = append(all, report(1, "x", "", false))
			}
			return all
		}(),
	} {
		var warned []string
		r := newReports(&warned)
		var err error
		for i, p := range sent {
			if err = r.take(reportPlan, p); err != nil && i < len(sent)-1 {
				t.Errorf("%s: refused at %d of %d: %v", name, i+1, len(sent), err)
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), "broke the protocol") {
			t.Errorf("%s: %v", name, err)
		}
		if len(warned) > maxReportTrouble {
			t.Errorf("%s: %d warnings", name, len(warned))
		}
	}
}
