//go:build vm

package runner

import (
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// Test reports are read after an action that failed, in a machine whose actions
// left a process and a device in their place, and can fail a stage by themselves.
func TestVMReports(t *testing.T) {
	r := newRunner(t)
	const write = `mkdir -p out; echo '<testsuite name="s"><testcase name="good"/><testcase name="bad"><failure message="1 is not 2"/></testcase></testsuite>' > out/r.xml
mknod out/dev.xml c 1 5; (while :; do sleep 1; done) &
`
	junit := func(fail bool) *config.Action {
		return action("junit", map[string]any{"files": []string{"out/*.xml"}, "fail": fail, "required": true})
	}
	for _, c := range []struct {
		name    string
		actions []*config.Action
		outcome stages.Outcome
		reason  string
		total   int
	}{
		{"after a failure", []*config.Action{shell(write + "exit 7"), junit(true)}, stages.Failed, "exit status 7", 2},
		{"by themselves", []*config.Action{junit(true), shell(write)}, stages.Failed, "action 1 (junit): 1 of 2 tests failed", 2},
		{"allowed", []*config.Action{shell(write), junit(false)}, stages.Succeeded, "", 2},
		{"none", []*config.Action{shell("true"), junit(true)}, stages.Failed, "there is no test report /ci/src/out/*.xml", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, rec := runJob(t, r, phase(t, testJob(t, config.DefaultLimits()), config.Plan, "tests", c.actions...))
			if got.Outcome != c.outcome || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%s: %s\n%s", got.Outcome, got.Reason, rec.log())
			}
			if (got.Tests == nil) != (c.total == 0) {
				t.Fatalf("tests %+v", got.Tests)
			}
			if got.Tests == nil {
				return
			}
			if got.Tests.Total != c.total || got.Tests.Failed != 1 || len(got.Tests.Failing) != 1 || got.Tests.Failing[0].Message != "1 is not 2" {
				t.Errorf("tests %+v", got.Tests)
			}
			if !warned(got, "out/dev.xml: it is not a file") {
				t.Errorf("warnings %q", got.Warnings)
			}
		})
	}
}
