package apt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Stanza is one paragraph of a control file: fields by lower-case name.
// Continuation lines are joined by "\n", without their leading space.
type Stanza map[string]string

// maxStanza bounds the bytes of one stanza. The largest in Debian's archive,
// the SHA256 field of an InRelease file, is below 1 MiB.
const maxStanza = 8 << 20

// errStanza says that a control file can not be read.
var errStanza = errors.New("malformed control file")

// stanzas calls fn for each stanza of r, until fn returns an error. It follows
// deb822(5): "#" starts a comment line, a line that starts with a space or a
// tab continues a field, blank lines separate stanzas.
func stanzas(r io.Reader, fn func(Stanza) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxStanza)
	p := parser{fn: fn, cur: Stanza{}}
	for sc.Scan() {
		if err := p.line(sc.Text()); err != nil {
			return err
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("%w: %w", errStanza, err)
	}
	return p.flush()
}

type parser struct {
	fn    func(Stanza) error
	cur   Stanza
	name  string
	parts []string // lines of the field being read
	size  int
}

func (p *parser) line(s string) error {
	switch {
	case strings.HasPrefix(s, "#"):
		return nil
	case strings.TrimSpace(s) == "":
		return p.flush()
	}
	if p.size += len(s); p.size > maxStanza {
		return fmt.Errorf("%w: a stanza is larger than %d bytes", errStanza, maxStanza)
	}
	if s[0] == ' ' || s[0] == '\t' {
		if p.name == "" {
			return fmt.Errorf("%w: a continuation without a field", errStanza)
		}
		p.parts = append(p.parts, strings.TrimSpace(s))
		return nil
	}
	name, value, ok := strings.Cut(s, ":")
	if !ok || name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fmt.Errorf("%w: not a field: %.60q", errStanza, s)
	}
	p.field()
	p.name = strings.ToLower(name)
	p.parts = append(p.parts[:0], strings.TrimSpace(value))
	return nil
}

// field stores the field being read.
func (p *parser) field() {
	if p.name != "" {
		p.cur[p.name] = strings.Join(p.parts, "\n")
	}
	p.name = ""
}

func (p *parser) flush() error {
	p.field()
	p.size = 0
	if len(p.cur) == 0 {
		return nil
	}
	cur := p.cur
	p.cur = Stanza{}
	return p.fn(cur)
}
