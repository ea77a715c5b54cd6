package stages_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// gauge measures what runs at the same time.
type gauge struct {
	mu           sync.Mutex
	active, cpus int
	memory       int64
	check        func(g *gauge, s *config.Stage)
}

func (g *gauge) watch(tr *trial) {
	tr.runner.OnStart = func(j *stages.Job) error { g.add(j.Stage, 1); return nil }
	tr.runner.OnClose = func(j *stages.Job) error { g.add(j.Stage, -1); return nil }
}

func (g *gauge) add(s *config.Stage, sign int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active += sign
	g.cpus += sign * s.Limits.CPUs
	g.memory += int64(sign) * s.Limits.Memory
	g.check(g, s)
}

// TestCapacity runs independent stages of random size: together they never use
// more than there is, and one with more CPUs than that runs alone.
func TestCapacity(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, parallelism := range []int{0, 1, 3} {
		var lines []string
		for i := range 60 {
			lines = append(lines, fmt.Sprintf("a/plan.s%d", i))
		}
		tr := newTrial(t, nil, lines...)
		tr.opts.Parallelism = parallelism
		tr.opts.Capacity = stages.Capacity{Memory: 1000, CPUs: 4}
		for _, s := range tr.cfg.Projects[0].Stages {
			s.Limits.CPUs = 1 + rng.IntN(6)
			s.Limits.Memory = 1 + rng.Int64N(1000)
			s.Actions = []*config.Action{shell("sleep 0.001")}
		}
		g := &gauge{check: func(g *gauge, s *config.Stage) {
			if g.memory > 1000 || g.cpus > 4 && g.active > 1 || parallelism > 0 && g.active > parallelism {
				t.Errorf("%s: %d stages use %d CPUs and %d bytes", s.ID, g.active, g.cpus, g.memory)
			}
		}}
		g.watch(tr)
		if res := tr.run(t, t.Context()); res.Outcome != stages.Succeeded {
			t.Errorf("parallelism %d: %s", parallelism, outcomes(res))
		}
	}
}

func TestTooLargeForTheMachine(t *testing.T) {
	tr := newTrial(t, nil, "a/pre.d", "a/plan.big", "a/plan.x", "a/post.p")
	tr.stage(t, "a/plan.big").Limits.Memory = 3 << 30
	tr.opts.Capacity.Memory = 2<<30 + 512<<20
	res := tr.run(t, t.Context())
	want := "a/pre.d=succeeded a/plan.big=errored a/plan.x=succeeded a/post.p=skipped"
	if got := outcomes(res); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got := reason(res, "a/plan.big")
	if !strings.Contains(got, "3GiB") || !strings.Contains(got, "2560MiB") || !strings.Contains(got, "limits.memory") {
		t.Errorf("reason %q", got)
	}
	if first := tr.events[1]; first.Type != stages.StageFinished || first.Stage != "a/plan.big" {
		t.Errorf("it is not told at once but after %+v", first)
	}
}

// TestNoneWaitsInVain lets each stage wait until all those that fit beside it
// have started: a scheduler that holds one back never ends.
func TestNoneWaitsInVain(t *testing.T) {
	tests := []struct {
		name     string
		lines    []string
		capacity stages.Capacity
		cpus     map[string]int
		together []string
	}{
		{"without bounds", []string{"a/plan.x", "a/plan.y", "b/pre.x", "c/post.z"}, stages.Capacity{}, nil,
			[]string{"a/plan.x", "a/plan.y", "b/pre.x", "c/post.z"}},
		{"a small one passes a large one", []string{"a/plan.x", "a/plan.large", "a/plan.z"}, stages.Capacity{CPUs: 2},
			map[string]int{"a/plan.large": 2}, []string{"a/plan.x", "a/plan.z"}},
		{"a branch goes on beside a long stage", []string{"a/plan.long", "a/plan.x", "a/plan.y after a/plan.x"},
			stages.Capacity{CPUs: 2}, nil, []string{"a/plan.long", "a/plan.y"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrial(t, nil, tt.lines...)
			tr.opts.Capacity = tt.capacity
			for id, n := range tt.cpus {
				tr.stage(t, id).Limits.CPUs = n
			}
			var all sync.WaitGroup
			all.Add(len(tt.together))
			tr.runner.OnStart = func(j *stages.Job) error {
				for _, id := range tt.together {
					if id == j.Stage.ID.String() {
						all.Done()
						all.Wait()
					}
				}
				return nil
			}
			if res := tr.run(t, t.Context()); res.Outcome != stages.Succeeded {
				t.Error(outcomes(res))
			}
		})
	}
}
