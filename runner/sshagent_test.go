package runner

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/secrets/sshagent"
	"github.com/ambient-ci/ambient/stages"
)

// agentPort is the guest's end of a port whose host is an agent with one key.
func agentPort(t *testing.T, report func(sshagent.Event)) (net.Conn, <-chan error) {
	t.Helper()
	key, err := sshagent.Fresh()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	ended := make(chan error, 1)
	go func() {
		ended <- answerAgent(theirs, deadlined{theirs}, sshagent.New([]*sshagent.Key{key}, report), newPace(1000000, 1000000))
	}()
	return ours, ended
}

// A guest that opens more connections than it may, writes to some that are not
// open or asks for what there is not gets a refusal each time, and the agent
// goes on.
func TestAgentPort(t *testing.T) {
	refused := 0
	port, _ := agentPort(t, func(e sshagent.Event) { refused++ })
	send := func(f guest.AgentFrame) {
		t.Helper()
		if err := guest.WriteAgentFrame(port, f); err != nil {
			t.Fatal(err)
		}
	}
	read := func() guest.AgentFrame {
		t.Helper()
		port.SetReadDeadline(time.Now().Add(10 * time.Second))
		f, err := guest.ReadAgentFrame(port)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for id := range uint32(guest.MaxAgentConns) {
		send(guest.AgentFrame{Conn: id, Kind: guest.AgentOpen})
	}
	for _, f := range []guest.AgentFrame{
		{Conn: 1000, Kind: guest.AgentOpen}, {Conn: 1001, Kind: guest.AgentData, Data: []byte{11}}, {Conn: 3, Kind: guest.AgentOpen},
	} {
		send(f)
		if got := read(); got.Kind != guest.AgentClose || got.Conn != f.Conn {
			t.Errorf("%+v was answered by %+v", f, got)
		}
	}
	for range 1000 {
		send(guest.AgentFrame{Conn: 5, Kind: guest.AgentData, Data: []byte{17, 1, 2, 3}})
		if got := read(); got.Conn != 5 || len(got.Data) != 1 || got.Data[0] != 5 {
			t.Fatalf("adding a key was answered by %+v", got)
		}
	}
	send(guest.AgentFrame{Conn: 6, Kind: guest.AgentData, Data: []byte{11}})
	if got := read(); got.Conn != 6 || got.Data[0] != 12 || refused != 1000 {
		t.Errorf("%+v, %d refused", got, refused)
	}
}

func TestAgentPortEnds(t *testing.T) {
	port, ended := agentPort(t, func(sshagent.Event) {})
	port.Write([]byte{0, 0, 0, 5, 0, 0, 0, 0, 9})
	var broken *guest.ProtocolError
	if err := <-ended; !errors.As(err, &broken) {
		t.Errorf("garbage: %v", err)
	}
	port, ended = agentPort(t, func(sshagent.Event) {})
	port.Close()
	if err := <-ended; err != io.EOF {
		t.Errorf("the end: %v", err)
	}
}

// The record is bounded, the counts are not, and nothing comes after the end.
func TestSignatureEvents(t *testing.T) {
	events := map[stages.EventType]int{}
	x := &execution{job: &stages.Job{Stage: &config.Stage{}}, obs: stages.ObserverFunc(func(e stages.Event) { events[e.Type]++ })}
	s := newSignatures(x)
	for range 10 * maxAgentEvents {
		s.report(sshagent.Event{Refused: true, Text: "no"})
	}
	s.report(sshagent.Event{Secret: "a", Text: "yes"})
	sum := s.end()
	s.report(sshagent.Event{Secret: "a", Text: "late"})
	if events[stages.SignatureRefused] != maxAgentEvents || events[stages.SignatureMade] != 1 || events[stages.LogOutput] != maxAgentEvents+1 {
		t.Errorf("events: %v", events)
	}
	if sum[""].Refused != 10*maxAgentEvents || sum["a"].Signed != 1 {
		t.Errorf("counted %v", sum)
	}
}

func TestPace(t *testing.T) {
	p := newPace(20, 1000)
	began := time.Now()
	for range 120 {
		p.wait()
	}
	if d := time.Since(began); d < 95*time.Millisecond {
		t.Errorf("120 at once took only %s", d)
	}
}
