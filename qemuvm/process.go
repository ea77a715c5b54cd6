package qemuvm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// drainLimit is how long the rest of standard error is awaited after the
// process has ended; only a stray descendant keeps it open that long.
const drainLimit = 200 * time.Millisecond

// process is a child in a process group of its own that dies with its parent.
type process struct {
	cmd    *exec.Cmd
	stderr tail
	done   chan struct{} // closed when the process is reaped and its words are read
	state  *os.ProcessState

	mu     sync.Mutex
	gone   bool // the group's id may belong to others
	killed bool
	cause  error // of the first kill; nil: the caller wanted it
}

// startProcess runs argv with no environment, in /, with files as descriptors
// from firstFD on. The caller keeps files and closes them.
func startProcess(argv []string, files []*os.File) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{done: make(chan struct{}), cmd: exec.Command(argv[0], argv[1:]...)}
	p.cmd.Env = []string{}
	p.cmd.Dir = "/"
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.ExtraFiles = files
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go p.life(r, started)
	err = <-started
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	return p, nil
}

// life starts the process and waits for it, on one thread that nothing else
// uses meanwhile. PR_SET_PDEATHSIG (prctl(2)) sends its signal when the *thread*
// that made the child ends, and the Go runtime may end any thread that no
// goroutine is locked to: without the lock QEMU could be killed at a whim. The
// thread lives as long as this goroutine, which outlives the child. The gap
// between fork and prctl is closed by the syscall package, whose child looks
// whether its parent has changed meanwhile.
func (p *process) life(stderr *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	drained := make(chan struct{})
	go func() {
		p.stderr.readFrom(stderr, p.judge)
		close(drained)
	}()
	p.reap()
	stderr.SetReadDeadline(time.Now().Add(drainLimit))
	<-drained
	stderr.Close()
	close(p.done)
}

// loader matches what QEMU says of a file of its own that starts kernels. It goes
// on without (hw/core/loader.c), with a machine that never does anything.
var loader = regexp.MustCompile(`(?i)could not open option rom '((?:pvh|linuxboot|linuxboot_dma)\.bin)'`)

// judge ends a QEMU whose words say that it can not work.
func (p *process) judge(said string) {
	if m := loader.FindStringSubmatch(said); m != nil {
		p.kill(&MissingError{
			Binary: p.cmd.Path, Err: fmt.Errorf("its file %s, which starts kernels, is missing", m[1]),
			Remedy: "install the package that has it (Debian's is qemu-system-data)",
		})
	}
}

// reap waits for the process, ends whatever is left of its group, and only then
// frees its id: until then the id can not name anybody else's group.
func (p *process) reap() {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.gone = true
	p.mu.Unlock()
	_ = p.cmd.Wait() // its error only repeats the state
	p.state = p.cmd.ProcessState
}

// kill ends the process and its group. It may be called at any time, any number
// of times; the first cause counts.
func (p *process) kill(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.killed {
		return
	}
	p.killed, p.cause = true, cause
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// result gives the process's end; only after done. It is nil for a process that
// ended by itself with status 0.
func (p *process) result(command string) *ExitError {
	e := &ExitError{Status: -1, Stderr: p.stderr.String(), Command: command}
	if p.state != nil {
		e.Status = p.state.ExitCode()
		if ws, ok := p.state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = ws.Signal()
		}
	}
	if e.Status == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Killed = p.killed && e.Signal == syscall.SIGKILL; e.Killed {
		e.Cause = p.cause
	}
	return e
}

// killedFor gives the cause of the first kill; nil: there was none, or it was
// wanted.
func (p *process) killedFor() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// tailSize is how much of standard error is kept, in bytes.
const tailSize = 4096

// tail keeps the last bytes that were read.
type tail struct {
	mu   sync.Mutex
	data []byte
}

// readFrom reads all there is; each, if not nil, gets what is kept so far.
func (t *tail) readFrom(f io.Reader, each func(string)) {
	buf := make([]byte, tailSize)
	for {
		n, err := f.Read(buf)
		t.mu.Lock()
		t.data = append(t.data, buf[:n]...)
		t.data = t.data[max(0, len(t.data)-tailSize):]
		t.mu.Unlock()
		if each != nil {
			each(t.String())
		}
		if err != nil {
			return
		}
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}
