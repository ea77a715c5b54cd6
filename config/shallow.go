package config

import (
	"bytes"
	"unicode/utf8"
)

// shallow reports whether the text of a file is surely not nested too deep for
// the parser. It says false for what it does not understand, and then
// checkNesting must look at the tokens, which takes a third of the time of all
// parsing.
func shallow(src []byte) bool {
	deepest, ok := estimate(src)
	return ok && deepest <= maxNest
}

// estimate returns a bound of what checkNesting would count, and whether it
// could read the text.
func estimate(src []byte) (int, bool) {
	if !utf8.Valid(src) {
		return 0, false
	}
	e := estimator{src: src, levels: []level{{mode: '{'}}}
	for e.at < len(e.src) {
		top := &e.levels[len(e.levels)-1]
		switch {
		case top.mode == '"':
			e.quoted()
		case top.mode == '<':
			e.heredoc(top)
		default:
			e.code(top)
		}
		if e.bad {
			return 0, false
		}
		e.deepest = max(e.deepest, e.total)
	}
	return e.deepest + 1, len(e.levels) == 1 // the end of the file counts too
}

// estimator reads the text as the lexer does.
type estimator struct {
	src            []byte
	at             int
	levels         []level
	total, deepest int
	bad            bool // there is something that it does not understand
}

// level is a bracket or a template that is open.
type level struct {
	mode   byte // what opened it: { ( [ " or < for a heredoc, $ for an interpolation or a directive
	weight int
	marker []byte // of a heredoc
	inLine bool   // of a heredoc: there was a $ or % in the line, so that it is not the marker
}

func (e *estimator) push(mode byte, size int) {
	e.levels = append(e.levels, level{mode: mode, weight: 1})
	e.total++
	e.at += size
}

func (e *estimator) pop(mode byte, size int) {
	top := e.levels[len(e.levels)-1]
	if e.bad = top.mode != mode || len(e.levels) == 1; e.bad {
		return
	}
	e.total -= top.weight
	e.levels = e.levels[:len(e.levels)-1]
	e.at += size
}

// next reports whether the text goes on like this.
func (e *estimator) next(text string) bool {
	return len(e.src)-e.at >= len(text) && string(e.src[e.at:e.at+len(text)]) == text
}

// template reads what begins with $ or % in a template.
func (e *estimator) template() {
	switch {
	case e.next("$${"), e.next("%%{"):
		e.at += 3
	case e.next("${"):
		e.push('$', 2)
	case e.next("%{"):
		e.levels[len(e.levels)-1].weight++
		e.total++
		e.push('$', 2)
	default:
		e.at++
	}
}

func (e *estimator) quoted() {
	switch c := e.src[e.at]; c {
	case '"':
		e.pop('"', 1)
	case '\\':
		e.bad = e.at+1 >= len(e.src) || e.src[e.at+1] == '\n' || e.src[e.at+1] == '\r' || e.src[e.at+1] >= 0x80
		e.at += 2
	case '$', '%':
		e.template()
	default:
		e.bad = c == '\n' || c == '\r'
		e.at++
	}
}

// heredoc reads up to the end of a line, or to what begins with $ or % in it.
func (e *estimator) heredoc(top *level) {
	rest := e.src[e.at:]
	stop := bytes.IndexAny(rest, "$%\n")
	if e.bad = stop < 0; e.bad {
		return
	}
	if rest[stop] != '\n' {
		e.at += stop
		top.inLine = true
		e.template()
		return
	}
	if !top.inLine && bytes.Equal(bytes.TrimSpace(rest[:stop]), top.marker) {
		e.pop('<', stop) // the new line is code
		return
	}
	top.inLine = false
	e.at += stop + 1
}

func (e *estimator) code(top *level) {
	switch c := e.src[e.at]; {
	case c == ' ', c == '\t', c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		e.at++
	case c == '\n', c == ',':
		if c == ',' || top.mode == '{' {
			e.reset(top)
		}
		e.at++
	case c == '"':
		e.push('"', 1)
	case c == '{', c == '(':
		e.push(c, 1)
	case c == '[':
		e.weigh(top)
		e.push(c, 1)
	case c == '}':
		e.closeBrace(top, 1)
	case c == ')':
		e.pop('(', 1)
	case c == ']':
		e.pop('[', 1)
	case c == '~' && e.next("~}"):
		e.bad = top.mode != '$'
		e.closeBrace(top, 2)
	case c == '#', e.next("//"), e.next("/*"):
		e.comment()
	case c == '<' && e.next("<<"):
		e.openHeredoc()
	case c == '\r', c == 0:
		e.bad = true
	default:
		e.weigh(top)
		e.at++
	}
}

func (e *estimator) weigh(top *level) { top.weight++; e.total++ }

func (e *estimator) reset(top *level) {
	e.total -= top.weight
	top.weight = 0
	if len(e.levels) > 1 {
		top.weight, e.total = 1, e.total+1
	}
}

func (e *estimator) closeBrace(top *level, size int) {
	if top.mode == '$' {
		e.pop('$', size)
	} else {
		e.pop('{', size)
	}
}

// comment skips a comment, with its line end: the lexer takes it so.
func (e *estimator) comment() {
	end, skip := "\n", 1
	if e.next("/*") {
		end, skip = "*/", 2
		e.at += 2
	}
	i := bytes.Index(e.src[e.at:], []byte(end))
	if i < 0 {
		e.bad = skip == 2
		e.at = len(e.src)
		return
	}
	e.at += i + skip
}

func (e *estimator) openHeredoc() {
	line, _, whole := bytes.Cut(e.src[e.at+2:], []byte("\n"))
	marker := bytes.TrimPrefix(line, []byte("-"))
	for i, c := range marker {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			whole = false
		}
	}
	if e.bad = !whole || len(marker) == 0; e.bad {
		return
	}
	e.push('<', 2+len(line)+1)
	e.levels[len(e.levels)-1].marker = marker
}
