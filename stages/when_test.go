package stages_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

func TestWhen(t *testing.T) {
	const fail, always, failure = "exit 1", "always", "failure"
	tests := []struct {
		name    string
		lines   []string
		scripts map[string]string
		when    map[string]string
		want    string
		run     stages.Outcome
		reasons map[string]string
	}{
		{"nothing failed",
			[]string{"a/plan.x", "a/plan.clean after a/plan.x", "a/plan.tell after a/plan.x", "a/post.p after a/post.tell", "a/post.tell"}, nil,
			map[string]string{"a/plan.clean": always, "a/plan.tell": failure, "a/post.tell": failure},
			"a/plan.x=succeeded a/plan.clean=succeeded a/plan.tell=skipped a/post.tell=skipped a/post.p=succeeded", stages.Succeeded,
			map[string]string{"a/plan.tell": `nothing that it needs failed (when = "failure")`}},
		{"a failure",
			[]string{"a/plan.x", "a/plan.y", "a/plan.clean after a/plan.x", "a/post.p", "a/post.tell", "a/post.all", "a/post.more after a/post.tell"},
			map[string]string{"a/plan.x": fail}, map[string]string{"a/plan.clean": always, "a/post.tell": failure, "a/post.all": always},
			"a/plan.x=failed a/plan.y=succeeded a/plan.clean=succeeded a/post.p=skipped a/post.tell=succeeded a/post.all=succeeded a/post.more=skipped", stages.Failed,
			map[string]string{"a/post.p": "it needs a/plan.x, which failed", "a/post.more": "it needs a/plan.x, which failed"}},
		{"skipped stages count as failed ones",
			[]string{"a/pre.d", "a/plan.x", "a/post.p", "a/post.tell"},
			map[string]string{"a/pre.d": fail}, map[string]string{"a/post.tell": failure},
			"a/pre.d=failed a/plan.x=skipped a/post.p=skipped a/post.tell=succeeded", stages.Failed,
			map[string]string{"a/post.p": "it needs a/pre.d, which failed"}},
		{"always does not hide a failure of an earlier phase",
			[]string{"a/pre.d", "a/plan.x", "a/post.p"},
			map[string]string{"a/pre.d": fail}, map[string]string{"a/plan.x": always},
			"a/pre.d=failed a/plan.x=succeeded a/post.p=skipped", stages.Failed,
			map[string]string{"a/post.p": "it needs a/pre.d, which failed"}},
		{"artifacts of a stage without anything to do",
			[]string{"a/plan.x", "a/plan.tell after a/plan.x", "a/plan.y artifacts a/plan.tell", "a/plan.z after a/plan.tell", "a/plan.w artifacts a/plan.tell"}, nil,
			map[string]string{"a/plan.tell": failure, "a/plan.w": always},
			"a/plan.x=succeeded a/plan.tell=skipped a/plan.y=skipped a/plan.z=succeeded a/plan.w=succeeded", stages.Failed,
			map[string]string{"a/plan.y": "it needs the artifacts of a/plan.tell, which had nothing to do"}},
		{"a failed stage with when fails the run and what follows",
			[]string{"a/plan.x", "a/post.tell", "a/post.more after a/post.tell"},
			map[string]string{"a/plan.x": fail, "a/post.tell": "exit 3"}, map[string]string{"a/post.tell": failure, "a/post.more": failure},
			"a/plan.x=failed a/post.tell=failed a/post.more=succeeded", stages.Failed, nil},
		{"it waits for everything it needs",
			[]string{"a/plan.slow", "a/plan.x", "a/post.tell artifacts a/plan.slow"},
			map[string]string{"a/plan.x": fail, "a/plan.slow": "sleep 0.05\necho s > $AMBIENT_ARTIFACTS/s", "a/post.tell": "cat /ci/inputs/a/plan.slow/s"},
			map[string]string{"a/post.tell": failure},
			"a/plan.slow=succeeded a/plan.x=failed a/post.tell=succeeded", stages.Failed, nil},
		{"without needs",
			[]string{"a/plan.x", "a/plan.y"}, nil, map[string]string{"a/plan.x": failure, "a/plan.y": always},
			"a/plan.x=skipped a/plan.y=succeeded", stages.Succeeded, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrial(t, tt.scripts, tt.lines...)
			for address, when := range tt.when {
				tr.stage(t, address).When = config.When(when)
			}
			res := tr.run(t, t.Context())
			if got := outcomes(res); got != tt.want || res.Outcome != tt.run {
				t.Errorf("got  %s: %s\nwant %s: %s", res.Outcome, got, tt.run, tt.want)
			}
			for address, want := range tt.reasons {
				if got := reason(res, address); got != want {
					t.Errorf("%s: reason %q, want %q", address, got, want)
				}
			}
		})
	}
}

// TestWhenInRandomGraphs compares random runs with what the edges say: every
// stage has a result, and what it is follows from those before it.
func TestWhenInRandomGraphs(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 9))
		lines := randomLines(rng, 30)
		scripts, whens := map[string]string{}, map[string]config.When{}
		for _, line := range lines {
			id, _, _ := strings.Cut(line, " ")
			if rng.IntN(8) == 0 {
				scripts[id] = "exit 1"
			}
			whens[id] = [...]config.When{"", "", config.WhenSuccess, config.WhenAlways, config.WhenFailure}[rng.IntN(5)]
		}
		tr := newTrial(t, scripts, lines...)
		for id, w := range whens {
			tr.stage(t, id).When = w
		}
		g := mustBuild(t, tr.cfg)
		res := tr.run(t, t.Context())
		ends := map[config.StageID]stages.Result{}
		for _, s := range res.Stages {
			ends[s.Stage.ID] = s.Result
		}
		for _, s := range g.Order() {
			if got, want := ends[s.ID].Outcome, expectedWhen(g, s, ends, scripts); got != want {
				t.Fatalf("seed %d: %s (%s) ended as %s, want %s\n%s", seed, s.ID, s.When, got, want, outcomes(res))
			}
		}
	}
}

// expectedWhen works out how a stage has to end from how those before it did.
func expectedWhen(g *stages.Graph, s *config.Stage, ends map[config.StageID]stages.Result, scripts map[string]string) stages.Outcome {
	spoiled := false
	for _, e := range g.Edges(s.ID) {
		r := ends[e.Needs]
		switch {
		case r.Unneeded:
			spoiled = spoiled || e.Kind == stages.EdgeArtifacts
		case r.Outcome != stages.Succeeded:
			spoiled = true
		}
		if e.Kind == stages.EdgePhase { // the phases before that one count as well
			for _, earlier := range g.Edges(e.Needs) {
				if r := ends[earlier.Needs]; earlier.Kind == stages.EdgePhase && r.Outcome != stages.Succeeded && !r.Unneeded {
					spoiled = true
				}
			}
		}
	}
	switch {
	case s.When == config.WhenFailure && !spoiled, s.When != config.WhenFailure && s.When != config.WhenAlways && spoiled:
		return stages.Skipped
	case scripts[s.ID.String()] != "":
		return stages.Failed
	}
	return stages.Succeeded
}
