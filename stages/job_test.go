package stages_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// TestData hands what stages write to those that may read it. The fake checks
// that each archive is what its digest says.
func TestData(t *testing.T) {
	tr := newTrial(t, map[string]string{
		"a/pre.d":      "echo d > $AMBIENT_DEPS/d",
		"a/pre.nil":    "true",
		"a/pre.e":      "echo e > $AMBIENT_DEPS/e",
		"a/plan.build": "cat $AMBIENT_DEPS/d $AMBIENT_DEPS/e\necho built > $AMBIENT_ARTIFACTS/program",
		"a/plan.test":  "cat /ci/inputs/a/plan.build/program && cat /ci/inputs/b/plan.lib/lib\necho log > $AMBIENT_ARTIFACTS/log",
		"a/post.p":     "cat $AMBIENT_ARTIFACTS/program $AMBIENT_ARTIFACTS/log",
		"b/plan.lib":   "echo lib > $AMBIENT_ARTIFACTS/lib",
	},
		"a/pre.d", "a/pre.nil", "a/pre.e", "a/plan.build",
		"a/plan.test artifacts a/plan.build artifacts b/plan.lib after a/plan.build artifacts a/plan.build",
		"a/post.p", "b/plan.lib")
	var mu sync.Mutex
	got := map[string]string{}
	tr.runner.OnStart = func(j *stages.Job) error {
		mu.Lock()
		defer mu.Unlock()
		got[j.Stage.ID.String()] = fmt.Sprint("deps", from(j.Deps), " union", from(j.Union), " inputs", from(j.Inputs))
		if j.Project.Name != j.Stage.ID.Project {
			t.Errorf("%s is given the project %s", j.Stage.ID, j.Project.Name)
		}
		return nil
	}
	if res := tr.run(t, t.Context()); res.Outcome != stages.Succeeded {
		t.Errorf("%s: %v", outcomes(res), tr.events)
	}
	want := map[string]string{
		"a/pre.d":      "deps[] union[] inputs[]",
		"a/pre.nil":    "deps[] union[] inputs[]",
		"a/pre.e":      "deps[] union[] inputs[]",
		"a/plan.build": "deps[a/pre.d a/pre.e] union[] inputs[]",
		"a/plan.test":  "deps[a/pre.d a/pre.e] union[] inputs[a/plan.build b/plan.lib]",
		"a/post.p":     "deps[] union[a/plan.build a/plan.test] inputs[]",
		"b/plan.lib":   "deps[] union[] inputs[]",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func from(data []stages.Data) []string {
	var out []string
	for _, d := range data {
		out = append(out, d.From.String())
	}
	return out
}

func TestEnv(t *testing.T) {
	cfg := makeConfig(t, "a/pre.d", "a/plan.x", "a/post.p", "b/plan.y")
	fetch := actions.Lookup("go_mod_download")
	cfg.Projects[0].Stages[0].Actions = []*config.Action{{Name: fetch.Name}, {Name: "dummy"}}
	for _, p := range cfg.Projects {
		for _, s := range p.Stages {
			s.Env = map[string]string{"LANG": "de_DE", "GOFLAGS": "-v", "AMBIENT_SRC": "/etc", "MINE": "1"}
		}
	}
	g := mustBuild(t, cfg)
	base := map[string]string{
		"CI": "true", "HOME": "/root", "LANG": "de_DE", "GOFLAGS": "-v", "MINE": "1",
		"PATH":        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"AMBIENT_SRC": "/ci/src", "AMBIENT_DEPS": "/ci/deps", "AMBIENT_CACHE": "/ci/cache",
		"AMBIENT_ARTIFACTS": "/ci/artifacts", "AMBIENT_SECRETS": "/ci/secrets",
		"AMBIENT_RECEIPTS": "/ci/receipts", "AMBIENT_SOURCES": "/ci/sources",
	}
	fetched := fetch.PlanEnv(config.Args{})
	maps.Copy(fetched, base)
	if fetched["GOPROXY"] == "" {
		t.Fatal("the fetching action sets nothing that could be tested")
	}
	for stage, want := range map[string]map[string]string{
		"a/pre.d": base, "a/plan.x": fetched, "a/post.p": base, "b/plan.y": base, "b/plan.none": nil,
	} {
		if got := g.Env(parseID(t, stage)); !maps.Equal(got, want) {
			t.Errorf("%s\ngot  %v\nwant %v", stage, got, want)
		}
	}
	g.Env(parseID(t, "a/pre.d"))["PATH"] = "changed"
	if g.Env(parseID(t, "a/pre.d"))["PATH"] != base["PATH"] {
		t.Error("a caller can change the environment of others")
	}
}

// large is a configuration of 1,000 stages and 2,000 references in which every
// second stage is a pre and nearly all others are plans.
func large(t testing.TB) *config.Config {
	var lines []string
	for i := range 500 {
		lines = append(lines, fmt.Sprintf("a/pre.s%d", i))
	}
	for i := range 499 {
		line := fmt.Sprintf("a/plan.s%d", i)
		for k := 1; k <= 4 && k <= i; k++ {
			line += fmt.Sprintf(" after a/plan.s%d", i-k)
		}
		lines = append(lines, line)
	}
	return makeConfig(t, append(lines, "a/post.p")...)
}

func TestLargeGraph(t *testing.T) {
	g := mustBuild(t, large(t))
	if n := len(g.Edges(parseID(t, "a/plan.s9"))); n != 504 {
		t.Errorf("%d edges, want 4 and one for each pre", n)
	}
	if levels := g.Levels(); len(levels) != 501 || g.Len() != 1000 || len(g.Order()) != 1000 {
		t.Errorf("%d levels of %d stages", len(levels), g.Len())
	}
	if last := g.Order()[999]; last.ID.Phase != config.Post {
		t.Errorf("the last is %s", last.ID)
	}
}

func BenchmarkBuild(b *testing.B) {
	cfg := large(b)
	for b.Loop() {
		mustBuild(b, cfg)
	}
}

func BenchmarkRun(b *testing.B) {
	g := mustBuild(b, large(b))
	dir := b.TempDir()
	for b.Loop() {
		res := g.Run(b.Context(), stages.RunOptions{
			Runner:      quick{},
			RunID:       "r1",
			Parallelism: 8,
			Dir:         func(config.StageID) (string, error) { return dir, nil },
		})
		if res.Outcome != stages.Succeeded {
			b.Fatal(outcomes(res))
		}
	}
}

// TestOutcomesAreComplete keeps the precedence and the exit status of every
// outcome in one place.
func TestOutcomesAreComplete(t *testing.T) {
	all := []stages.Outcome{stages.Succeeded, stages.Skipped, stages.TimedOut, stages.Failed, stages.Errored, stages.Cancelled}
	for i, worse := range all {
		for _, o := range all[:i] {
			both := []stages.Outcome{o, worse}
			if a, b := stages.Combine(both...), stages.Combine(worse); a != b {
				t.Errorf("%v: %s, want %s", both, a, b)
			}
			slices.Reverse(both)
			if a, b := stages.Combine(both...), stages.Combine(worse); a != b {
				t.Errorf("%v: %s, want %s", both, a, b)
			}
		}
		if status := stages.ExitStatus(worse); (status == 0) != (worse == stages.Succeeded) || status == stages.ExitUsage {
			t.Errorf("%s: exit status %d", worse, status)
		}
	}
}
