package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/runs"
	"github.com/ambient-ci/ambient/stages"
)

// waiting is the outcome of a stage that did not start yet, in a run that goes
// on.
const waiting stages.Outcome = "waiting"

// planFile holds the plan of a run, as `plan -json` shows it, in the run's
// directory.
const planFile = "plan.json"

type showCommand struct{ *app }

type showOptions struct {
	json, detail bool
	run          string // or a plan file
}

func (showCommand) Synopsis() string { return "show one run, or a saved plan" }

func (showCommand) Help() string {
	return helpText{
		usage: "show [-json] [-detail] RUN | PLAN",
		about: "Shows a run: its stages, how each ended, where its time went and what it waited\n" +
			"for. RUN is an id, the beginning of one, or latest.\n\n" +
			"PLAN is a file of plan -out, which is shown as plan showed it, whatever became of\n" +
			"the files it was made of.",
		options:  []string{"-json", "one JSON object", "-detail", "everything that a saved plan knows"},
		exits:    []string{"0", "done, however the run ended", "2", "there is no such run or plan, or the command line is wrong", otherExit[0], otherExit[1]},
		examples: []string{"ambient show latest", "ambient show latest -json | jq '.stages[].outcome'", "ambient show -detail p.plan"},
	}.String()
}

func (c showCommand) Run(args []string) int {
	opts, err := c.parseShow(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("show", err)
}

func (c showCommand) parseShow(args []string) (opts showOptions, err error) {
	fs := newFlags("show")
	fs.BoolVar(&opts.json, "json", false, "")
	fs.BoolVar(&opts.detail, "detail", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 1, 1, "RUN or PLAN")
	}
	if err == nil {
		opts.run = operands[0]
	}
	return opts, err
}

func (c showCommand) run(opts showOptions) error {
	if info, err := os.Stat(c.path(opts.run)); opts.run != "latest" && err == nil && info.Mode().IsRegular() {
		return c.showPlan(opts)
	}
	r, err := c.openRun(opts.run)
	if err != nil {
		return err
	}
	shown := showRun(r)
	if opts.json {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", "  ")
		return enc.Encode(shown)
	}
	c.out.printf("%s", showText(c.out, r, shown))
	return nil
}

// showPlan shows a saved plan.
func (c showCommand) showPlan(opts showOptions) error {
	saved, err := c.openPlan(opts.run)
	if err != nil {
		return err
	}
	var p planJSON
	if err := json.Unmarshal(saved.Shown, &p); err != nil || p.Version != planVersion {
		return usagef("%s: it is damaged: what it shows makes no sense.", opts.run)
	}
	if opts.json {
		return c.printJSON(p)
	}
	c.printPlan(p, opts.detail, "To run: ambient apply "+quote(opts.run))
	return nil
}

// runJSON is the form of `show -json`: the record, and for each stage where its
// time went and what it waited for. The version is the record's.
type runJSON struct {
	runs.Record
	Stages []runStageJSON `json:"stages"`
}

type runStageJSON struct {
	runs.StageRecord
	Times *stages.EventTimes `json:"times,omitempty"`
	Needs []edgeJSON         `json:"needs"`
}

func showRun(r *runs.Run) runJSON {
	out := runJSON{Record: r.Record(), Stages: []runStageJSON{}}
	times := map[string]*stages.EventTimes{}
	now := map[string]stages.Outcome{} // of a run that goes on
	for e, err := range r.Events() {
		switch {
		case err != nil:
		case e.Type == stages.StageFinished:
			times[e.Stage], now[e.Stage] = e.Times, e.Outcome
		case e.Type == stages.StagePreparing:
			now[e.Stage] = runs.Running
		}
	}
	needs := map[string][]edgeJSON{}
	for _, s := range readPlan(r.Dir()).Stages {
		needs[s.Stage] = s.Needs
	}
	for _, s := range out.Record.Stages {
		if s.Outcome == "" {
			s.Outcome = cmp.Or(now[s.Stage], waiting)
		}
		out.Stages = append(out.Stages, runStageJSON{s, times[s.Stage], append([]edgeJSON{}, needs[s.Stage]...)})
	}
	return out
}

func showText(c *console, r *runs.Run, shown runJSON) string {
	rec := shown.Record
	var b strings.Builder
	b.WriteString(columns([][]string{
		{"run", rec.ID},
		{"project", safe(strings.Join(rec.Projects, ", "))},
		{"started", rec.Started.Local().Format(time.DateTime)},
		{"directory", safe(rec.Directory)},
	}) + "\n")
	if rec.Reason != "" {
		fmt.Fprintf(&b, "%s\n\n", safe(rec.Reason))
	}
	for _, s := range shown.Stages {
		b.WriteString(shownStage(c, s))
	}
	s := summary{run: rec.ID, outcome: rec.Outcome, duration: rec.Duration, dir: r.Dir(), made: hasArtifacts(r), tail: recordedTail(r)}
	for _, st := range shown.Stages {
		s.stages = append(s.stages, st.StageRecord.StageRecord)
	}
	b.WriteString(s.text(c))
	return b.String()
}

// shownStage says where a stage's time went and what it waited for.
func shownStage(c *console, s runStageJSON) string {
	var rows [][]string
	if t := s.Times; t != nil {
		rows = append(rows, []string{"  time", fmt.Sprintf("%s prepare, %s boot, %s work, %s collect",
			seconds(t.Prepare), seconds(t.Boot), seconds(t.Work), seconds(t.Collect))})
	}
	for i, e := range s.Needs {
		if i == mostEdges {
			rows = append(rows, []string{"", fmt.Sprintf("and %d more", len(s.Needs)-mostEdges)})
			break
		}
		rows = append(rows, []string{unless(i > 0, "  needs"), e.words()})
	}
	if len(rows) == 0 {
		return ""
	}
	return c.paint(cyan, safe(s.Stage)) + "\n" + columns(rows)
}

// recordedTail returns the last lines of a stage's log on record.
func recordedTail(r *runs.Run) func(string) []string {
	return func(stage string) []string {
		found, err := r.Stages(stage)
		if err != nil {
			return nil
		}
		var lines []string
		for l, err := range r.Lines(found[0]) {
			if err != nil {
				break
			}
			if lines = append(lines, l.Text); len(lines) > 2*tailLines {
				lines = append(lines[:0], lines[tailLines:]...)
			}
		}
		return lines[max(0, len(lines)-tailLines):]
	}
}

// writePlan puts the plan of a run beside its record.
func writePlan(dir string, l *loaded) error {
	data, err := json.Marshal(planToJSON(l, true))
	if err != nil {
		return err
	}
	return home.WriteFile(filepath.Join(dir, planFile), append(data, '\n'), 0o600)
}

// readPlan returns the plan of a run, an empty one if it can not be read.
func readPlan(dir string) planJSON {
	var p planJSON
	data, err := os.ReadFile(filepath.Join(dir, planFile))
	if err != nil || json.Unmarshal(data, &p) != nil || p.Version > planVersion {
		return planJSON{}
	}
	return p
}
