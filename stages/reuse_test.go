package stages_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// memory is a Reuser that has results for some stages.
type memory struct {
	mu    sync.Mutex
	has   map[string]bool
	panic string // the method that does
	fail  error  // of Keep
	asked []string
	kept  []string
}

func (m *memory) Find(_ context.Context, job *stages.Job) stages.Found {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := job.Stage.ID.String()
	m.asked = append(m.asked, id)
	if m.panic == "Find" {
		panic("boom")
	}
	if m.has[id] {
		return stages.Found{Result: &stages.Result{Outcome: stages.Reused, Action: -1, From: "r0", Reason: "as in run r0"}}
	}
	return stages.Found{Reason: "source changed", Token: id}
}

func (m *memory) Keep(_ context.Context, job *stages.Job, found stages.Found, res stages.Result, took time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.panic == "Keep" {
		panic("boom")
	}
	if found.Token != job.Stage.ID.String() && m.panic == "" || took <= 0 {
		return errors.New("what Find gave is lost")
	}
	m.kept = append(m.kept, job.Stage.ID.String()+"="+string(res.Outcome))
	return m.fail
}

func TestReuse(t *testing.T) {
	tests := []struct {
		name    string
		has     string
		scripts map[string]string
		want    string
		run     stages.Outcome
		kept    string
	}{
		{"nothing", "", nil, "a/pre.d=succeeded a/plan.x=succeeded a/plan.y=succeeded a/post.p=succeeded", stages.Succeeded,
			"a/pre.d=succeeded a/plan.x=succeeded a/plan.y=succeeded a/post.p=succeeded"},
		{"some", "a/pre.d a/plan.x", nil, "a/pre.d=reused a/plan.x=reused a/plan.y=succeeded a/post.p=succeeded", stages.Succeeded,
			"a/plan.y=succeeded a/post.p=succeeded"},
		{"all", "a/pre.d a/plan.x a/plan.y a/post.p", nil, "a/pre.d=reused a/plan.x=reused a/plan.y=reused a/post.p=reused", stages.Succeeded, ""},
		{"a failure", "a/pre.d", map[string]string{"a/plan.x": "exit 1"}, "a/pre.d=reused a/plan.x=failed a/plan.y=skipped a/post.p=skipped", stages.Failed,
			"a/plan.x=failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &memory{has: map[string]bool{}}
			for _, id := range strings.Fields(tt.has) {
				m.has[id] = true
			}
			tr := newTrial(t, tt.scripts, "a/pre.d", "a/plan.x", "a/plan.y after a/plan.x", "a/post.p")
			tr.opts.Reuser = m
			res := tr.run(t, t.Context())
			if got := outcomes(res); got != tt.want || res.Outcome != tt.run || stages.ExitStatus(res.Outcome) != map[stages.Outcome]int{stages.Failed: 1}[tt.run] {
				t.Errorf("got  %s: %s\nwant %s", res.Outcome, got, tt.want)
			}
			if got := strings.Join(m.kept, " "); got != tt.kept {
				t.Errorf("kept %s, want %s", got, tt.kept)
			}
			decided := strings.Count(tr.told(stages.StageDecided), "source changed")
			if want := strings.Count(tt.want, "succeeded") + strings.Count(tt.want, "failed"); decided != want {
				t.Errorf("%d stages tell why they run, want %d", decided, want)
			}
			for _, s := range res.Stages {
				if reused := s.Result.Outcome == stages.Reused; reused != (s.Record().From == "r0") || reused && s.Started.IsZero() {
					t.Errorf("%+v", s.Record())
				}
			}
		})
	}
}

// TestBadReuser shows that a Reuser can not make a stage fail.
func TestBadReuser(t *testing.T) {
	for _, m := range []*memory{{panic: "Find"}, {panic: "Keep"}, {fail: errors.New("disk full")}} {
		tr := newTrial(t, nil, "a/plan.x")
		tr.opts.Reuser = m
		res := tr.run(t, t.Context())
		if res.Outcome != stages.Succeeded || !strings.Contains(tr.told(stages.WarningRaised), map[bool]string{true: "disk full", false: "boom"}[m.panic == ""]) {
			t.Errorf("%+v: %s, %q", m.panic, outcomes(res), tr.told(stages.WarningRaised))
		}
	}
}

// ahead makes the fake a Preparer. A stage whose name begins with "slow" takes
// long to prepare.
type ahead struct {
	*trial
	slow chan struct{} // closed when slow preparations may end

	mu       sync.Mutex
	open     int // prepared and neither started nor closed
	most     int
	prepared []string
}

func (a *ahead) Start(ctx context.Context, job *stages.Job, obs stages.Observer) (stages.Execution, error) {
	return a.runner.Start(ctx, job, obs)
}

func (a *ahead) Prepare(ctx context.Context, job *stages.Job, obs stages.Observer) (stages.Prepared, error) {
	if strings.HasPrefix(job.Stage.ID.Name, "slow") {
		select {
		case <-a.slow:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if strings.HasPrefix(job.Stage.ID.Name, "bad") {
		return nil, errors.New("no image")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open++
	a.most = max(a.most, a.open)
	a.prepared = append(a.prepared, job.Stage.ID.Name)
	return &readied{a, job, obs}, nil
}

type readied struct {
	a   *ahead
	job *stages.Job
	obs stages.Observer
}

func (r *readied) Start(ctx context.Context) (stages.Execution, error) {
	r.Close()
	return r.a.runner.Start(ctx, r.job, r.obs)
}

func (r *readied) Close() error {
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	r.a.open--
	return nil
}

func newAhead(t *testing.T, scripts map[string]string, lines ...string) *ahead {
	a := &ahead{trial: newTrial(t, scripts, lines...), slow: make(chan struct{})}
	a.opts.Runner = a
	t.Cleanup(func() {
		if a.open != 0 {
			t.Errorf("%d prepared stages were not released", a.open)
		}
	})
	return a
}

// TestPrepareAhead lets a stage run until the next ones are prepared: that must
// happen while it holds the whole machine, and no more than a few may be.
func TestPrepareAhead(t *testing.T) {
	var lines []string
	for _, n := range strings.Fields("a b c d e f g h") {
		lines = append(lines, "p/plan."+n)
	}
	a := newAhead(t, nil, lines...)
	a.opts.Parallelism = 1
	a.runner.OnStart = func(j *stages.Job) error {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			a.mu.Lock()
			n, all := a.open, len(a.prepared)
			a.mu.Unlock()
			if n == 2 || all == 8 {
				return nil
			}
		}
		t.Errorf("nothing is prepared while %s runs", j.Stage.ID)
		return nil
	}
	if res := a.run(t, t.Context()); res.Outcome != stages.Succeeded {
		t.Error(outcomes(res))
	}
	if a.most > 3 {
		t.Errorf("%d stages were prepared at one time", a.most)
	}
}

// TestSlowPreparation has more stages whose preparation takes long than may be
// prepared ahead: another one still runs, and only its end lets them go on.
func TestSlowPreparation(t *testing.T) {
	a := newAhead(t, nil, "p/plan.slow1", "p/plan.slow2", "p/plan.slow3", "p/plan.slow4", "p/plan.slow5", "p/plan.quick")
	a.opts.Capacity.CPUs = 1
	a.watch = func(e stages.Event) {
		if e.Type == stages.StageFinished && e.ID.Name == "quick" {
			close(a.slow)
		}
	}
	if res := a.run(t, t.Context()); res.Outcome != stages.Succeeded {
		t.Error(outcomes(res))
	}
}

func TestPrepareFails(t *testing.T) {
	a := newAhead(t, nil, "p/plan.bad", "p/plan.x after p/plan.bad", "q/plan.y")
	a.stage(t, "p/plan.bad").Retry = &config.Retry{Attempts: 2, On: []string{"errored"}}
	a.runner.OnStart = func(j *stages.Job) error {
		if j.Stage.ID.Name == "bad" {
			return errors.New("still no image")
		}
		return nil
	}
	res := a.run(t, t.Context())
	if got, want := outcomes(res), "p/plan.bad=errored p/plan.x=skipped q/plan.y=succeeded"; got != want || reason(res, "p/plan.bad") != "still no image" {
		t.Errorf("got %s: %q, want %s", got, reason(res, "p/plan.bad"), want)
	}
}

// TestCancelPrepared cancels at a random moment; newAhead looks for what is left.
func TestCancelPrepared(t *testing.T) {
	for k := range 24 {
		a := newAhead(t, nil, "p/plan.a", "p/plan.b", "p/plan.c", "p/plan.slow", "p/plan.d", "q/plan.e after p/plan.a", "p/post.f")
		a.opts.Parallelism = 1 + k%2
		a.opts.Reuser = &memory{has: map[string]bool{"p/plan.a": true}}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		a.watch = func(stages.Event) {
			if n++; n == k {
				cancel()
			}
		}
		stop := time.AfterFunc(200*time.Millisecond, cancel)
		if k < 20 { // else the slow one ends by itself
			a.slow = make(chan struct{})
		} else {
			close(a.slow)
		}
		res := a.run(t, ctx)
		stop.Stop()
		cancel()
		for _, s := range res.Stages {
			if o := s.Result.Outcome; !o.Good() && o != stages.Cancelled {
				t.Errorf("%d: %s is %s: %s", k, s.Stage.ID, o, s.Result.Reason)
			}
		}
	}
}

// TestLongestPathFirst runs one stage at a time.
func TestLongestPathFirst(t *testing.T) {
	lines := []string{"a/plan.short", "a/plan.head", "a/plan.tail after a/plan.head", "a/plan.long", "a/plan.unknown", "a/post.p"}
	tests := []struct{ took, want string }{
		{"", "a/plan.head a/plan.short a/plan.tail a/plan.long a/plan.unknown a/post.p"},
		{"short=1s long=5s head=1s tail=9s p=1s", "a/plan.head a/plan.tail a/plan.long a/plan.short a/plan.unknown a/post.p"},
		{"short=1s long=5s head=1s tail=2s p=1s", "a/plan.long a/plan.head a/plan.tail a/plan.short a/plan.unknown a/post.p"},
	}
	for _, tt := range tests {
		took := map[string]time.Duration{}
		for _, f := range strings.Fields(tt.took) {
			name, d, _ := strings.Cut(f, "=")
			took[name], _ = time.ParseDuration(d)
		}
		tr := newTrial(t, nil, lines...)
		tr.opts.Parallelism = 1
		tr.opts.Duration = func(id config.StageID) time.Duration { return took[id.Name] }
		var started []string
		tr.runner.OnStart = func(j *stages.Job) error { started = append(started, j.Stage.ID.String()); return nil }
		tr.run(t, t.Context())
		if got := strings.Join(started, " "); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.took, got, tt.want)
		}
	}
}
