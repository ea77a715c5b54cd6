package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/ambient-ci/ambient/stages"
)

// view shows a run while it goes on. Event may be called from several
// goroutines; Close shows what is left and stops the view.
type view interface {
	stages.Observer
	Note(text string) // of ambient, to the person who watches
	Close()
}

// newView chooses how to show a run: one event a line, a live view on a
// terminal, plain lines elsewhere.
func (a *app) newView(asJSON bool) view {
	switch {
	case asJSON:
		return &jsonView{enc: json.NewEncoder(a.out), notes: a.err}
	case a.out.live:
		return newLiveView(a.out)
	}
	return &plainView{c: a.out}
}

// jsonView writes one event a line.
type jsonView struct {
	mu  sync.Mutex
	enc *json.Encoder

	notes *console
}

func (v *jsonView) Event(e stages.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.enc.Encode(e) // the console keeps the error
}

func (v *jsonView) Note(text string) { v.notes.printf("%s\n", safe(text)) }

func (v *jsonView) Close() {}

// plainView writes lines as they come.
type plainView struct{ c *console }

func (v *plainView) Event(e stages.Event) { v.c.printf("%s", eventLines(v.c, e)) }

func (v *plainView) Note(text string) { v.c.printf("%s\n", safe(text)) }

func (v *plainView) Close() {}

// eventLines renders an event as lines; most say nothing to people and give
// none. What a guest wrote stands behind "|", what ambient says behind ":", so
// that a guest can not speak for ambient.
func eventLines(c *console, e stages.Event) string {
	stage := c.paint(cyan, safe(e.Stage))
	say := func(format string, args ...any) string {
		return stage + ": " + fmt.Sprintf(format, args...) + "\n"
	}
	switch e.Type {
	case stages.RunStarted:
		return fmt.Sprintf("Run %s: %s\n", safe(e.Run), count(len(e.Stages), "stage"))
	case stages.StagePreparing:
		return say("%s", safe(e.Text))
	case stages.StageDecided:
		return say("runs: %s", safe(e.Text))
	case stages.StageStarted:
		return say("%s", strings.TrimSuffix("machine started, "+safe(e.Text), ", "))
	case stages.ActionStarted:
		return say("%s", actionWords(e))
	case stages.StageFinished:
		if e.Outcome == stages.Reused {
			e.Duration = 0
		}
		return say("%s%s%s", c.paint(outcomeInk(e.Outcome), outcomeWords(e.Outcome)), after(e.Duration), because(e.Reason))
	case stages.StageRetried:
		return say("attempt %d %s%s; %s", e.Attempt, c.paint(outcomeInk(e.Outcome), outcomeWords(e.Outcome)), because(e.Reason), safe(e.Text))
	case stages.WarningRaised:
		if e.Stage == "" {
			return c.paint(yellow, "Warning:") + " " + safe(e.Text) + "\n"
		}
		return say("%s %s", c.paint(yellow, "warning:"), safe(e.Text))
	case stages.SecretsUsed:
		return secretLines(say, e.Secrets)
	case stages.LogOutput:
		return logLines(c, stage+" | ", e.Text)
	}
	return ""
}

// secretLines says which values a stage printed.
func secretLines(say func(string, ...any) string, uses []stages.SecretUse) string {
	var b strings.Builder
	for _, use := range uses {
		if use.Redacted > 0 && use.Name != "" {
			b.WriteString(say("%s was in what it printed and was taken out (%s)", safe(use.Name), count(int(use.Redacted), "time")))
		}
	}
	return b.String()
}

// logLines puts a prefix before each line of a guest's text.
func logLines(c *console, prefix, text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		b.WriteString(prefix + c.guestLine(line) + "\n")
	}
	return b.String()
}

// actionWords is "action 1, go_build ./...".
func actionWords(e stages.Event) string {
	if e.Action == nil {
		return safe(e.Name)
	}
	return fmt.Sprintf("action %d, %s", *e.Action+1, safe(e.Name))
}

// after is nothing for what never began.
func after(duration float64) string {
	if duration <= 0 {
		return ""
	}
	return " after " + seconds(duration)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + safe(reason)
}
