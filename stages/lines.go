package stages

import (
	"bytes"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ambient-ci/ambient/config"
)

// maxLine is the longest line of output that is kept in one piece, in bytes. A
// longer one becomes several.
const maxLine = 64 << 10

// LineWriter makes whole lines from the pieces of output that a guest sends, and
// tells an Observer of each as a LogOutput event of safe text (SafeText). Lines
// of each action and stream are put together apart from the others. It keeps at
// most 64 KiB for each. It is safe for concurrent use.
type LineWriter struct {
	obs     Observer
	id      config.StageID
	actions int

	mu    sync.Mutex
	parts map[lineKey][]byte
	last  int // the latest action that wrote
}

type lineKey struct {
	action int
	stream string
}

// NewLineWriter returns a LineWriter for a stage with that many actions.
func NewLineWriter(obs Observer, id config.StageID, actions int) *LineWriter {
	return &LineWriter{obs: obs, id: id, actions: actions, parts: map[lineKey][]byte{}, last: -1}
}

// Write takes a piece of output. Action is its index, -1 (or any number that is
// no action's) for output outside one; stream is "system", "stdout" or
// "stderr", anything else counts as "system". An impossible time is replaced by
// now. Data is not kept.
func (w *LineWriter) Write(t time.Time, action int, stream string, data []byte) {
	if action < 0 || action >= w.actions {
		action = -1
	}
	if stream != "stdout" && stream != "stderr" {
		stream = "system"
	}
	key := lineKey{action, stream}
	w.mu.Lock()
	defer w.mu.Unlock()
	if action > w.last {
		w.flush(0, action) // they are over, and so are their lines
		w.last = action
	}
	part := w.parts[key]
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		room := maxLine - len(part)
		if len(line) > room {
			part = append(part, line[:room]...)
			data = data[room:]
			part = w.split(t, key, part)
			continue
		}
		part, data = append(part, line...), rest
		if whole {
			w.emit(t, key, part)
			part = part[:0]
		}
	}
	if len(part) == 0 {
		delete(w.parts, key)
	} else {
		w.parts[key] = part
	}
}

// split emits a piece of a line that is too long and returns what must stay: the
// beginning of a character that is cut at the end.
func (w *LineWriter) split(t time.Time, key lineKey, part []byte) []byte {
	cut := len(part)
	for i := cut - 1; i >= 0 && i >= cut-utf8.UTFMax; i-- {
		if utf8.RuneStart(part[i]) {
			if !utf8.FullRune(part[i:]) {
				cut = i
			}
			break
		}
	}
	w.emit(t, key, part[:cut])
	return append(part[:0], part[cut:]...)
}

// Flush emits the lines that have no end yet.
func (w *LineWriter) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush(-1, w.actions)
}

// flush emits what is left of the actions from one to before another.
func (w *LineWriter) flush(from, to int) {
	if len(w.parts) == 0 {
		return
	}
	for action := from; action < to; action++ {
		for _, stream := range []string{"system", "stdout", "stderr"} {
			key := lineKey{action, stream}
			if part := w.parts[key]; len(part) > 0 {
				w.emit(time.Now(), key, part)
				delete(w.parts, key)
			}
		}
	}
}

func (w *LineWriter) emit(t time.Time, key lineKey, line []byte) {
	e := Event{
		Time:   plausible(t),
		Type:   LogOutput,
		Stage:  w.id.String(),
		Stream: key.stream,
		Text:   SafeText(string(bytes.TrimSuffix(line, []byte{'\r'}))),
		ID:     w.id,
	}
	if key.action >= 0 {
		action := key.action
		e.Action = &action
	}
	w.obs.Event(e)
}

// plausible returns a guest's time in UTC, or now when no clock that the host
// set can show it: JSON has no year 10000.
func plausible(t time.Time) time.Time {
	now := time.Now()
	if d := t.Sub(now); d > 24*time.Hour || d < -31*24*time.Hour {
		t = now
	}
	return t.UTC()
}
