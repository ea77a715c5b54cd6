package runner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// Limits of time that are the machine's and not the user's.
const (
	bootLimit  = 3 * time.Minute // from starting QEMU to Ready, under emulation on a busy machine
	drainLimit = 5 * time.Second // from the end of QEMU to the end of what it wrote
)

// session talks with one guest from its first message to its last. It runs in
// one goroutine; the channels bring what others saw.
type session struct {
	x        *execution
	plan     *guest.Plan
	control  io.Writer // with a deadline on each write
	messages <-chan guest.Message
	broken   <-chan error    // the control port ended or carried garbage; after messages
	gone     <-chan struct{} // QEMU ended
	trouble  <-chan error    // QEMU reported that the machine can't go on
	stop     <-chan string   // a stop… constant
	story    story
	reports  *testReports
	booted   time.Time
	running  int // index of the action that runs, -1
	next     int // index of the next action
}

// run returns when the stage is over, one way or another.
func (s *session) run(timeout time.Duration) story {
	s.running = -1
	boot := time.NewTimer(bootLimit)
	defer boot.Stop()
	var limit, grace <-chan time.Time
	for {
		select {
		case m := <-s.messages:
			cleanMessage(s.x.redact, &m)
			over, err := s.message(m)
			if err != nil {
				s.story.failure = err
				return s.story
			}
			if m.Ready != nil {
				boot.Stop()
				limit = time.After(timeout)
			}
			if over {
				return s.story
			}
		case err := <-s.broken:
			s.lost(err)
			return s.story
		case err := <-s.trouble:
			s.story.failure = err
			return s.story
		case <-boot.C:
			s.story.failure = fmt.Errorf("the guest did not boot within %s; see the console log", bootLimit)
			return s.story
		case <-limit:
			grace = s.ask(stopTimeout, grace)
		case why := <-s.stop:
			grace = s.ask(why, grace)
		case <-grace:
			return s.story
		case <-s.gone:
			s.gone = nil // broken follows once everything sent was read
			grace = sooner(grace, drainLimit)
		}
	}
}

func sooner(grace <-chan time.Time, d time.Duration) <-chan time.Time {
	if grace != nil {
		return grace
	}
	return time.After(d)
}

// ask tells the guest to stop, once, and starts its grace.
func (s *session) ask(why string, grace <-chan time.Time) <-chan time.Time {
	if s.story.stopped != "" {
		return grace
	}
	s.story.stopped = why
	if s.booted.IsZero() {
		return time.After(0)
	}
	if err := guest.WriteMessage(s.control, guest.Message{Stop: &guest.Stop{Reason: why}}); err != nil {
		return time.After(0)
	}
	return time.After(stages.Grace)
}

// lost is the end of the control port before Done.
func (s *session) lost(err error) {
	select { // a Kill asked for this end before it brought it about
	case why := <-s.stop:
		s.ask(why, nil)
	default:
	}
	if s.story.stopped != "" {
		return
	}
	if errors.Is(err, io.EOF) {
		return // verdict says that the guest died
	}
	s.story.failure = fmt.Errorf("the guest broke the protocol: %w", err)
}

// message handles one message; over says that it was the last.
func (s *session) message(m guest.Message) (over bool, err error) {
	if s.booted.IsZero() != (m.Ready != nil) {
		return false, errors.New("the guest broke the protocol: messages out of order")
	}
	switch {
	case m.Ready != nil:
		return false, s.ready(m.Ready)
	case m.Started != nil:
		return false, s.actionStarted(m.Started)
	case m.Finished != nil:
		return false, s.actionFinished(m.Finished)
	case m.Warning != nil:
		s.x.warn(clip(m.Warning.Text))
		return false, nil
	case m.Report != nil:
		if s.running != -1 {
			return false, errors.New("the guest broke the protocol: a test report while an action runs")
		}
		return false, s.reports.take(s.plan, m.Report)
	case m.Done != nil:
		s.done(m.Done)
		return true, nil
	}
	return false, errors.New("the guest broke the protocol: a message that only the host sends")
}

func (s *session) ready(r *guest.Ready) error {
	if r.Protocol != guest.ProtocolVersion {
		return fmt.Errorf("the guest program speaks protocol %d, this ambient %d", r.Protocol, guest.ProtocolVersion)
	}
	s.booted = time.Now()
	start, err := newStart(s.x.hostname())
	if err != nil {
		return err
	}
	start.MAC, start.Plan = s.x.mac, s.x.startPlan
	if err := guest.WriteMessage(s.control, guest.Message{Start: start}); err != nil {
		return fmt.Errorf("the guest does not listen: %w", err)
	}
	s.x.emit(stages.Event{Type: stages.StageStarted, Text: s.x.how})
	return nil
}

// newStart is what makes one machine unlike another.
func newStart(hostname string) (*guest.Start, error) {
	random := make([]byte, 256+16)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	return &guest.Start{
		Time:      time.Now(),
		Entropy:   random[:256],
		Hostname:  hostname,
		MachineID: hex.EncodeToString(random[256:]),
	}, nil
}

func (s *session) actionStarted(m *guest.Started) error {
	if s.running != -1 || m.Action != s.next || m.Action >= len(s.plan.Actions) {
		return fmt.Errorf("the guest broke the protocol: action %d started out of order", m.Action)
	}
	s.x.started()
	s.running, s.next = m.Action, m.Action+1
	s.story.begun++
	s.x.emit(stages.Event{Type: stages.ActionStarted, Action: &m.Action, Name: s.plan.Actions[m.Action].Title})
	return nil
}

func (s *session) actionFinished(m *guest.Finished) error {
	if m.Action != s.running || s.running == -1 {
		return fmt.Errorf("the guest broke the protocol: action %d finished and did not run", m.Action)
	}
	s.running = -1
	s.story.finished = m
	one := verdict(s.x.job.Stage, story{stopped: s.story.stopped, finished: m, done: &guest.Done{}, output: &guest.Packed{}})
	s.x.emit(stages.Event{
		Type: stages.ActionFinished, Action: &m.Action, Name: s.plan.Actions[m.Action].Title,
		Outcome: one.Outcome, Limit: one.Limit, Reason: one.Reason, Exit: m.Exit, Signal: clip(m.Signal),
		Duration: m.Duration.Seconds(),
	})
	return nil
}

// done checks that the guest ran every action, unless one failed, and finds
// what it says of the stage's output.
func (s *session) done(d *guest.Done) {
	s.story.done = d
	for i := range d.Outputs {
		if d.Outputs[i].Name != guest.LimitCache {
			s.story.output = &d.Outputs[i]
		}
	}
	complete := s.running == -1 && s.next == len(s.plan.Actions)
	failed := s.story.finished != nil && !success(s.story.finished)
	if !complete && !failed && d.Error == "" && s.story.stopped == "" {
		s.story.failure = errors.New("the guest broke the protocol: it was done before its actions were")
	}
}

// readControl reads messages until the port ends. It returns when ctx ends or
// the port does; the error goes to broken. A ready that was read already comes
// first.
func readControl(ctx context.Context, port io.Reader, ready *guest.Ready) (<-chan guest.Message, <-chan error) {
	messages, broken := make(chan guest.Message), make(chan error, 1)
	next := func() (guest.Message, error) {
		if m := (guest.Message{Ready: ready}); ready != nil {
			ready = nil
			return m, nil
		}
		return guest.ReadMessage(port)
	}
	go func() {
		for {
			m, err := next()
			if err != nil {
				broken <- err
				return
			}
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	return messages, broken
}
