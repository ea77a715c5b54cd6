package runner

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/secrets/sshagent"
	"github.com/ambient-ci/ambient/stages"
)

// maxAgentEvents bounds what the record keeps of a stage's signatures, and of
// the refusals; all are counted.
const maxAgentEvents = 100

// Messages to the SSH agent: so many at once, and after that so many a second. A
// guest that asks for more waits.
const (
	agentBurst = 200
	agentRate  = 50
)

// signatures keeps what the SSH agent of a stage did.
type signatures struct {
	x    *execution
	mu   sync.Mutex
	over bool
	sum  map[string]*stages.SecretUse
	seen map[stages.EventType]int
}

func newSignatures(x *execution) *signatures {
	return &signatures{x: x, sum: map[string]*stages.SecretUse{}, seen: map[stages.EventType]int{}}
}

// report counts a signature or a refusal, and makes it an event and a line of
// the log.
func (s *signatures) report(e sshagent.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	use := s.sum[e.Secret]
	if use == nil {
		use = &stages.SecretUse{Name: e.Secret}
		s.sum[e.Secret] = use
	}
	kind := stages.SignatureMade
	if e.Refused {
		kind = stages.SignatureRefused
		use.Refused++
	} else {
		use.Signed++
	}
	if s.seen[kind]++; s.seen[kind] > maxAgentEvents {
		return
	}
	text := clip(e.Text)
	if s.seen[kind] == maxAgentEvents {
		text += " (further ones are only counted)"
	}
	s.x.emit(stages.Event{Type: kind, Name: e.Secret, Text: text})
	s.x.emit(stages.Event{Type: stages.LogOutput, Stream: "system", Text: text})
}

// end returns the counts; nothing is reported after it.
func (s *signatures) end() map[string]*stages.SecretUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	return s.sum
}

func (s *signatures) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// serveAgent answers the guest's SSH clients until the port ends.
func (x *execution) serveAgent() <-chan struct{} {
	done := make(chan struct{})
	if x.secrets == nil || len(x.secrets.keys) == 0 {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		port := x.vm.Port(guest.PortAgent)
		a := sshagent.New(x.secrets.keys, x.signatures.report)
		err := answerAgent(port, deadlined{port}, a, newPace(agentBurst, agentRate))
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !x.signatures.ended() {
			x.warn("the SSH agent does not answer any more: " + clip(err.Error()))
		}
		io.Copy(io.Discard, port)
	}()
	return done
}

// answerAgent answers the messages on a port one after another. It keeps the
// state of at most guest.MaxAgentConns connections and one message. It returns
// only with an error, io.EOF at the end of the port.
func answerAgent(r io.Reader, w io.Writer, a *sshagent.Agent, pace *pace) error {
	conns := map[uint32]*sshagent.Conn{}
	for {
		f, err := guest.ReadAgentFrame(r)
		if err != nil {
			return err
		}
		answer := guest.AgentFrame{Conn: f.Conn, Kind: guest.AgentClose}
		switch c := conns[f.Conn]; {
		case f.Kind == guest.AgentClose:
			delete(conns, f.Conn)
			continue
		case f.Kind == guest.AgentOpen && c == nil && len(conns) < guest.MaxAgentConns:
			conns[f.Conn] = a.Open()
			continue
		case f.Kind == guest.AgentData && c != nil:
			pace.wait()
			answer.Kind, answer.Data = guest.AgentData, c.Answer(f.Data)
		default: // one too many, or one that is not open
			pace.wait()
			delete(conns, f.Conn)
		}
		if err := guest.WriteAgentFrame(w, answer); err != nil {
			return err
		}
	}
}

// pace lets a burst through at once, and then so many a second.
type pace struct {
	every time.Duration
	burst time.Duration
	next  time.Time // when the next one would be due without a burst
}

func newPace(burst, rate int) *pace {
	every := time.Second / time.Duration(rate)
	return &pace{every: every, burst: every * time.Duration(burst)}
}

func (p *pace) wait() {
	now := time.Now()
	if earliest := now.Add(-p.burst); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(p.every)
	time.Sleep(p.next.Sub(now))
}
