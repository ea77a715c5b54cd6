package agent

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// sendLimit bounds a write to the control port; a host that does not read that
// long is gone.
const sendLimit = time.Minute

// Until the host has opened its side of the port, every read is empty at once.
const (
	emptyPause = 10 * time.Millisecond
	maxEmpty   = 60000 // ten minutes
)

// control is the guest's side of the control port. It is safe for concurrent
// use.
type control struct {
	port  *os.File
	gone  func(error) // called when the host is gone; it does not return
	wake  chan *guest.Wake
	start chan *guest.Start
	stop  chan *guest.Stop

	mu sync.Mutex
}

func newControl(port *os.File, gone func(error)) *control {
	return &control{port: port, gone: gone,
		wake: make(chan *guest.Wake, 1), start: make(chan *guest.Start, 1), stop: make(chan *guest.Stop, 1)}
}

// send sends a message.
func (c *control) send(m guest.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.port.SetWriteDeadline(time.Now().Add(sendLimit))
	err := guest.WriteMessage(c.port, m)
	var ours *guest.ProtocolError
	if errors.As(err, &ours) {
		text := "guest program: " + cut(err.Error())
		err = guest.WriteMessage(c.port, guest.Message{Warning: &guest.Warning{Text: text}})
	}
	if err != nil {
		c.gone(err)
	}
}

// listen takes the host's messages until the host is gone.
func (c *control) listen() {
	guest.Warm() // here, so that this goroutine's stack has grown as well
	started := false
	for empty := 0; ; {
		m, err := guest.ReadMessage(c.port)
		switch {
		case errors.Is(err, io.EOF) && !started && empty < maxEmpty:
			empty++ // the host has yet to open its side
			time.Sleep(emptyPause)
		case err != nil:
			c.gone(err)
			return
		case m.Wake != nil && !started:
			c.wake <- m.Wake
		case m.Start != nil && !started:
			started = true
			c.start <- m.Start
		case m.Stop != nil:
			select {
			case c.stop <- m.Stop:
			default:
			}
		default:
			c.gone(errors.New("a message out of order"))
			return
		}
	}
}
