package agent

import (
	"os"
	"sync"
	"syscall"
)

// procs starts processes and waits for them. As PID 1 it must also reap orphans,
// which only wait4(-1) does; that would steal the children of os/exec, so this
// program starts every process here and one loop hands each status to the one
// who waits for it. It is safe for concurrent use.
type procs struct {
	mu       sync.Mutex
	children map[int]*child
	started  chan struct{} // wakes the loop, capacity 1
}

// child is a started process.
type child struct {
	pid    int
	exited chan struct{} // closed once status is set
	status syscall.WaitStatus
}

// newProcs returns procs whose loop reaps every child of this process, its own
// or adopted. There can be only one.
func newProcs() *procs {
	p := &procs{children: map[int]*child{}, started: make(chan struct{}, 1)}
	go p.reap()
	return p
}

// start starts a program as os.StartProcess does, except that files are plain
// descriptors.
func (p *procs) start(path string, argv []string, attr *syscall.ProcAttr) (*child, error) {
	p.mu.Lock() // held until the child is known, so that the loop can not miss it
	defer p.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, &os.PathError{Op: "start", Path: path, Err: err}
	}
	c := &child{pid: pid, exited: make(chan struct{})}
	p.children[pid] = c
	select {
	case p.started <- struct{}{}:
	default:
	}
	return c, nil
}

// wall is __WALL of wait(2): children of any kind.
const wall = 0x40000000

func (p *procs) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, wall, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // no children at all: orphans come only from a child
			<-p.started
		case status.Exited() || status.Signaled():
			p.exit(pid, status)
		}
	}
}

func (p *procs) exit(pid int, status syscall.WaitStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.children[pid]; c != nil {
		delete(p.children, pid)
		c.status = status
		close(c.exited)
	}
}
