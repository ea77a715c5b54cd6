// Package runner runs one stage in one virtual machine: it makes the devices,
// starts QEMU, talks with the guest program, and reads what came out. It
// implements stages.Runner.
//
// The life of a stage is told by the files in order: prepare.go makes the
// devices, execution.go owns the machine, session.go holds the conversation,
// outcome.go judges, collect.go reads the outputs.
package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/egress"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images"
	"github.com/ambient-ci/ambient/inputs"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/source"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/templates"
)

// Options are what a Runner needs to know.
type Options struct {
	Home *home.Home
	// Note is told once what the user should know of this machine, such as that
	// there is no KVM; nil: nobody.
	Note func(text string)
	// RequireKVM refuses to run stages under emulation.
	RequireKVM bool
	// Identifier has worked out what the stages see, and is told of what they are
	// given; nil: nobody wants to know.
	Identifier *Identifier
	// CheckSource is asked about every source tree that guests get; its error is
	// that of every stage. Nil: everything is right.
	CheckSource func(src config.Source, tree *source.Tree) error
	// NoTemplates boots every machine.
	NoTemplates bool
	// Dir is the configuration's directory, where commands run that give secrets.
	Dir string
	// Sensitive are texts that nothing may show that leaves a stage.
	Sensitive []string
}

// Runner runs stages in QEMU machines. It is safe for concurrent use. Close it.
type Runner struct {
	opts      Options
	home      *home.Home
	store     *images.Store
	templates *templates.Store
	inputs    *inputs.Store
	work      string
	release   func()
	host      actions.Host
	machine   machine
	gate      gate
	gateways  func(*egress.Options) // changes those of every gateway, for tests; nil: nothing does
	machines  func(*qemuvm.Options) // the same for machines

	mu      sync.Mutex
	count   int
	sources map[string]*sourceOnce // by project and kind
}

// New makes a Runner. It starts nothing and fetches nothing, but removes what
// killed processes left behind.
func New(opts Options) (*Runner, error) {
	work, release, err := opts.Home.NewWork()
	if err != nil {
		return nil, err
	}
	r := &Runner{
		opts: opts, home: opts.Home, work: work, release: release,
		store:     images.Open(opts.Home),
		templates: templates.Open(opts.Home),
		inputs:    inputs.Open(opts.Home),
		gate:      newGate(),
		sources:   map[string]*sourceOnce{},
	}
	r.host = hostInfo()
	return r, nil
}

// Close removes the devices of all stages. Call it when every execution is
// closed.
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, once := range r.sources {
		if once.image != nil {
			once.image.Close()
		}
	}
	r.release()
	return nil
}

// Start packs the inputs and starts the machine.
func (r *Runner) Start(ctx context.Context, job *stages.Job, obs stages.Observer) (stages.Execution, error) {
	p, err := r.Prepare(ctx, job, obs)
	if err != nil {
		return nil, err
	}
	return p.Start(ctx)
}

// Prepare packs the inputs: it implements stages.Preparer.
func (r *Runner) Prepare(ctx context.Context, job *stages.Job, obs stages.Observer) (stages.Prepared, error) {
	if _, err := os.Stat(job.Dir); err != nil {
		return nil, fmt.Errorf("the stage's directory: %w", err)
	}
	x := newExecution(r, job, obs)
	began := time.Now()
	err := x.prepare(ctx)
	x.times.Prepare = time.Since(began)
	if err == nil {
		return prepared{x}, nil
	}
	if result, ok := x.users(err); ok {
		x.finish(result)
		return prepared{x}, nil
	}
	x.release()
	return nil, x.cleanError(err)
}

// prepared is an execution without a machine, or one that is over already.
type prepared struct{ x *execution }

// Start starts the machine.
func (p prepared) Start(ctx context.Context) (stages.Execution, error) {
	x := p.x
	if ended(x.over) {
		return x, nil
	}
	err := x.readSecrets(ctx)
	if err == nil {
		err = x.enterAndBoot(ctx)
	}
	if err == nil {
		err = x.connect(x.vm.Frames())
	}
	if err == nil {
		go x.supervise(ctx)
		return x, nil
	}
	if result, ok := x.users(err); ok {
		x.finish(result)
		return x, nil
	}
	x.release()
	return nil, x.cleanError(err)
}

// Close removes the devices.
func (p prepared) Close() error {
	p.x.release()
	return nil
}

// empty is the path of an image without files, which is made at its first use.
func (r *Runner) empty() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := filepath.Join(r.work, "empty.img")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	err := inputs.Empty(path)
	if err != nil {
		os.Remove(path)
	}
	return path, err
}

// users turns an error that is the user's to mend into the stage's result.
func (x *execution) users(err error) (stages.Result, bool) {
	r := stages.Result{Action: -1}
	var large *blockdev.TooLargeError
	var missing *images.PackageError
	var spec *images.SpecError
	var conflict *blockdev.ConflictError
	var address *source.AddressError
	var fetch *source.FetchError
	switch {
	case errors.As(err, &large):
		return end(r, stages.Failed, "disk", fmt.Sprintf("%v; what a stage reads may not be larger than its disk of %s (disk in the limits block)",
			err, config.FormatSize(x.job.Stage.Limits.Disk))), true
	case errors.As(err, &fetch) && !fetch.Final:
		return r, false
	case errors.As(err, &missing), errors.As(err, &spec), errors.As(err, &conflict), errors.As(err, &address), errors.As(err, &fetch):
		return end(r, stages.Failed, "", err.Error()), true
	}
	return r, false
}

// newDir makes a directory for the devices of one stage.
func (r *Runner) newDir() (string, error) {
	r.mu.Lock()
	r.count++
	dir := filepath.Join(r.work, fmt.Sprint(r.count))
	r.mu.Unlock()
	return dir, os.Mkdir(dir, 0o700)
}
