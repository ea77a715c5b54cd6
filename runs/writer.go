package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// Writer writes the record of a run that goes on. It is a stages.Observer, and
// safe for concurrent use.
type Writer struct {
	run     *Run
	release func() // ends the claim on the run

	mu     sync.Mutex
	events *appender
	logs   map[config.StageID]*appender
	err    error // the first that kept something out of the record
	over   bool
}

func newWriter(r *Run, release func()) (*Writer, error) {
	events, err := openAppender(filepath.Join(r.dir, eventsFile))
	if err != nil {
		return nil, err
	}
	return &Writer{run: r, release: release, events: events, logs: map[config.StageID]*appender{}}, nil
}

// ID returns the run's id.
func (w *Writer) ID() string { return w.run.ID() }

// Dir returns the run's directory.
func (w *Writer) Dir() string { return w.run.dir }

// StageDir makes the directory of a stage and returns it.
func (w *Writer) StageDir(id config.StageID) (string, error) {
	if rel := stageDir(id); !filepath.IsLocal(rel) {
		return "", fmt.Errorf("run %s: the stage %s has no usable name", w.ID(), id)
	}
	dir := w.run.StageDir(id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("run %s: %w", w.ID(), err)
	}
	return dir, nil
}

// Event implements stages.Observer: output goes into the stage's build log,
// everything else is one line of events.jsonl, written with one call. At the end
// of a stage what was written is made durable. An event that can not be written
// is lost, and Finish tells.
func (w *Writer) Event(e stages.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Version, e.Run, e.Time = stages.EventVersion, w.ID(), e.Time.UTC()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case e.Type == stages.LogOutput:
		w.note(w.log(e))
	default:
		w.note(w.event(e))
	}
	if e.Type == stages.StageFinished && e.Outcome != stages.Reused && !w.over { // a reused stage is no loss
		w.note(w.closeLog(e.ID))
		w.note(w.events.sync())
	}
}

func (w *Writer) note(err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("the record of run %s is not whole: %w", w.ID(), err)
	}
}

func (w *Writer) event(e stages.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return w.events.write(append(line, '\n'))
}

func (w *Writer) log(e stages.Event) error {
	a := w.logs[e.ID]
	if a == nil {
		dir, err := w.StageDir(e.ID)
		if err != nil {
			return err
		}
		if a, err = openAppender(filepath.Join(dir, buildLogFile)); err != nil {
			return err
		}
		w.logs[e.ID] = a
	}
	return a.write(logLines(e))
}

func (w *Writer) closeLog(id config.StageID) error {
	a := w.logs[id]
	if a == nil {
		return nil
	}
	delete(w.logs, id)
	return a.close()
}

// Finish ends the record with the result of the run and lets go of it. The
// error says that the record is not whole; the outcome is in it all the same,
// unless that could not be written. Later events, and a second Finish, do
// nothing.
func (w *Writer) Finish(result stages.RunResult) error {
	lines := make([]stages.StageRecord, 0, len(result.Stages))
	for _, s := range result.Stages {
		lines = append(lines, s.Record())
	}
	return w.end(func(r *Record) {
		r.Outcome, r.Duration = result.Outcome, result.Duration.Seconds()
		r.setStages(lines)
	})
}

// Fail ends the record of a run that an error of ours ended, and lets go of it.
func (w *Writer) Fail(reason error) error {
	return w.end(func(r *Record) {
		r.abandon(w.run, reason.Error())
		r.Duration = time.Since(r.Started).Seconds()
	})
}

func (w *Writer) end(change func(*Record)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return w.err
	}
	w.over = true
	defer w.release()
	for id := range w.logs {
		w.note(w.closeLog(id))
	}
	w.note(w.events.close())
	record := w.run.record
	change(&record)
	w.note(writeRecord(w.run.dir, record))
	return w.err
}

// Close lets go of a run that was not finished, whose record then says that
// ambient died. After Finish it does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil
	}
	w.over = true
	defer w.release()
	for id := range w.logs {
		w.note(w.closeLog(id))
	}
	w.note(w.events.close())
	return w.err
}

// appender adds whole lines to a file.
type appender struct {
	f    *os.File
	torn bool // the last write was cut short
}

func openAppender(name string) (*appender, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &appender{f: f}, nil
}

// write appends lines with one call. After a write that was cut short, as by a
// full disk, the next one begins a new line first.
func (a *appender) write(lines []byte) error {
	if a.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	n, err := a.f.Write(lines)
	if n > 0 {
		a.torn = n < len(lines)
	}
	return err
}

func (a *appender) sync() error { return a.f.Sync() }

func (a *appender) close() error { return errors.Join(a.f.Sync(), a.f.Close()) }
