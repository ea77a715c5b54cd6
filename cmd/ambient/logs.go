package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/ambient-ci/ambient/runs"
)

// followInterval is how often a run that goes on is looked at.
const followInterval = 300 * time.Millisecond

// mostConsole is the longest line of a console that is shown in one piece, in
// bytes.
const mostConsole = 64 << 10

type logsCommand struct{ *app }

type logsOptions struct {
	run, stage string
	console    bool
	follow     bool
	json       bool
}

func (logsCommand) Synopsis() string { return "show what the stages of a run printed" }

func (logsCommand) Help() string {
	return helpText{
		usage: "logs RUN [STAGE] [-console] [-f] [-json]",
		about: "Shows the log of a stage, or of all stages of a run. RUN is an id, the beginning of\n" +
			"one, or latest. STAGE is PROJECT/PHASE.NAME, or PHASE.NAME. Control characters are\n" +
			"shown and not obeyed; the files themselves are where `ambient show RUN` says.",
		options: []string{
			"-console", "the kernel's console instead",
			"-f", "go on until the run is over",
			"-json", "one JSON object a line, with stage, time, action, stream and text",
		},
		exits: []string{"0", "done", "2", "there is no such run or stage, or the command line is wrong",
			otherExit[0], otherExit[1], "130", "interrupted"},
		examples: []string{"ambient logs latest", "ambient logs latest plan.build", "ambient logs -console latest greet/plan.build"},
	}.String()
}

func (c logsCommand) Run(args []string) int {
	opts, err := c.parseLogs(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("logs", err)
}

func (c logsCommand) parseLogs(args []string) (opts logsOptions, err error) {
	fs := newFlags("logs")
	fs.BoolVar(&opts.console, "console", false, "")
	fs.BoolVar(&opts.follow, "f", false, "")
	fs.BoolVar(&opts.json, "json", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 1, 2, "RUN [STAGE]")
	}
	if err != nil {
		return opts, err
	}
	opts.run = operands[0]
	if len(operands) > 1 {
		opts.stage = operands[1]
	}
	return opts, nil
}

func (c logsCommand) run(opts logsOptions) error {
	r, err := c.openRun(opts.run)
	if err != nil {
		return err
	}
	p := &logPrinter{logsCommand: c, opts: opts, read: map[string]*int64{}}
	if err := p.print(r); err != nil || !opts.follow {
		return err
	}
	ctx, _, stop := c.interruptible(func(string) {})
	defer stop()
	for r.Record().Outcome == runs.Running {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followInterval):
		}
		if r, err = c.openRun(r.ID()); err != nil {
			return err
		}
		if err := p.print(r); err != nil {
			return err
		}
	}
	return nil
}

// logPrinter prints what it has not printed before.
type logPrinter struct {
	logsCommand
	opts logsOptions
	read map[string]*int64 // bytes of its file, by stage
}

func (p *logPrinter) print(r *runs.Run) error {
	found, err := r.Stages(p.opts.stage)
	if err != nil {
		return &usageError{text: err.Error()}
	}
	for _, s := range found {
		if p.read[s.Stage] == nil {
			p.read[s.Stage] = new(int64)
		}
		for l, err := range p.lines(r, s, p.read[s.Stage]) {
			if err != nil {
				return err
			}
			p.line(s, l, len(found) > 1)
		}
	}
	return nil
}

// logLineJSON is the form of `logs -json`.
type logLineJSON struct {
	Version int        `json:"v"`
	Stage   string     `json:"stage"`
	Time    *time.Time `json:"time,omitempty"`
	Action  *int       `json:"action,omitempty"` // index; missing outside an action
	Stream  string     `json:"stream"`           // "stdout", "stderr", "system" or "console"
	Text    string     `json:"text"`
}

const logsVersion = 1

// streamConsole is the stream of a line of the kernel's console.
const streamConsole = "console"

func (p *logPrinter) line(s runs.StageRecord, l runs.Line, prefix bool) {
	switch {
	case p.opts.json:
		j := logLineJSON{Version: logsVersion, Stage: s.Stage, Stream: l.Stream, Text: l.Text}
		if !l.Time.IsZero() {
			j.Time = &l.Time
		}
		if l.Action >= 0 {
			j.Action = &l.Action
		}
		_ = json.NewEncoder(p.out).Encode(j) // the console keeps the error
	case prefix:
		p.out.printf("%s | %s\n", p.out.paint(cyan, safe(s.Stage)), p.out.guestLine(l.Text))
	default:
		p.out.printf("%s\n", p.out.guestLine(l.Text))
	}
}

// lines yields what comes behind an offset in a file, and moves it.
func (p *logPrinter) lines(r *runs.Run, s runs.StageRecord, offset *int64) iter.Seq2[runs.Line, error] {
	if p.opts.console {
		return consoleLines(r, s, offset)
	}
	return r.LinesAfter(s, offset)
}

// consoleLines yields the lines of a stage's console behind an offset. While the run goes
// on the last one is left out until it is whole.
func consoleLines(r *runs.Run, s runs.StageRecord, offset *int64) iter.Seq2[runs.Line, error] {
	return func(yield func(runs.Line, error) bool) {
		f, err := r.Console(s)
		if err != nil {
			yield(runs.Line{}, err)
			return
		}
		defer f.Close()
		if _, err := f.Seek(*offset, io.SeekStart); err != nil {
			yield(runs.Line{}, err)
			return
		}
		in := bufio.NewReaderSize(f, mostConsole)
		for {
			text, err := in.ReadSlice('\n')
			whole := err == nil || errors.Is(err, bufio.ErrBufferFull)
			if !whole && !errors.Is(err, io.EOF) {
				yield(runs.Line{}, err)
				return
			}
			if !whole && (len(text) == 0 || r.Record().Outcome == runs.Running) {
				return
			}
			*offset += int64(len(text))
			l := runs.Line{Action: -1, Stream: streamConsole, Text: trimLine(text)}
			if !yield(l, nil) || !whole {
				return
			}
		}
	}
}

func trimLine(text []byte) string {
	for len(text) > 0 && (text[len(text)-1] == '\n' || text[len(text)-1] == '\r') {
		text = text[:len(text)-1]
	}
	return string(text)
}
