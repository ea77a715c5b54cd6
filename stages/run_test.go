package stages_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/stages/fakerunner"
)

// trial is one run with the fake and what was reported of it.
type trial struct {
	cfg    *config.Config
	runner *fakerunner.Runner
	opts   stages.RunOptions
	watch  func(stages.Event) // called for each event

	mu     sync.Mutex
	events []stages.Event
}

// newTrial makes a trial of stages given as for makeConfig, with the scripts of
// some of them; the others do nothing.
func newTrial(t testing.TB, scripts map[string]string, lines ...string) *trial {
	t.Helper()
	tr := &trial{cfg: makeConfig(t, lines...), runner: fakerunner.New(t)}
	dir := t.TempDir()
	tr.opts = stages.RunOptions{
		Runner:   tr.runner,
		Observer: tr,
		RunID:    "r1",
		Dir:      func(config.StageID) (string, error) { return os.MkdirTemp(dir, "stage") },
	}
	for _, p := range tr.cfg.Projects {
		for _, s := range p.Stages {
			if script := scripts[s.ID.String()]; script != "" {
				s.Actions = []*config.Action{shell(script)}
			}
		}
	}
	return tr
}

func shell(script string) *config.Action {
	return &config.Action{Name: "shell", Args: config.Args{Values: map[string]any{"script": script}}}
}

// Event records e.
func (tr *trial) Event(e stages.Event) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.events = append(tr.events, e)
	if tr.watch != nil {
		tr.watch(e)
	}
}

// stage returns a stage by its address, for changes before the run.
func (tr *trial) stage(t testing.TB, address string) *config.Stage {
	t.Helper()
	for _, s := range projectOf(tr.cfg, strings.Split(address, "/")[0]).Stages {
		if s.ID.String() == address {
			return s
		}
	}
	t.Fatalf("no stage %s", address)
	return nil
}

func (tr *trial) run(t testing.TB, ctx context.Context) stages.RunResult {
	t.Helper()
	res := mustBuild(t, tr.cfg).Run(ctx, tr.opts)
	if n := tr.runner.Open(); n != 0 {
		t.Errorf("%d executions are open after Run", n)
	}
	tr.checkEvents(t, res)
	return res
}

// checkEvents checks what holds for every run: its first and last event, that
// each stage is queued at most once and finished exactly once, with nothing of
// the stage after that, and that every event says what it is about.
func (tr *trial) checkEvents(t testing.TB, res stages.RunResult) {
	t.Helper()
	last := len(tr.events) - 1
	if tr.events[0].Type != stages.RunStarted || tr.events[last].Type != stages.RunFinished || tr.events[last].Outcome != res.Outcome {
		t.Errorf("first and last event: %+v, %+v", tr.events[0], tr.events[last])
	}
	queued, finished := map[string]bool{}, map[string]stages.Outcome{}
	for i, e := range tr.events {
		if e.Version != stages.EventVersion || e.Time.IsZero() || e.Run != "r1" {
			t.Errorf("incomplete event %+v", e)
		}
		if i == 0 || i == last {
			continue
		}
		if e.Stage == "" || e.Stage != e.ID.String() {
			t.Errorf("event of no stage: %+v", e)
		}
		if _, over := finished[e.Stage]; over || e.Type == stages.StageQueued && queued[e.Stage] {
			t.Errorf("%s of %s comes twice or too late", e.Type, e.Stage)
		}
		switch e.Type {
		case stages.StageQueued:
			queued[e.Stage] = true
		case stages.StageFinished:
			finished[e.Stage] = e.Outcome
		}
	}
	for i, s := range res.Stages {
		record := tr.events[last].Stages[i]
		if o := s.Result.Outcome; finished[record.Stage] != o || record.Outcome != o || record.Stage != s.Stage.ID.String() {
			t.Errorf("%s: %s in the result, %+v in the record, %s in its event", s.Stage.ID, o, record, finished[record.Stage])
		}
	}
}

// outcomes writes a result as "a/plan.x=failed …".
func outcomes(res stages.RunResult) string {
	var out []string
	for _, s := range res.Stages {
		out = append(out, fmt.Sprintf("%s=%s", s.Stage.ID, s.Result.Outcome))
	}
	return strings.Join(out, " ")
}

func reason(res stages.RunResult, address string) string {
	for _, s := range res.Stages {
		if s.Stage.ID.String() == address {
			return s.Result.Reason
		}
	}
	return "no such stage"
}

func TestRunOutcomes(t *testing.T) {
	tests := []struct {
		name    string
		lines   []string
		scripts map[string]string
		want    string
		run     stages.Outcome
		reasons map[string]string
	}{
		{"nothing", nil, nil, "", stages.Succeeded, nil},
		{"all well", []string{"a/pre.d", "a/plan.x", "a/post.p"}, nil,
			"a/pre.d=succeeded a/plan.x=succeeded a/post.p=succeeded", stages.Succeeded, nil},
		{"a failure skips all that follows and nothing else",
			[]string{"a/plan.x", "a/plan.y after a/plan.x", "a/plan.z", "a/post.p", "b/plan.x"},
			map[string]string{"a/plan.x": "exit 7"},
			"a/plan.x=failed a/plan.y=skipped a/plan.z=succeeded a/post.p=skipped b/plan.x=succeeded", stages.Failed,
			map[string]string{
				"a/plan.y": "it needs a/plan.x, which failed",
				"a/post.p": "it needs a/plan.x, which failed",
			}},
		{"a dead machine", []string{"a/pre.d", "a/plan.x"},
			map[string]string{"a/pre.d": "echo b > /proc/sysrq-trigger"},
			"a/pre.d=errored a/plan.x=skipped", stages.Errored,
			map[string]string{"a/plan.x": "it needs a/pre.d, which errored"}},
		{"across projects", []string{"b/post.p after a/plan.x", "a/plan.x", "a/post.p"},
			map[string]string{"a/plan.x": "kill -SEGV $$"},
			"a/plan.x=failed a/post.p=skipped b/post.p=skipped", stages.Failed, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := newTrial(t, tt.scripts, tt.lines...).run(t, t.Context())
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

func TestTimeLimit(t *testing.T) {
	tr := newTrial(t, map[string]string{"a/plan.x": "sleep 3600"}, "a/plan.x", "a/post.p")
	tr.stage(t, "a/plan.x").Limits.Timeout = time.Millisecond
	res := tr.run(t, t.Context())
	if res.Outcome != stages.TimedOut || res.Stages[0].Result.Limit != "timeout" {
		t.Errorf("%s: %+v", outcomes(res), res.Stages[0].Result)
	}
	if got := reason(res, "a/post.p"); got != "it needs a/plan.x, which timed out" {
		t.Errorf("reason %q", got)
	}
}

// TestBadRunner gives the scheduler a Runner that breaks its contract.
func TestBadRunner(t *testing.T) {
	boom := func(*stages.Job) error { panic("boom") }
	tests := []struct {
		name   string
		change func(*trial)
		want   string // in the reason
	}{
		{"Start fails", func(tr *trial) { tr.runner.OnStart = func(*stages.Job) error { return errors.New("no image") } }, "no image"},
		{"Start panics", func(tr *trial) { tr.runner.OnStart = boom }, "boom"},
		{"Wait panics", func(tr *trial) { tr.runner.OnWait = func(*stages.Job) { panic("boom") } }, "boom"},
		{"Close panics", func(tr *trial) { tr.runner.OnClose = boom }, "boom"},
		{"no directory", func(tr *trial) {
			tr.opts.Dir = func(config.StageID) (string, error) { return "", errors.New("disk full") }
		}, "disk full"},
		{"no outcome", func(tr *trial) { tr.opts.Runner = odd{still{}} }, "outcome"},
		{"no execution", func(tr *trial) { tr.opts.Runner = odd{nil} }, "started nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrial(t, nil, "a/plan.x")
			tt.change(tr)
			res := tr.run(t, t.Context())
			if got := reason(res, "a/plan.x"); res.Outcome != stages.Errored || !strings.Contains(got, tt.want) {
				t.Errorf("%s: %q", res.Outcome, got)
			}
		})
	}
}

// odd is a Runner whose stages are all the same execution.
type odd struct{ ex stages.Execution }

func (o odd) Start(context.Context, *stages.Job, stages.Observer) (stages.Execution, error) {
	return o.ex, nil
}

// still is an execution without outcome.
type still struct{}

func (still) Wait() stages.Result    { return stages.Result{} }
func (still) Stop(stages.StopReason) {}
func (still) Kill()                  {}
func (still) Close() error           { return nil }

func TestCloseErrorIsAWarning(t *testing.T) {
	tr := newTrial(t, nil, "a/plan.x")
	tr.runner.OnClose = func(*stages.Job) error { return errors.New("still mounted") }
	res := tr.run(t, t.Context())
	warned := slices.ContainsFunc(tr.events, func(e stages.Event) bool {
		return e.Type == stages.WarningRaised && strings.Contains(e.Text, "still mounted")
	})
	if res.Outcome != stages.Succeeded || !warned || len(res.Stages[0].Result.Warnings) != 1 {
		t.Errorf("%s, warned %t, %q", res.Outcome, warned, res.Stages[0].Result.Warnings)
	}
}

// TestPickOrder runs one stage at a time: they come in the graph's order.
func TestPickOrder(t *testing.T) {
	for seed := range uint64(10) {
		tr := newTrial(t, nil, randomLines(rand.New(rand.NewPCG(seed, 1)), 40)...)
		tr.opts.Parallelism = 1
		var started []string
		tr.runner.OnStart = func(j *stages.Job) error { started = append(started, j.Stage.ID.String()); return nil }
		tr.run(t, t.Context())
		if got, want := strings.Join(started, " "), names(mustBuild(t, tr.cfg).Order()); got != want {
			t.Fatalf("seed %d\ngot  %s\nwant %s", seed, got, want)
		}
	}
}

// randomLines makes an acyclic configuration: a stage refers only to stages
// of earlier projects, of earlier phases, or before it in its own.
func randomLines(rng *rand.Rand, n int) []string {
	var ids []string
	for p := 0; len(ids) < n; p++ {
		for _, phase := range config.Phases {
			for s := range rng.IntN(4) {
				ids = append(ids, fmt.Sprintf("p%d/%s.s%d", p, phase, s))
			}
		}
	}
	lines := make([]string, len(ids))
	for i, id := range ids {
		lines[i] = id
		for range rng.IntN(3) {
			if i > 0 {
				lines[i] += [...]string{" after ", " artifacts "}[rng.IntN(2)] + ids[rng.IntN(i)]
			}
		}
	}
	rng.Shuffle(len(lines), func(a, b int) { lines[a], lines[b] = lines[b], lines[a] })
	return lines
}

// TestRandomGraphs runs random graphs in which some stages fail and compares
// with what the edges say.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		lines := randomLines(rng, 30)
		scripts := map[string]string{}
		for _, line := range lines {
			if id, _, _ := strings.Cut(line, " "); rng.IntN(10) == 0 {
				scripts[id] = "exit 1"
			}
		}
		tr := newTrial(t, scripts, lines...)
		g := mustBuild(t, tr.cfg)
		over := map[string]bool{}
		tr.watch = func(e stages.Event) {
			switch e.Type {
			case stages.StageFinished:
				over[e.Stage] = true
			case stages.StagePreparing:
				for _, edge := range g.Edges(e.ID) {
					if !over[edge.Needs.String()] {
						t.Errorf("seed %d: %s started before %s ended", seed, e.Stage, edge.Needs)
					}
				}
			}
		}
		res := tr.run(t, t.Context())
		if got, want := outcomes(res), expected(g, scripts); got != want {
			t.Fatalf("seed %d\ngot  %s\nwant %s", seed, got, want)
		}
	}
}

// expected works out from edges alone how each stage has to end.
func expected(g *stages.Graph, scripts map[string]string) string {
	ends := map[config.StageID]stages.Outcome{}
	var out []string
	for _, s := range g.Order() {
		end := stages.Succeeded
		if scripts[s.ID.String()] != "" {
			end = stages.Failed
		}
		for _, e := range g.Edges(s.ID) {
			if ends[e.Needs] != stages.Succeeded {
				end = stages.Skipped
			}
		}
		ends[s.ID] = end
		out = append(out, fmt.Sprintf("%s=%s", s.ID, end))
	}
	return strings.Join(out, " ")
}

// quick is a Runner whose stages succeed at once.
type quick struct{ still }

func (quick) Start(context.Context, *stages.Job, stages.Observer) (stages.Execution, error) {
	return quick{}, nil
}
func (quick) Wait() stages.Result { return stages.Result{Outcome: stages.Succeeded} }
