//go:build vm

package runner

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/stages/runnertest"
)

// testHome keeps images between test runs, apart from the user's own.
func testHome(t testing.TB) *home.Home {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return home.At(filepath.Join(cache, "ambient-test"))
}

func newRunner(t testing.TB) *Runner {
	t.Helper()
	r, err := New(Options{Home: testHome(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// recorder keeps events, and the log as text.
type recorder struct {
	mu     sync.Mutex
	events []stages.Event
}

func (r *recorder) Event(e stages.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if e.Type == stages.LogOutput {
			b.WriteString(e.Text + "\n")
		}
	}
	return b.String()
}

// testJob is a plan stage that runs shell scripts on the built-in image over a
// small source tree.
func testJob(t testing.TB, limits config.Limits, scripts ...string) *stages.Job {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("source\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	project := &config.Project{Name: "vmtest", Source: config.Source{Address: dir, Local: true}}
	stage := &config.Stage{
		ID:      config.StageID{Project: "vmtest", Phase: config.Plan, Name: "test"},
		Limits:  limits,
		Network: config.NetworkNone,
	}
	for _, s := range scripts {
		stage.Actions = append(stage.Actions, &config.Action{Name: "shell", Args: config.Args{Values: map[string]any{"script": s}}})
	}
	return &stages.Job{
		RunID: "test", Project: project, Stage: stage, Dir: t.TempDir(),
		Env: map[string]string{
			"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
			"AMBIENT_ARTIFACTS": "/ci/artifacts", "AMBIENT_CACHE": "/ci/cache", "AMBIENT_DEPS": "/ci/deps",
		},
	}
}

// runJob runs a job to its end and checks that nothing is left of it.
func runJob(t *testing.T, r *Runner, job *stages.Job) (stages.Result, *recorder) {
	t.Helper()
	rec := &recorder{}
	x, err := r.Start(context.Background(), job, rec)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	result := x.Wait()
	x.Close()
	left, _ := filepath.Glob(filepath.Join(r.work, "[0-9]*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if t.Failed() || testing.Verbose() {
		console, _ := os.ReadFile(filepath.Join(job.Dir, ConsoleFile))
		t.Logf("%+v\n%s\nconsole: %s", result, rec.log(), console)
	}
	return result, rec
}

func TestVMSuite(t *testing.T) {
	r := newRunner(t)
	runnertest.Suite(t, runnertest.Harness{
		New:     func(t *testing.T) stages.Runner { return r },
		Unknown: &config.Image{Name: "unknown", Debian: true, Suite: "no-such-suite"},
		Boot:    30 * time.Second,
	})
}

// Every limit is enforced, and says so by its own name.
func TestVMLimits(t *testing.T) {
	r := newRunner(t)
	small := config.DefaultLimits()
	small.Memory, small.Disk, small.Log, small.Processes = 256<<20, 64<<20, 256<<10, 128
	small.Artifacts, small.Cache, small.Timeout = 1<<20, 1<<20, 3*time.Minute
	short := small
	short.Timeout = 4 * time.Second
	for _, c := range []struct {
		name    string
		limits  config.Limits
		script  string
		outcome stages.Outcome
		limit   string
	}{
		{"memory", small, "tail /dev/zero", stages.Failed, "memory"},
		{"disk", small, "dd if=/dev/zero of=/root/big bs=1M count=500", stages.Failed, "disk"},
		{"inodes", small, "i=0; while :; do : > /root/f$i || exit 1; i=$((i+1)); done", stages.Failed, "disk"},
		{"log", small, "yes ambient", stages.Failed, "log"},
		{"processes", small, "for i in $(seq 1 1000); do sleep 600 & done; wait", stages.Failed, "processes"},
		{"time", short, "sleep 600", stages.TimedOut, "timeout"},
		{"artifacts", small, "dd if=/dev/urandom of=$AMBIENT_ARTIFACTS/big bs=1M count=2", stages.Failed, "artifacts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := runJob(t, r, testJob(t, c.limits, c.script))
			if got.Outcome != c.outcome || got.Limit != c.limit {
				t.Errorf("got %s, limit %q: %s; want %s, limit %q", got.Outcome, got.Limit, got.Reason, c.outcome, c.limit)
			}
			if !strings.Contains(got.Reason, "limit") {
				t.Errorf("the reason does not name the limit: %s", got.Reason)
			}
		})
	}
}

// A cache that is too large, or damaged, is a warning; what was saved stays.
func TestVMCache(t *testing.T) {
	r := newRunner(t)
	limits := config.DefaultLimits()
	limits.Cache = 1 << 20
	job := testJob(t, limits, "cat $AMBIENT_CACHE/n || echo none; echo kept > $AMBIENT_CACHE/n; exit 1")
	if got, rec := runJob(t, r, job); got.Outcome != stages.Failed || !strings.Contains(rec.log(), "none") {
		t.Fatalf("first run: %+v", got)
	}
	again := *job
	again.Dir = t.TempDir()
	if _, rec := runJob(t, r, &again); !strings.Contains(rec.log(), "kept") {
		t.Errorf("the cache of a failed stage was not kept:\n%s", rec.log())
	}
	x := &execution{runner: r, job: job}
	before, err := os.Stat(x.cachePath())
	if err != nil {
		t.Fatal(err)
	}
	reader := testJob(t, limits, "cat $AMBIENT_CACHE/n; touch $AMBIENT_ARTIFACTS/f")
	reader.Project, reader.Stage.ID = job.Project, job.Stage.ID
	if got, rec := runJob(t, r, reader); got.Outcome != stages.Succeeded || !strings.Contains(rec.log(), "kept") {
		t.Errorf("a stage that reads its cache: %+v\n%s", got, rec.log())
	}
	if after, err := os.Stat(x.cachePath()); err != nil || !os.SameFile(before, after) {
		t.Errorf("a cache that did not change was written again: %v", err)
	}
	large := testJob(t, limits, "dd if=/dev/urandom of=$AMBIENT_CACHE/big bs=1M count=2")
	large.Project = job.Project
	if got, _ := runJob(t, r, large); got.Outcome != stages.Succeeded || !warned(got, "larger than its limit") {
		t.Errorf("a cache that is too large: %+v", got)
	}
	if err := os.WriteFile(x.cachePath(), bytes.Repeat([]byte("damage "), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := *job
	damaged.Dir = t.TempDir()
	got, rec := runJob(t, r, &damaged)
	if !strings.Contains(rec.log(), "none") || !warned(got, "cache") {
		t.Errorf("a damaged cache: %+v\n%s", got, rec.log())
	}
}

func warned(r stages.Result, text string) bool {
	for _, w := range r.Warnings {
		if strings.Contains(w, text) {
			return true
		}
	}
	return false
}

// A plan stage sees no network device but the loopback.
func TestVMNoNetworkInPlan(t *testing.T) {
	r := newRunner(t)
	got, rec := runJob(t, r, testJob(t, config.DefaultLimits(), "ls /sys/class/net; cat /proc/net/route; ls /ci/secrets | wc -l"))
	if got.Outcome != stages.Succeeded {
		t.Fatalf("%+v", got)
	}
	for _, line := range strings.Split(rec.log(), "\n") {
		if strings.HasPrefix(line, "eth") || strings.HasPrefix(line, "en") {
			t.Errorf("a network device: %s", line)
		}
	}
	if !strings.Contains(rec.log(), "lo\n") {
		t.Errorf("no loopback:\n%s", rec.log())
	}
}
