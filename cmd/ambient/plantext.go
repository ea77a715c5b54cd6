package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// mostEdges bounds what is listed as needs of a stage of a run.
const mostEdges = 8

// planDetails renders everything that a plan knows, for people.
func planDetails(c *console, p planJSON) string {
	var b strings.Builder
	heads := newPlanHeads(c, p)
	for _, s := range p.Stages {
		if head := heads.next(s, ""); head != "" {
			b.WriteString(head + "\n")
		}
		b.WriteString(stageText(c, s))
	}
	return b.String()
}

// stageText is the block of one stage.
func stageText(c *console, s stageJSON) string {
	if s.Action == planSkip {
		return "    " + c.paint(dim, safe(s.Stage)) + "\n      skipped  " + safe(s.Reason) + "\n\n"
	}
	rows := [][]string{
		{"image", imageWords(s.Image)},
		{"limits", limitsWords(s)},
	}
	rows = append(append(rows, networkRows(s)...), secretRows(s)...)
	if s.When != config.WhenSuccess {
		rows = append(rows, []string{"when", safe(string(s.When))})
	}
	if r := s.Retry; r != nil {
		rows = append(rows, []string{"retry", fmt.Sprintf("%s in all, %s apart, when it %s",
			count(r.Attempts, "attempt"), durationWords(r.Delay), safe(strings.Join(r.On, ", ")))})
	}
	switch s.Action {
	case planReuse:
		rows = append([][]string{{"reused", safe(s.Reason)}}, rows...)
	case planMaybe:
		rows = append([][]string{{"maybe", safe(s.Reason)}}, rows...)
	}
	for i, a := range s.Actions {
		title := fmt.Sprintf("%d. %s", i+1, safe(a.Title))
		if a.Timeout > 0 {
			title += " (at most " + durationWords(a.Timeout) + ")"
		}
		rows = append(rows, []string{unless(i > 0, "actions"), title})
	}
	for i, e := range edgeRows(s) {
		rows = append(rows, []string{unless(i > 0, "needs"), e})
	}
	text := "    " + c.paint(cyan, safe(s.Stage)) + "\n"
	for line := range strings.Lines(columns(rows)) {
		text += "      " + line
	}
	return text + "\n"
}

func durationWords(seconds float64) string {
	return config.FormatDuration(time.Duration(seconds * float64(time.Second)))
}

func unless(not bool, s string) string {
	if not {
		return ""
	}
	return s
}

// words are "greet/plan.build (its artifacts are an input)", and for a phase its
// reason alone: "every pre of the project".
func (e edgeJSON) words() string {
	if e.Stage == "" {
		return safe(e.Reason)
	}
	return fmt.Sprintf("%s (%s)", safe(e.Stage), safe(e.Reason))
}

// edgeRows says for which stages s waits, and why.
func edgeRows(s stageJSON) []string {
	if len(s.Needs) == 0 {
		return []string{"nothing"}
	}
	var rows []string
	for _, e := range s.Needs {
		row := e.words()
		if e.Range != nil {
			row = strings.TrimSuffix(row, ")") + fmt.Sprintf(", %s:%d)", safe(e.Range.File), e.Range.Line)
		}
		rows = append(rows, row)
	}
	return rows
}

// sourceName is a source as the user could have written it, so that a plan is
// the same on every machine.
func sourceName(cfg *config.Config, src config.Source) string {
	if !src.Local {
		return src.Address
	}
	rel, err := filepath.Rel(cfg.Dir, src.Address)
	if err != nil {
		rel = src.Address
	}
	if src.History {
		rel = filepath.Join(rel, ".git")
	}
	return rel
}

func imageWords(i imageJSON) string {
	name, debian := "image."+safe(i.Name), strings.TrimSpace("Debian "+safe(i.Suite))
	switch {
	case i.Kind != "debian":
		return safe(cmp.Or(i.Name, "built-in"))
	case len(i.Packages) > 0:
		return fmt.Sprintf("%s (%s with %s)", name, debian, safe(strings.Join(i.Packages, ", ")))
	}
	return fmt.Sprintf("%s (%s)", name, debian)
}

// limitsWords lists the limits that can matter in the stage's phase.
func limitsWords(s stageJSON) string {
	l := s.Limits
	parts := []string{
		count(l.CPUs, "CPU"), config.FormatSize(l.Memory) + " memory", config.FormatSize(l.Disk) + " disk", durationWords(l.Timeout),
	}
	if s.Phase == config.Pre {
		parts = append(parts, config.FormatSize(l.Deps)+" deps")
	} else {
		parts = append(parts, config.FormatSize(l.Artifacts)+" artifacts")
	}
	if s.Phase == config.Plan {
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
