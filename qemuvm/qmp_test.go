package qemuvm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

const greeting = `{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":1}},"capabilities":["oob"]}}` + "\n"

// peer is the other end of a QMP connection, which says what a test tells it.
// The pipe has no buffer, so that nothing is said before it is heard.
type peer struct {
	net.Conn
	lines *bufio.Reader
}

func newPeer(t *testing.T) (*QMP, *peer) {
	t.Helper()
	ours, theirs := net.Pipe()
	q := newQMP(ours)
	t.Cleanup(func() {
		theirs.Close()
		q.close()
		<-q.done
	})
	p := &peer{theirs, bufio.NewReader(theirs)}
	p.say(t, greeting)
	if v := <-q.greeting; v != (Version{7, 2, 1}) {
		t.Fatalf("greeting: %v", v)
	}
	return q, p
}

func (p *peer) say(t *testing.T, text string) {
	t.Helper()
	if _, err := p.Write([]byte(text)); err != nil {
		t.Error(err)
	}
}

// hear reads one command.
func (p *peer) hear(t *testing.T) {
	t.Helper()
	if _, err := p.lines.ReadString('\n'); err != nil {
		t.Error(err)
	}
}

// ask runs a command and gives where its end will be told.
func ask(ctx context.Context, q *QMP, command string, result any) <-chan error {
	done := make(chan error, 1)
	go func() { done <- q.Execute(ctx, command, nil, result) }()
	return done
}

func TestQMPRepliesById(t *testing.T) {
	t.Parallel()
	q, p := newPeer(t)
	var first, second string
	one := ask(t.Context(), q, "one", &first)
	p.hear(t)
	two := ask(t.Context(), q, "two", &second)
	p.hear(t)
	p.say(t, `{"return":"2","id":1}`+"\n"+`{"return":"1","id":0}`+"\n")
	if err := errors.Join(<-one, <-two); err != nil || first != "1" || second != "2" {
		t.Errorf("got %q, %q, %v", first, second, err)
	}
}

// A flood of events, read by nobody, holds up no reply and costs no memory;
// what matters in it is not lost.
func TestQMPUnreadEvents(t *testing.T) {
	t.Parallel()
	q, p := newPeer(t)
	reply := ask(t.Context(), q, "x", nil)
	p.hear(t)
	for range 3 * maxEvents {
		p.say(t, `{"event":"STOP","data":{}}`+"\n"+`{"event":"VSERPORT_CHANGE","data":{}}`+"\n")
	}
	p.say(t, `{"event":"BLOCK_IO_ERROR","data":{"node-name":"disk-out","operation":"read","nospace":false,"reason":"Input/output error"}}`+"\n")
	p.say(t, `{"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-shutdown"}}`+"\n")
	p.say(t, `{"return":{},"id":0}`+"\n")
	if err := <-reply; err != nil {
		t.Error(err)
	}
	if n := len(q.events); n != maxEvents {
		t.Errorf("%d events are kept, want %d", n, maxEvents)
	}
	vm := &VM{qmp: q}
	if s, ok := vm.Shutdown(); !ok || s.Reason != ReasonPowerOff {
		t.Errorf("shutdown: %+v", s)
	}
	if want := (IOError{Serial: "out", Reason: "Input/output error"}); vm.IOError() == nil || *vm.IOError() != want {
		t.Errorf("I/O error: %+v", vm.IOError())
	}
}

// A command that was given up leaves the connection usable, whether it waited
// for its reply or for its turn to be written.
func TestQMPGivenUp(t *testing.T) {
	t.Parallel()
	q, p := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	unanswered := ask(ctx, q, "unanswered", nil)
	p.hear(t)
	cancel()
	if err := <-unanswered; !errors.Is(err, context.Canceled) {
		t.Errorf("unanswered: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := q.Execute(short, "unheard", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("unheard: %v", err)
	}
	last := ask(t.Context(), q, "last", nil)
	p.hear(t)
	p.say(t, `{"return":{},"id":0}`+"\n"+`{"return":{},"id":2}`+"\n")
	if err := <-last; err != nil {
		t.Errorf("last: %v", err)
	}
}

func TestQMPBadMessages(t *testing.T) {
	t.Parallel()
	tests := []struct{ say, want string }{
		{"{}\n", "neither reply nor event"},
		{"[]\n", "not a QMP message"},
		{"\x1b[2J\xff\n", "not a QMP message: ?"},
		{`{"return":{}}` + "\n", "no id"},
		{`{"return":{},"id":"0"}` + "\n", "not a QMP message"},
		{`{"return":{},"id":7}` + "\n", "reply to no command"},
		{`{"return":{},"id":-1}` + "\n", "not a QMP message"},
		{`{"return":[],"id":0}` + "\n", "the reply to x"},
		{`{"error":{"class":"GenericError","desc":"bad\u0007luck"},"id":0}` + "\n", "QEMU refused x: bad?luck"},
		{`{"return":`, "within a message"},
		{"", "ended its control connection"},
	}
	for _, tt := range tests {
		q, p := newPeer(t)
		var result struct{}
		reply := ask(t.Context(), q, "x", &result)
		p.hear(t)
		if tt.say != "" {
			p.say(t, tt.say)
		}
		p.Close()
		if err := <-reply; err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.say, err, tt.want)
		}
	}
}

func TestIOErrorText(t *testing.T) {
	tests := []struct {
		err  IOError
		want string
	}{
		{IOError{Serial: "out", Write: true, NoSpace: true}, `the host's disk is full: the file of disk "out" can not grow`},
		{IOError{Serial: "src", Reason: "Input/output error"}, `the host can not read the file of disk "src": Input/output error`},
		{IOError{Serial: "out", Write: true, Reason: "I/O"}, `the host can not write the file of disk "out": I/O`},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// Whatever comes over QMP, the reader ends with a reason and in bounded memory,
// and a command gets an answer.
func FuzzQMP(f *testing.F) {
	for _, s := range []string{"", "\n", "{}\n", "null\n", `{"return":1,"id":0}` + "\n", `{"event":"SHUTDOWN","data":[]}` + "\n",
		`{"event":"BLOCK_IO_ERROR"}` + "\n", strings.Repeat("[", 20000) + "\n", `{"error":null,"return":null,"id":0}` + "\n"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, greeted bool) {
		ours, theirs := net.Pipe()
		q := newQMP(ours)
		defer q.close()
		go func() {
			defer theirs.Close()
			if greeted {
				fmt.Fprint(theirs, greeting)
				if _, err := bufio.NewReader(theirs).ReadString('\n'); err != nil {
					return
				}
			}
			_, _ = theirs.Write(data) // fails when the reader has had enough
		}()
		_, err := q.greet(t.Context())
		q.close()
		<-q.done
		if q.ended() == nil {
			t.Error("the reader ended without a reason")
		}
		if !greeted && err == nil && !strings.Contains(strings.ToLower(string(data)), "qmp") {
			t.Error("a greeting out of nothing")
		}
		for range q.events {
		}
	})
}
