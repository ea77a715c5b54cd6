package stages

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// Environment that a stage may change.
var defaultEnv = map[string]string{
	"CI":   "true",
	"HOME": "/root",
	"LANG": "C.UTF-8",
	"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}

// Environment that it may not.
var fixedEnv = map[string]string{
	"AMBIENT_SRC":       guest.DirSource,
	"AMBIENT_SOURCES":   guest.DirSources,
	"AMBIENT_DEPS":      guest.DirDeps,
	"AMBIENT_CACHE":     guest.DirCache,
	"AMBIENT_ARTIFACTS": guest.DirArtifacts,
	"AMBIENT_SECRETS":   guest.DirSecrets,
	"AMBIENT_RECEIPTS":  guest.DirReceipts,
}

// job makes the job of stage i, all of whose needs have their result.
func (r *run) job(i int) (*Job, error) {
	s := r.g.nodes[i].stage
	if r.opts.Dir == nil {
		return nil, errors.New("internal error: no directory for stages")
	}
	dir, err := r.opts.Dir(s.ID)
	if err != nil {
		return nil, fmt.Errorf("no directory for its logs and artifacts: %w", err)
	}
	job := r.g.job(i, func(n int) *Data { return r.results[n].Result.Output })
	job.RunID, job.Dir = r.opts.RunID, dir
	return job, nil
}

// job makes the job of stage i from what the stages before it left.
func (g *Graph) job(i int, output func(node int) *Data) *Job {
	s := g.nodes[i].stage
	job := &Job{
		Project: g.projects[g.nodes[i].project],
		Stage:   s,
		Env:     g.Env(s.ID),
		Inputs:  g.outputs(g.artifactNeeds(i), output),
	}
	switch s.ID.Phase {
	case config.Plan:
		job.Deps = g.outputs(g.members(i, config.Pre), output)
	case config.Post:
		job.Union = g.outputs(g.members(i, config.Plan), output)
	}
	return job
}

// Foresee returns the job of a stage, nil if there is none of that name, as it
// would be if the stages before it left these outputs. It has no run and no
// directory.
func (g *Graph) Foresee(id config.StageID, outputs map[config.StageID]*Data) *Job {
	i, ok := g.index[id]
	if !ok {
		return nil
	}
	return g.job(i, func(n int) *Data { return outputs[g.nodes[n].stage.ID] })
}

// Reads returns the stages whose outputs a stage reads, in order, each once.
func (g *Graph) Reads(id config.StageID) []config.StageID {
	i, ok := g.index[id]
	if !ok {
		return nil
	}
	nodes := g.artifactNeeds(i)
	switch id.Phase {
	case config.Plan:
		nodes = slices.Concat(g.members(i, config.Pre), nodes)
	case config.Post:
		nodes = slices.Concat(g.members(i, config.Plan), nodes)
	}
	var ids []config.StageID
	for _, s := range g.stagesOf(nodes) {
		if !slices.Contains(ids, s.ID) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// outputs returns what stages left, without those that left nothing.
func (g *Graph) outputs(nodes []int, output func(node int) *Data) []Data {
	var data []Data
	for _, n := range nodes {
		if out := output(n); out != nil {
			d := *out
			d.From = g.nodes[n].stage.ID
			data = append(data, d)
		}
	}
	return data
}

// members returns the stages of a phase of stage i's project, in order.
func (g *Graph) members(i int, phase config.Phase) []int {
	return g.phases[g.nodes[i].project][slices.Index(config.Phases, phase)]
}

// artifactNeeds returns the stages whose artifacts stage i names, in the order
// in which it first does.
func (g *Graph) artifactNeeds(i int) []int {
	var nodes []int
	for _, n := range g.nodes[i].needs {
		if n.kind == EdgeArtifacts && !slices.Contains(nodes, n.node) {
			nodes = append(nodes, n.node)
		}
	}
	return nodes
}

// Env returns the environment of a stage, which is new and the caller's: the
// defaults; for a plan stage what the fetching actions of the project's pre
// stages add, in order; the stage's own; the directories, which always win.
func (g *Graph) Env(id config.StageID) map[string]string {
	i, ok := g.index[id]
	if !ok {
		return nil
	}
	env := maps.Clone(defaultEnv)
	if id.Phase == config.Plan {
		for _, pre := range g.members(i, config.Pre) {
			addPlanEnv(env, g.nodes[pre].stage)
		}
	}
	maps.Copy(env, g.nodes[i].stage.Env)
	maps.Copy(env, fixedEnv)
	return env
}

// addPlanEnv adds what a pre stage's actions add to later plan stages.
func addPlanEnv(env map[string]string, s *config.Stage) {
	for _, a := range s.Actions {
		d := actions.Lookup(a.Name)
		if d == nil {
			continue
		}
		if d.PlanEnv != nil {
			maps.Copy(env, d.PlanEnv(a.Args))
		}
		env["PATH"] = d.PathBefore(a.Args, env["PATH"])
	}
}
