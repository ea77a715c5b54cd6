package runner

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

func TestVerdict(t *testing.T) {
	stage := &config.Stage{
		ID:      config.StageID{Project: "p", Phase: config.Plan, Name: "build"},
		Limits:  config.DefaultLimits(),
		Actions: []*config.Action{{Name: "shell"}, {Name: "go_test"}},
	}
	ok := &guest.Finished{Action: 1}
	packed := &guest.Packed{Name: "artifacts", Bytes: 1024}
	for _, c := range []struct {
		name    string
		story   story
		outcome stages.Outcome
		limit   string
		reason  string // a part of it
	}{
		{"all well", story{finished: ok, done: &guest.Done{}, output: packed}, stages.Succeeded, "", ""},
		{"no actions at all", story{done: &guest.Done{}, output: packed}, stages.Succeeded, "", ""},
		{"exit status", story{finished: &guest.Finished{Action: 1, Exit: 7}, done: &guest.Done{}, output: packed}, stages.Failed, "", "action 2 (go_test) ended with exit status 7"},
		{"signal", story{finished: &guest.Finished{Action: 0, Signal: "SIGSEGV"}, done: &guest.Done{}, output: packed}, stages.Failed, "", "action 1 (shell) was killed by SIGSEGV"},
		{"memory", story{finished: &guest.Finished{Limit: "memory", Signal: "SIGKILL"}, done: &guest.Done{}, output: packed}, stages.Failed, "memory", "limit of 1GiB (memory in the limits block)"},
		{"disk", story{finished: &guest.Finished{Limit: "disk", Exit: 1}, done: &guest.Done{}, output: packed}, stages.Failed, "disk", "4GiB"},
		{"processes", story{finished: &guest.Finished{Limit: "processes", Exit: 1}, done: &guest.Done{}, output: packed}, stages.Failed, "processes", "4096"},
		{"a limit that no guest can hit", story{finished: &guest.Finished{Limit: "patience", Exit: 1}, done: &guest.Done{}, output: packed}, stages.Failed, "", "exit status 1"},
		{"an index beyond the actions", story{finished: &guest.Finished{Action: 99, Exit: 1}, done: &guest.Done{}, output: packed}, stages.Failed, "", "an action ended"},
		{"action timeout", story{finished: &guest.Finished{Limit: guest.LimitAction, Signal: "SIGKILL"}, done: &guest.Done{}, output: packed}, stages.TimedOut, guest.LimitAction, "its own timeout"},
		{"outage", story{finished: &guest.Finished{Outage: true, Error: "no route"}, done: &guest.Done{}, output: packed}, stages.Errored, "", "could not fetch: no route"},
		{"outage of a file", story{finished: &guest.Finished{Outage: true, Error: "fetch http://h/f: no route"}, done: &guest.Done{}, output: packed}, stages.Errored, "", "could not fetch: http://h/f: no route"},
		{"outage of a tool", story{finished: &guest.Finished{Outage: true, Exit: 1}, done: &guest.Done{}, output: packed}, stages.Errored, "", "could not fetch: it ended with exit status 1; its log says why"},
		{"could not start", story{finished: &guest.Finished{Error: "no such program"}, done: &guest.Done{}, output: packed}, stages.Failed, "", "no such program"},
		{"stage timeout beats what the guest says", story{stopped: stopTimeout, finished: ok, done: &guest.Done{}, output: packed}, stages.TimedOut, "timeout", "30m"},
		{"log", story{stopped: stopLog, done: &guest.Done{}}, stages.Failed, "log", "16MiB"},
		{"cancelled", story{stopped: stopCancel}, stages.Cancelled, "", "cancelled"},
		{"protocol", story{failure: errors.New("garbage")}, stages.Errored, "", "garbage"},
		{"died", story{finished: ok}, stages.Errored, "", "console"},
		{"guest trouble", story{done: &guest.Done{Error: "no device"}}, stages.Errored, "", "no device"},
		{"source larger than the disk", story{done: &guest.Done{Error: "no space", Limit: "disk"}}, stages.Failed, "disk", "4GiB"},
		{"artifacts too large", story{finished: ok, done: &guest.Done{}, output: &guest.Packed{Limit: "artifacts"}}, stages.Failed, "artifacts", "1GiB"},
		{"artifacts not packed", story{finished: ok, done: &guest.Done{}, output: &guest.Packed{Error: "I/O"}}, stages.Errored, "", "I/O"},
		{"artifacts replaced", story{finished: ok, done: &guest.Done{}, output: &guest.Packed{Error: "/ci/artifacts is not a directory", Fault: true}}, stages.Failed, "", "not a directory"},
		{"no word of artifacts", story{finished: ok, done: &guest.Done{}}, stages.Errored, "", "did not say"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := verdict(stage, c.story)
			if r.Outcome != c.outcome || r.Limit != c.limit || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("got %s, limit %q, %q; want %s, limit %q, …%q…", r.Outcome, r.Limit, r.Reason, c.outcome, c.limit, c.reason)
			}
			if (r.Outcome == stages.Succeeded) != (r.Reason == "") {
				t.Errorf("%s with the reason %q", r.Outcome, r.Reason)
			}
		})
	}
}

func TestClipBoundsGuestText(t *testing.T) {
	if got := clip("\x1b]0;title\a\x9b\x1b[31mred"); got != "␛]0;title␇\ufffdred" {
		t.Errorf("got %q", got)
	}
	if got := clip(strings.Repeat("x", 1<<20)); len(got) > 3000 {
		t.Errorf("kept %d bytes", len(got))
	}
}

func TestNewStartDiffers(t *testing.T) {
	a, err := newStart("h")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := newStart("h")
	if string(a.Entropy) == string(b.Entropy) || a.MachineID == b.MachineID || len(a.Entropy) != 256 || len(a.MachineID) != 32 {
		t.Error("two machines got the same entropy or id, or none")
	}
	if time.Since(a.Time) > time.Minute {
		t.Error("the clock is wrong")
	}
}

// A post stage delivers, it does not fetch.
func TestVerdictOfDelivery(t *testing.T) {
	stage := &config.Stage{ID: config.StageID{Phase: config.Post}, Actions: []*config.Action{{Name: "rsync"}}}
	for _, f := range []*guest.Finished{{Outage: true, Exit: 255}, {Outage: true, Error: "PUT https://h/x: HTTP 503"}} {
		r := verdict(stage, story{finished: f, done: &guest.Done{}})
		if r.Outcome != stages.Errored || !strings.HasPrefix(r.Reason, "action 1 (rsync) could not deliver: ") {
			t.Errorf("%s: %s", r.Outcome, r.Reason)
		}
	}
}
