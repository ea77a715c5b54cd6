package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// heapLimit is where the garbage collector begins to work: most stages end
// before, and under emulation a collection costs a noticeable time.
const heapLimit = 32 << 20

// largePlan is a size in bytes.
const largePlan = 4 << 20

// Main is the guest program's main function. As PID 1 it does not return: it
// powers the machine off. Elsewhere it says what it is for and exits with 2.
func Main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "ambient-guest is the init program of ambient's virtual machines")
		os.Exit(2)
	}
	defer powerOff()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapLimit)
	ignoreSignals()
	m := &machine{failures: make(chan error, 1)}
	if err := m.run(); err != nil {
		m.report(err)
	}
}

// ignoreSignals keeps what project code sends to PID 1 from ending it. Unlike
// ignored signals, caught ones are reset in the programs it starts.
func ignoreSignals() {
	c := make(chan os.Signal, 1)
	for s := syscall.Signal(1); s < 65; s++ {
		if s != syscall.SIGURG && s != syscall.SIGCHLD {
			signal.Notify(c, s)
		}
	}
}

// machine is the state of PID 1.
type machine struct {
	control  *control
	log      *logger
	disks    disks
	layered  bool       // there is a writable layer
	group    *cgroup    // of the actions; there when layered
	procs    *procs     // likewise
	inputs   layersDir  // in it, for images
	failures chan error // panics of goroutines
}

// run leads the machine through its life.
func (m *machine) run() (err error) {
	defer recovered(&err)
	if err := m.boot(); err != nil {
		return err
	}
	start := m.await(guest.Message{Ready: &guest.Ready{
		Protocol: guest.ProtocolVersion, Program: parameter(guest.ProgramParameter), Kernel: release(), Unmounted: m.inputs.unmounted(),
	}})
	if start.Probe {
		m.control.send(guest.Message{Done: &guest.Done{}})
		return nil
	}
	return m.stage(start)
}

// await says that the machine is ready, as often as the host asks, and returns
// when the host starts it. While it waits the machine may be saved, and what
// returns may be any number of machines.
func (m *machine) await(ready guest.Message) *guest.Start {
	for {
		m.control.send(ready)
		select {
		case <-m.control.wake:
		case start := <-m.control.start:
			return start
		}
	}
}

// recovered turns a panic into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("guest program failed: %v\n%s", r, debug.Stack())
	}
}

// boot does what needs nothing of this run.
func (m *machine) boot() error {
	for _, k := range kernelMounts {
		if err := k.mount(); err != nil {
			return err
		}
	}
	_ = write("/proc/sys/kernel/panic", "-1") // should this program die: restart, which ends QEMU
	if err := loadModules(); err != nil {
		return err
	}
	port, err := openPort(guest.PortControl)
	if err != nil {
		return err
	}
	m.control = newControl(port, hostGone)
	m.guard(m.control.listen)
	port, err = openPort(guest.PortLog)
	if err != nil {
		return err
	}
	m.log = newLogger(port)
	return m.layers()
}

// layers mounts the image and the writable layer and moves there. A machine
// that is only to show that it boots has no writable layer.
func (m *machine) layers() error {
	root, scratch, err := m.disks.system()
	if err != nil {
		return err
	}
	if err := mountRoot(root); err != nil {
		return err
	}
	if err := furnish(); err != nil || scratch == "" {
		return err
	}
	if err := mountNewRoot(scratch); err != nil {
		return err
	}
	if m.inputs, err = openLayers(); err != nil {
		return err
	}
	if err := errors.Join(enterNewRoot(), makeDirs(), makeIdentityFiles(), loopback()); err != nil {
		return err
	}
	m.disks.mountEarly(m.inputs)
	if m.group, err = makeCgroup(); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	m.procs = newProcs()
	m.rehearse()
	m.layered = true
	syscall.Sync() // once, and not in every machine that goes on from here
	return nil
}

// hostGone ends the machine: without its host nobody wants its work.
func hostGone(err error) {
	fmt.Fprintf(os.Stderr, "ambient-guest: the host is gone: %v\n", err)
	powerOff()
}

// guard runs f in a goroutine; its panic ends the stage.
func (m *machine) guard(f func()) {
	go func() {
		var err error
		defer func() {
			if err != nil {
				select {
				case m.failures <- err:
				default:
				}
			}
		}()
		defer recovered(&err)
		f()
	}()
}

// report tells the host of a failure of this program, by every way there is.
func (m *machine) report(err error) {
	fmt.Fprintf(os.Stderr, "ambient-guest: %v\n", err)
	if m.log != nil {
		m.log.say(-1, "%v", err)
		m.log.flush(hurryLimit)
	}
	if m.control != nil {
		d := doneError(err)
		m.control.send(guest.Message{Done: &d})
	}
}

// stage runs the stage: it settles the machine, reads the plan and works.
func (m *machine) stage(start *guest.Start) error {
	plan, files, err := m.settle(start)
	if err != nil {
		return err
	}
	w, err := m.worker(plan, files)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	m.guard(func() {
		reason := (<-m.control.stop).Reason
		cancel(errStopped)
		m.log.hurry(time.Now().Add(hurryLimit)) // the log must not hold us up from now on
		m.log.say(-1, "stopping: %s", reason)
	})
	finished := make(chan guest.Done, 1)
	m.guard(func() { finished <- w.work(ctx) })
	select {
	case done := <-finished:
		limit := flushLimit
		if ctx.Err() != nil {
			limit = hurryLimit
		}
		m.log.flush(limit)
		m.control.send(guest.Message{Done: &done})
		return nil
	case err := <-m.failures:
		return err
	}
}

// settle makes the machine this run's own.
func (m *machine) settle(start *guest.Start) (*guest.Plan, map[string][]byte, error) {
	if err := setClock(start); err != nil {
		return nil, nil, err
	}
	if err := addEntropy(start.Entropy); err != nil {
		return nil, nil, err
	}
	time.AfterFunc(entropyPause, func() { _ = bindAll(entropyDriver) })
	if !m.layered {
		return nil, nil, errors.New("the machine has no disk " + guest.SerialScratch)
	}
	if err := setNames(start); err != nil {
		return nil, nil, err
	}
	files, err := m.execFiles(start)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", guest.SerialExec, err)
	}
	plan, err := parsePlan(files[guest.PlanFile])
	if err != nil {
		return nil, nil, err
	}
	return plan, files, network(plan.Network, start.MAC)
}

// execFiles gives the plan and what goes with it. A disk takes longer to read
// than the message that has come anyway.
func (m *machine) execFiles(start *guest.Start) (map[string][]byte, error) {
	if start.Plan != nil {
		return map[string][]byte{guest.PlanFile: start.Plan}, nil
	}
	exec, err := m.disks.open(guest.SerialExec, false)
	if err != nil {
		return nil, err
	}
	defer exec.Close()
	return readExec(exec)
}

// worker makes the worker of the machine's plan.
func (m *machine) worker(plan *guest.Plan, files map[string][]byte) (*worker, error) {
	if err := m.group.bound(plan.MemoryReserve, plan.PIDs); err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	w := m.newWorker(plan)
	if len(files[guest.PlanFile]) > largePlan {
		debug.SetGCPercent(100) // the heap limit is too near to work at
	}
	if plan.Trust {
		env, pool, err := trust(files[guest.CAFile], replaceFile)
		if err != nil {
			return nil, err
		}
		w.trustEnv, w.client = env, newClient(pool)
	}
	if plan.Agent {
		if err := m.serveAgent(); err != nil {
			return nil, fmt.Errorf("SSH agent: %w", err)
		}
	}
	proxyFromPlan(plan.Env)
	syscall.Umask(0o022)
	return w, nil
}

func (m *machine) newWorker(plan *guest.Plan) *worker {
	return &worker{root: "/", plan: plan, devices: m.disks.open, send: m.control.send, log: m.log,
		procs: m.procs, group: m.group, sweep: killEverything, mounts: true, layers: m.inputs, client: newClient(nil), sleep: sleep,
		guard: m.guard, now: time.Now}
}

// killEverything ends what moved out of the stage's group: PID 1 may kill all
// but itself.
func killEverything() { syscall.Kill(-1, syscall.SIGKILL) }

// proxyFromPlan makes fetches use the proxy that the plan's environment names.
func proxyFromPlan(env map[string]string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if v := env[name]; v != "" {
			os.Setenv(name, v)
		}
	}
}

// parameter returns the value of a kernel parameter, "" if it is not there.
func parameter(name string) string {
	b, _ := os.ReadFile("/proc/cmdline")
	for _, field := range strings.Fields(string(b)) {
		if k, v, _ := strings.Cut(field, "="); k == name {
			return v
		}
	}
	return ""
}

// release returns the kernel's release (uname -r).
func release() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(b))
}
