package runner

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/secrets"
	"github.com/ambient-ci/ambient/stages"
)

// execution is one stage in one machine. It implements stages.Execution.
type execution struct {
	runner    *Runner
	job       *stages.Job
	obs       stages.Observer
	plan      *guest.Plan
	dir       string // of the devices, removed by Close
	base      *base  // image, accelerator and program
	disks     []qemuvm.Disk
	how       string // how the machine was started, for the user
	vm        *qemuvm.VM
	ready     *guest.Ready // said by a machine that went on from a template
	blame     func()       // removes that template: nil without one
	booting   time.Time
	started   func()      // lets the next machine start; safe to call again
	mac       string      // of the network device, if there is one
	net       *network    // nil: it has none
	startPlan []byte      // the plan, when it goes into the first message
	stop      chan string // a stop… constant; buffered, the first wins
	over      chan struct{}
	wanted    context.Context // until Kill: outputs are read
	unwant    context.CancelFunc
	closed    sync.Once
	close     []func() // run last in first out
	redact    secrets.Redactor
	secrets   *stageSecrets // nil: it has none, or they are not read yet

	signatures *signatures

	logTooLong atomic.Bool
	reports    testReports

	mu     sync.Mutex
	result stages.Result // valid once over is closed, except Warnings
	times  stages.Times
}

func newExecution(r *Runner, job *stages.Job, obs stages.Observer) *execution {
	x := &execution{runner: r, job: job, obs: obs, stop: make(chan string, 1), over: make(chan struct{}),
		redact: secrets.Redact(sensitiveValues(r.opts.Sensitive))}
	x.reports.warn, x.reports.redact = x.warn, func(s string) string { return x.redact.Text(s) }
	x.signatures = newSignatures(x)
	x.wanted, x.unwant = context.WithCancel(context.Background())
	return x
}

// Wait blocks until the stage is over.
func (x *execution) Wait() stages.Result {
	<-x.over
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.result
}

// Stop asks the stage to end.
func (x *execution) Stop(stages.StopReason) { x.request(stopCancel) }

func (x *execution) request(why string) {
	select {
	case x.stop <- why:
	default:
	}
}

// Kill ends the stage at once.
func (x *execution) Kill() {
	x.request(stopCancel)
	x.unwant()
	if x.vm != nil {
		x.vm.Kill()
	}
}

// Close kills what runs, waits until it is gone and removes the devices.
func (x *execution) Close() error {
	x.closed.Do(func() {
		select {
		case <-x.over:
		default:
			x.Kill()
			<-x.over
		}
		for i := len(x.close) - 1; i >= 0; i-- {
			x.close[i]()
		}
	})
	return nil
}

func (x *execution) emit(e stages.Event) {
	e.ID, e.Stage, e.Run = x.job.Stage.ID, x.job.Stage.ID.String(), x.job.RunID
	e.Version = stages.EventVersion
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	x.obs.Event(cleanEvent(x.redact, e))
}

const maxWarnings = 100

func (x *execution) warn(text string) {
	text = x.redact.Text(text)
	x.mu.Lock()
	n := len(x.result.Warnings)
	if n < maxWarnings {
		x.result.Warnings = append(x.result.Warnings, text)
	}
	x.mu.Unlock()
	if n < maxWarnings {
		x.emit(stages.Event{Type: stages.WarningRaised, Text: text})
	}
}

// finish publishes the result.
func (x *execution) finish(r stages.Result) {
	x.reportSecrets()
	x.mu.Lock()
	r.Warnings = x.result.Warnings
	r.Reason, r.Signal = x.redact.Text(r.Reason), x.redact.Text(r.Signal)
	r.Times = x.times
	x.result = r
	x.mu.Unlock()
	close(x.over)
}

var notHostname = regexp.MustCompile(`[^a-z0-9-]+`)

// hostname is the stage's name as a host name (RFC 1123).
func (x *execution) hostname() string {
	name := notHostname.ReplaceAllString(strings.ToLower(x.job.Stage.ID.Name), "-")
	name = strings.Trim(name[:min(len(name), 50)], "-")
	if name == "" {
		return "stage"
	}
	return name
}

// supervise runs the machine to its end and finishes the execution.
func (x *execution) supervise(ctx context.Context) {
	cancelled := context.AfterFunc(ctx, func() { x.request(stopCancel) })
	defer cancelled()
	story, booted := x.talk()
	x.started()
	x.times.Boot, x.times.Work = durations(x.booting, booted, time.Now())
	r := verdict(x.job.Stage, story)
	if x.blame != nil && r.Outcome == stages.Errored && story.begun == 0 {
		x.blame()
	}
	collecting := time.Now()
	x.collect(&r, story)
	x.reports.judge(x.plan, &r)
	x.times.Collect = time.Since(collecting)
	x.finish(r)
}

func durations(started, booted, ended time.Time) (boot, work time.Duration) {
	if booted.IsZero() {
		return ended.Sub(started), 0
	}
	return booted.Sub(started), ended.Sub(booted)
}

// talk holds the conversation and makes sure that QEMU is gone after it.
func (x *execution) talk() (story, time.Time) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	console := x.pumpConsole()
	log := x.pumpLog()
	agent := x.serveAgent()
	control := x.vm.Port(guest.PortControl)
	messages, broken := readControl(ctx, control, x.ready)
	s := &session{
		x: x, plan: x.plan, control: deadlined{control}, messages: messages, broken: broken,
		gone: x.vm.Done(), trouble: x.trouble(ctx), stop: x.stop, reports: &x.reports,
	}
	st := s.run(x.job.Stage.Limits.Timeout)
	// A guest that is done has written its outputs and its log to the end: it
	// need not be waited for.
	byItself := ended(x.vm.Done())
	x.vm.Kill()
	if err := x.vm.Wait(); err != nil && byItself && st.done == nil && st.stopped == "" && st.failure == nil {
		st.failure = err
	}
	x.disconnect()
	waitFor(log, drainLimit)
	waitFor(agent, drainLimit)
	if st.done != nil && st.stopped == "" && x.logTooLong.Load() {
		st.stopped = stopLog // seen only after the guest was done
	}
	waitFor(console, drainLimit)
	return st, s.booted
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func waitFor(done <-chan struct{}, limit time.Duration) {
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// trouble reports what QEMU says of the host: a full disk stops the guest where
// it is, and nobody but us can tell.
func (x *execution) trouble(ctx context.Context) <-chan error {
	out := make(chan error, 1)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-x.vm.Events():
				if !ok {
					return
				}
				if err := hostTrouble(e); err != nil {
					out <- err
					return
				}
			}
		}
	}()
	return out
}

func hostTrouble(e qemuvm.Event) error {
	io := e.IOError()
	switch {
	case io == nil:
		return nil
	case io.NoSpace:
		return fmt.Errorf("%w; free some space there (ambient doctor shows how much is left)", io)
	}
	return io
}
