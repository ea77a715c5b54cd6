package main

import (
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/reports"
	"github.com/ambient-ci/ambient/stages"
)

func TestTestsText(t *testing.T) {
	many := &stages.Tests{Total: 30, Failed: 25, Errors: 1, Skipped: 2}
	for range reports.MaxFailing {
		many.Failing = append(many.Failing, reports.Case{Name: "T", Kind: reports.KindFailed})
	}
	got := testsText(&console{}, []stages.StageRecord{
		{Stage: "p/plan.none"},
		{Stage: "p/plan.good", Tests: &stages.Tests{Total: 1}},
		{Stage: "p/plan.bad", Tests: &stages.Tests{Total: 12, Failed: 1, Failing: []reports.Case{
			{Name: "TestX", Suite: "pkg", Message: "got\n\t\x1b[2J " + strings.Repeat("x", 500)},
		}}},
		{Stage: "p/plan.many", Tests: many},
	})
	want := "\np/plan.good: 1 test\n" +
		"p/plan.bad: 12 tests, 1 failed\n  TestX in pkg (got ␛[2J " + strings.Repeat("x", 160-len("got \x1b[2J ")) + "…)\n" +
		"p/plan.many: 30 tests, 25 failed, 1 with errors, 2 skipped\n" + strings.Repeat("  T\n", mostFailing) + "  and 16 more\n"
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := testsText(&console{}, []stages.StageRecord{{Stage: "p/plan.none"}}); got != "" {
		t.Errorf("without tests: %q", got)
	}
}
