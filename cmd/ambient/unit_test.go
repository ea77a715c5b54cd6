package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ambient-ci/ambient/runner"
	"github.com/ambient-ci/ambient/stages"
)

func TestStatus(t *testing.T) {
	outcome := func(o stages.Outcome) error { return &outcomeError{o} }
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{outcome(stages.Succeeded), 0},
		{outcome(stages.Failed), 1},
		{outcome(stages.TimedOut), 1},
		{outcome(stages.Errored), 3},
		{outcome(stages.Cancelled), 130},
		{outcome("no such outcome"), 3},
		{usagef("no"), 2},
		{fmt.Errorf("wrapped: %w", errConfiguration), 2},
		{errUnfit, 3},
		{context.Canceled, 130},
		{io.ErrUnexpectedEOF, 3},
	} {
		if got := status(tt.err); got != tt.want {
			t.Errorf("status(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestSafe(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain", "plain"},
		{"grün 日本", "grün 日本"},
		{"a\tb", "a    b"},
		{"a\nb", "a␊b"},
		{"\x1b[31mred\x1b[0m", "red"},
		{"\x1b]0;title\x07", "␛]0;title␇"},
		{"\x1b[2J", "␛[2J"},
		{"\u202eevil", "\ufffdevil"},
		{"\x9b31m\xff", "\ufffd31m\ufffd"},
	} {
		if got := safe(tt.in); got != tt.want {
			t.Errorf("safe(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestGuestLineEndsItsColours(t *testing.T) {
	c := newPlainConsole(io.Discard)
	if got := c.guestLine("\x1b[31mred"); got != "red" {
		t.Errorf("without colours: %q", got)
	}
	c.color = true
	if got := c.guestLine("\x1b[31mred"); got != "\x1b[31mred"+stages.ResetSGR {
		t.Errorf("with colours: %q", got)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
	} {
		got := cut(tt.in, tt.n)
		if got != tt.want || displayWidth(got) > tt.n {
			t.Errorf("cut(%q, %d) = %q of width %d, want %q", tt.in, tt.n, got, displayWidth(got), tt.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[float64]string{
		-1: "0.0s", 0.44: "0.4s", 9.94: "9.9s", 12.7: "12s", 185: "3m05s", 7620: "2h07m",
	} {
		if got := seconds(in); got != want {
			t.Errorf("seconds(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 30: "1 GiB", 1<<20 - 1: "1 MiB",
	} {
		if got := size(in); got != want {
			t.Errorf("size(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"greet/plan.build": "greet/plan.build", `a/plan.t["x"]`: `'a/plan.t["x"]'`, "it's": `'it'\''s'`, "": "''",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"plan", "apply", "runs"}
	for in, want := range map[string]string{"pln": "plan", "aply": "apply", "run": "runs", "destroy": "", "": ""} {
		if got := nearest(in, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseFlagsMixesOptionsAndOperands(t *testing.T) {
	fs := newFlags("x")
	verbose := fs.Bool("verbose", false, "")
	got, err := parseFlags(fs, []string{"a", "-verbose", "b", "--", "-c"})
	if err != nil || !*verbose || strings.Join(got, " ") != "a b -c" {
		t.Errorf("got %q, verbose %v, %v", got, *verbose, err)
	}
	_, err = parseFlags(newFlagsWith("verbose"), []string{"-verbos"})
	var usage *usageError
	if !errors.As(err, &usage) || usage.text != `There is no option "-verbos". Did you mean "-verbose"?` {
		t.Errorf("unknown option: %v", err)
	}
}

func newFlagsWith(name string) *flag.FlagSet {
	fs := newFlags("x")
	fs.Bool(name, false, "")
	return fs
}

func TestCapacity(t *testing.T) {
	meminfo := func(kib int) *fstest.MapFile {
		return &fstest.MapFile{Data: fmt.Appendf(nil, "MemTotal: 9 kB\nMemAvailable:  %d kB\n", kib)}
	}
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, tt := range map[string]struct {
		fsys fstest.MapFS
		want int64
	}{
		"nothing known": {fstest.MapFS{}, 0},
		"the machine":   {fstest.MapFS{"proc/meminfo": meminfo(4 << 20)}, 4<<30 - memoryReserve},
		"nearly full":   {fstest.MapFS{"proc/meminfo": meminfo(10)}, 1},
		"a container": {fstest.MapFS{
			"proc/meminfo":                 meminfo(4 << 20),
			"sys/fs/cgroup/memory.max":     file("1073741824\n"),
			"sys/fs/cgroup/memory.current": file("268435456\n"),
			"sys/fs/cgroup/memory.stat":    file("anon 7\ninactive_file 134217728\n"),
		}, 1<<30 - 256<<20 + 128<<20 - memoryReserve},
		"no limit": {fstest.MapFS{
			"proc/meminfo":                 meminfo(4 << 20),
			"sys/fs/cgroup/memory.max":     file("max\n"),
			"sys/fs/cgroup/memory.current": file("1\n"),
		}, 4<<30 - memoryReserve},
	} {
		if got := capacity(tt.fsys, 2); got.Memory != tt.want || got.CPUs != 2 {
			t.Errorf("%s: %+v, want memory %d", name, got, tt.want)
		}
	}
}

func TestInterrupts(t *testing.T) {
	signals := make(chan os.Signal, 2)
	said := make(chan string, 2)
	ctx, kill, stop := interrupts(context.Background(), signals, nil, func(s string) { said <- s })
	defer stop()
	if ctx.Err() != nil {
		t.Fatal("cancelled before any signal")
	}
	signals <- os.Interrupt
	<-ctx.Done()
	select {
	case <-kill:
		t.Fatal("killed by the first signal")
	default:
	}
	signals <- os.Interrupt
	<-kill
	if first, second := <-said, <-said; !strings.Contains(first, "stop") || !strings.Contains(second, "killing") {
		t.Errorf("said %q, then %q", first, second)
	}
}

func TestInterruptsWhenNobodyReads(t *testing.T) {
	gone := make(chan struct{})
	ctx, _, stop := interrupts(context.Background(), nil, gone, func(s string) { t.Errorf("said %q", s) })
	defer stop()
	close(gone)
	<-ctx.Done()
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestConsoleTellsOfABrokenPipe(t *testing.T) {
	c := newPlainConsole(brokenPipe{})
	c.printf("a")
	c.printf("b")
	<-c.failed()
}

func TestEventLinesKeepGuestsApart(t *testing.T) {
	c := newPlainConsole(io.Discard)
	zero := 0
	for _, tt := range []struct {
		e    stages.Event
		want string
	}{
		{stages.Event{Type: stages.LogOutput, Stage: "p/plan.a", Text: "one\np/plan.a: succeeded\n"}, "p/plan.a | one\np/plan.a | p/plan.a: succeeded\n"},
		{stages.Event{Type: stages.LogOutput, Stage: "p/plan.a", Text: "\x1b[2Jx"}, "p/plan.a | ␛[2Jx\n"},
		{stages.Event{Type: stages.StageQueued, Stage: "p/plan.a"}, ""},
		{stages.Event{Type: stages.StagePreparing, Stage: "p/plan.a", Text: "building image x"}, "p/plan.a: building image x\n"},
		{stages.Event{Type: stages.ActionStarted, Stage: "p/plan.a", Action: &zero, Name: "shell"}, "p/plan.a: action 1, shell\n"},
		{stages.Event{Type: stages.StageFinished, Stage: "p/plan.a", Outcome: stages.Failed, Duration: 2, Reason: "no\nreason"}, "p/plan.a: failed after 2.0s: no␊reason\n"},
		{stages.Event{Type: stages.StageFinished, Stage: "p/plan.a", Outcome: stages.Skipped, Reason: "it needs b"}, "p/plan.a: was skipped: it needs b\n"},
		{stages.Event{Type: stages.WarningRaised, Text: "odd"}, "Warning: odd\n"},
	} {
		if got := eventLines(c, tt.e); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.e.Type, got, tt.want)
		}
	}
}

// fakeTerminal is a console of that size that writes to w.
func fakeTerminal(w io.Writer, width, height int) *console {
	c := newPlainConsole(w)
	c.live = true
	c.size = func() (int, int) { return width, height }
	return c
}

func TestLiveViewLeavesOnlyPlainLines(t *testing.T) {
	var out bytes.Buffer
	c := fakeTerminal(&out, 40, 10)
	v := newLiveView(c)
	v.Event(stages.Event{Type: stages.RunStarted, Run: "r1", Stages: make([]stages.StageRecord, 2)})
	v.Event(stages.Event{Type: stages.StagePreparing, Stage: "p/plan.a", Text: "packing"})
	v.draw(true)
	v.Event(stages.Event{Type: stages.LogOutput, Stage: "p/plan.a", Text: strings.Repeat("x", 100)})
	v.draw(true)
	v.Event(stages.Event{Type: stages.StageFinished, Stage: "p/plan.a", Outcome: stages.Succeeded, Duration: 1})
	v.Note("a note")
	v.Close()
	got := screen(t, out.String())
	want := "Run r1: 2 stages\np/plan.a: packing\np/plan.a | " + strings.Repeat("x", 100) +
		"\np/plan.a: succeeded after 1.0s\na note\n"
	if got != want {
		t.Errorf("the terminal shows\n%s\nwant\n%s", got, want)
	}
}

// screen plays what a live view wrote to a terminal with lines of any length
// and returns what is left on it.
func screen(t *testing.T, s string) string {
	t.Helper()
	var lines []string
	for s != "" {
		if i := strings.Index(s, "\x1b["); i == 0 {
			var up int
			var rest string
			if _, err := fmt.Sscanf(s, "\x1b[%dA", &up); err != nil || up > len(lines) {
				t.Fatalf("unknown sequence in %q", s[:min(len(s), 20)])
			}
			_, rest, ok := strings.Cut(s, "\r\x1b[J")
			if !ok {
				t.Fatalf("the area is not erased in %q", rest)
			}
			lines, s = lines[:len(lines)-up], rest
			continue
		}
		line, rest, _ := strings.Cut(s, "\n")
		lines, s = append(lines, line), rest
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestLiveAreaFitsTheTerminal(t *testing.T) {
	var s liveState
	now := time.Unix(1000, 0)
	s.apply(stages.Event{Type: stages.RunStarted, Stages: make([]stages.StageRecord, 30)}, now)
	for i := range 20 {
		name := fmt.Sprintf("p/plan.stage%02d", i)
		s.apply(stages.Event{Type: stages.StageStarted, Stage: name}, now)
		s.apply(stages.Event{Type: stages.LogOutput, Stage: name, Text: "日本語\t\x1b[2J" + strings.Repeat("long ", 50)}, now)
	}
	for _, size := range [][2]int{{0, 0}, {80, 24}, {20, 6}, {1, 1}, {200, 100}} {
		lines := s.lines(now.Add(time.Minute), size[0], size[1])
		width, height := size[0], size[1]
		if width == 0 {
			width, height = 80, 24
		}
		if len(lines) >= height && len(lines) > 0 {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if displayWidth(line) >= width || strings.ContainsAny(line, "\x1b\t\n") {
				t.Errorf("%v: line of width %d: %q", size, displayWidth(line), line)
			}
		}
	}
}

func TestDoctorNeedsChecksThatAllPass(t *testing.T) {
	for name, tt := range map[string]struct {
		checks []runner.Check
		want   bool
	}{
		"none":    {nil, false},
		"ok":      {[]runner.Check{{Status: runner.CheckOK}, {Status: runner.CheckWarn}}, true},
		"failed":  {[]runner.Check{{Status: runner.CheckOK}, {Status: runner.CheckFail}}, false},
		"unknown": {[]runner.Check{{Status: "?"}}, false},
	} {
		if got := canRun(tt.checks); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRedactor(t *testing.T) {
	r := newRedactor([]string{"hunter2", "hunter2hunter2", "ab", "first line\nsecond line\n"})
	for in, want := range map[string]string{
		"the password is hunter2.": "the password is (sensitive).",
		"hunter2hunter2":           "(sensitive)",
		"abstract":                 "abstract",
		"a second line of text":    "a (sensitive) of text",
	} {
		e := r.event(stages.Event{Text: in, Reason: in, Stages: []stages.StageRecord{{Reason: in}}})
		if e.Text != want || e.Reason != want || e.Stages[0].Reason != want {
			t.Errorf("%q: %+v, want %q", in, e, want)
		}
	}
}

func TestTemplatesOff(t *testing.T) {
	for value, want := range map[string]string{"": "false <nil>", "on": "false <nil>", "off": "true <nil>", "no": `false AMBIENT_TEMPLATES="no": want on or off.`} {
		off, err := templatesOff(value)
		if got := fmt.Sprint(off, " ", err); strings.TrimSpace(got) != want {
			t.Errorf("%q: %s", value, got)
		}
	}
}
