package agent

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// echoHost answers each message with the message, and closes a connection that
// says bye. It counts the connections that are open.
func echoHost(port io.ReadWriter) (most func() int) {
	var mu sync.Mutex
	open, peak := 0, 0
	go func() {
		for {
			f, err := guest.ReadAgentFrame(port)
			if err != nil {
				return
			}
			mu.Lock()
			switch f.Kind {
			case guest.AgentOpen:
				open++
				peak = max(peak, open)
			case guest.AgentClose:
				open--
			case guest.AgentData:
				if string(f.Data) == "bye" {
					f = guest.AgentFrame{Conn: f.Conn, Kind: guest.AgentClose}
					open--
				}
				guest.WriteAgentFrame(port, f)
			}
			mu.Unlock()
		}
	}()
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return peak
	}
}

func startRelay(t *testing.T) (socket string, host io.ReadWriter) {
	t.Helper()
	port, host := socketPair(t)
	socket = filepath.Join(t.TempDir(), "dir", "s")
	l, err := listenAgent(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := newRelay(port, newLogger(io.Discard))
	go r.listen()
	go r.accept(l, func(f func()) { go f() })
	return socket, host
}

func ask(conn net.Conn, text string) (string, error) {
	conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, err := readAgentMessage(conn)
	return string(answer), err
}

// Many connections at a time each get their own answers, never more than the
// host allows at once.
func TestRelay(t *testing.T) {
	socket, host := startRelay(t)
	most := echoHost(host)
	var wg sync.WaitGroup
	for i := range 3 * guest.MaxAgentConns {
		wg.Go(func() {
			conn, err := net.Dial("unix", socket)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for n := range 3 {
				text := fmt.Sprintf("%d of %d %s", n, i, bytes.Repeat([]byte("x"), n*10000))
				if got, err := ask(conn, text); err != nil || got != text {
					t.Errorf("%.20q was answered by %.20q: %v", text, got, err)
				}
			}
			if got, err := ask(conn, "bye"); err != io.EOF {
				t.Errorf("%q %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := most(); n > guest.MaxAgentConns || n < 2 {
		t.Errorf("%d connections at a time", n)
	}
}

// What is no message ends its connection alone.
func TestRelayRefuses(t *testing.T) {
	socket, host := startRelay(t)
	echoHost(host)
	good, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	for _, length := range []uint32{0, guest.MaxAgentMessage + 1, 1<<32 - 1} {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(binary.BigEndian.AppendUint32(nil, length))
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("length %d: %v", length, err)
		}
		conn.Close()
	}
	if got, err := ask(good, "still there"); got != "still there" {
		t.Errorf("%q %v", got, err)
	}
}
