package stages_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

const outOfTime = "the stages of the project a together took longer than its timeout of 50ms (project timeout)"

// TestProjectTimeout runs two stages whose times together reach the limit of
// their project; what would follow does not start, another project goes on.
func TestProjectTimeout(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		tr := newTrial(t, map[string]string{"a/plan.x": "sleep 3600", "a/plan.y": "sleep 3600"},
			"a/plan.x", "a/plan.y", "a/plan.z after a/plan.x", "a/post.tell", "b/plan.x")
		tr.cfg.Projects[0].Timeout = 50 * time.Millisecond
		tr.stage(t, "a/post.tell").When = config.WhenFailure
		tr.runner.IgnoreStop, tr.opts.Grace = ignore, time.Millisecond
		res := tr.run(t, t.Context())
		want := "a/plan.x=timed_out a/plan.y=timed_out a/plan.z=skipped a/post.tell=timed_out b/plan.x=succeeded"
		if got := outcomes(res); got != want || res.Outcome != stages.TimedOut {
			t.Fatalf("got  %s: %s\nwant %s", res.Outcome, got, want)
		}
		for _, address := range []string{"a/plan.x", "a/plan.y", "a/post.tell"} {
			if got := reason(res, address); got != outOfTime {
				t.Errorf("%s: reason %q", address, got)
			}
		}
		if first := res.Stages[0]; first.Result.Limit != stages.LimitProject || first.Duration < 25*time.Millisecond {
			t.Errorf("%+v", first)
		}
		if last := res.Stages[3]; !last.Started.IsZero() {
			t.Errorf("%s started when no time was left", last.Stage.ID)
		}
	}
}

// TestProjectTimeoutBetweenStages uses the time up with a stage that succeeds.
func TestProjectTimeoutBetweenStages(t *testing.T) {
	tr := newTrial(t, nil, "a/plan.x", "a/post.p")
	tr.cfg.Projects[0].Timeout = 3 * time.Second
	tr.runner.OnClose = func(j *stages.Job) error {
		<-time.After(3 * time.Second)
		return nil
	}
	res := tr.run(t, t.Context())
	if got := outcomes(res); got != "a/plan.x=succeeded a/post.p=timed_out" || !strings.Contains(reason(res, "a/post.p"), "(project timeout)") {
		t.Errorf("%s: %q", got, reason(res, "a/post.p"))
	}
}

// TestProjectTimeoutEndsRetries shows that no attempt follows, and that the limit
// counts all of them.
func TestProjectTimeoutEndsRetries(t *testing.T) {
	tr := newTrial(t, map[string]string{"a/plan.x": "sleep 0.05\nexit 1"}, "a/plan.x")
	tr.cfg.Projects[0].Timeout = time.Second
	tr.stage(t, "a/plan.x").Retry = &config.Retry{Attempts: 1000, On: []string{"failed", "timed_out", "errored"}}
	res := tr.run(t, t.Context())
	// On a busy machine the last attempt may end by itself in the same instant.
	got := res.Stages[0].Result
	if got.Outcome != stages.TimedOut && got.Outcome != stages.Failed || got.Attempts < 2 || got.Attempts > 21 {
		t.Errorf("%+v", got)
	}
	if n := strings.Count(tr.told(stages.StageRetried), "\n"); n > 20 {
		t.Errorf("%d attempts in a second of 50 ms each", n)
	}
}

// TestWhichLimit names the limit that ended a stage.
func TestWhichLimit(t *testing.T) {
	const short, long = time.Millisecond, time.Hour
	tests := []struct {
		action, stage, project time.Duration
		want                   string
	}{
		{short, long, long, "action timeout"},
		{long, short, long, "timeout"},
		{long, long, short, "project timeout"},
	}
	for _, tt := range tests {
		tr := newTrial(t, map[string]string{"a/plan.x": "sleep 3600"}, "a/plan.x")
		s := tr.stage(t, "a/plan.x")
		s.Actions[0].Timeout, s.Limits.Timeout, tr.cfg.Projects[0].Timeout = tt.action, tt.stage, tt.project
		got := tr.run(t, t.Context()).Stages[0].Result
		if got.Outcome != stages.TimedOut || got.Limit != tt.want {
			t.Errorf("%s, %q, want %q", got.Outcome, got.Limit, tt.want)
		}
	}
}
