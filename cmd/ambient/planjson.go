package main

import (
	"cmp"
	"maps"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// planJSON is the form of `plan -json`. Version is raised when a field changes
// its meaning or goes; new fields may come any time.
type planJSON struct {
	Version  int           `json:"v"`
	Projects []projectJSON `json:"projects"`
	Stages   []stageJSON   `json:"stages"` // in the order in which they start
}

// planVersion is 2 since the stages of a phase are one entry of needs.
const planVersion = 2

type projectJSON struct {
	Name    string       `json:"name"`
	Source  string       `json:"source"` // relative to the configuration when it is a directory
	Local   bool         `json:"local"`
	Git     bool         `json:"git,omitempty"`     // it comes with its repository
	Sources []sourceJSON `json:"sources,omitempty"` // further trees
	Timeout float64      `json:"timeout,omitempty"` // seconds
}

type sourceJSON struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Local  bool   `json:"local"`
}

// retryJSON has its delay in seconds.
type retryJSON struct {
	Attempts int      `json:"attempts"`
	On       []string `json:"on"`
	Delay    float64  `json:"delay"`
}

type stageJSON struct {
	Stage   string       `json:"stage"` // "greet/plan.build"
	Project string       `json:"project"`
	Phase   config.Phase `json:"phase"`
	Name    string       `json:"name"`
	Key     string       `json:"key,omitempty"`  // of an instance
	Action  string       `json:"action"`         // "run", "reuse", "maybe" (one of these) or "skip"
	Reason  string       `json:"reason"`         // why, and what it waits for before it runs
	From    string       `json:"from,omitempty"` // the run whose result is reused
	Image   imageJSON    `json:"image"`
	Limits  limitsJSON   `json:"limits"`
	Network string       `json:"network"`
	// Allow is there with network "allow" and "audit". Reach names the actions
	// that bring more, which only the machine that runs the stage knows.
	Allow      []allowJSON       `json:"allow,omitempty"`
	Reach      []string          `json:"reach,omitempty"`
	Trust      []string          `json:"trust,omitempty"` // files with certificate authorities
	Secrets    []string          `json:"secrets"`
	SecretUses []secretUseJSON   `json:"secret_uses,omitempty"`
	When       config.When       `json:"when"`
	Retry      *retryJSON        `json:"retry,omitempty"`
	Env        map[string]string `json:"env"`
	Actions    []actionJSON      `json:"actions"`
	Needs      []edgeJSON        `json:"needs"`
	Range      *rangeJSON        `json:"range"`
}

type imageJSON struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // "built-in" or "debian"
	Suite    string   `json:"suite,omitempty"`
	Packages []string `json:"packages,omitempty"`
	Mirror   string   `json:"mirror,omitempty"`
}

// limitsJSON has sizes in bytes and times in seconds.
type limitsJSON struct {
	Name      string  `json:"name,omitempty"`
	CPUs      int     `json:"cpus"`
	Memory    int64   `json:"memory"`
	Disk      int64   `json:"disk"`
	Timeout   float64 `json:"timeout"`
	Artifacts int64   `json:"artifacts"`
	Deps      int64   `json:"deps"`
	Cache     int64   `json:"cache"`
	Log       int64   `json:"log"`
	Processes int64   `json:"processes"`
}

type actionJSON struct {
	Name    string     `json:"name"`
	Title   string     `json:"title"`
	Timeout float64    `json:"timeout,omitempty"` // seconds
	Range   *rangeJSON `json:"range"`
}

type edgeJSON struct {
	Stage  string       `json:"stage,omitempty"` // the stage it waits for
	Phase  config.Phase `json:"phase,omitempty"` // with kind "phase": all stages of that phase of its project
	Kind   string       `json:"kind"`            // "phase", "after" or "artifacts"
	Reason string       `json:"reason"`
	Range  *rangeJSON   `json:"range,omitempty"` // of the expression that says so
}

// planToJSON is the plan of a configuration, skipped stages included. Details
// are what -detail shows beside the rest.
func planToJSON(l *loaded, details bool) planJSON {
	out := planJSON{Version: planVersion, Projects: []projectJSON{}, Stages: []stageJSON{}}
	all := l.all()
	for _, p := range all.cfg.Projects {
		out.Projects = append(out.Projects, projectToJSON(all.cfg, p))
	}
	waits := newWaits(all.cfg)
	for _, s := range all.graph.Order() {
		j := stageToJSON(all, s, details)
		j.Action, j.Reason = l.decide(s, waits)
		j.From = l.predicted[s.ID].From
		out.Stages = append(out.Stages, j)
	}
	return out
}

func projectToJSON(cfg *config.Config, p *config.Project) projectJSON {
	out := projectJSON{Name: p.Name, Source: sourceName(cfg, p.Source), Local: p.Source.Local, Git: p.Git, Timeout: p.Timeout.Seconds()}
	for _, s := range p.Sources {
		out.Sources = append(out.Sources, sourceJSON{s.Name, sourceName(cfg, s.Source), s.Local})
	}
	return out
}

func stageToJSON(l *loaded, s *config.Stage, details bool) stageJSON {
	out := stageJSON{
		Stage: s.ID.String(), Project: s.ID.Project, Phase: s.ID.Phase, Name: s.ID.Name, Key: s.ID.Key,
		Image: imageToJSON(s.Image), Limits: limitsToJSON(s.Limits), Network: string(s.Network),
		Secrets: s.SecretAddresses(), Env: shownEnv(s),
		When:    cmp.Or(s.When, config.WhenSuccess),
		Actions: []actionJSON{}, Needs: []edgeJSON{}, Range: newRangeJSON(l.cfg.Dir, s.Range),
	}
	if details {
		reachToJSON(&out, l.cfg, s)
	}
	if r := s.Retry; r != nil {
		out.Retry = &retryJSON{r.Attempts, append([]string{}, r.On...), r.Delay.Seconds()}
	}
	for _, a := range s.Actions {
		out.Actions = append(out.Actions, actionJSON{a.Name, actionTitle(a), a.Timeout.Seconds(), newRangeJSON(l.cfg.Dir, a.Range)})
	}
	if !details {
		return out
	}
	seen := map[config.Phase]bool{}
	for _, e := range l.graph.Edges(s.ID) {
		edge := edgeJSON{Stage: e.Needs.String(), Kind: string(e.Kind), Reason: e.Reason}
		if e.Kind == stages.EdgePhase {
			if seen[e.Needs.Phase] {
				continue
			}
			seen[e.Needs.Phase] = true
			edge.Stage, edge.Phase = "", e.Needs.Phase
		}
		if e.Range.Filename != "" {
			edge.Range = newRangeJSON(l.cfg.Dir, e.Range)
		}
		out.Needs = append(out.Needs, edge)
	}
	return out
}

// shownEnv is a stage's environment without what must not be shown.
func shownEnv(s *config.Stage) map[string]string {
	env := map[string]string{}
	maps.Copy(env, s.Env)
	for _, name := range s.Sensitive {
		env[name] = sensitiveText
	}
	return env
}

func imageToJSON(i *config.Image) imageJSON {
	if i == nil || !i.Debian {
		out := imageJSON{Kind: "built-in"}
		if i != nil {
			out.Name, out.Suite, out.Mirror = i.Name, i.Suite, i.Mirror
		}
		return out
	}
	return imageJSON{Name: i.Name, Kind: "debian", Suite: i.Suite, Packages: i.Packages, Mirror: i.Mirror}
}

func limitsToJSON(l config.Limits) limitsJSON {
	return limitsJSON{
		Name: l.Name, CPUs: l.CPUs, Memory: l.Memory, Disk: l.Disk, Timeout: l.Timeout.Seconds(),
		Artifacts: l.Artifacts, Deps: l.Deps, Cache: l.Cache, Log: l.Log, Processes: l.Processes,
	}
}
