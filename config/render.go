package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// WriteDiagnostics writes diagnostics for people, each with its source line.
// The configuration supplies the text of the files and may be what a failed
// Load returned, or nil. Width is that of the terminal in columns, 0 for no
// wrapping. Nothing in the files can control the terminal. The error is w's.
func WriteDiagnostics(w io.Writer, c *Config, diags Diagnostics, width int, color bool) error {
	var b bytes.Buffer
	for _, d := range diags {
		writeDiagnostic(&b, c, d, width, color)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// The colours of a diagnostic.
const (
	colorRed    = "\x1b[1;31m"
	colorYellow = "\x1b[1;33m"
	colorBold   = "\x1b[1m"
	colorReset  = "\x1b[0m"
)

func writeDiagnostic(b *bytes.Buffer, c *Config, d *Diagnostic, width int, color bool) {
	paint := func(code, text string) string {
		if !color {
			return text
		}
		return code + text + colorReset
	}
	code := colorRed
	if d.Severity == hcl.DiagWarning {
		code = colorYellow
	}
	word := strings.ToUpper(severity(d)[:1]) + severity(d)[1:]
	fmt.Fprintf(b, "%s %s\n\n", paint(code, word+":"), paint(colorBold, printable(d.Summary)))
	if d.Subject != nil {
		writeSnippet(b, c, *d.Subject, paint, code)
	}
	if d.Detail != "" {
		b.WriteString(wrap(printable(d.Detail), width))
		b.WriteString("\n\n")
	}
}

func severity(d *Diagnostic) string {
	if d.Severity == hcl.DiagWarning {
		return "warning"
	}
	return "error"
}

// maxSnippet is the longest part of a source line that is shown, in characters.
const maxSnippet = 160

// writeSnippet shows the first line of a range with the range marked below it.
func writeSnippet(b *bytes.Buffer, c *Config, r Range, paint func(code, text string) string, code string) {
	if r.Start.Line == 0 {
		fmt.Fprintf(b, "  in the directory %s\n\n", printable(r.Filename))
		return
	}
	fmt.Fprintf(b, "  on %s line %d%s:\n", printable(r.Filename), r.Start.Line, c.enclosing(r))
	line, ok := c.sourceLine(r)
	if !ok {
		b.WriteByte('\n')
		return
	}
	before, marked, after := line.before, line.marked, line.after
	if n := utf8.RuneCountInString(before); n > maxSnippet/2 {
		before = "…" + string([]rune(before)[n-maxSnippet/2:])
	}
	marked, after = clip(marked, maxSnippet), clip(after, maxSnippet/2)
	prefix := fmt.Sprintf("  %4d: ", r.Start.Line)
	fmt.Fprintf(b, "%s%s%s%s\n", prefix, before, paint(code, marked), after)
	carets := max(1, utf8.RuneCountInString(marked))
	pad := strings.Repeat(" ", len(prefix)+utf8.RuneCountInString(before))
	fmt.Fprintf(b, "%s%s\n\n", pad, paint(code, strings.Repeat("^", carets)))
}

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}

// line is a source line around a range.
type line struct{ before, marked, after string }

// sourceLine returns the first line of a range, fit to be printed.
func (c *Config) sourceLine(r Range) (line, bool) {
	if c == nil || c.files[r.Filename] == nil {
		return line{}, false
	}
	src := c.files[r.Filename].Bytes
	start := min(max(r.Start.Byte, 0), len(src))
	from := bytes.LastIndexByte(src[:start], '\n') + 1
	to := len(src)
	if i := bytes.IndexByte(src[start:], '\n'); i >= 0 {
		to = start + i
	}
	end := min(max(r.End.Byte, start), to)
	text := func(b []byte) string { return printable(strings.ReplaceAll(string(b), "\t", "  ")) }
	return line{text(src[from:start]), text(src[start:end]), text(src[end:to])}, true
}

// enclosing names the block around a range: `, in project "greet"`.
func (c *Config) enclosing(r Range) string {
	if c == nil || c.files[r.Filename] == nil {
		return ""
	}
	blocks := c.files[r.Filename].BlocksAtPos(r.Start)
	var words []string
	for _, b := range blocks {
		word := b.Type
		for _, l := range b.Labels {
			word += fmt.Sprintf(" %q", l)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return ""
	}
	return ", in " + printable(strings.Join(words, ", "))
}

// printable replaces what could control a terminal or hide text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return '�'
		}
		return r
	}, s)
}

// wrap breaks paragraphs at width columns. Lines that begin with a space are
// code and stay as they are.
func wrap(s string, width int) string {
	if width <= 0 {
		return s
	}
	var out []string
	for text := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(text, " ") {
			out = append(out, text)
			continue
		}
		out = append(out, wrapLine(text, width)...)
	}
	return strings.Join(out, "\n")
}

func wrapLine(text string, width int) []string {
	var lines []string
	cur, n := "", 0
	for word := range strings.FieldsSeq(text) {
		size := utf8.RuneCountInString(word)
		if n > 0 && n+1+size > width {
			lines = append(lines, cur)
			cur, n = "", 0
		}
		if n > 0 {
			cur, n = cur+" ", n+1
		}
		cur, n = cur+word, n+size
	}
	return append(lines, cur)
}
