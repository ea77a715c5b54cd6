package runner

import (
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// The table of docs/language.md and README.md: what each phase reads and
// writes, and what it may not run.
func TestPlanInputsAndOutputs(t *testing.T) {
	type dir struct{ path, mode string }
	for phase, want := range map[config.Phase]struct {
		in  []dir
		out []string
	}{
		config.Pre:  {[]dir{{"/ci/src", "ro"}, {"/ci/sources", "ro"}, {"/ci/inputs", "ro"}, {"/ci/secrets", "rw"}}, []string{"/ci/deps"}},
		config.Plan: {[]dir{{"/ci/src", "rw"}, {"/ci/sources", "rw"}, {"/ci/inputs", "rw"}, {"/ci/secrets", "rw"}, {"/ci/deps", "rw"}, {"/ci/cache", "rw"}}, []string{"/ci/artifacts", "/ci/cache"}},
		config.Post: {[]dir{{"/ci/src", "ro"}, {"/ci/sources", "ro"}, {"/ci/inputs", "ro"}, {"/ci/secrets", "rw"}, {"/ci/artifacts", "ro"}}, []string{"/ci/receipts"}},
	} {
		var got []dir
		for _, in := range planInputs(phase) {
			mode := "rw"
			if in.ReadOnly {
				mode = "ro"
			}
			got = append(got, dir{in.Dir, mode})
		}
		if len(got) != len(want.in) {
			t.Fatalf("%s reads %v, want %v", phase, got, want.in)
		}
		for i := range got {
			if got[i] != want.in[i] {
				t.Errorf("%s reads %v, want %v", phase, got[i], want.in[i])
			}
		}
		outputs := planOutputs(&config.Stage{ID: config.StageID{Phase: phase}, Limits: config.DefaultLimits()})
		for i, out := range outputs {
			if len(outputs) != len(want.out) || out.Dir != want.out[i] || out.Limit <= 0 {
				t.Errorf("%s writes %+v, want %v", phase, outputs, want.out)
			}
		}
	}
}

// Only networked stages have a network and the host's authorities.
func TestGuestPlanNetwork(t *testing.T) {
	for _, c := range []struct {
		phase config.Phase
		mode  config.NetworkMode
		want  bool
	}{
		{config.Pre, config.NetworkOpen, true},
		{config.Pre, config.NetworkNone, false},
		{config.Plan, config.NetworkNone, false},
		{config.Plan, config.NetworkOpen, false}, // whatever a configuration might say
		{config.Post, config.NetworkOpen, true},
	} {
		stage := &config.Stage{ID: config.StageID{Project: "p", Phase: c.phase, Name: "s"}, Network: c.mode, Limits: config.DefaultLimits()}
		plan, err := guestPlan(&stages.Job{Stage: stage}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if (plan.Network != nil) != c.want || plan.Trust != c.want {
			t.Errorf("%s with network %s: %+v, trust %v", c.phase, c.mode, plan.Network, plan.Trust)
		}
		if plan.Version != guest.ProtocolVersion || plan.MemoryReserve < 32<<20 || plan.PIDs != 4096 {
			t.Errorf("%+v", plan)
		}
	}
}

func TestDeviceSize(t *testing.T) {
	for limit, want := range map[int64]int64{1: 4096, 4096: 4096, 4097: 4608, 1 << 20: 1 << 20} {
		if got := deviceSize(limit); got != want {
			t.Errorf("deviceSize(%d) = %d, want %d", limit, got, want)
		}
	}
}

func TestCacheDirTellsProjectsApart(t *testing.T) {
	dirs := map[string]bool{}
	for _, p := range [][2]string{{"a", "/x"}, {"a", "/y"}, {"b", "/x"}, {"a/", "x"}} {
		dirs[cacheDir(p[0], p[1])] = true
	}
	if len(dirs) != 4 {
		t.Errorf("%v", dirs)
	}
}
