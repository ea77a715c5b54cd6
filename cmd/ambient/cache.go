package main

import (
	"encoding/json"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/results"
)

type cacheCommand struct{ *app }

type cacheOptions struct {
	json  bool
	prune bool
	all   bool
	older time.Duration
}

func (cacheCommand) Synopsis() string { return "list or remove the results that can be used again" }

func (cacheCommand) Help() string {
	return helpText{
		usage: "cache [-json]\n  ambient cache prune -older=AGE|-all [-json]",
		about: "Lists the results of stages that are kept so that the stage need not run again, the\n" +
			"newest first; prune removes some. The record of runs is not touched: logs and\n" +
			"artifacts of a run stay where they are. Sizes are shared with that record.",
		options: []string{
			"-older=AGE", "remove results that were not used for so long, such as 12h or 30d",
			"-all", "remove every result",
			"-json", "one JSON object a line, with key, stage, run, made, used, age and bytes",
		},
		exits:    []string{"0", "done", usageExit[0], usageExit[1], otherExit[0], otherExit[1]},
		examples: []string{"ambient cache", "ambient cache prune -older=30d", "ambient cache -json | jq -r .stage"},
	}.String()
}

func (c cacheCommand) Run(args []string) int {
	opts, err := c.parseCache(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("cache", err)
}

func (c cacheCommand) parseCache(args []string) (opts cacheOptions, err error) {
	fs := newFlags("cache")
	older := fs.String("older", "", "")
	fs.BoolVar(&opts.all, "all", false, "")
	fs.BoolVar(&opts.json, "json", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 1, "prune")
	}
	if err != nil {
		return opts, err
	}
	if len(operands) == 1 && operands[0] != "list" {
		if opts.prune = operands[0] == "prune"; !opts.prune {
			return opts, usagef("There is nothing called %q to do: want prune, or nothing for the list.", operands[0])
		}
	}
	if given(fs, "older") {
		if opts.older, err = config.ParseAge(*older); err != nil {
			return opts, usagef("-older=%s: %v.", *older, err)
		}
	}
	switch which := opts.all || given(fs, "older"); {
	case opts.prune && !which:
		err = usagef("Say what to remove: -older=AGE or -all.")
	case opts.prune && opts.all && given(fs, "older"):
		err = usagef("-all and -older exclude each other.")
	case !opts.prune && which:
		err = &usageError{text: "Without prune nothing is removed.", hint: "See: ambient cache prune -help"}
	}
	return opts, err
}

func (c cacheCommand) run(opts cacheOptions) error {
	h, err := c.home()
	if err != nil {
		return err
	}
	store, now := results.NewStore(h), time.Now()
	if !opts.prune {
		all, err := store.List()
		if err != nil {
			return err
		}
		return c.show(all, opts, now, "kept")
	}
	since := now.Add(-opts.older)
	if opts.all {
		since = now.Add(100 * 365 * 24 * time.Hour)
	}
	removed, err := store.Prune(since)
	if serr := c.show(removed, opts, now, "removed"); err == nil {
		err = serr
	}
	return err
}

// cacheJSON is one line of `cache -json`. The version is raised when a field
// changes its meaning or goes.
type cacheJSON struct {
	Version int       `json:"v"`
	Key     string    `json:"key"`
	Stage   string    `json:"stage"`
	Run     string    `json:"run"`
	Made    time.Time `json:"made"`
	Used    time.Time `json:"used"`
	Age     float64   `json:"age"` // seconds since it was made
	Bytes   int64     `json:"bytes"`
}

const cacheVersion = 1

func (c cacheCommand) show(all []*results.Entry, opts cacheOptions, now time.Time, what string) error {
	if opts.json {
		enc := json.NewEncoder(c.out)
		for _, e := range all {
			line := cacheJSON{cacheVersion, e.Key, e.Stage, e.Run, e.Made, e.Used.UTC(), now.Sub(e.Made).Seconds(), e.Bytes()}
			if err := enc.Encode(line); err != nil {
				return err
			}
		}
		return nil
	}
	c.out.printf("%s", cacheText(all, now, what))
	return nil
}

func cacheText(all []*results.Entry, now time.Time, what string) string {
	if len(all) == 0 {
		return "No result is " + what + ".\n"
	}
	rows := [][]string{{"KEY", "STAGE", "RUN", "AGE", "USED", "SIZE"}}
	var sum int64
	for _, e := range all {
		sum += e.Bytes()
		rows = append(rows, []string{
			e.Key[:12], safe(e.Stage), safe(e.Run),
			seconds(now.Sub(e.Made).Seconds()), seconds(now.Sub(e.Used).Seconds()) + " ago", size(e.Bytes()),
		})
	}
	return columns(rows) + count(len(all), "result") + " " + what + ", " + size(sum) + "\n"
}
