package main

import (
	"maps"

	"github.com/ambient-ci/ambient/config"
)

// planJSON is the form of `plan -json`. Version is raised when a field changes
// its meaning or goes; new fields may come any time.
type planJSON struct {
	Version  int           `json:"v"`
	Projects []projectJSON `json:"projects"`
	Stages   []stageJSON   `json:"stages"` // in the order in which they start
}

const planVersion = 1

type projectJSON struct {
	Name   string `json:"name"`
	Source string `json:"source"` // relative to the configuration when it is a directory
	Local  bool   `json:"local"`
}

type stageJSON struct {
	Stage   string            `json:"stage"` // "greet/plan.build"
	Project string            `json:"project"`
	Phase   config.Phase      `json:"phase"`
	Name    string            `json:"name"`
	Key     string            `json:"key,omitempty"` // of an instance
	Image   imageJSON         `json:"image"`
	Limits  limitsJSON        `json:"limits"`
	Network string            `json:"network"`
	Secrets []string          `json:"secrets"`
	Env     map[string]string `json:"env"`
	Actions []actionJSON      `json:"actions"`
	Needs   []edgeJSON        `json:"needs"`
	Range   *rangeJSON        `json:"range"`
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
	Stage  string     `json:"stage"` // the stage it waits for
	Kind   string     `json:"kind"`  // "phase", "after" or "artifacts"
	Reason string     `json:"reason"`
	Range  *rangeJSON `json:"range,omitempty"` // of the expression that says so
}

func planToJSON(l *loaded) planJSON {
	out := planJSON{Version: planVersion, Projects: []projectJSON{}, Stages: []stageJSON{}}
	for _, p := range l.cfg.Projects {
		out.Projects = append(out.Projects, projectJSON{p.Name, sourceName(l.cfg, p), p.Source.Local})
	}
	for _, s := range l.graph.Order() {
		out.Stages = append(out.Stages, stageToJSON(l, s))
	}
	return out
}

func stageToJSON(l *loaded, s *config.Stage) stageJSON {
	out := stageJSON{
		Stage: s.ID.String(), Project: s.ID.Project, Phase: s.ID.Phase, Name: s.ID.Name, Key: s.ID.Key,
		Image: imageToJSON(s.Image), Limits: limitsToJSON(s.Limits), Network: string(s.Network),
		Secrets: append([]string{}, s.Secrets...), Env: shownEnv(s),
		Actions: []actionJSON{}, Needs: []edgeJSON{}, Range: newRangeJSON(l.cfg.Dir, s.Range),
	}
	for _, a := range s.Actions {
		out.Actions = append(out.Actions, actionJSON{a.Name, actionTitle(a), a.Timeout.Seconds(), newRangeJSON(l.cfg.Dir, a.Range)})
	}
	for _, e := range l.graph.Edges(s.ID) {
		edge := edgeJSON{Stage: e.Needs.String(), Kind: string(e.Kind), Reason: e.Reason}
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
