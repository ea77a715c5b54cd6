package runner

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/inputs"
	"github.com/ambient-ci/ambient/stages"
)

// A source that fits the disk of no stage is not copied first: this one has a
// file of 1 TiB.
func TestSourceLargerThanEveryDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hole"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "hole"), 1<<40-1<<20); err != nil {
		t.Fatal(err)
	}
	h := home.At(t.TempDir())
	r := &Runner{home: h, inputs: inputs.Open(h), sources: map[string]*sourceOnce{}}
	p := &config.Project{Name: "p", Source: config.Source{Address: dir, Local: true}}
	for _, disk := range []int64{1 << 30, 4 << 30} {
		p.Stages = append(p.Stages, &config.Stage{Limits: config.Limits{Disk: disk}})
	}
	_, err := r.source(context.Background(), p)
	var large *blockdev.TooLargeError
	if !errors.As(err, &large) || large.Limit != 4<<30 {
		t.Errorf("got %v", err)
	}
}

// A host without certificate authorities has guests without them.
func TestExecWithoutAuthorities(t *testing.T) {
	t.Setenv("SSL_CERT_FILE", "")
	known := caFiles
	caFiles = nil
	t.Cleanup(func() { caFiles = known })
	var events []stages.Event
	x := newExecution(&Runner{}, &stages.Job{Stage: &config.Stage{ID: config.StageID{Project: "p", Phase: config.Pre, Name: "s"}, Network: config.NetworkOpen, Limits: config.DefaultLimits()}},
		stages.ObserverFunc(func(e stages.Event) { events = append(events, e) }))
	x.dir = t.TempDir()
	var err error
	if x.plan, err = guestPlan(x.job, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := x.exec(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(x.startPlan, []byte(`"trust":false`)) {
		t.Errorf("the guest is to trust authorities that are not there: %v", err)
	}
	if len(events) != 1 || events[0].Type != stages.WarningRaised {
		t.Errorf("got %v", events)
	}
}

// Short lines fill the record as well as long ones.
func TestLogCost(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "abc": 3, "a\n": 38, "\n\n\n": 111} {
		if got := logCost([]byte(text)); got != want {
			t.Errorf("%q costs %d, want %d", text, got, want)
		}
	}
}
