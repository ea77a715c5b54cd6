package main

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/ambient-ci/ambient/runs"
)

type runsCommand struct{ *app }

func (runsCommand) Synopsis() string { return "list the runs so far" }

func (runsCommand) Help() string {
	return helpText{
		usage:    "runs [-json]",
		about:    "Lists the runs on record, the newest first.",
		options:  []string{"-json", "one JSON object a line, with id, project, outcome, started and duration"},
		exits:    []string{"0", "done", usageExit[0], usageExit[1], otherExit[0], "a record can not be read; the others are shown"},
		examples: []string{"ambient runs", "ambient runs -json | jq -r 'select(.outcome == \"failed\").id'"},
	}.String()
}

func (c runsCommand) Run(args []string) int {
	asJSON, err := c.parseRuns(args)
	if err == nil {
		err = c.run(asJSON)
	}
	return c.finish("runs", err)
}

func (c runsCommand) parseRuns(args []string) (asJSON bool, err error) {
	fs := newFlags("runs")
	fs.BoolVar(&asJSON, "json", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	return asJSON, err
}

func (c runsCommand) run(asJSON bool) error {
	store, err := c.store()
	if err != nil {
		return err
	}
	all, err := store.List()
	if asJSON {
		enc := json.NewEncoder(c.out)
		for _, r := range all {
			if err := enc.Encode(r.Record()); err != nil {
				return err
			}
		}
		return err
	}
	c.out.printf("%s", runsText(c.out, all))
	return err
}

func runsText(c *console, all []*runs.Run) string {
	if len(all) == 0 {
		return "There is no run yet.\n"
	}
	rows := [][]string{{"RUN", "STARTED", "OUTCOME", "TIME", "PROJECT"}}
	for _, r := range all {
		rec := r.Record()
		rows = append(rows, []string{
			rec.ID, rec.Started.Local().Format(time.DateTime), c.paint(outcomeInk(rec.Outcome), safe(string(rec.Outcome))),
			seconds(rec.Duration), safe(rec.Project),
		})
	}
	return columns(rows)
}

// store is the record of runs.
func (a *app) store() (*runs.Store, error) {
	h, err := a.home()
	if err != nil {
		return nil, err
	}
	return runs.NewStore(h), nil
}

// openRun opens the run that an operand names. A name that fits none, or
// several, is a mistake on the command line.
func (a *app) openRun(ref string) (*runs.Run, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	r, err := store.Open(ref)
	var ambiguous *runs.AmbiguousError
	if errors.Is(err, runs.ErrNoRun) || errors.As(err, &ambiguous) {
		return nil, &usageError{text: err.Error(), hint: "See: ambient runs"}
	}
	return r, err
}
