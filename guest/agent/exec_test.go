package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

func TestExec(t *testing.T) {
	tests := map[string]struct {
		exec   guest.Exec
		want   result
		stdout string
		stderr string
	}{
		"success":         {exec: guest.Exec{Script: "echo out; echo err >&2"}, stdout: "out\n", stderr: "err\n"},
		"exit status":     {exec: guest.Exec{Script: "exit 7"}, want: result{exit: 7}},
		"last status":     {exec: guest.Exec{Script: "exit 255"}, want: result{exit: 255}},
		"signal":          {exec: guest.Exec{Script: "kill -9 $$"}, want: result{signal: "SIGKILL"}},
		"segfault":        {exec: guest.Exec{Script: "kill -SEGV $$"}, want: result{signal: "SIGSEGV"}},
		"stops at once":   {exec: guest.Exec{Script: "false\necho after"}, want: result{exit: 1}},
		"pipefail":        {exec: guest.Exec{Script: "false | true", Shell: "bash"}, want: result{exit: 1}},
		"sh":              {exec: guest.Exec{Script: "false | true; echo ${BASH_VERSION:-none}", Shell: "sh"}, stdout: "none\n"},
		"arguments":       {exec: guest.Exec{Argv: []string{"printf", "%s|", "a b", "", "c"}}, stdout: "a b||c|"},
		"stdin":           {exec: guest.Exec{Argv: []string{"cat"}, Stdin: []byte("in\x00put")}, stdout: "in\x00put"},
		"no stdin":        {exec: guest.Exec{Argv: []string{"cat"}}},
		"environment":     {exec: guest.Exec{Script: "echo $A-$B-$HOME-$AGENT_TEST", Env: map[string]string{"B": "own"}}, stdout: "plan-own-/root-\n"},
		"no such program": {exec: guest.Exec{Argv: []string{"no-such"}}, want: result{err: "no-such: not found in the image"}},
		"final":           {exec: guest.Exec{Script: "exit 65", Retries: 3, Outage: true, Final: 65}, want: result{exit: 65}},
		"not final":       {exec: guest.Exec{Script: "exit 64", Retries: 3, Outage: true, Final: 65}, want: result{exit: 64, outage: true}},
		"needs":           {exec: guest.Exec{Script: "echo out", Needs: []guest.Tool{{Program: "sh", Package: "dash"}}}, stdout: "out\n"},
		"needs more": {exec: guest.Exec{Script: "echo out", Retries: 3, Outage: true,
			Needs: []guest.Tool{{Program: "no-such", Package: "some"}, {Program: "sh"}, {Program: "./no-other", Package: "other"}}},
			want: result{err: "the image has no no-such, ./no-other: add some, other to the packages of its debian block"}},
		"no such path":   {exec: guest.Exec{Argv: []string{"./no-such"}}, want: result{err: "./no-such: not found"}},
		"a directory":    {exec: guest.Exec{Argv: []string{"/tmp"}}, want: result{err: "/tmp: is a directory"}},
		"not executable": {exec: guest.Exec{Argv: []string{"./data"}}, want: result{err: "./data: is not executable"}},
		"no interpreter": {exec: guest.Exec{Argv: []string{"./broken"}}, want: result{err: "./broken: its interpreter is not in the image"}},
		"not a program":  {exec: guest.Exec{Argv: []string{"./text"}}, want: result{err: "./text: not a program for this machine (a script needs a #! line)"}},
		"relative":       {exec: guest.Exec{Argv: []string{"../run"}, Dir: "sub"}, stdout: "ran in sub\n"},
		"long output":    {exec: guest.Exec{Script: "head -c 300000 /dev/zero | tr '\\0' x"}, stdout: strings.Repeat("x", 300000)},
		"session":        {exec: guest.Exec{Script: "kill -KILL 0"}, want: result{signal: "SIGKILL"}},
	}
	t.Setenv("AGENT_TEST", "leaked")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, guest.Plan{Env: map[string]string{"A": "plan", "B": "plan"}})
			furnishSource(t, h.path(guest.DirSource))
			if got := h.exec(context.Background(), 0, &test.exec); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			if got := h.logged(guest.StreamStdout); got != test.stdout {
				t.Errorf("stdout %.100q, want %.100q", got, test.stdout)
			}
			if got := h.logged(guest.StreamStderr); test.stderr != "" && got != test.stderr {
				t.Errorf("stderr %.100q, want %.100q", got, test.stderr)
			}
		})
	}
}

func furnishSource(t *testing.T, dir string) {
	files := map[string]string{"data": "x", "broken": "#!/no/such\n", "text": "just text",
		"run": "#!/bin/sh\necho ran in ${PWD##*/}\n", "sub/x": ""}
	for name, content := range files {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		mode := os.FileMode(0o755)
		if name == "data" {
			mode = 0o644
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExecInMissingDirectory(t *testing.T) {
	h := newHost(t, guest.Plan{})
	r := h.exec(context.Background(), 0, &guest.Exec{Argv: []string{"true"}, Dir: "gone"})
	if !strings.HasSuffix(r.err, "gone: no such directory") {
		t.Errorf("%+v", r)
	}
}

// A process in the background keeps the pipes and must not keep the action; it
// lives on into the next action, and its output is not lost.
func TestBackgroundProcess(t *testing.T) {
	h := newHost(t, script(
		"(while [ ! -e go ]; do sleep 0.01; done; echo late; touch came; exec sleep 1000) & echo early",
		"touch go; while [ ! -e came ]; do sleep 0.01; done"))
	done := h.work(context.Background())
	if done.Error != "" || h.said() != "started 0, finished 0 0, started 1, finished 1 0" {
		t.Fatalf("%s %+v", h.said(), done)
	}
	if got := h.logged(guest.StreamStdout); got != "early\nlate\n" {
		t.Errorf("%q", got)
	}
	if left := childrenOf(os.Getpid()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Orphans are reaped, and no status of our own children is lost meanwhile.
func TestOrphansAreReaped(t *testing.T) {
	h := newHost(t, guest.Plan{})
	for range 5 {
		r := h.exec(context.Background(), 0, &guest.Exec{Script: "for i in 1 2 3 4; do (true &); done; exit 3"})
		if r != (result{exit: 3}) {
			t.Fatalf("%+v", r)
		}
	}
	for end := time.Now().Add(5 * time.Second); len(childrenOf(os.Getpid())) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not reaped: %v", childrenOf(os.Getpid()))
		}
	}
}

func TestRetries(t *testing.T) {
	count := "echo x >> n; [ $(wc -l < n) -ge 3 ]"
	tests := map[string]struct {
		exec   guest.Exec
		want   result
		pauses int
	}{
		"succeeds at last": {guest.Exec{Script: count, Retries: 5}, result{}, 2},
		"fails at last":    {guest.Exec{Script: "exit 4", Retries: 2}, result{exit: 4}, 2},
		"an outage":        {guest.Exec{Script: "exit 4", Retries: 1, Outage: true}, result{exit: 4, outage: true}, 1},
		"not by a signal":  {guest.Exec{Script: "kill -9 $$", Retries: 5, Outage: true}, result{signal: "SIGKILL"}, 0},
		"not a start":      {guest.Exec{Argv: []string{"no-such"}, Retries: 5, Outage: true}, result{err: "no-such: not found in the image"}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, guest.Plan{})
			if got := h.exec(context.Background(), 0, &test.exec); got != test.want || len(h.pauses) != test.pauses {
				t.Errorf("%+v after %v, want %+v after %d pauses", got, h.pauses, test.want, test.pauses)
			}
		})
	}
}

func TestLimitExplainsFailure(t *testing.T) {
	tests := map[string]struct {
		script string
		after  events
		want   result
	}{
		"memory":          {"exit 137", events{oomKills: 1}, result{exit: 137, limit: guest.LimitMemory}},
		"killed":          {"kill -9 $$", events{oomKills: 1}, result{signal: "SIGKILL", limit: guest.LimitMemory}},
		"processes":       {"exit 2", events{pidsMax: 9, oomKills: 1}, result{exit: 2, limit: guest.LimitPIDs}},
		"not on success":  {"true", events{pidsMax: 9, oomKills: 1}, result{}},
		"not an old kill": {"exit 1", events{}, result{exit: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, guest.Plan{})
			h.group = &steppedGroup{hostGroup: &hostGroup{}, after: test.after}
			if got := h.exec(context.Background(), 0, &guest.Exec{Script: test.script}); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// steppedGroup has one kind of events at the first question and another later.
type steppedGroup struct {
	*hostGroup
	asked bool
	after events
}

func (g *steppedGroup) events() events {
	if !g.asked {
		g.asked = true
		return events{}
	}
	return g.after
}

func TestActionTimeout(t *testing.T) {
	p := script("trap '' TERM; echo begin; sleep 1000 & wait; sleep 1000", "echo never")
	p.Actions[0].Timeout = 2 * time.Second
	p.Actions[0].Steps[0].Exec.Retries = 3
	h := newHost(t, p)
	h.work(context.Background())
	if h.said() != "started 0, finished 0 action timeout" || h.logged(guest.StreamStdout) != "begin\n" {
		t.Errorf("%s\n%s", h.said(), h.logged(guest.StreamStdout))
	}
}

func TestStop(t *testing.T) {
	p := script("echo kept > ../artifacts/f; touch ready; sleep 1000", "echo never")
	p.Outputs = []guest.Output{{Name: "artifacts", Dir: guest.DirArtifacts, Serial: "out", Limit: 1 << 20}}
	h := newHost(t, p)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		for !exists(h.path(guest.DirSource + "/ready")) {
			time.Sleep(time.Millisecond)
		}
		cancel(errStopped)
	}()
	done := h.work(ctx)
	if h.said() != "started 0, finished 0 stopped" || done.Error != "" || len(done.Outputs) != 1 || done.Outputs[0].Bytes == 0 {
		t.Errorf("%s %+v", h.said(), done)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func TestStopDuringBackOff(t *testing.T) {
	h := newHost(t, guest.Plan{})
	ctx, cancel := context.WithCancelCause(context.Background())
	h.sleep = func(ctx context.Context, _ time.Duration) error {
		cancel(errStopped)
		return sleep(ctx, time.Hour)
	}
	if r := h.exec(ctx, 0, &guest.Exec{Script: "exit 1", Retries: 1}); !r.stopped {
		t.Errorf("%+v", r)
	}
}

func TestBackOff(t *testing.T) {
	var got []time.Duration
	for n := range 8 {
		got = append(got, backOff(n)/time.Second)
	}
	want := []time.Duration{1, 1, 2, 4, 8, 16, 30, 30}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%d, want %d", got, want)
		}
	}
	if backOff(1<<40) != 30*time.Second {
		t.Error("overflow")
	}
}
