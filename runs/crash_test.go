package runs

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

// writerHome makes this test program a process that writes a run, and never
// ends by itself.
const writerHome = "RUNS_TEST_WRITER_HOME"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerHome); dir != "" {
		writeForever(NewStore(home.At(dir)))
	}
	os.Exit(m.Run())
}

func writeForever(s *Store) {
	w, err := s.Create(Info{Directory: "/dir", Stages: []config.StageID{buildID, testID, postID}})
	if err != nil {
		panic(err)
	}
	w.Event(stages.Event{Type: stages.StageStarted, Stage: buildID.String(), ID: buildID})
	w.Event(stages.Event{Type: stages.StageFinished, Stage: buildID.String(), ID: buildID, Outcome: stages.Failed, Reason: "exit status 7", Duration: 2})
	w.Event(stages.Event{Type: stages.StageStarted, Stage: testID.String(), ID: testID})
	for first := true; ; first = false {
		w.Event(stages.Event{Type: stages.LogOutput, Stream: "stdout", Text: "line", Stage: testID.String(), ID: testID})
		w.Event(stages.Event{Type: stages.WarningRaised, Text: "again", Stage: testID.String(), ID: testID})
		if first {
			os.Stdout.WriteString(w.ID() + "\n")
		}
	}
}

func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	s := NewStore(home.At(dir))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerHome+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	id, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	id = strings.TrimSpace(id)
	if o := open(t, s, id).Record().Outcome; o != Running {
		t.Errorf("while its process lives its outcome is %q", o)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	before := treeOf(t, filepath.Join(s.home.Runs(), id))
	checkAbandoned(t, open(t, s, id))
	after := treeOf(t, filepath.Join(s.home.Runs(), id))
	for name, data := range before {
		if name != recordFile && after[name] != data {
			t.Errorf("%s changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
	checkAbandoned(t, open(t, s, id)) // now from its record
}

func checkAbandoned(t *testing.T, r *Run) {
	t.Helper()
	rec := r.Record()
	if rec.Outcome != stages.Errored || !strings.Contains(rec.Reason, "ambient itself died") || rec.Duration <= 0 {
		t.Errorf("record %+v", rec)
	}
	want := []stages.Outcome{stages.Failed, stages.Errored, stages.Skipped}
	for i, s := range rec.Stages {
		if s.Outcome != want[i] || s.Dir == "" {
			t.Errorf("stage %+v, want %s", s, want[i])
		}
	}
	if len(rec.Stages) != len(want) || rec.Stages[0].Reason != "exit status 7" || rec.Stages[0].Duration != 2 {
		t.Errorf("stages %+v", rec.Stages)
	}
}

func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			data, rerr := os.ReadFile(name)
			rel, _ := filepath.Rel(dir, name)
			files[rel], err = string(data), rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A run that was closed and not finished is no longer running either.
func TestClosedRun(t *testing.T) {
	s := testStore(t)
	w := create(t, s, buildID)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if rec := open(t, s, "latest").Record(); rec.Outcome != stages.Errored || rec.Stages[0].Outcome != stages.Skipped {
		t.Errorf("record %+v", rec)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestFail(t *testing.T) {
	s := testStore(t)
	w := create(t, s, buildID, testID)
	w.Event(stages.Event{Type: stages.StageStarted, Stage: buildID.String(), ID: buildID})
	if err := w.Fail(os.ErrPermission); err != nil {
		t.Fatal(err)
	}
	rec := open(t, s, "latest").Record()
	if rec.Outcome != stages.Errored || rec.Reason != os.ErrPermission.Error() ||
		rec.Stages[0].Reason != os.ErrPermission.Error() || rec.Stages[1].Outcome != stages.Skipped {
		t.Errorf("record %+v", rec)
	}
}

func TestTornLines(t *testing.T) {
	s := testStore(t)
	w := create(t, s, buildID)
	w.Event(stages.Event{Type: stages.RunStarted})
	w.Event(stages.Event{Type: stages.LogOutput, Stream: "stdout", Text: "whole", ID: buildID})
	w.Event(stages.Event{Type: stages.StageFinished, Stage: buildID.String(), ID: buildID})
	whole := treeOf(t, w.Dir())
	events := filepath.Join(w.Dir(), eventsFile)
	log := filepath.Join(w.run.StageDir(buildID), buildLogFile)
	for _, tail := range []string{"{", `{"v":1,"type":"warning"}`, "\x00\x00\x00\x00", "{\n", "\x00\n", "[]\n", "null\n", "{}\n", "\n", "2026-01-01T00:00:00.000Z 0 std", "x y z w\n"} {
		appendTo(t, events, whole[eventsFile], tail)
		appendTo(t, log, whole["stages/greet/plan.build/build.log"], tail)
		r := open(t, s, w.ID())
		checkEvents(t, r, stages.RunStarted, stages.StageFinished)
		n := 0
		for l, err := range r.Lines(r.Record().Stages[0]) {
			if n++; err != nil || l.Text != "whole" {
				t.Errorf("after %q: line %+v, %v", tail, l, err)
			}
		}
		if n != 1 {
			t.Errorf("after %q: %d lines", tail, n)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, name, whole, tail string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(whole+tail), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A write that the kernel cuts short, as on a full disk, costs that line alone.
func TestShortWrite(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() { // once something is written, no more is
		for {
			if n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ); n > 0 || err != nil {
				w.SetWriteDeadline(time.Now())
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	a := &appender{f: w}
	if err := a.write(bytes.Repeat([]byte("x"), 1<<20)); err == nil || !a.torn { // more than a pipe holds
		t.Fatalf("write: %v, torn %v", err, a.torn)
	}
	if err := a.write([]byte("lost\n")); err == nil || !a.torn { // not a byte of it
		t.Fatalf("write: %v, torn %v", err, a.torn)
	}
	w.SetWriteDeadline(time.Time{})
	rest := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		rest <- strings.TrimLeft(string(data), "x")
	}()
	if err := a.write([]byte("next\n")); err != nil || a.torn {
		t.Errorf("write: %v, torn %v", err, a.torn)
	}
	w.Close()
	if got := <-rest; got != "\nnext\n" {
		t.Errorf("after the torn line came %q", got)
	}
}

// Events that can not be written do not stop a run, and Finish tells.
func TestRecordNotWhole(t *testing.T) {
	s := testStore(t)
	w := create(t, s, buildID)
	if err := os.WriteFile(filepath.Join(w.Dir(), stagesDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Event(stages.Event{Type: stages.LogOutput, Text: "lost", ID: buildID})
	w.Event(stages.Event{Type: stages.RunFinished})
	if err := w.Finish(result(stages.Succeeded, buildID)); err == nil || !strings.Contains(err.Error(), "not whole") {
		t.Errorf("Finish: %v", err)
	}
	r := open(t, s, "latest")
	checkEvents(t, r, stages.RunFinished)
	if r.Record().Outcome != stages.Succeeded {
		t.Errorf("outcome %s", r.Record().Outcome)
	}
}
