// Package fakerunner is a stages.Runner without machines, for tests. It checks
// how it is used and understands a small part of the shell (see script.go), so
// that the same stages run here and in a real machine.
package fakerunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// UnknownSuite is the Debian suite of an image that the fake does not have.
const UnknownSuite = "no-such-suite"

// TB is what the fake needs of a test: testing.TB has it.
type TB interface {
	Errorf(format string, args ...any)
	Cleanup(func())
}

// Runner is the fake. Set its fields before the first Start. It reports to its
// test, as an error: a job that was started before, one that is incomplete or
// names data that is not there, a script it does not understand, Stop or Kill
// after Close, and an Execution that is still open at the test's end.
type Runner struct {
	// OnStart, if set, is called by each Start; its error is Start's.
	OnStart func(*stages.Job) error
	// OnWait and OnClose, if set, are called by each Wait and by each first Close.
	OnWait  func(*stages.Job)
	OnClose func(*stages.Job) error
	// IgnoreStop makes stages that only end by themselves or by Kill.
	IgnoreStop bool

	tb      TB
	mu      sync.Mutex
	started map[string]bool
	open    map[*execution]bool
}

// New returns a fake that reports to tb.
func New(tb TB) *Runner {
	r := &Runner{tb: tb, started: map[string]bool{}, open: map[*execution]bool{}}
	tb.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for e := range r.open {
			tb.Errorf("fakerunner: %s was never closed", e.job.Stage.ID)
		}
	})
	return r
}

// Open returns how many executions are not closed yet.
func (r *Runner) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// Start runs the job in a goroutine.
func (r *Runner) Start(ctx context.Context, job *stages.Job, obs stages.Observer) (stages.Execution, error) {
	if err := r.accept(job, obs); err != nil {
		r.tb.Errorf("fakerunner: %v", err)
		return nil, err
	}
	if r.OnStart != nil {
		if err := r.OnStart(job); err != nil {
			return nil, err
		}
	}
	if err := refuse(ctx, job); err != nil {
		return nil, err
	}
	e := newExecution(r, job, obs)
	r.mu.Lock()
	r.open[e] = true
	r.mu.Unlock()
	e.begin(ctx)
	return e, nil
}

// refuse is the error of a job that can not be started, for no fault of the
// caller.
func refuse(ctx context.Context, job *stages.Job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if info, err := os.Stat(job.Dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", job.Dir)
	}
	if image := job.Stage.Image; image != nil && image.Suite == UnknownSuite {
		return fmt.Errorf("image %q: there is no suite %q", image.Name, image.Suite)
	}
	return nil
}

// accept checks what the caller owes to a Runner.
func (r *Runner) accept(job *stages.Job, obs stages.Observer) error {
	switch {
	case job == nil || job.Stage == nil || job.Project == nil || obs == nil:
		return errors.New("a job without stage, project or observer")
	case job.RunID == "" || !filepath.IsAbs(job.Dir):
		return fmt.Errorf("%s: no run or no absolute directory: %q, %q", job.Stage.ID, job.RunID, job.Dir)
	}
	for _, name := range []string{"AMBIENT_SRC", "AMBIENT_DEPS", "AMBIENT_CACHE", "AMBIENT_ARTIFACTS", "AMBIENT_SECRETS", "PATH"} {
		if job.Env[name] == "" {
			return fmt.Errorf("%s: the environment has no %s", job.Stage.ID, name)
		}
	}
	if len(job.Deps) > 0 && job.Stage.ID.Phase != config.Plan || len(job.Union) > 0 && job.Stage.ID.Phase != config.Post {
		return fmt.Errorf("%s: data that is not for its phase", job.Stage.ID)
	}
	for _, d := range inputs(job) {
		if err := d.check(); err != nil {
			return fmt.Errorf("%s: %w", job.Stage.ID, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := fmt.Sprintf("attempt %d of %s %s", job.Attempt, job.RunID, job.Stage.ID)
	if r.started[key] {
		return fmt.Errorf("%s was started twice", key)
	}
	r.started[key] = true
	return nil
}

func (r *Runner) closed(e *execution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, e)
}
