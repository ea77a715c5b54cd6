package lsp

import (
	"net/url"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/ambient-ci/ambient/config/outline"
)

// text is a file with the places where its lines begin. Line ends are "\n",
// "\r\n" or "\r", as the protocol says.
type text struct {
	src   string
	lines []int // offsets
}

func newText(src string) *text {
	t := &text{src: src, lines: []int{0}}
	for i := 0; i < len(src); i++ {
		if src[i] == '\n' || src[i] == '\r' && (i+1 == len(src) || src[i+1] != '\n') {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// position converts an offset in bytes.
func (t *text) position(offset int) position {
	offset = min(max(offset, 0), len(t.src))
	line := sort.SearchInts(t.lines, offset+1) - 1
	return position{line, units(t.src[t.lines[line]:offset])}
}

// units counts the units of UTF-16 in a text.
func units(s string) int {
	n := 0
	for _, r := range s {
		if n++; r > 0xffff {
			n++
		}
	}
	return n
}

// offset converts a position. One after the end of its line is that end.
func (t *text) offset(p position) int {
	switch {
	case p.Line < 0 || p.Line == 0 && p.Character <= 0:
		return 0
	case p.Line >= len(t.lines):
		return len(t.src)
	}
	at, end := t.lines[p.Line], len(t.src)
	if p.Line+1 < len(t.lines) {
		end = t.lines[p.Line+1]
	}
	line := strings.TrimRight(t.src[at:end], "\r\n")
	for left := p.Character; left > 0 && line != ""; {
		r, size := utf8.DecodeRuneInString(line)
		if left--; r > 0xffff {
			if left == 0 {
				break // between the two halves of a character
			}
			left--
		}
		at, line = at+size, line[size:]
	}
	return at
}

func (t *text) span(s outline.Span) textRange {
	return textRange{t.position(s.Start), t.position(s.End)}
}

// pathOf returns the path of a file: URI, "" for any other.
func pathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || u.Path == "" || strings.ContainsRune(u.Path, 0) {
		return ""
	}
	return filepath.Clean(u.Path)
}

// uriOf returns the URI of an absolute path.
func uriOf(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }
