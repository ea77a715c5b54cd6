package runner

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/secrets"
	"github.com/ambient-ci/ambient/stages"
)

// Everything that a stage says passes here before anybody sees it: its log as a
// stream, before it is cut into lines; its console; every event; its result; and
// the error when it could not be started.

// sensitiveValues are values without names: those of sensitive variables.
func sensitiveValues(texts []string) []secrets.Value {
	values := make([]secrets.Value, len(texts))
	for i, text := range texts {
		values[i].Text = text
	}
	return values
}

// idlePause is how long the end of a line is held back that may be the beginning
// of a value which goes on in the next line.
const idlePause = 100 * time.Millisecond

// cleanLines takes values out of a log before it is cut into lines. Each action
// and stream is a text of its own.
type cleanLines struct {
	redact secrets.Redactor
	lines  *stages.LineWriter
	timer  *time.Timer

	mu      sync.Mutex
	streams map[logKey]*logStream
	buf     []byte
	waiting bool // the timer runs
	over    bool
}

// logStream is the output of one action on one stream.
type logStream struct {
	*secrets.Stream
	said    time.Time // of its last piece, by the guest's clock
	arrived time.Time
}

type logKey struct {
	action int32
	stream guest.Stream
}

// maxStreams bounds what a guest can make the host keep; output of further
// actions counts as of none.
const maxStreams = 1000

func newCleanLines(r secrets.Redactor, lines *stages.LineWriter) *cleanLines {
	c := &cleanLines{redact: r, lines: lines, streams: map[logKey]*logStream{}}
	c.timer = time.AfterFunc(time.Hour, c.idle)
	return c
}

func (c *cleanLines) write(f guest.LogFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := logKey{f.Action, f.Stream}
	s := c.streams[key]
	if s == nil && len(c.streams) >= maxStreams {
		key.action = -1
		s = c.streams[key]
	}
	if s == nil {
		s = &logStream{Stream: c.redact.Stream()}
		c.streams[key] = s
	}
	s.said, s.arrived = f.Time, time.Now()
	c.buf = s.Write(c.buf[:0], f.Data)
	c.lines.Write(f.Time, int(key.action), streamName(key.stream), c.buf)
	if s.Holds() {
		c.wait()
	}
}

// wait starts the timer, unless it runs.
func (c *cleanLines) wait() {
	if !c.waiting {
		c.waiting = true
		c.timer.Reset(idlePause)
	}
}

// idle lets go of lines that nothing followed for a while.
func (c *cleanLines) idle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	for key, s := range c.streams {
		switch {
		case c.over || !s.Holds():
		case time.Since(s.arrived) < idlePause:
			c.wait()
		default:
			c.let(key, s, s.Idle(c.buf[:0]))
		}
	}
}

// flush ends the log.
func (c *cleanLines) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	for key, s := range c.streams {
		c.let(key, s, s.Flush(c.buf[:0]))
	}
	c.over = true
	c.lines.Flush()
}

func (c *cleanLines) let(key logKey, s *logStream, text []byte) {
	c.buf = text
	c.lines.Write(s.said, int(key.action), streamName(key.stream), text)
}

// cleanEvent takes the values out of an event. Where colours divide a value, the
// colours go too.
func cleanEvent(r secrets.Redactor, e stages.Event) stages.Event {
	if r.None() {
		return e
	}
	e.Text, e.Reason, e.Name, e.Signal = r.Text(e.Text), r.Text(e.Reason), r.Text(e.Name), r.Text(e.Signal)
	if e.Connection != nil {
		c := *e.Connection
		c.Name, c.Reason, c.Allow = r.Text(c.Name), r.Text(c.Reason), r.Text(c.Allow)
		e.Connection = &c
	}
	if strings.Contains(e.Text, "\x1b[") {
		plain := stages.PlainText(e.Text)
		if clean := r.Text(plain); clean != plain {
			e.Text = clean
		}
	}
	return e
}

// cleanMessage takes the values out of a guest's texts before any is cut short,
// which would leave the beginning of a value.
func cleanMessage(r secrets.Redactor, m *guest.Message) {
	switch {
	case r.None():
	case m.Warning != nil:
		m.Warning.Text = r.Text(m.Warning.Text)
	case m.Finished != nil:
		m.Finished.Error, m.Finished.Signal = r.Text(m.Finished.Error), r.Text(m.Finished.Signal)
	case m.Report != nil:
		m.Report.File = r.Text(m.Report.File)
	case m.Done != nil:
		m.Done.Error = r.Text(m.Done.Error)
		for i := range m.Done.Outputs {
			m.Done.Outputs[i].Error = r.Text(m.Done.Outputs[i].Error)
		}
	}
}

// cleanError is an error without the values.
func (x *execution) cleanError(err error) error {
	text := err.Error()
	if clean := x.redact.Text(text); clean != text {
		return errors.New(clean)
	}
	return err
}

// reportSecrets puts into the record what became of the stage's secrets.
func (x *execution) reportSecrets() {
	uses := map[string]stages.SecretUse{}
	for name, use := range x.signatures.end() {
		uses[name] = *use
	}
	for name, n := range x.redact.Counts() {
		use := uses[name]
		use.Name, use.Redacted = name, n
		uses[name] = use
	}
	var all []stages.SecretUse
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		all = append(all, uses[name])
	}
	if len(all) > 0 {
		x.emit(stages.Event{Type: stages.SecretsUsed, Secrets: all})
	}
}
