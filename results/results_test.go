package results

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/reports"
	"github.com/ambient-ci/ambient/stages"
)

// world is what the stages of a test see.
type world struct {
	id        stages.Identity
	err       error
	unconfirm bool
}

func (w *world) Identity(context.Context, *stages.Job) (stages.Identity, error) { return w.id, w.err }
func (w *world) Confirm(*stages.Job) bool                                       { return !w.unconfirm }

type bench struct {
	*Reuser
	t     *testing.T
	home  *home.Home
	world *world
	now   time.Time
	runs  int
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, home: home.At(t.TempDir()), now: time.Now()}
	b.world = &world{id: stages.Identity{Parts: []stages.Part{{Name: "source", Value: "1"}, {Name: "env CC", Value: "gcc"}}}}
	b.Reuser = &Reuser{Store: NewStore(b.home), Identifier: b.world, Now: func() time.Time { return b.now }}
	return b
}

func (b *bench) job() *stages.Job {
	b.t.Helper()
	b.runs++
	s := &config.Stage{ID: config.StageID{Project: "p", Phase: config.Plan, Name: "build"}, Limits: config.DefaultLimits()}
	return &stages.Job{
		RunID: fmt.Sprintf("r%d", b.runs), Project: &config.Project{Name: "p", Source: config.Source{Address: "/src", Local: true}}, Stage: s,
		Dir: b.t.TempDir(),
	}
}

// run does what a stage that is not reused does.
func (b *bench) run(job *stages.Job, found stages.Found, outcome stages.Outcome) error {
	b.t.Helper()
	res := stages.Result{Outcome: outcome, Action: -1, Tests: &stages.Tests{Failing: []reports.Case{{Name: job.RunID}}}}
	content := []byte("artifacts of " + job.RunID)
	res.Output = &stages.Data{From: job.Stage.ID, Path: filepath.Join(job.Dir, "artifacts.tar"), Size: int64(len(content)), Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(content))}
	for name, data := range map[string][]byte{"artifacts.tar": content, "build.log": []byte("log of " + job.RunID)} {
		if err := os.WriteFile(filepath.Join(job.Dir, name), data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	return b.Keep(b.t.Context(), job, found, res, 3*time.Second)
}

// apply is one stage of one run: it returns the run whose result there is, and
// why it ran.
func (b *bench) apply(outcome stages.Outcome) (from, reason string) {
	b.t.Helper()
	job := b.job()
	found := b.Find(b.t.Context(), job)
	if found.Result == nil {
		left, _ := os.ReadDir(job.Dir)
		if len(left) > 0 {
			b.t.Errorf("a result that was not found left %v", left)
		}
		if err := b.run(job, found, outcome); err != nil {
			b.t.Fatal(err)
		}
		return job.RunID, found.Reason
	}
	b.check(job, found.Result)
	return found.Result.From, ""
}

// check compares what was reused with what the run made.
func (b *bench) check(job *stages.Job, res *stages.Result) {
	b.t.Helper()
	out, err := os.ReadFile(res.Output.Path)
	log, lerr := os.ReadFile(filepath.Join(job.Dir, "build.log"))
	if err != nil || lerr != nil || string(out) != "artifacts of "+res.From || string(log) != "log of "+res.From {
		b.t.Errorf("reused %q and %q of %s: %v, %v", out, log, res.From, err, lerr)
	}
	if res.Tests == nil || res.Tests.Failing[0].Name != res.From {
		b.t.Errorf("reused the tests %+v of %s", res.Tests, res.From)
	}
	if filepath.Dir(res.Output.Path) != job.Dir || res.Outcome != stages.Reused || res.Output.From != job.Stage.ID {
		b.t.Errorf("%+v, %+v", res, res.Output)
	}
}

func (b *bench) want(outcome stages.Outcome, from, reason string) {
	b.t.Helper()
	if f, r := b.apply(outcome); f != from || !strings.Contains(r, reason) || (r == "") != (reason == "") {
		b.t.Fatalf("the result of %s because %q, want %s because %q", f, r, from, reason)
	}
}

func TestReuse(t *testing.T) {
	b := newBench(t)
	b.want(stages.Succeeded, "r1", "it has not run here before")
	b.want(stages.Succeeded, "r1", "")
	b.want(stages.Succeeded, "r1", "")
	b.world.id.Parts[0].Value = "2"
	b.want(stages.Succeeded, "r4", "source changed")
	b.world.id.Parts[0].Value = "1"
	b.want(stages.Succeeded, "r1", "")
	b.world.id.Parts = append(b.world.id.Parts, stages.Part{Name: "env NEW", Value: "x"})
	b.want(stages.Succeeded, "r6", "env NEW changed")
	b.world.id.Parts = b.world.id.Parts[:1]
	b.want(stages.Succeeded, "r7", "env CC and env NEW changed")
}

// TestOutcomesThatAreNotReused runs each twice.
func TestOutcomesThatAreNotReused(t *testing.T) {
	for _, o := range []stages.Outcome{stages.Failed, stages.Errored, stages.TimedOut, stages.Cancelled, stages.Skipped} {
		b := newBench(t)
		b.want(o, "r1", "it has not run")
		b.want(stages.Succeeded, "r2", "run r1 "+stages.Verb(o))
		b.want(stages.Succeeded, "r2", "")
		if took := b.Store.Durations([]*config.Project{b.job().Project}); took(config.StageID{}) != 0 {
			t.Error("a stage that is not there took time")
		}
	}
}

func TestRules(t *testing.T) {
	tests := []struct {
		name   string
		change func(*bench)
		reason string // of the second run; empty: reused
		third  string // of the one after it
	}{
		{"forced", func(b *bench) { b.Forced = func(config.StageID) bool { return true } }, "-force", "-force"},
		{"never", func(b *bench) { b.world.id.Never = "reuse = false" }, "reuse = false", "reuse = false"},
		{"not known", func(b *bench) { b.world.err = errors.New("no source") }, "no source", "no source"},
		{"unsure", func(b *bench) { b.world.id.Unsure = "no image" }, "no image", "no image"},
		{"too old", func(b *bench) { b.world.id.MaxAge = time.Hour; b.now = b.now.Add(61 * time.Minute) }, "older than 1h", ""},
		{"young enough", func(b *bench) { b.world.id.MaxAge = time.Hour; b.now = b.now.Add(59 * time.Minute) }, "", ""},
		{"from the future", func(b *bench) { b.world.id.MaxAge = time.Hour; b.now = b.now.Add(-time.Minute) }, "older", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.want(stages.Succeeded, "r1", "it has not run here before")
			tt.change(b)
			from := "r2"
			if tt.reason == "" {
				from = "r1"
			}
			b.want(stages.Succeeded, from, tt.reason)
			if tt.third != "" {
				from = "r3"
			}
			b.want(stages.Succeeded, from, tt.third)
		})
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t)
	b.apply(stages.Succeeded)
	job := b.job()
	job.Stage.Limits.Artifacts = 3
	if found := b.Find(t.Context(), job); found.Result != nil || !strings.Contains(found.Reason, "limit") {
		t.Errorf("%+v", found)
	}
}

// TestChangedWhilePacked keeps nothing when it is not sure what a stage saw.
func TestChangedWhilePacked(t *testing.T) {
	b := newBench(t)
	job := b.job()
	found := b.Find(t.Context(), job)
	b.world.unconfirm = true
	if err := b.run(job, found, stages.Succeeded); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	b.world.unconfirm = false
	b.want(stages.Succeeded, "r2", "it is not known what it saw in run r1")
}

// TestHostileStore damages what is kept: the stage runs, and then is good again.
func TestHostileStore(t *testing.T) {
	const gone = "gone or damaged"
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	replaceIn := func(name, old, now string) func(string) error {
		return func(dir string) error {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !strings.Contains(string(data), old) {
				return fmt.Errorf("no %s in %s: %v", old, data, err)
			}
			os.Remove(filepath.Join(dir, name))
			return os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(string(data), old, now)), 0o600)
		}
	}
	entry := entryFile
	tests := []struct {
		name   string
		damage func(dir string) error
	}{
		{"no json", write(entry, "{")},
		{"empty json", write(entry, "")},
		{"json of something else", write(entry, "[1]")},
		{"another version", replaceIn(entry, `"v": 1`, `"v": 9`)},
		{"another key", replaceIn(entry, `"value": "gcc"`, `"value": "clang"`)},
		{"a huge json", func(dir string) error { return os.Truncate(filepath.Join(dir, entry), 1<<30) }},
		{"a file elsewhere", replaceIn(entry, `"name": "build.log"`, `"name": "../result.json"`)},
		{"an output elsewhere", replaceIn(entry, `"file": "artifacts.tar"`, `"file": "/etc/passwd"`)},
		{"truncated artifacts", func(dir string) error { return os.Truncate(filepath.Join(dir, filesDir, "artifacts.tar"), 3) }},
		{"other artifacts", write("files/artifacts.tar", "ARTIFACTS OF r1")},
		{"no artifacts", func(dir string) error { return os.Remove(filepath.Join(dir, filesDir, "artifacts.tar")) }},
		{"no log", func(dir string) error { return os.Remove(filepath.Join(dir, filesDir, "build.log")) }},
		{"no files", func(dir string) error { return os.RemoveAll(filepath.Join(dir, filesDir)) }},
		{"a link", func(dir string) error {
			os.Remove(filepath.Join(dir, filesDir, "artifacts.tar"))
			return os.Symlink("/etc/passwd", filepath.Join(dir, filesDir, "artifacts.tar"))
		}},
		{"a file instead", func(dir string) error { os.RemoveAll(dir); return os.WriteFile(dir, nil, 0o600) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.apply(stages.Succeeded)
			if err := tt.damage(b.Store.keyDir(keyOf(b.world.id.Parts))); err != nil {
				t.Fatal(err)
			}
			b.want(stages.Succeeded, "r2", gone)
			b.want(stages.Succeeded, "r2", "")
			if all, err := b.Store.List(); err != nil || len(all) != 1 {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
}

// TestDamagedLast loses a reason and nothing else.
func TestDamagedLast(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"v":7}`, strings.Repeat("x", 5<<20)} {
		b := newBench(t)
		b.apply(stages.Succeeded)
		job := b.job()
		if err := os.WriteFile(b.Store.lastFile(job.Project, job.Stage.ID), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b.want(stages.Succeeded, "r1", "")
		b.world.id.Parts[0].Value = "3"
		b.want(stages.Succeeded, "r4", "changed")
	}
}

func TestDurations(t *testing.T) {
	b := newBench(t)
	b.apply(stages.Succeeded)
	b.world.id.Parts[0].Value = "2"
	b.apply(stages.Failed)
	job := b.job()
	job.Project.Stages = []*config.Stage{job.Stage}
	if got := b.Store.Durations([]*config.Project{job.Project})(job.Stage.ID); got != 3*time.Second {
		t.Errorf("it took %s", got)
	}
}

// TestKeys draws lists of parts: equal ones have equal keys in any order, and no
// two others have the same.
func TestKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() string { return strings.Repeat("ab"[rng.IntN(2):][:1], rng.IntN(3)) }
	seen := map[string]string{}
	for range 3000 {
		var parts []stages.Part
		for range rng.IntN(4) {
			parts = append(parts, stages.Part{Name: word(), Value: word()})
		}
		key := keyOf(parts)
		shuffled := slices.Clone(parts)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if keyOf(shuffled) != key {
			t.Fatalf("%v has another key in another order", parts)
		}
		slices.SortFunc(parts, func(a, b stages.Part) int { return strings.Compare(a.Name+"="+a.Value, b.Name+"="+b.Value) })
		text := fmt.Sprintf("%q", parts)
		if before, ok := seen[key]; ok && before != text {
			t.Fatalf("%s and %s have the same key", before, text)
		}
		seen[key] = text
	}
}

func TestPrune(t *testing.T) {
	b := newBench(t)
	for i := range 3 {
		b.world.id.Parts[0].Value = fmt.Sprint(i)
		b.apply(stages.Succeeded)
	}
	all, err := b.Store.List()
	if err != nil || len(all) != 3 {
		t.Fatalf("%v, %v", all, err)
	}
	old := b.now.Add(-48 * time.Hour)
	for _, i := range []string{"0", "1"} {
		b.world.id.Parts[0].Value = i
		b.Store.touch(keyOf(b.world.id.Parts), old)
	}
	b.want(stages.Succeeded, "r2", "") // uses it
	left := filepath.Join(b.home.Results(), keysDir, temporary+"left")
	young := filepath.Join(b.home.Results(), keysDir, temporary+"young")
	for _, dir := range []string{left, young} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	os.Chtimes(left, old, old)
	removed, err := b.Store.Prune(b.now.Add(-time.Hour))
	if err != nil || len(removed) != 1 || removed[0].Run != "r1" {
		t.Errorf("removed %v, %v", removed, err)
	}
	_, gone := os.Stat(left)
	_, there := os.Stat(young)
	if all, _ := b.Store.List(); len(all) != 2 || gone == nil || there != nil {
		t.Errorf("%d are left; of a crash: %v, %v", len(all), gone, there)
	}
}
