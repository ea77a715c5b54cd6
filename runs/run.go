package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// Run is a run in the store. It is safe for concurrent use.
type Run struct {
	dir    string
	record Record // as it was when the run was opened
}

// ID returns the run's id.
func (r *Run) ID() string { return r.record.ID }

// Dir returns the run's directory.
func (r *Run) Dir() string { return r.dir }

// Record returns the record as it was when the run was opened. The caller must
// not change it.
func (r *Run) Record() Record { return r.record }

// StageDir returns the directory that keeps a stage's logs and artifacts. It may
// not exist.
func (r *Run) StageDir(id config.StageID) string {
	return filepath.Join(r.dir, filepath.FromSlash(stageDir(id)))
}

// Stages returns the stages that ref means, in order: all for the empty text,
// else `project/phase.name`, or `phase.name` in every project; without an
// instance's key, all instances. The error is the user's.
func (r *Run) Stages(ref string) ([]StageRecord, error) {
	var found []StageRecord
	var names []string
	for _, s := range r.record.Stages {
		names = append(names, s.Stage)
		if ref == "" || stageMatches(s.Stage, ref) {
			found = append(found, s)
		}
	}
	if ref != "" && len(found) == 0 {
		return nil, fmt.Errorf("run %s has no stage %q; it has %s", r.record.ID, ref, strings.Join(names, ", "))
	}
	return found, nil
}

func stageMatches(stage, ref string) bool {
	whole, _, _ := strings.Cut(stage, "[")
	_, short, _ := strings.Cut(stage, "/")
	wholeShort, _, _ := strings.Cut(short, "[")
	return slices.Contains([]string{stage, whole, short, wholeShort}, ref)
}

// BuildLog opens a stage's build log: lines as Line.String writes them. It is
// empty when the stage printed nothing. The caller closes it.
func (r *Run) BuildLog(s StageRecord) (io.ReadSeekCloser, error) { return r.openLog(s, buildLogFile) }

// Console opens a stage's console log: what the kernel said, raw bytes from the
// guest. It is empty when the stage did not start. The caller closes it.
func (r *Run) Console(s StageRecord) (io.ReadSeekCloser, error) { return r.openLog(s, consoleFile) }

func (r *Run) openLog(s StageRecord, name string) (io.ReadSeekCloser, error) {
	f, err := os.Open(r.stageFile(s, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nothing{strings.NewReader("")}, nil
	}
	return f, err
}

// nothing is a file that is not there.
type nothing struct{ *strings.Reader }

func (nothing) Close() error { return nil }

// Artifacts returns the path of a stage's artifacts, or of the deps of a pre
// stage: a tar archive that the host wrote. It is "" when there is none.
func (r *Run) Artifacts(s StageRecord) string {
	name := r.stageFile(s, artifactsFile)
	if info, err := os.Stat(name); s.Dir == "" || err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return name
}

func (r *Run) stageFile(s StageRecord, name string) string {
	return filepath.Join(r.dir, filepath.FromSlash(s.Dir), name)
}

// Events yields the events of the run so far, without the output of actions,
// which is in the stages' logs. It skips lines that were cut short. An error is
// yielded last.
func (r *Run) Events() iter.Seq2[stages.Event, error] {
	return func(yield func(stages.Event, error) bool) {
		for line, err := range fileLines(filepath.Join(r.dir, eventsFile)) {
			if err != nil {
				yield(stages.Event{}, err)
				return
			}
			var e stages.Event
			if json.Unmarshal(line, &e) != nil || e.Type == "" {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// abandon makes a record that of a run that was never finished: stages that
// were keep what the events say, the others ended with it. The reason is what
// happened to the run.
func (r *Record) abandon(run *Run, reason string) {
	r.Outcome, r.Reason = stages.Errored, reason
	lines := map[string]stages.StageRecord{}
	for e, err := range run.Events() {
		if err != nil {
			break
		}
		if d := e.Time.Sub(r.Started).Seconds(); d > r.Duration {
			r.Duration = d
		}
		switch {
		case e.Type == stages.StageFinished:
			lines[e.Stage] = stages.StageRecord{
				Stage: e.Stage, Outcome: e.Outcome, Limit: e.Limit, Reason: e.Reason, Duration: e.Duration, From: e.From, Tests: e.Tests,
			}
		case e.Stage != "" && lines[e.Stage].Outcome == "":
			lines[e.Stage] = stages.StageRecord{Stage: e.Stage, Outcome: stages.Errored, Reason: reason}
		}
	}
	for i, s := range r.Stages {
		if line, known := lines[s.Stage]; known {
			r.Stages[i].StageRecord = line
		} else {
			r.Stages[i].Outcome, r.Stages[i].Reason = stages.Skipped, "the run ended before it"
		}
	}
}
