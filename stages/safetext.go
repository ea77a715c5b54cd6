package stages

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// SafeText returns text of a guest so that no terminal obeys it: valid UTF-8
// without control characters but tab and newline, and without characters that
// turn the direction of writing. Only sequences that choose colours and weights
// (SGR, ECMA-48 section 8.3.117) stay; PlainText removes them too. A control
// character is replaced by the picture that Unicode has for it. SafeText of safe
// text is that text.
func SafeText(s string) string { return safeText(s, true) }

// PlainText returns text of a guest as SafeText does, without colours.
func PlainText(s string) string { return safeText(s, false) }

// ResetSGR ends all colours and weights. Print it after a line of safe text
// that has any, so that they do not reach into what follows.
const ResetSGR = "\x1b[0m"

func safeText(s string, colours bool) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if n := sgrLen(s[i:]); n > 0 {
			if colours {
				b.WriteString(s[i : i+n])
			}
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		b.WriteRune(safeRune(r))
		i += n
	}
	return b.String()
}

// isPlain reports whether s is printable ASCII, tabs and newlines: the usual
// case, which costs no copy.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\t' && c != '\n') || c > '~' {
			return false
		}
	}
	return true
}

func safeRune(r rune) rune {
	switch {
	case r == '\t' || r == '\n':
		return r
	case r < ' ':
		return '␀' + r
	case r == 0x7f:
		return '␡'
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
		return utf8.RuneError
	}
	return r
}

// maxSGR is the longest colour sequence that is kept, in bytes.
const maxSGR = 40

// sgrLen returns the length of the SGR sequence at the start of s, 0 if there
// is none.
func sgrLen(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s) && i < maxSGR; i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0
		}
	}
	return 0
}
