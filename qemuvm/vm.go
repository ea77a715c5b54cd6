package qemuvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// exitLimit is how long QEMU may take from closing QMP to its end, and from its
// end to the end of what it wrote to QMP.
const exitLimit = 3 * time.Second

// VM is a running machine. Its methods may be called from several goroutines.
// The caller must Close it.
type VM struct {
	command string // quoted
	version Version
	proc    *process
	qmp     *QMP
	console net.Conn
	ports   map[string]net.Conn
	frames  net.Conn
	done    chan struct{}
	err     error // only after done

	closing sync.Once
}

// Start runs QEMU and returns when it answers on QMP: the guest's CPUs run by
// then. ctx bounds the start only; the machine lives until it ends by itself or
// is killed, or until this process ends in whatever way.
//
// Errors: *OptionsError, *MissingError, *TooOldError, *RefusedError,
// *TemplateError, ctx's, and
// those of the operating system when it can not give what a start needs.
func Start(ctx context.Context, o Options) (*VM, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.checkMemory(); err != nil {
		return nil, err
	}
	vm := &VM{ports: map[string]net.Conn{}, done: make(chan struct{})}
	var undo cleanups
	defer undo.run()
	argv := CommandLine(o)
	vm.command = Quote(argv)
	files, err := vm.connect(&o, &undo)
	if err != nil {
		return nil, err
	}
	vm.proc, err = startProcess(argv, files)
	closeAll(files)
	if err != nil {
		return nil, startError(&o, err)
	}
	undo.add(func() { vm.proc.kill(nil); <-vm.proc.done })
	if err := vm.greet(ctx, &o); err != nil {
		return nil, err
	}
	if o.Restore != nil {
		if err := vm.restore(ctx, &o); err != nil {
			return nil, err
		}
	}
	undo.drop()
	go vm.supervise()
	return vm, nil
}

// connect makes the socket pairs in the order in which CommandLine counts
// descriptors and gives QEMU's ends.
func (v *VM) connect(o *Options, undo *cleanups) (theirs []*os.File, err error) {
	names := []string{"qmp"}
	if o.Console {
		names = append(names, "console")
	}
	fixed := len(names)
	names = append(names, o.Ports...)
	last := len(names)
	if o.Frames != nil {
		names = append(names, "network")
	}
	for i, name := range names {
		conn, file, err := socketPair(name)
		if err != nil {
			closeAll(theirs)
			return nil, err
		}
		undo.add(func() { conn.Close() })
		theirs = append(theirs, file)
		switch {
		case i == 0:
			v.qmp = newQMP(conn)
		case i < fixed:
			v.console = conn
		case i == last:
			v.frames = conn
		default:
			v.ports[name] = conn
		}
	}
	return theirs, nil
}

// socketPair gives our end, with deadlines, and the end to inherit.
func socketPair(name string) (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair for %s: %w", name, err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)
	defer ours.Close() // FileConn duplicates it
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("socket pair for %s: %w", name, err)
	}
	return conn, theirs, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// startError sorts the operating system's reasons not to run a program.
func startError(o *Options, err error) error {
	for _, missing := range []error{exec.ErrNotFound, exec.ErrDot, fs.ErrNotExist, fs.ErrPermission, unix.ENOEXEC, unix.ENOTDIR, unix.EISDIR} {
		if errors.Is(err, missing) {
			return &MissingError{Binary: o.Binary, Remedy: remedy(o.Arch), Err: err}
		}
	}
	return fmt.Errorf("start QEMU: %w", err)
}

// greet makes sure that a QEMU of the right version answers.
func (v *VM) greet(ctx context.Context, o *Options) error {
	limited, cancel := context.WithTimeout(ctx, o.startLimit())
	defer cancel()
	var err error
	v.version, err = v.qmp.greet(limited)
	if err == nil {
		if v.version.Less(Minimum) {
			return &TooOldError{o.Binary, v.version}
		}
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("start QEMU: %w", context.Cause(ctx))
	}
	reason := v.refusal(err, o.startLimit())
	if cause := v.proc.killedFor(); cause != nil {
		return cause
	}
	// An old QEMU may stumble over an option that it does not know.
	if version, verr := VersionOf(ctx, o.Binary); verr == nil && version.Less(Minimum) {
		return &TooOldError{o.Binary, version}
	}
	return &RefusedError{Reason: reason, Stderr: v.proc.stderr.String(), Command: v.command}
}

// refusal waits for the end of a QEMU that closed QMP, so that its status and
// words are known, and says what went wrong.
func (v *VM) refusal(err error, limit time.Duration) string {
	if errors.Is(err, ErrQMPEnded) {
		select {
		case <-v.proc.done:
			if exit := v.proc.result(""); exit != nil {
				return "it " + exit.how()
			}
			return "it ended with status 0 before it answered"
		case <-time.After(exitLimit):
		}
	}
	v.proc.kill(nil)
	<-v.proc.done
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("it did not answer within %v", limit)
	}
	return err.Error()
}

// supervise waits for the end of QEMU and works out why it came.
func (v *VM) supervise() {
	select {
	case <-v.proc.done:
	case <-v.qmp.done:
		cause := v.qmp.ended()
		if errors.Is(cause, ErrQMPEnded) { // it ends: let it do so by itself
			wait(v.proc.done, exitLimit)
		}
		v.proc.kill(cause) // else nobody could control it any more
		<-v.proc.done
	}
	wait(v.qmp.done, exitLimit)
	v.qmp.close()
	<-v.qmp.done
	if exit := v.proc.result(v.command); exit != nil {
		v.err = exit
	}
	close(v.done)
}

func wait(done <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// Kill ends the machine at once and returns before it has ended. It may be
// called at any time, any number of times.
func (v *VM) Kill() { v.proc.kill(nil) }

// Done is closed when QEMU has ended and every event is known.
func (v *VM) Done() <-chan struct{} { return v.done }

// Wait waits for QEMU's end and says how it ended: nil when by itself with
// status 0, which includes a guest that reset itself, else an *ExitError. Every
// caller gets the same answer.
func (v *VM) Wait() error {
	<-v.done
	return v.err
}

// Close kills the machine, waits for its end and closes console, ports and frames. It
// may be called any number of times. It does not fail.
func (v *VM) Close() error {
	v.proc.kill(nil)
	<-v.done
	v.closing.Do(func() {
		if v.console != nil {
			v.console.Close()
		}
		if v.frames != nil {
			v.frames.Close()
		}
		for _, conn := range v.ports {
			conn.Close()
		}
	})
	return nil
}

// Port gives the host's end of a virtio-serial port, or nil when the machine
// has none of that name. It can be written before the guest listens, as far as
// the socket's buffer goes. What the guest sent can be read after QEMU's end,
// until Close.
func (v *VM) Port(name string) net.Conn { return v.ports[name] }

// Frames gives the other end of the guest's network, or nil without
// Options.Frames: four bytes with a length, big-endian, and an Ethernet frame of
// that length, and so on, each way (QEMU's manual, -netdev stream). What comes is
// the guest's and hostile.
func (v *VM) Frames() net.Conn { return v.frames }

// Console gives the guest's first serial port, or nil without Options.Console.
// Somebody must read it to its end: a guest that writes to a console that
// nobody reads stalls. What comes is the guest's, unbounded and hostile.
func (v *VM) Console() net.Conn { return v.console }

// QMP gives the control connection.
func (v *VM) QMP() *QMP { return v.qmp }

// Events gives what QEMU tells, for one reader; it is closed at QEMU's end. A
// reader that falls behind by more than 64 events misses the later ones;
// Shutdown and IOError do not depend on it.
func (v *VM) Events() <-chan Event { return v.qmp.events }

// Shutdown gives QEMU's reason for the machine's end; ok is false when it gave
// none, as when it was killed. All is known once Done is closed.
func (v *VM) Shutdown() (s Shutdown, ok bool) {
	v.qmp.mu.Lock()
	defer v.qmp.mu.Unlock()
	if v.qmp.shutdown == nil {
		return Shutdown{}, false
	}
	return *v.qmp.shutdown, true
}

// IOError gives the first failure of the host to read or write a disk's file,
// or nil.
func (v *VM) IOError() *IOError {
	v.qmp.mu.Lock()
	defer v.qmp.mu.Unlock()
	return v.qmp.ioError
}

// Command gives the command line, quoted for a shell.
func (v *VM) Command() string { return v.command }

// Version gives QEMU's version.
func (v *VM) Version() Version { return v.version }

// PID gives QEMU's process id, which is its process group's too.
func (v *VM) PID() int { return v.proc.cmd.Process.Pid }

// cleanups runs functions in the reverse order of their registration.
type cleanups []func()

func (c *cleanups) add(f func()) { *c = append(*c, f) }
func (c *cleanups) drop()        { *c = nil }

func (c *cleanups) run() {
	for i := len(*c) - 1; i >= 0; i-- {
		(*c)[i]()
	}
}
