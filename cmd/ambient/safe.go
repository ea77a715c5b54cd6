package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/ambient-ci/ambient/stages"
)

// oneLine shows line ends and spreads tabs, which would move a live view's
// cursor.
var (
	oneLine  = strings.NewReplacer("\n", "␊", "\t", "    ")
	manyLine = strings.NewReplacer("\t", "    ")
)

// safe makes one harmless line of text that a guest, an archive or a repository
// wrote.
func safe(s string) string { return oneLine.Replace(stages.PlainText(s)) }

// safeLines is safe but keeps line ends.
func safeLines(s string) string { return manyLine.Replace(stages.PlainText(s)) }

// guestLine is a line of a guest's output for this stream: with the colours it
// chose where there are colours, and they end with the line.
func (c *console) guestLine(s string) string {
	if !c.color {
		return safe(s)
	}
	s = oneLine.Replace(stages.SafeText(s))
	if strings.Contains(s, "\x1b") {
		s += stages.ResetSGR
	}
	return s
}

// colourSequence returns the length of the SGR sequence at the start of s, 0 if
// there is none.
func colourSequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

// displayWidth is the number of terminal cells of a line that is safe, colours
// aside.
func displayWidth(s string) int {
	n := 0
	for len(s) > 0 {
		if k := colourSequence(s); k > 0 {
			s = s[k:]
			continue
		}
		r, k := utf8.DecodeRuneInString(s)
		n += runeWidth(r)
		s = s[k:]
	}
	return n
}

func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.Is(unicode.Mn, r) || r == '\u200d' {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut shortens a safe line without colours to at most n cells.
func cut(s string, n int) string {
	if displayWidth(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		if used+runeWidth(r) > n-1 {
			return s[:i] + "…"
		}
		used += runeWidth(r)
	}
	return s
}
