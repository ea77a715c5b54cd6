package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// Why an action ends before its own end.
var (
	errStopped       = errors.New("stopped by the host")
	errActionTimeout = errors.New("action's time limit")
)

// worker carries one plan out. In the machine its root is "/"; below another
// root it works the same, without mounts.
type worker struct {
	root    string
	plan    *guest.Plan
	devices deviceOpener
	send    func(guest.Message)
	log     *logger
	procs   *procs
	group   group
	sweep   func() // kills every process that left the group
	mounts  bool   // mount images, and remount read-only inputs
	layers  layersDir
	client  *http.Client
	sleep   func(context.Context, time.Duration) error
	guard   func(func()) // starts a goroutine whose panic ends the stage
	now     func() time.Time

	trustEnv map[string]string
	fileEnv  map[string]string // of Plan.EnvFiles
	pumps    sync.WaitGroup
	scripts  int                  // written so far
	given    map[string]time.Time // when an output was as the host gave it
}

// deviceOpener opens the device with a serial.
type deviceOpener func(serial string, write bool) (*os.File, error)

// group is the control group of the actions.
type group interface {
	events() events
	kill() error
	attr() *syscall.SysProcAttr
}

// path returns where a path of the plan is.
func (w *worker) path(p string) string { return filepath.Join(w.root, p) }

func (w *worker) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.log.say(-1, "warning: %s", text)
	w.send(guest.Message{Warning: &guest.Warning{Text: cut(text)}})
}

// cut bounds a text that goes into a message.
func cut(s string) string {
	const most = 4096
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// work runs the whole plan and returns the last message. When ctx ends, what
// runs is killed and what is whole is packed.
func (w *worker) work(ctx context.Context) guest.Done {
	var done guest.Done
	if err := w.unpackAll(ctx); err != nil {
		done = doneError(err)
	} else {
		w.runActions(ctx)
	}
	w.endProcesses()
	if done.Error == "" {
		w.sendReports(ctx)
		done.Outputs = w.packAll()
	}
	return done
}

// runActions runs the actions in order up to the first that fails.
func (w *worker) runActions(ctx context.Context) {
	for i := range w.plan.Actions {
		if ctx.Err() != nil || !w.runAction(ctx, i) {
			return
		}
	}
}

// runAction runs one action, reports it and says whether it succeeded.
func (w *worker) runAction(ctx context.Context, i int) bool {
	a := &w.plan.Actions[i]
	if a.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.Timeout, errActionTimeout)
		defer cancel()
	}
	w.send(guest.Message{Started: &guest.Started{Action: i}})
	start := w.now()
	var r result
	for _, s := range a.Steps {
		if r = w.step(ctx, i, s); !r.ok() {
			break
		}
	}
	w.send(guest.Message{Finished: &guest.Finished{
		Action: i, Exit: r.exit, Signal: r.signal, Limit: r.limit, Error: cut(r.err),
		Outage: r.outage, Stopped: r.stopped, Duration: max(w.now().Sub(start), 0),
	}})
	return r.ok()
}

func (w *worker) step(ctx context.Context, action int, s guest.Step) result {
	switch {
	case ctx.Err() != nil:
		return ended(context.Cause(ctx))
	case s.Exec != nil:
		return w.exec(ctx, action, s.Exec)
	case s.Fetch != nil:
		return w.fetch(ctx, action, s.Fetch)
	case s.Upload != nil:
		return w.upload(ctx, action, s.Upload)
	case s.Write != nil:
		return w.writeFile(s.Write)
	}
	return failed("a step without content")
}

// writeFile carries out a Write. Missing parents are made.
func (w *worker) writeFile(f *guest.Write) result {
	path := w.path(f.Path)
	mode := os.FileMode(f.Mode).Perm()
	if f.Dir {
		return fileResult(makeDir(path, mode))
	}
	if mode == 0 {
		mode = 0o644
	}
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, f.Content, mode)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	return fileResult(err)
}

func makeDir(path string, mode os.FileMode) error {
	err := os.MkdirAll(path, 0o755)
	if err == nil && mode != 0 {
		err = os.Chmod(path, mode)
	}
	return err
}

// fileResult turns an error of the writable layer into a result.
func fileResult(err error) result {
	switch {
	case err == nil:
		return result{}
	case outOfSpace(err):
		return result{limit: guest.LimitDisk}
	}
	return failed("%v", err)
}

// endProcesses kills what the actions left behind and waits for the rest of its
// output.
func (w *worker) endProcesses() {
	if err := w.group.kill(); err != nil {
		w.log.say(-1, "end of the actions: %v", err)
	}
	w.sweep()
	ended := make(chan struct{})
	go func() {
		w.pumps.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(drainLimit):
	}
}
