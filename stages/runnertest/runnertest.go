// Package runnertest is the suite that every stages.Runner passes: the fake and
// the one with real machines.
package runnertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// Harness says how a Runner is made and what it may be asked to do.
type Harness struct {
	// New returns the Runner for one test. It releases what the Runner holds
	// by t.Cleanup.
	New func(t *testing.T) stages.Runner
	// Image is what stages run in; nil: the built-in image. Unknown is an image
	// that the Runner can not have.
	Image, Unknown *config.Image
	// Boot is how long a machine may take from Start to its first action and
	// from its last action to its end, on a slow and busy host.
	Boot time.Duration
}

// Suite runs all tests. Those that run a stage to its end take about ten times
// what a machine takes to start.
func Suite(t *testing.T, h Harness) {
	if h.New == nil || h.Unknown == nil || h.Boot <= 0 {
		t.Fatal("runnertest: the harness is not complete")
	}
	t.Run("Ends", func(t *testing.T) { testEnds(t, h) })
	t.Run("Events", func(t *testing.T) { testEvents(t, h) })
	t.Run("Interrupts", func(t *testing.T) { testInterrupts(t, h) })
	t.Run("Refusals", func(t *testing.T) { testRefusals(t, h) })
	t.Run("Data", func(t *testing.T) { testData(t, h) })
}

// bench is the workplace of one test: a Runner, and what it reported.
type bench struct {
	t *testing.T
	Harness
	runner stages.Runner

	mu     sync.Mutex
	events []stages.Event
	heard  chan string // the text of log lines
}

func newBench(t *testing.T, h Harness) *bench {
	return &bench{t: t, Harness: h, runner: h.New(t), heard: make(chan string, 1000)}
}

// Event records e.
func (b *bench) Event(e stages.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
	if e.Type == stages.LogOutput {
		select {
		case b.heard <- e.Text:
		default:
		}
	}
}

// recorded returns the events so far.
func (b *bench) recorded() []stages.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]stages.Event(nil), b.events...)
}

// job makes the job of a stage with one shell action for each script. Names are
// "pre.deps", "plan.build".
func (b *bench) job(phase config.Phase, name string, scripts ...string) *stages.Job {
	b.t.Helper()
	s := &config.Stage{
		ID:      config.StageID{Project: "suite", Phase: phase, Name: name},
		Image:   b.Image,
		Limits:  limits(b.Harness),
		Network: config.NetworkNone,
		Env:     map[string]string{"GREETING": "hello"},
	}
	if s.Image == nil {
		s.Image = &config.Image{}
	}
	for _, text := range scripts {
		s.Actions = append(s.Actions, &config.Action{
			Name: "shell",
			Args: config.Args{Values: map[string]any{"script": text}},
		})
	}
	source := b.t.TempDir()
	project := &config.Project{
		Name:   "suite",
		Source: config.Source{Address: source, Local: true},
		Stages: []*config.Stage{s},
	}
	g, diags := stages.Build(&config.Config{Dir: source, Projects: []*config.Project{project}})
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	return &stages.Job{
		RunID:   fmt.Sprintf("suite-%d", time.Now().UnixNano()),
		Project: project,
		Stage:   s,
		Env:     g.Env(s.ID),
		Dir:     b.t.TempDir(),
	}
}

// limits are small, so that real machines start fast.
func limits(h Harness) config.Limits {
	l := config.DefaultLimits()
	l.Memory = 512 << 20
	l.Disk = 256 << 20
	l.Artifacts, l.Deps, l.Cache = 16<<20, 16<<20, 16<<20
	l.Timeout = 4 * h.Boot
	return l
}

// start starts a job, and closes it at the test's end.
func (b *bench) start(ctx context.Context, job *stages.Job) stages.Execution {
	b.t.Helper()
	ex, err := b.runner.Start(ctx, job, b)
	if err != nil {
		b.t.Fatalf("Start: %v", err)
	}
	b.t.Cleanup(func() {
		if err := ex.Close(); err != nil {
			b.t.Errorf("Close: %v", err)
		}
	})
	return ex
}

// run runs a job to its end.
func (b *bench) run(job *stages.Job) stages.Result {
	b.t.Helper()
	ex := b.start(b.t.Context(), job)
	res := b.wait(ex, job.Stage.Limits.Timeout+stages.Grace+b.Boot)
	if err := ex.Close(); err != nil {
		b.t.Errorf("Close: %v", err)
	}
	return res
}

// wait returns the result of ex, which must come within the limit.
func (b *bench) wait(ex stages.Execution, limit time.Duration) stages.Result {
	b.t.Helper()
	done := make(chan stages.Result, 1)
	go func() { done <- ex.Wait() }()
	select {
	case res := <-done:
		return res
	case <-time.After(limit):
		b.dump()
		b.t.Fatalf("not over after %v", limit)
		return stages.Result{}
	}
}

// hear waits until a log line with that text has arrived.
func (b *bench) hear(text string) {
	b.t.Helper()
	late := time.After(2 * b.Boot)
	for {
		select {
		case got := <-b.heard:
			if got == text {
				return
			}
		case <-late:
			b.dump()
			b.t.Fatalf("no log line %q", text)
		}
	}
}

// dump logs what was reported, to explain a failure.
func (b *bench) dump() {
	for _, e := range b.recorded() {
		b.t.Logf("%s %s %s %s %s", e.Type, e.Name, e.Stream, e.Text, e.Reason)
	}
}

// logged returns the log lines of one stream.
func (b *bench) logged(stream string) (lines []string) {
	for _, e := range b.recorded() {
		if e.Type == stages.LogOutput && e.Stream == stream {
			lines = append(lines, e.Text)
		}
	}
	return lines
}
