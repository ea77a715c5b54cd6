package stages

import (
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// severityError is hcl.DiagError; only package config imports hcl.
const severityError = 1

func duplicate(s, first *config.Stage) *config.Diagnostic {
	subject := s.Range
	return &config.Diagnostic{
		Severity: severityError,
		Summary:  "Duplicate stage",
		Detail:   fmt.Sprintf("%s is already defined at %s. Give one of them another name.", s.ID.String(), first.Range),
		Subject:  &subject,
	}
}

func unknown(s *config.Stage, ref config.Ref) *config.Diagnostic {
	subject := ref.Range
	return &config.Diagnostic{
		Severity: severityError,
		Summary:  "Unknown stage",
		Detail:   fmt.Sprintf("%s refers to %s, which does not exist.", s.ID.String(), ref.Stage.String()),
		Subject:  &subject,
	}
}

// step is one edge of a cycle: node from waits because of need.
type step struct {
	from int
	need need
}

// cycles reports one cycle for each knot of stages that wait for each other:
// the shortest one through the knot's first stage.
func (g *Graph) cycles() (diags config.Diagnostics) {
	comp := components(g.adjacency())
	size := make([]int, len(g.nodes))
	for _, c := range comp {
		size[c]++
	}
	reported := make([]bool, len(g.nodes))
	for i := range g.nodes {
		c := comp[i]
		if reported[c] || size[c] == 1 && !g.needsItself(i) {
			continue
		}
		reported[c] = true
		diags = append(diags, g.cycleDiagnostic(g.shortestCycle(i, comp)))
	}
	return diags
}

func (g *Graph) needsItself(i int) bool {
	for _, n := range g.nodes[i].needs {
		if n.node == i {
			return true
		}
	}
	return false
}

// shortestCycle returns the steps from start back to it. Start must be on a
// cycle, which all is inside start's component.
func (g *Graph) shortestCycle(start int, comp []int) []step {
	via := map[int]step{} // the step by which a node was first reached
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for _, n := range g.nodes[i].needs {
			if _, seen := via[n.node]; seen || comp[n.node] != comp[start] {
				continue
			}
			via[n.node] = step{i, n}
			if n.node == start {
				return path(via, start)
			}
			queue = append(queue, n.node)
		}
	}
	return nil
}

// path follows via from start backwards until it is at start again.
func path(via map[int]step, start int) []step {
	var steps []step
	for i := start; ; {
		s := via[i]
		steps = append([]step{s}, steps...)
		if i = s.from; i == start {
			return steps
		}
	}
}

// cycleDiagnostic names the cycle and each of its expressions, and points at
// the first of them.
func (g *Graph) cycleDiagnostic(steps []step) *config.Diagnostic {
	start := g.nodes[steps[0].from].stage
	subject := start.Range
	found := false
	names := []string{start.ID.String()}
	var list strings.Builder
	from := start
	for _, s := range steps {
		if s.need.kind != EdgePhase && !found {
			subject, found = s.need.rng, true
		}
		to := g.nodes[s.need.node].stage
		if to == nil {
			continue // a barrier: the next step says which stage it waits for
		}
		names = append(names, to.ID.String())
		fmt.Fprintf(&list, "\n  - %s needs %s: %s", from.ID.String(), to.ID.String(), g.why(s))
		from = to
	}
	return &config.Diagnostic{
		Severity: severityError,
		Summary:  "Stages wait for each other",
		Detail: fmt.Sprintf("None of these stages could ever start: %s.%s\nRemove one of the references.",
			strings.Join(names, " -> "), list.String()),
		Subject: &subject,
	}
}

// why says for the user why a step is there, and where.
func (g *Graph) why(s step) string {
	if s.need.kind == EdgePhase {
		from := g.nodes[s.from]
		return fmt.Sprintf("it is after every %s of the project", config.Phases[from.phase])
	}
	where := fmt.Sprintf("%s:%d", s.need.rng.Filename, s.need.rng.Start.Line)
	if s.need.kind == EdgeArtifacts {
		return "it names its artifacts at " + where
	}
	return "it says so at " + where
}
