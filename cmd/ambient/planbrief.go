package main

import (
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// planHeads writes what stands above a stage in a plan: its project and its
// phase, where they change.
type planHeads struct {
	c        *console
	projects map[string]projectJSON
	project  string
	phase    config.Phase
	any      bool
}

func newPlanHeads(c *console, p planJSON) *planHeads {
	h := &planHeads{c: c, projects: map[string]projectJSON{}}
	for _, project := range p.Projects {
		h.projects[project.Name] = project
	}
	return h
}

// next returns the heads before s; space is what separates phases.
func (h *planHeads) next(s stageJSON, space string) string {
	text := ""
	if !h.any || s.Project != h.project {
		text += unless(!h.any, space) + h.c.paint(bold, "project "+safe(s.Project)) + "\n" +
			h.sources(h.projects[s.Project]) + "\n"
		h.phase = ""
	}
	if s.Phase != h.phase {
		text += unless(h.phase == "", space) + "  " + h.c.paint(bold, safe(string(s.Phase))) + "\n"
	}
	h.any, h.project, h.phase = true, s.Project, s.Phase
	return text
}

// sources says what a project is made of.
func (h *planHeads) sources(p projectJSON) string {
	rows := [][]string{{"  source", safe(p.Source) + when(p.Git, " with its git repository")}}
	for _, s := range p.Sources {
		rows = append(rows, []string{"", safe(s.Source) + " (" + safe(s.Name) + ")"})
	}
	if p.Timeout > 0 {
		rows = append(rows, []string{"  timeout", durationWords(p.Timeout)})
	}
	return columns(rows)
}

// planBrief is one line a stage.
func planBrief(c *console, p planJSON) string {
	var b strings.Builder
	heads := newPlanHeads(c, p)
	for from := 0; from < len(p.Stages); {
		to := from + 1
		for to < len(p.Stages) && p.Stages[to].Project == p.Stages[from].Project && p.Stages[to].Phase == p.Stages[from].Phase {
			to++
		}
		b.WriteString(heads.next(p.Stages[from], "\n"))
		var rows [][]string
		for _, s := range p.Stages[from:to] {
			rows = append(rows, briefRow(c, s))
		}
		for line := range strings.Lines(columns(rows)) {
			b.WriteString("    " + line)
		}
		from = to
	}
	if len(p.Stages) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

func briefRow(c *console, s stageJSON) []string {
	paint := cyan
	switch s.Action {
	case planSkip:
		paint = dim
	case planReuse:
		paint = green
	}
	name := s.Name
	if s.Key != "" {
		name += fmt.Sprintf("[%q]", s.Key)
	}
	return []string{c.paint(paint, safe(s.Action)), c.paint(paint, safe(name)), safe(s.Reason)}
}

// planCount is "3 stages to run, 1 to reuse, 1 to skip".
func planCount(p planJSON) string {
	if len(p.Stages) == 0 {
		return "There is no stage"
	}
	n := map[string]int{}
	for _, s := range p.Stages {
		n[s.Action]++
	}
	text := count(n[planRun], "stage") + " to run"
	for _, more := range []struct{ action, words string }{
		{planMaybe, "to run or reuse"}, {planReuse, "to reuse"}, {planSkip, "to skip"},
	} {
		if n[more.action] > 0 {
			text += fmt.Sprintf(", %d %s", n[more.action], more.words)
		}
	}
	return text
}

// running is the number of stages that would run, or may.
func (p planJSON) running() int {
	n := 0
	for _, s := range p.Stages {
		if s.Action == planRun || s.Action == planMaybe {
			n++
		}
	}
	return n
}
