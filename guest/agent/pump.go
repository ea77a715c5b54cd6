package agent

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

const (
	pumpBuffer = 32 << 10
	tailDelay  = 100 * time.Millisecond // an unfinished line is sent after that
	drainPoll  = 20 * time.Millisecond
	drainLimit = 2 * time.Second
)

// pump copies one stream of a process to the log, cut at line ends where that
// costs no delay. It ends when the last holder of the pipe's other end does.
type pump struct {
	log    *logger
	action int
	stream guest.Stream
	done   chan struct{} // closed at the end
	quiet  chan struct{} // offered whenever the pipe was seen empty

	mu       sync.Mutex
	r        *os.File
	draining bool
}

func newPump(r *os.File, log *logger, action int, stream guest.Stream) *pump {
	return &pump{r: r, log: log, action: action, stream: stream,
		done: make(chan struct{}), quiet: make(chan struct{})}
}

// run copies until the end of the stream.
func (p *pump) run() {
	defer close(p.done)
	defer p.r.Close()
	buf := make([]byte, pumpBuffer)
	held := 0 // bytes of an unfinished line at the start of buf
	for {
		p.arm(held > 0)
		n, err := p.r.Read(buf[held:])
		held = p.emit(buf, held+n, err != nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			select {
			case p.quiet <- struct{}{}:
			default:
			}
		} else if err != nil {
			return
		}
	}
}

// emit sends buf[:n] up to its last line end, or all of it, and moves the rest
// to the front. It returns the length of the rest.
func (p *pump) emit(buf []byte, n int, all bool) int {
	cut := bytes.LastIndexByte(buf[:n], '\n') + 1
	if all || n == len(buf) && cut == 0 {
		cut = n
	}
	if cut > 0 {
		p.log.write(p.action, p.stream, buf[:cut])
	}
	return copy(buf, buf[cut:n])
}

// arm sets how long the next read may wait.
func (p *pump) arm(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.draining:
		p.r.SetReadDeadline(time.Now().Add(drainPoll))
	case held:
		p.r.SetReadDeadline(time.Now().Add(tailDelay))
	default:
		p.r.SetReadDeadline(time.Time{})
	}
}

// drain waits, when the process has ended, until what it wrote has been sent:
// until the stream ended, or the pipe was seen empty twice because only a
// background process holds it, or the limit passed. The pump goes on.
func (p *pump) drain() {
	p.setDraining(true)
	defer p.setDraining(false)
	limit := time.NewTimer(drainLimit)
	defer limit.Stop()
	for range 2 {
		select {
		case <-p.done:
			return
		case <-p.quiet:
		case <-limit.C:
			return
		}
	}
}

func (p *pump) setDraining(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = on
	if on {
		p.r.SetReadDeadline(time.Now().Add(drainPoll))
	}
}
