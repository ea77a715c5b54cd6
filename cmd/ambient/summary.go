package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/ambient-ci/ambient/stages"
)

// tailLines is how many of the last lines of a failed stage are shown.
const tailLines = 20

// tails keeps the last lines of each stage's log. It is an Observer.
type tails struct {
	mu    sync.Mutex
	lines map[string][]string // by stage
}

// Event notes lines of a log.
func (t *tails) Event(e stages.Event) {
	if e.Type != stages.LogOutput {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[string][]string{}
	}
	lines := append(t.lines[e.Stage], strings.Split(strings.TrimSuffix(e.Text, "\n"), "\n")...)
	t.lines[e.Stage] = lines[max(0, len(lines)-tailLines):]
}

func (t *tails) of(stage string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines[stage]...)
}

// summary is what a run has come to.
type summary struct {
	run      string // the id
	outcome  stages.Outcome
	duration float64 // seconds
	stages   []stages.StageRecord
	dir      string // of the record
	made     bool   // there are artifacts
	tail     func(stage string) []string
}

// text renders the summary: a line for each stage, for each that went wrong the
// end of its log and what to type, and the run's outcome last.
func (s summary) text(c *console) string {
	var b strings.Builder
	b.WriteString("\n" + columns(s.rows(c)))
	b.WriteString(testsText(c, s.stages))
	for _, st := range s.stages {
		if wentWrong(st.Outcome) {
			b.WriteString("\n" + s.failure(c, st))
		}
	}
	fmt.Fprintf(&b, "\nRun %s %s%s.\n", safe(s.run), c.paint(outcomeInk(s.outcome), outcomeWords(s.outcome)), after(s.duration))
	b.WriteString(s.artifacts())
	return b.String()
}

func wentWrong(o stages.Outcome) bool {
	return o == stages.Failed || o == stages.Errored || o == stages.TimedOut
}

func (s summary) rows(c *console) [][]string {
	var rows [][]string
	for _, st := range s.stages {
		took := ""
		if st.Duration > 0 {
			took = seconds(st.Duration)
		}
		reason := ""
		if st.Outcome != stages.Succeeded && !wentWrong(st.Outcome) { // those are told of below
			reason = safe(st.Reason)
		}
		rows = append(rows, []string{
			safe(st.Stage), c.paint(outcomeInk(st.Outcome), safe(string(st.Outcome))), fmt.Sprintf("%6s", took), reason,
		})
	}
	return rows
}

// failure tells of one stage that went wrong.
func (s summary) failure(c *console, st stages.StageRecord) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s\n", c.paint(cyan, safe(st.Stage)), c.paint(outcomeInk(st.Outcome), outcomeWords(st.Outcome)), because(st.Reason))
	if s.tail != nil {
		lines := s.tail(st.Stage)
		if len(lines) > 0 {
			b.WriteString("  The end of its log:\n")
		}
		for _, line := range lines {
			b.WriteString(logLines(c, "  | ", line))
		}
	}
	name := quote(st.Stage)
	b.WriteString(columns([][]string{
		{"  Its whole log:", "ambient logs " + s.run + " " + name},
		{"  Its kernel console:", "ambient logs -console " + s.run + " " + name},
	}))
	return b.String()
}

func (s summary) artifacts() string {
	rows := [][]string{}
	if s.made {
		rows = append(rows, []string{"Artifacts:", "ambient artifacts " + s.run + " DIR"})
	}
	if s.dir != "" {
		rows = append(rows, []string{"Record:", safe(s.dir)})
	}
	return columns(rows)
}

// quote makes a word for a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:%+,@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(safe(s), "'", `'\''`) + "'"
}
