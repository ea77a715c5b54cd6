package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/reports"
	"github.com/ambient-ci/ambient/stages"
)

// mostFailing is how many tests that failed the end of a run names for a stage.
const mostFailing = 10

// testsText says what the test reports of the stages came to; empty without any.
func testsText(c *console, all []stages.StageRecord) string {
	var b strings.Builder
	for _, st := range all {
		if st.Tests == nil {
			continue
		}
		ink := green
		if st.Tests.Bad() > 0 {
			ink = red
		}
		fmt.Fprintf(&b, "%s: %s\n", safe(st.Stage), c.paint(ink, testCounts(st.Tests)))
		for i, t := range st.Tests.Failing {
			if i == mostFailing {
				break
			}
			b.WriteString("  " + testLine(t) + "\n")
		}
		if more := st.Tests.Bad() - min(len(st.Tests.Failing), mostFailing); more > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n" + b.String()
}

// testCounts is "12 tests, 1 failed, 2 skipped".
func testCounts(t *stages.Tests) string {
	words := []string{count(t.Total, "test")}
	for _, n := range []struct {
		count int
		what  string
	}{{t.Failed, "failed"}, {t.Errors, "with errors"}, {t.Skipped, "skipped"}} {
		if n.count > 0 {
			words = append(words, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	return strings.Join(words, ", ")
}

// testLine is one test that did not pass: "TestX in pkg (message)".
func testLine(t reports.Case) string {
	line := cmp.Or(safe(t.Name), "a test without name")
	if t.Suite != "" && t.Suite != t.Name {
		line += " in " + safe(t.Suite)
	}
	message := strings.Join(strings.Fields(t.Message), " ")
	const most = 160
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "…"
	}
	if message != "" {
		line += " (" + safe(message) + ")"
	}
	return line
}
