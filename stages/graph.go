package stages

import (
	"fmt"
	"slices"

	"github.com/ambient-ci/ambient/config"
)

// Graph says which stage of a configuration needs which, and why. It is
// immutable and safe for concurrent use.
//
// "After every pre of the project" would be one edge for each pair of stages,
// a million in a large project. So the graph has hidden nodes, the barriers,
// that need every stage of a phase and are needed by every stage of the next;
// what callers see are pairs of stages.
type Graph struct {
	projects []*config.Project
	nodes    []node // all stages in file order, then the barriers
	stages   int    // how many nodes are stages
	index    map[config.StageID]int
	order    []int     // stages, each after all it needs
	phases   [][][]int // stages by project and phase, in order
}

// node is a stage or, without one, a barrier.
type node struct {
	stage   *config.Stage
	project int
	phase   int    // index in config.Phases; a barrier's is that of the stages it waits for
	needs   []need // may name a node more than once, for different reasons
	wanted  []int  // the nodes that need this one, once for each of their needs
}

// need is a node that another one waits for, and why.
type need struct {
	node int
	kind EdgeKind
	rng  config.Range
}

// EdgeKind is why one stage needs another.
type EdgeKind string

// The kinds of edge.
const (
	EdgePhase     EdgeKind = "phase"     // the stage is of a later phase of the same project
	EdgeAfter     EdgeKind = "after"     // the stage says so
	EdgeArtifacts EdgeKind = "artifacts" // the stage names the other's artifacts
)

// Edge is one reason why a stage needs another one.
type Edge struct {
	Stage  config.StageID // the stage that waits
	Needs  config.StageID // the stage it waits for
	Kind   EdgeKind
	Reason string       // for the user: "every pre of the project", "after", "its artifacts are an input"
	Range  config.Range // of the expression; zero for EdgePhase
}

// Build makes the graph of a configuration. The diagnostics name stages that do
// not exist and cycles; with any of them there is no graph.
func Build(cfg *config.Config) (*Graph, config.Diagnostics) {
	g := &Graph{projects: cfg.Projects, index: map[config.StageID]int{}}
	diags := g.addStages()
	diags = append(diags, g.addRefs()...)
	g.addBarriers()
	diags = append(diags, g.cycles()...)
	if diags.HasErrors() {
		return nil, diags
	}
	g.sort()
	return g, diags
}

func (g *Graph) addStages() (diags config.Diagnostics) {
	for p, project := range g.projects {
		g.phases = append(g.phases, make([][]int, len(config.Phases)))
		for _, s := range project.Stages {
			if first, dup := g.index[s.ID]; dup {
				diags = append(diags, duplicate(s, g.nodes[first].stage))
				continue
			}
			i := len(g.nodes)
			g.index[s.ID] = i
			phase := slices.Index(config.Phases, s.ID.Phase)
			g.nodes = append(g.nodes, node{stage: s, project: p, phase: phase})
			g.phases[p][phase] = append(g.phases[p][phase], i)
		}
	}
	g.stages = len(g.nodes)
	return diags
}

// addRefs adds the edges that stages ask for. A reference without a key to a
// stage with instances is one to all of them.
func (g *Graph) addRefs() (diags config.Diagnostics) {
	families := map[config.StageID][]int{}
	for i, n := range g.nodes {
		if id := n.stage.ID; id.Key != "" {
			id.Key = ""
			families[id] = append(families[id], i)
		}
	}
	for i := range g.nodes {
		for _, ref := range g.nodes[i].stage.Refs {
			targets := families[ref.Stage]
			if t, ok := g.index[ref.Stage]; ok {
				targets = []int{t}
			}
			if len(targets) == 0 {
				diags = append(diags, unknown(g.nodes[i].stage, ref))
			}
			for _, t := range targets {
				g.link(i, need{t, kindOf(ref.Kind), ref.Range})
			}
		}
	}
	return diags
}

func kindOf(k config.RefKind) EdgeKind {
	if k == config.RefArtifacts {
		return EdgeArtifacts
	}
	return EdgeAfter
}

// addBarriers adds the edges from phase to phase: from each phase to the last
// one before it that has stages.
func (g *Graph) addBarriers() {
	for p, phases := range g.phases {
		barrier := -1
		for phase, members := range phases {
			if len(members) == 0 {
				continue
			}
			for _, m := range members {
				if barrier >= 0 {
					g.link(m, need{node: barrier, kind: EdgePhase})
				}
			}
			if phase == len(phases)-1 {
				break
			}
			before := barrier
			barrier = len(g.nodes)
			g.nodes = append(g.nodes, node{project: p, phase: phase})
			if before >= 0 { // a phase is over, and went well, only with those before it
				g.link(barrier, need{node: before, kind: EdgePhase})
			}
			for _, m := range members {
				g.link(barrier, need{node: m, kind: EdgePhase})
			}
		}
	}
}

func (g *Graph) link(from int, n need) {
	g.nodes[from].needs = append(g.nodes[from].needs, n)
	g.nodes[n.node].wanted = append(g.nodes[n.node].wanted, from)
}

// Len returns the number of stages.
func (g *Graph) Len() int { return g.stages }

// Order returns all stages, each after all it needs: grouped by project and
// phase as far as the edges permit, else in the order of the files.
func (g *Graph) Order() []*config.Stage { return g.stagesOf(g.order) }

// Stage returns the stage of that name, nil if there is none.
func (g *Graph) Stage(id config.StageID) *config.Stage {
	if i, ok := g.index[id]; ok {
		return g.nodes[i].stage
	}
	return nil
}

// Edges returns the reasons why a stage has to wait, in the order in which it
// gives them, then those of its phase. A stage may be needed for several
// reasons. There are as many edges as the phase before has stages, so this is
// for showing and not for walking the graph.
func (g *Graph) Edges(id config.StageID) []Edge {
	i, ok := g.index[id]
	if !ok {
		return nil
	}
	var edges []Edge
	for _, n := range g.nodes[i].needs {
		for _, t := range g.targets(n.node) {
			edges = append(edges, Edge{
				Stage:  id,
				Needs:  g.nodes[t].stage.ID,
				Kind:   n.kind,
				Reason: g.reason(n),
				Range:  n.rng,
			})
		}
	}
	return edges
}

// targets returns the stages that needing node i means.
func (g *Graph) targets(i int) []int {
	if n := g.nodes[i]; n.stage == nil {
		return g.phases[n.project][n.phase]
	}
	return []int{i}
}

func (g *Graph) reason(n need) string {
	switch n.kind {
	case EdgeArtifacts:
		return "its artifacts are an input"
	case EdgeAfter:
		return "after"
	default:
		return fmt.Sprintf("every %s of the project", config.Phases[g.nodes[n.node].phase])
	}
}

// Levels returns the stages by the length of the longest chain of stages they
// wait for: those of the first level need nothing. Each level is in order.
func (g *Graph) Levels() [][]*config.Stage {
	var levels [][]*config.Stage
	for i, level := range g.depths() {
		if level == len(levels) {
			levels = append(levels, nil)
		}
		levels[level] = append(levels[level], g.nodes[g.order[i]].stage)
	}
	return levels
}

func (g *Graph) stagesOf(indexes []int) []*config.Stage {
	out := make([]*config.Stage, len(indexes))
	for i, n := range indexes {
		out[i] = g.nodes[n].stage
	}
	return out
}
