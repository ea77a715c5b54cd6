package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

var (
	buildID = config.StageID{Project: "greet", Phase: config.Plan, Name: "build"}
	testID  = config.StageID{Project: "greet", Phase: config.Plan, Name: "test", Key: "a/../b c"}
	postID  = config.StageID{Project: "site", Phase: config.Post, Name: "check"}
)

func testStore(t *testing.T) *Store {
	t.Helper()
	return NewStore(home.At(t.TempDir()))
}

func create(t *testing.T, s *Store, ids ...config.StageID) *Writer {
	t.Helper()
	w, err := s.Create(Info{Directory: "/dir", Stages: ids})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func open(t *testing.T, s *Store, ref string) *Run {
	t.Helper()
	r, err := s.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func result(o stages.Outcome, ids ...config.StageID) stages.RunResult {
	res := stages.RunResult{Outcome: o, Duration: 1500 * time.Millisecond}
	for _, id := range ids {
		res.Stages = append(res.Stages, stages.StageResult{
			Stage:  &config.Stage{ID: id},
			Result: stages.Result{Outcome: o, Output: &stages.Data{Digest: "sha256:x", Size: 3}},
		})
	}
	return res
}

func TestLifeOfARun(t *testing.T) {
	s := testStore(t)
	w := create(t, s, buildID, testID, postID)
	action := 1
	w.Event(stages.Event{Type: stages.RunStarted})
	w.Event(stages.Event{Type: stages.LogOutput, Action: &action, Stream: "stdout", Text: "one\ntwo \x1b[2J", ID: buildID, Stage: buildID.String()})
	w.Event(stages.Event{Type: stages.LogOutput, Stream: "?", Text: "", ID: testID, Stage: testID.String()})
	w.Event(stages.Event{Type: stages.StageFinished, Outcome: stages.Succeeded, ID: buildID, Stage: buildID.String()})
	w.Event(stages.Event{Type: stages.LogOutput, Stream: "stderr", Text: "late", ID: buildID, Stage: buildID.String()})

	live := open(t, s, w.ID())
	if o := live.Record().Outcome; o != Running {
		t.Errorf("while it goes on its outcome is %q", o)
	}
	checkLog(t, live, buildID, "1 stdout one", "1 stdout two ␛[2J", "- stderr late")
	checkLog(t, live, testID, "- system ")
	checkLog(t, live, postID)

	if err := w.Finish(result(stages.Failed, buildID, testID)); err != nil {
		t.Fatal(err)
	}
	w.Event(stages.Event{Type: stages.WarningRaised}) // too late
	if err := w.Finish(result(stages.Succeeded)); err != nil {
		t.Fatal(err)
	}
	r := open(t, s, "latest")
	checkEvents(t, r, stages.RunStarted, stages.StageFinished)
	checkRecord(t, w.ID(), r.Record())
}

func checkRecord(t *testing.T, id string, got Record) {
	t.Helper()
	if got.ID != id || got.Project != "greet,site" || got.Directory != "/dir" || got.Outcome != stages.Failed ||
		got.Duration != 1.5 || got.Version != 1 || time.Since(got.Started) > time.Minute {
		t.Errorf("record %+v", got)
	}
	want := []StageRecord{
		{StageRecord: stages.StageRecord{Stage: "greet/plan.build", Outcome: stages.Failed, Output: "sha256:x", Bytes: 3}, Dir: "stages/greet/plan.build"},
		{StageRecord: stages.StageRecord{Stage: `greet/plan.test["a/../b c"]`, Outcome: stages.Failed, Output: "sha256:x", Bytes: 3}, Dir: "stages/greet/" + testID.Dir()},
		{StageRecord: stages.StageRecord{Stage: "site/post.check"}, Dir: "stages/site/post.check"},
	}
	if !slices.Equal(got.Stages, want) {
		t.Errorf("stages %+v, want %+v", got.Stages, want)
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"id", "project", "outcome", "started", "duration"} { // scripts rely on them
		if _, there := fields[f]; !there {
			t.Errorf("the record has no %q: %s", f, data)
		}
	}
}

func checkLog(t *testing.T, r *Run, id config.StageID, want ...string) {
	t.Helper()
	found, err := r.Stages(id.String())
	if err != nil || len(found) != 1 {
		t.Fatalf("stage %s: %v, %v", id, found, err)
	}
	var got []string
	for l, err := range r.Lines(found[0]) {
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(l.String(), " ")
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("log of %s: %q, want %q", id, got, want)
	}
	f, err := r.BuildLog(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if raw, err := io.ReadAll(f); err != nil || strings.Count(string(raw), "\n") != len(want) {
		t.Errorf("raw log of %s: %q, %v", id, raw, err)
	}
}

func checkEvents(t *testing.T, r *Run, want ...stages.EventType) {
	t.Helper()
	var got []stages.EventType
	for e, err := range r.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Version != stages.EventVersion || e.Run != r.ID() || e.Time.IsZero() {
			t.Errorf("event %+v", e)
		}
		got = append(got, e.Type)
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestStages(t *testing.T) {
	s := testStore(t)
	other := testID
	other.Key = "c"
	w := create(t, s, buildID, testID, other, postID)
	defer w.Close()
	r := open(t, s, "latest")
	for ref, want := range map[string]int{
		"": 4, "plan.build": 1, "greet/plan.build": 1, "plan.test": 2, "greet/plan.test": 2,
		`plan.test["c"]`: 1, `greet/plan.test["c"]`: 1, "site/plan.build": 0, "build": 0, "plan": 0, "../x": 0,
	} {
		got, err := r.Stages(ref)
		if len(got) != want || (err != nil) != (want == 0) {
			t.Errorf("Stages(%q) = %d stages, %v; want %d", ref, len(got), err, want)
		}
	}
}

func TestArtifactsAndConsole(t *testing.T) {
	s := testStore(t)
	w := create(t, s, buildID, testID)
	dir, err := w.StageDir(buildID)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"artifacts.tar", "console.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(result(stages.Succeeded)); err != nil {
		t.Fatal(err)
	}
	r := open(t, s, "latest")
	all, err := r.Stages("")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Artifacts(all[0]); got != filepath.Join(dir, "artifacts.tar") || r.StageDir(buildID) != dir {
		t.Errorf("artifacts at %q", got)
	}
	if got := r.Artifacts(all[1]); got != "" {
		t.Errorf("the other stage has artifacts at %q", got)
	}
	for i, want := range []string{"console.log", ""} {
		f, err := r.Console(all[i])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); err != nil || string(got) != want {
			t.Errorf("console %q, %v; want %q", got, err, want)
		}
		f.Close()
	}
}

func TestStageDirEscapes(t *testing.T) {
	w := create(t, testStore(t), buildID)
	defer w.Close()
	if dir, err := w.StageDir(config.StageID{Project: "../../..", Phase: config.Plan, Name: "x"}); err == nil {
		t.Errorf("the stage's directory is %q", dir)
	}
}

func TestOpen(t *testing.T) {
	s := testStore(t)
	if _, err := s.Open("latest"); !errors.Is(err, ErrNoRun) {
		t.Errorf("latest of nothing: %v", err)
	}
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Errorf("List of nothing: %v, %v", all, err)
	}
	ids := []string{"20250101-000000-aaaaa", "20250101-000000-aabbb", "20260101-000000-ccccc"}
	for _, id := range ids {
		addRun(t, s, id, Record{Version: 1, ID: id, Outcome: stages.Succeeded})
	}
	for ref, want := range map[string]string{
		ids[0]: ids[0], "2026": ids[2], "c": ids[2], "aab": ids[1], "20250101-000000-aab": ids[1],
		"2025": "", "aa": "", "": "", "x": "", "..": "", "ccccc/..": "", "latest": ids[2],
	} {
		r, err := s.Open(ref)
		if want == "" {
			var ambiguous *AmbiguousError
			if !errors.Is(err, ErrNoRun) && !errors.As(err, &ambiguous) {
				t.Errorf("Open(%q): %v", ref, err)
			}
			continue
		}
		if err != nil || r.ID() != want {
			t.Errorf("Open(%q) = %v, %v; want %s", ref, r, err, want)
		}
	}
}

// addRun puts a record into the store without a process that owns it.
func addRun(t *testing.T, s *Store, id string, record any) string {
	t.Helper()
	dir := filepath.Join(s.home.Runs(), id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	data, ok := record.(string)
	if !ok {
		j, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		data = string(j)
	}
	if err := os.WriteFile(filepath.Join(dir, recordFile), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDamagedRecords(t *testing.T) {
	s := testStore(t)
	good := "20250101-000000-aaaaa"
	addRun(t, s, good, Record{Version: 1, ID: good, Outcome: stages.Succeeded})
	for i, record := range []any{
		"", "{", `{"v":99}`,
		Record{Version: 1, ID: good, Outcome: stages.Succeeded},
		Record{Version: 1, ID: "20250101-000000-bbbb4", Stages: []StageRecord{{Dir: "../../x"}}},
		Record{Version: 1, ID: "20250101-000000-bbbb5", Stages: []StageRecord{{Dir: "/etc"}}},
	} {
		id := fmt.Sprintf("20250101-000000-bbbb%d", i)
		dir := addRun(t, s, id, record)
		if _, err := s.Open(id); err == nil {
			t.Errorf("run %d was opened", i)
		}
		all, err := s.List()
		if err == nil || !strings.Contains(err.Error(), id) || len(all) != 1 || all[0].ID() != good {
			t.Errorf("run %d: List = %v, %v", i, all, err)
		}
		os.RemoveAll(dir)
	}
	for _, name := range []string{".new-1", "notes", "20250101-000000-ccccc"} { // no record in any
		if err := os.Mkdir(filepath.Join(s.home.Runs(), name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := s.List(); err != nil || len(all) != 1 {
		t.Errorf("List = %v, %v", all, err)
	}
}

func TestIDs(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	seen := map[string]bool{}
	for range 1000 {
		id := newID(at)
		if !idText.MatchString(id) || !strings.HasPrefix(id, "20260102-020405-") {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	if len(seen) < 990 {
		t.Errorf("%d of 1000 ids differ", len(seen))
	}
}

func TestManyAtOnce(t *testing.T) {
	s := testStore(t)
	const runs, writers, events = 4, 8, 50
	var all sync.WaitGroup
	for range runs {
		w := create(t, s, buildID, testID)
		all.Go(func() {
			hammer(w, writers, events)
			if err := w.Finish(result(stages.Succeeded, buildID, testID)); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := s.List(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := s.List()
	if err != nil || len(list) != runs {
		t.Fatalf("List = %v, %v", list, err)
	}
	for i, r := range list {
		if i > 0 && r.Record().Started.After(list[i-1].Record().Started) {
			t.Error("not the newest first")
		}
		n, lines := 0, 0
		for _, err := range r.Events() {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		for _, stage := range r.Record().Stages {
			for l := range r.Lines(stage) {
				if l.Text == strings.Repeat("y", 5000) {
					lines++
				}
			}
		}
		if n != writers*events || lines != writers*events || r.Record().Outcome != stages.Succeeded {
			t.Errorf("%d events and %d lines of %d, outcome %s", n, lines, writers*events, r.Record().Outcome)
		}
	}
}

// hammer writes events and lines, longer than what a pipe or page would keep in
// one piece, from many goroutines.
func hammer(w *Writer, writers, events int) {
	var all sync.WaitGroup
	for i := range writers {
		id := []config.StageID{buildID, testID}[i%2]
		all.Go(func() {
			for range events {
				w.Event(stages.Event{Type: stages.WarningRaised, Text: strings.Repeat("x", 5000), ID: id, Stage: id.String()})
				w.Event(stages.Event{Type: stages.LogOutput, Stream: "stdout", Text: strings.Repeat("y", 5000), ID: id, Stage: id.String()})
			}
		})
	}
	all.Wait()
}
