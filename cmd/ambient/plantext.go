package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// mostEdges bounds the stages that a plan lists as the reason for one kind of
// waiting.
const mostEdges = 8

// planText renders a plan for people. It depends on the configuration alone.
func planText(c *console, l *loaded) string {
	var b strings.Builder
	projects := map[string]*config.Project{}
	for _, p := range l.cfg.Projects {
		projects[p.Name] = p
	}
	var last config.StageID
	for _, s := range l.graph.Order() {
		if s.ID.Project != last.Project {
			p := projects[s.ID.Project]
			fmt.Fprintf(&b, "%s\n  source  %s\n\n", c.paint(bold, "project "+safe(p.Name)), safe(sourceName(l.cfg, p)))
			last = config.StageID{}
		}
		if s.ID.Phase != last.Phase {
			fmt.Fprintf(&b, "  %s\n\n", c.paint(bold, string(s.ID.Phase)))
		}
		last = s.ID
		b.WriteString(stageText(c, l, s))
	}
	if l.graph.Len() == 0 {
		return b.String() + "There is no stage.\n"
	}
	fmt.Fprintf(&b, "%s. To run: ambient apply\n", count(l.graph.Len(), "stage"))
	return b.String()
}

// stageText is the block of one stage.
func stageText(c *console, l *loaded, s *config.Stage) string {
	rows := [][]string{
		{"image", imageWords(s.Image)},
		{"limits", limitsWords(s)},
		{"network", string(s.Network)},
		{"secrets", listWords(s.Secrets)},
	}
	for i, a := range s.Actions {
		title := fmt.Sprintf("%d. %s", i+1, safe(actionTitle(a)))
		if a.Timeout > 0 {
			title += " (at most " + config.FormatDuration(a.Timeout) + ")"
		}
		rows = append(rows, []string{unless(i > 0, "actions"), title})
	}
	for i, e := range edgeRows(l, s) {
		rows = append(rows, []string{unless(i > 0, "needs"), e})
	}
	text := "    " + c.paint(cyan, safe(s.ID.String())) + "\n"
	for line := range strings.Lines(columns(rows)) {
		text += "      " + line
	}
	return text + "\n"
}

func unless(not bool, s string) string {
	if not {
		return ""
	}
	return s
}

// edgeRows says for which stages s waits, and why.
func edgeRows(l *loaded, s *config.Stage) []string {
	edges := l.graph.Edges(s.ID)
	if len(edges) == 0 {
		return []string{"nothing"}
	}
	var rows []string
	phase := 0
	for _, e := range edges {
		if e.Kind == stages.EdgePhase {
			if phase++; phase > mostEdges {
				continue
			}
		}
		why := safe(e.Reason)
		if e.Range.Filename != "" {
			why += fmt.Sprintf(", %s:%d", safe(e.Range.Filename), e.Range.Start.Line)
		}
		rows = append(rows, fmt.Sprintf("%s (%s)", safe(e.Needs.String()), why))
	}
	if phase > mostEdges {
		rows = append(rows, fmt.Sprintf("and %d more of that phase", phase-mostEdges))
	}
	return rows
}

// sourceName is a source as the user could have written it, so that a plan is
// the same on every machine.
func sourceName(cfg *config.Config, p *config.Project) string {
	if !p.Source.Local {
		return p.Source.Address
	}
	rel, err := filepath.Rel(cfg.Dir, p.Source.Address)
	if err != nil {
		return p.Source.Address
	}
	return rel
}

func imageWords(i *config.Image) string {
	if i == nil || i.Name == "" && !i.Debian {
		return "built-in"
	}
	name := "image." + safe(i.Name)
	switch {
	case i.Debian && len(i.Packages) > 0:
		return fmt.Sprintf("%s (Debian %s with %s)", name, safe(i.Suite), safe(strings.Join(i.Packages, ", ")))
	case i.Debian:
		return fmt.Sprintf("%s (Debian %s)", name, safe(i.Suite))
	}
	return name
}

// limitsWords lists the limits that can matter in the stage's phase.
func limitsWords(s *config.Stage) string {
	l := s.Limits
	parts := []string{
		count(l.CPUs, "CPU"), config.FormatSize(l.Memory) + " memory", config.FormatSize(l.Disk) + " disk", config.FormatDuration(l.Timeout),
	}
	if s.ID.Phase == config.Pre {
		parts = append(parts, config.FormatSize(l.Deps)+" deps")
	} else {
		parts = append(parts, config.FormatSize(l.Artifacts)+" artifacts")
	}
	if s.ID.Phase == config.Plan {
		parts = append(parts, config.FormatSize(l.Cache)+" cache")
	}
	parts = append(parts, config.FormatSize(l.Log)+" log", fmt.Sprintf("%d processes", l.Processes))
	text := strings.Join(parts, ", ")
	if l.Name != "" {
		text += " (limits." + safe(l.Name) + ")"
	}
	return text
}

func listWords(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return safe(strings.Join(names, ", "))
}
