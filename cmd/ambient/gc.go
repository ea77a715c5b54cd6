package main

import (
	"encoding/json"
	"time"

	"github.com/ambient-ci/ambient/config"
)

type gcCommand struct{ *app }

// gcOptions bound what is kept.
type gcOptions struct {
	older time.Duration
	runs  int
	size  int64
	dry   bool
	json  bool
}

// Defaults for a developer's machine.
const (
	gcOlder = "30d"
	gcRuns  = 200
	gcSize  = "20GiB"
)

func (gcCommand) Synopsis() string { return "remove what is old from everything that ambient keeps" }

func (gcCommand) Help() string {
	return helpText{
		usage: "gc [-older=AGE] [-runs=N] [-size=SIZE] [-dry-run] [-json]",
		about: "Removes what was not used for long of the record of runs, the results that can be\n" +
			"used again, fetched sources, packed inputs, memory templates, images and downloads,\n" +
			"and then the least recently used until the rest is within the size. The newest run\n" +
			"of each configuration that succeeded stays, and so does what is in use. Caches of\n" +
			"stages are kept.",
		options: []string{
			"-older=AGE", "remove what was not used for so long; default " + gcOlder,
			"-runs=N", "keep at most N runs; default 200",
			"-size=SIZE", "keep at most so many bytes; default " + gcSize,
			"-dry-run", "say what would be removed and remove nothing",
			"-json", "one JSON object a line, with kind, name, used, bytes and why",
		},
		exits:    []string{"0", "done", usageExit[0], usageExit[1], otherExit[0], otherExit[1]},
		examples: []string{"ambient gc -dry-run", "ambient gc -older=7d -size=5GiB"},
	}.String()
}

func (c gcCommand) Run(args []string) int {
	opts, err := c.parseGC(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("gc", err)
}

func (c gcCommand) parseGC(args []string) (opts gcOptions, err error) {
	fs := newFlags("gc")
	older := fs.String("older", gcOlder, "")
	size := fs.String("size", gcSize, "")
	fs.IntVar(&opts.runs, "runs", gcRuns, "")
	fs.BoolVar(&opts.dry, "dry-run", false, "")
	fs.BoolVar(&opts.json, "json", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	if err != nil {
		return opts, err
	}
	if opts.older, err = config.ParseAge(*older); err != nil {
		return opts, usagef("-older=%s: %v.", *older, err)
	}
	if opts.size, err = config.ParseSize(*size); err != nil {
		return opts, usagef("-size=%s: %v.", *size, err)
	}
	if opts.runs < 0 {
		return opts, usagef("-runs=%d: want 0 or more.", opts.runs)
	}
	return opts, nil
}

func (c gcCommand) run(opts gcOptions) error {
	h, err := c.home()
	if err != nil {
		return err
	}
	k, err := newKeeper(h, opts, time.Now())
	if err != nil {
		return err
	}
	removed, err := k.clean()
	if serr := c.show(removed, opts); err == nil {
		err = serr
	}
	return err
}

// gcJSON is one line of `gc -json`.
type gcJSON struct {
	Version int       `json:"v"`
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Used    time.Time `json:"used"`
	Bytes   int64     `json:"bytes"` // freed with it
	Why     string    `json:"why"`
}

func (c gcCommand) show(removed []*kept, opts gcOptions) error {
	var sum int64
	rows := [][]string{{"KIND", "NAME", "USED", "SIZE", "WHY"}}
	enc := json.NewEncoder(c.out)
	for _, k := range removed {
		sum += k.freed
		rows = append(rows, []string{k.kind, safe(k.name), seconds(time.Since(k.used).Seconds()) + " ago", size(k.freed), k.why})
		if opts.json {
			if err := enc.Encode(gcJSON{1, k.kind, k.name, k.used.UTC(), k.freed, k.why}); err != nil {
				return err
			}
		}
	}
	what := " removed, "
	if opts.dry {
		what = " would be removed, "
	}
	switch {
	case opts.json:
	case len(removed) == 0:
		c.out.printf("There is nothing to remove.\n")
	default:
		c.out.printf("%s%s%s%s\n", columns(rows), count(len(removed), "thing"), what, size(sum))
	}
	return nil
}
