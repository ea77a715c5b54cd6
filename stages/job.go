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
	job := &Job{
		RunID:   r.opts.RunID,
		Project: r.g.projects[r.g.nodes[i].project],
		Stage:   s,
		Env:     r.g.Env(s.ID),
		Inputs:  r.outputs(r.g.artifactNeeds(i)),
		Dir:     dir,
	}
	switch s.ID.Phase {
	case config.Plan:
		job.Deps = r.outputs(r.g.members(i, config.Pre))
	case config.Post:
		job.Union = r.outputs(r.g.members(i, config.Plan))
	}
	return job, nil
}

// outputs returns what stages left, without those that left nothing.
func (r *run) outputs(nodes []int) []Data {
	var data []Data
	for _, n := range nodes {
		if out := r.results[n].Result.Output; out != nil {
			d := *out
			d.From = r.g.nodes[n].stage.ID
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
		if d := actions.Lookup(a.Name); d != nil && d.PlanEnv != nil {
			maps.Copy(env, d.PlanEnv(a.Args))
		}
	}
}
