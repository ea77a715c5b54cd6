package reports

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Add reads one report, named file, and adds it to the summary. An error says
// what is wrong with the report; what stands before the fault is counted all the
// same, unless it is no report at all. Clean is given each text that is kept,
// before it is shortened, and returns what to keep of it.
func (s *Summary) Add(file string, r io.Reader, clean func(string) string) error {
	limited := &io.LimitedReader{R: r, N: MaxBytes + 1}
	d := xml.NewDecoder(&cleaner{r: bufio.NewReader(limited)})
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	p := &parser{sum: s, clean: clean, file: clip(clean(file), MaxName)}
	err := p.document(d)
	if limited.N == 0 {
		err = fmt.Errorf("it is larger than %d MiB", MaxBytes>>20)
	}
	if p.known {
		s.Reports++
	}
	return err
}

// cleaner makes text of ASCII or UTF-8 into what the parser takes: many tools
// write control characters, and parts in another encoding, into their reports.
type cleaner struct {
	r    *bufio.Reader
	left []byte
}

func (c *cleaner) Read(b []byte) (int, error) {
	n := copy(b, c.left)
	c.left = c.left[n:]
	for n < len(b) {
		if n > 0 && c.r.Buffered() == 0 {
			return n, nil
		}
		r, _, err := c.r.ReadRune()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			r = utf8.RuneError
		}
		var one [utf8.UTFMax]byte
		size := utf8.EncodeRune(one[:], r)
		done := copy(b[n:], one[:size])
		n += done
		c.left = append(c.left, one[done:size]...)
	}
	return n, nil
}

// parser goes through one document.
type parser struct {
	sum   *Summary
	clean func(string) string
	file  string
	known bool     // its root is that of a report
	names []string // of the elements that are open
	suite []string // names of the suites that are open
	test  *openCase
	text  *strings.Builder // of the element that explains the case; nil: none is open
}

// openCase is a case whose element is open.
type openCase struct {
	name, suite string
	kind        string // worst so far: "", "skipped", KindFailed, KindError
	message     string
	time        float64
	depth       int
}

var errNoReport = errors.New("it is no test report in JUnit's format")

// document reads all tokens. Like the decoder it keeps no more than one text and
// the open elements.
func (p *parser) document(d *xml.Decoder) error {
	for {
		t, err := d.Token()
		if err == io.EOF && p.known {
			return nil
		}
		if err != nil {
			return p.broken(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			err = p.start(t)
		case xml.EndElement:
			err = p.end()
		case xml.CharData:
			if p.text != nil && p.text.Len() < 4*MaxMessage {
				p.text.Write(t[:min(len(t), 4*MaxMessage)])
			}
		}
		if err != nil {
			return err
		}
	}
}

// broken explains the decoder's error.
func (p *parser) broken(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case !p.known:
		return errNoReport
	case errors.As(err, &syntax):
		return fmt.Errorf("it is damaged at line %d: %s", syntax.Line, clip(syntax.Msg, MaxName))
	}
	return fmt.Errorf("it can not be read: %w", err)
}

func (p *parser) start(e xml.StartElement) error {
	if len(p.names) >= MaxDepth {
		return fmt.Errorf("its elements are nested more than %d deep", MaxDepth)
	}
	name := e.Name.Local
	if !p.known && len(p.names) == 0 {
		if name != "testsuites" && name != "testsuite" {
			return errNoReport
		}
		p.known = true
	}
	p.names = append(p.names, name)
	switch name {
	case "testsuite":
		p.suite = append(p.suite, attr(e, "name"))
	case "testcase":
		return p.begin(e)
	case "failure", "error", "skipped":
		p.explain(name, e)
	}
	return nil
}

// begin opens a case.
func (p *parser) begin(e xml.StartElement) error {
	if p.test != nil {
		return errors.New("it has a case within a case")
	}
	if p.sum.Total >= MaxCases {
		return fmt.Errorf("there are more than %d cases", MaxCases)
	}
	p.test = &openCase{name: attr(e, "name"), suite: attr(e, "classname"), time: seconds(attr(e, "time")), depth: len(p.names)}
	if p.test.suite == "" {
		p.test.suite = p.inSuite()
	}
	if attr(e, "status") == "notrun" || attr(e, "result") == "skipped" || attr(e, "result") == "suppressed" {
		p.test.kind = "skipped"
	}
	return nil
}

func (p *parser) inSuite() string {
	if len(p.suite) == 0 {
		return ""
	}
	return p.suite[len(p.suite)-1]
}

// rank orders what can become of a case.
var rank = map[string]int{"": 0, "skipped": 1, KindFailed: 2, KindError: 3}

// explain notes what became of the case. An error or a failure of a suite, which
// stands in no case, counts as a case of its own.
func (p *parser) explain(name string, e xml.StartElement) {
	kind := name
	if name == "failure" {
		kind = KindFailed
	}
	if p.test == nil {
		if kind == "skipped" || p.sum.Total >= MaxCases {
			return
		}
		p.test = &openCase{name: p.inSuite(), depth: len(p.names)}
	}
	if rank[kind] <= rank[p.test.kind] {
		return
	}
	p.test.kind, p.test.message = kind, strings.TrimSpace(attr(e, "message"))
	p.text = &strings.Builder{}
}

func (p *parser) end() error {
	name := p.names[len(p.names)-1]
	if p.text != nil && (name == "failure" || name == "error" || name == "skipped") {
		if text := strings.TrimSpace(p.text.String()); p.test.message == "" || p.test.message == "Failed" && text != "" {
			p.test.message = text
		}
		p.text = nil
	}
	if p.test != nil && p.test.depth == len(p.names) {
		p.count(p.test)
		p.test = nil
	}
	if name == "testsuite" {
		p.suite = p.suite[:len(p.suite)-1]
	}
	p.names = p.names[:len(p.names)-1]
	return nil
}

func (p *parser) count(c *openCase) {
	s := p.sum
	s.Total++
	s.Time += c.time
	switch c.kind {
	case "":
		return
	case "skipped":
		s.Skipped++
		return
	case KindFailed:
		s.Failed++
	case KindError:
		s.Errors++
	}
	if len(s.Failing) < MaxFailing {
		s.Failing = append(s.Failing, Case{
			Name: clip(p.clean(c.name), MaxName), Suite: clip(p.clean(c.suite), MaxName), Kind: c.kind,
			Message: clip(p.clean(c.message), MaxMessage), Report: p.file,
		})
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// seconds reads a time attribute, which may have commas in it; 0 if it is none.
func seconds(text string) float64 {
	f, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(text), ",", ""), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1e6 {
		return 0
	}
	return f
}

// clip returns the beginning of s, at most limit bytes of whole characters.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return strings.Clone(s) // not a part of a large text
	}
	const dots = "…"
	cut := limit - len(dots)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + dots
}
