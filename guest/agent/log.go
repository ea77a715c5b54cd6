package agent

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// queueLength is the number of buffers that a virtio-serial port holds. QEMU
// makes all its port queues that long.
const queueLength = 128

// Bounds of the wait for the host to take the rest of the log: of a stage that
// ends by itself, whose host may be slow to print what is in the queue, and of
// one that is stopped.
const (
	flushLimit = time.Minute
	hurryLimit = 5 * time.Second
)

// deadliner is what a port offers beside writing.
type deadliner interface{ SetWriteDeadline(time.Time) error }

// logger writes log frames to the host. A slow host slows the writers down; a
// port that failed once is given up, and output is dropped. It is safe for
// concurrent use.
type logger struct {
	now func() time.Time

	mu   sync.Mutex
	w    io.Writer
	buf  []byte
	dead bool
}

func newLogger(w io.Writer) *logger { return &logger{w: w, now: time.Now} }

// write sends data, in as many frames as it takes.
func (l *logger) write(action int, stream guest.Stream, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(data) > 0 {
		n := min(len(data), guest.MaxLogData)
		l.frame(action, stream, data[:n])
		data = data[n:]
	}
}

func (l *logger) frame(action int, stream guest.Stream, data []byte) {
	if l.dead {
		return
	}
	b, err := guest.AppendLogFrame(l.buf[:0], guest.LogFrame{
		Time: l.now(), Action: int32(action), Stream: stream, Data: data,
	})
	l.buf = b
	if err == nil {
		_, err = l.w.Write(b)
	}
	l.dead = err != nil
}

// say logs a line of the guest program's own.
func (l *logger) say(action int, format string, args ...any) {
	line := fmt.Appendf(nil, format, args...)
	l.write(action, guest.StreamSystem, append(bytes.TrimRight(line, "\n"), '\n'))
}

// hurry makes every writer fail at t, so that a host that does not read can not
// hold the end of the stage up.
func (l *logger) hurry(t time.Time) {
	if d, ok := l.w.(deadliner); ok {
		d.SetWriteDeadline(t)
	}
}

// flush returns when QEMU has taken all that was written. A write to a port
// only queues, and what is queued when the machine powers off is lost. The
// queue is first in, first out: once as many empty frames as it holds have been
// accepted, nothing older is in it.
func (l *logger) flush(limit time.Duration) {
	l.hurry(time.Now().Add(limit))
	l.mu.Lock()
	defer l.mu.Unlock()
	for range queueLength + 1 {
		l.frame(-1, guest.StreamSystem, nil)
	}
}
