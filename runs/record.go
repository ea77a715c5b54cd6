package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

// RecordVersion is the version of the schema of Record as JSON. It is raised
// when a field changes its meaning or goes.
const RecordVersion = 1

// Running is the outcome of a run, or a stage, that is not over.
const Running stages.Outcome = "running"

// Record is what is known of a run: the content of run.json, and one line of
// `ambient runs -json`.
type Record struct {
	Version   int            `json:"v"`
	ID        string         `json:"id"`
	Project   string         `json:"project"` // names of all projects, with commas between
	Projects  []string       `json:"projects"`
	Directory string         `json:"directory"` // of the configuration
	Outcome   stages.Outcome `json:"outcome"`   // Running until it is over
	Reason    string         `json:"reason,omitempty"`
	Started   time.Time      `json:"started"`
	Duration  float64        `json:"duration"` // seconds; 0 while it runs
	Stages    []StageRecord  `json:"stages"`
}

// StageRecord is a stage's line in a Record.
type StageRecord struct {
	stages.StageRecord
	Dir string `json:"dir,omitempty"` // relative to the run's directory, with slashes
}

// Info is what is known of a run before it starts.
type Info struct {
	Directory string           // of the configuration, absolute
	Started   time.Time        // zero: now
	Stages    []config.StageID // every stage, in order
}

// ErrNoRun says that no run has that id.
var ErrNoRun = errors.New("no such run")

// maxRecord bounds a run.json that is read, in bytes.
const maxRecord = 64 << 20

func newRecord(id string, info Info) Record {
	r := Record{
		Version: RecordVersion, ID: id, Directory: info.Directory,
		Outcome: Running, Started: info.Started.UTC(),
		Projects: []string{}, Stages: []StageRecord{},
	}
	seen := map[string]bool{}
	for _, s := range info.Stages {
		if !seen[s.Project] {
			seen[s.Project] = true
			r.Projects = append(r.Projects, s.Project)
		}
		r.Stages = append(r.Stages, StageRecord{
			StageRecord: stages.StageRecord{Stage: s.String()},
			Dir:         stageDir(s),
		})
	}
	r.Project = strings.Join(r.Projects, ",")
	return r
}

// stageDir returns the directory of a stage in that of its run.
func stageDir(id config.StageID) string { return path.Join(stagesDir, id.Project, id.Dir()) }

// setStages replaces the lines of stages by newer ones; a stage that has none
// yet gets one.
func (r *Record) setStages(lines []stages.StageRecord) {
	index := map[string]int{}
	for i, s := range r.Stages {
		index[s.Stage] = i
	}
	for _, line := range lines {
		if i, known := index[line.Stage]; known {
			r.Stages[i].StageRecord = line
		} else {
			r.Stages = append(r.Stages, StageRecord{StageRecord: line})
		}
	}
}

func readRecord(dir string) (Record, error) {
	var r Record
	data, err := readBounded(filepath.Join(dir, recordFile), maxRecord)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("run %s: its record is damaged: %w", filepath.Base(dir), err)
	}
	if r.Version > RecordVersion {
		return r, fmt.Errorf("run %s: its record has version %d, this ambient knows %d", filepath.Base(dir), r.Version, RecordVersion)
	}
	if r.ID != filepath.Base(dir) {
		return r, fmt.Errorf("run %s: its record is that of another run", filepath.Base(dir))
	}
	for _, s := range r.Stages {
		if s.Dir != "" && !filepath.IsLocal(s.Dir) {
			return r, fmt.Errorf("run %s: its record is damaged: stage %q lies elsewhere", r.ID, s.Stage)
		}
	}
	return r, nil
}

// writeRecord publishes a record so that it outlives a power cut.
func writeRecord(dir string, r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := home.WriteFile(filepath.Join(dir, recordFile), append(data, '\n'), 0o600); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func readBounded(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return os.ReadFile(name)
}
