// Package secrets reads secret values on the host and keeps them out of what
// ambient says. Package sshagent below it signs with keys that stay here.
package secrets

import (
	"io"
	"strings"
)

// Mark stands where a secret value stood.
const Mark = "(sensitive)"

// Value is a text that must not be shown, and what it is called.
type Value struct{ Name, Text string }

// Redactor takes known values out of text: as they are, in base64, and as they
// are quoted for an address, JSON, HTML or a shell, also where line ends divide
// them. A guest that wants to can print a value in yet another form: this is
// against accidents. It is safe for concurrent use; the zero value changes
// nothing.
type Redactor struct {
	m     *matcher
	names []string
	short []string
}

// NewRedactor returns a Redactor of values without names.
func NewRedactor(values []string) Redactor {
	named := make([]Value, len(values))
	for i, v := range values {
		named[i].Text = v
	}
	return Redact(named)
}

// Redact returns a Redactor of these values. Empty ones do not count.
func Redact(values []Value) Redactor {
	var r Redactor
	texts := make([][]string, len(values))
	for i, v := range values {
		texts[i] = forms(v.Text)
		r.names = append(r.names, v.Name)
		if v.Text != "" && bare(v.Text) < Shortest {
			r.short = append(r.short, v.Name)
		}
	}
	r.m = newMatcher(texts)
	return r
}

// bare is the length of a value without line ends and the space around it.
func bare(value string) int {
	value = core(value)
	return len(value) - strings.Count(value, "\n") - strings.Count(value, "\r")
}

// None reports whether there is nothing to take out.
func (r Redactor) None() bool { return r.m == nil }

// Short names the values that are too short to be looked for.
func (r Redactor) Short() []string { return r.short }

// Counts says how often each value was taken out, by its name; those that never
// were are missing.
func (r Redactor) Counts() map[string]int64 {
	counts := map[string]int64{}
	for i, name := range r.names {
		if r.m == nil {
			break
		}
		if n := r.m.counts[i].Load(); n > 0 {
			counts[name] += n
		}
	}
	return counts
}

// Text returns s without the values.
func (r Redactor) Text(s string) string {
	if r.m == nil || !r.m.found([]byte(s)) {
		return s
	}
	stream := r.Stream()
	return string(stream.Flush(stream.Write(nil, []byte(s))))
}

// Stream returns a Stream that takes the values out.
func (r Redactor) Stream() *Stream { return &Stream{m: r.m} }

// Writer returns a writer that passes on to w what it is given, without the
// values. Close passes on the rest; it does not close w.
func (r Redactor) Writer(w io.Writer) io.WriteCloser {
	return &writer{w: w, stream: r.Stream()}
}

type writer struct {
	w      io.Writer
	stream *Stream
	buf    []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.buf = w.stream.Write(w.buf[:0], p)
	if len(w.buf) == 0 {
		return len(p), nil
	}
	if _, err := w.w.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *writer) Close() error {
	rest := w.stream.Flush(nil)
	if len(rest) == 0 {
		return nil
	}
	_, err := w.w.Write(rest)
	return err
}
