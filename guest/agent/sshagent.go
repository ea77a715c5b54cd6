package agent

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// relay passes the connections of SSH's agent socket on to the host, message by
// message.
type relay struct {
	log  *logger
	free chan struct{} // one for each further connection

	port    io.ReadWriter
	writing sync.Mutex // apart from mu: answers are taken while the host is slow to read

	mu    sync.Mutex
	next  uint32
	conns map[uint32]*relayed
}

// relayed is a connection. Answers are few: one is asked for at a time.
type relayed struct {
	conn    net.Conn
	answers chan []byte
}

// serveAgent makes the host's SSH agent reachable at guest.AgentSocket.
func (m *machine) serveAgent() error {
	port, err := openPort(guest.PortAgent)
	if err != nil {
		return err
	}
	l, err := listenAgent(guest.AgentSocket)
	if err != nil {
		return err
	}
	r := newRelay(port, m.log)
	m.guard(r.listen)
	m.guard(func() { r.accept(l, m.guard) })
	return nil
}

func listenAgent(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

func newRelay(port io.ReadWriter, log *logger) *relay {
	return &relay{log: log, port: port, conns: map[uint32]*relayed{}, free: make(chan struct{}, guest.MaxAgentConns)}
}

// accept takes connections; more than the host allows wait.
func (r *relay) accept(l net.Listener, start func(func())) {
	for {
		r.free <- struct{}{}
		conn, err := l.Accept()
		if err != nil {
			r.log.say(-1, "SSH agent: %v", err)
			return
		}
		start(func() {
			r.serve(conn)
			<-r.free
		})
	}
}

// serve passes the messages of one connection on until either side is done.
func (r *relay) serve(conn net.Conn) {
	defer conn.Close()
	id, c := r.open(conn)
	defer r.close(id)
	for {
		message, err := readAgentMessage(conn)
		if err != nil || r.send(guest.AgentFrame{Conn: id, Kind: guest.AgentData, Data: message}) != nil {
			return
		}
		answer, ok := <-c.answers
		if !ok {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func readAgentMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > guest.MaxAgentMessage {
		return nil, errors.New("a message of no possible length")
	}
	message := make([]byte, n)
	_, err := io.ReadFull(r, message)
	return message, err
}

func (r *relay) open(conn net.Conn) (uint32, *relayed) {
	r.mu.Lock()
	r.next++
	id, c := r.next, &relayed{conn, make(chan []byte, 1)}
	r.conns[id] = c
	r.mu.Unlock()
	_ = r.send(guest.AgentFrame{Conn: id, Kind: guest.AgentOpen})
	return id, c
}

func (r *relay) close(id uint32) {
	r.mu.Lock()
	open := r.conns[id] != nil
	delete(r.conns, id)
	r.mu.Unlock()
	if open {
		_ = r.send(guest.AgentFrame{Conn: id, Kind: guest.AgentClose})
	}
}

func (r *relay) send(f guest.AgentFrame) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	return guest.WriteAgentFrame(r.port, f)
}

// listen hands the host's answers to their connections.
func (r *relay) listen() {
	for empty := 0; ; {
		f, err := guest.ReadAgentFrame(r.port)
		if errors.Is(err, io.EOF) && empty < maxEmpty {
			empty++ // the host has yet to open its side
			time.Sleep(emptyPause)
			continue
		}
		if err != nil {
			r.end(err)
			return
		}
		r.answer(f)
	}
}

func (r *relay) answer(f guest.AgentFrame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.conns[f.Conn]
	switch {
	case c == nil:
	case f.Kind == guest.AgentData:
		select {
		case c.answers <- f.Data:
		default: // nobody asked
		}
	case f.Kind == guest.AgentClose:
		delete(r.conns, f.Conn)
		close(c.answers)
		c.conn.Close()
	}
}

// end closes every connection: the host does not answer any more.
func (r *relay) end(err error) {
	r.log.say(-1, "SSH agent: the host does not answer any more: %v", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, c := range r.conns {
		delete(r.conns, id)
		close(c.answers)
		c.conn.Close()
	}
}
