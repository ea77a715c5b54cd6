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

// control is the guest's side of the control port. It is safe for concurrent
// use.
type control struct {
	port  *os.File
	gone  func(error) // called when the host is gone; it does not return
	start chan *guest.Start
	stop  chan *guest.Stop

	mu sync.Mutex
}

func newControl(port *os.File, gone func(error)) *control {
	return &control{port: port, gone: gone,
		start: make(chan *guest.Start, 1), stop: make(chan *guest.Stop, 1)}
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
	started := false
	for {
		m, err := guest.ReadMessage(c.port)
		switch {
		case errors.Is(err, io.EOF) && !started:
			time.Sleep(10 * time.Millisecond) // the host has yet to open its side
		case err != nil:
			c.gone(err)
			return
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
