package shell

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// The summaries of what the parser finds.
const (
	summaryError    = "Syntax error in a script"
	summaryDoubtful = "Doubtful syntax in a script"
)

// foreignTo lists features of bash, in the parser's words, at which other shells
// end with a syntax error (tried with dash 0.5.12 and busybox 1.35).
var foreignTo = map[Shell][]string{
	Dash: {"arrays", "herestrings", "c-style fors", "for loops with braces", "extended globs", "the `function` builtin", `the "function" builtin`, "the `export` builtin", "the `local` builtin"},
	Ash:  {"arrays", "herestrings", "c-style fors", "for loops with braces", "extended globs", "the `export` builtin", "the `local` builtin"},
}

// rule says what to make of an error of the parser.
type rule struct {
	has    string // a part of the parser's text
	text   string // what to say instead, empty: the parser's text
	remedy string
}

// structure are errors that every shell finds before it runs a line.
var structure = []rule{
	{"without closing quote", "", "Add the closing quote. A quote that is meant as text, such as an apostrophe, is written \\' outside of quotes."},
	{"reached EOF without matching `(` with", "", "Add the closing bracket."},
	{"reached EOF without matching `$(` with", "", "Add the closing bracket."},
	{"reached EOF without matching `<(` with", "", "Add the closing bracket."},
	{"reached EOF without matching `>(` with", "", "Add the closing bracket."},
	{"reached EOF without matching `{` with", "", "Add the closing brace. It stands on a line of its own or after a semicolon."},
	{"statement must end with", "", "Add what is missing; it stands on a line of its own or after a semicolon."},
	{"`foo(` must be followed by", "After a word, an opening bracket begins a function, and here the closing one does not follow.", "Put quotes around brackets that are meant as text."},
	{"`foo()` must be followed by", "The function has no body.", "Write the body in braces: f() { commands; }."},
	{"`for foo [in words]` must be followed by", "The words of a `for` must be followed by `do`.", "Put do on a line of its own or after a semicolon: for x in a b; do."},
	{"must be followed by `do`", "", "Put do on a line of its own or after a semicolon."},
	{"must be followed by `then`", "", "Put then on a line of its own or after a semicolon."},
	{"must be followed by `in`", "", "Write case WORD in."},
	{"must be followed by a statement", "", "Write a command there; the command true does nothing."},
	{"<` must be followed by a word", "", "Write a word there, such as a file name."},
	{">` must be followed by a word", "", "Write a word there, such as a file name."},
	{"`for` must be followed by a literal", "`for` must be followed by a name.", "Write for NAME in WORDS."},
	{"can only be used", "", "Remove it, or add what it belongs to. In a text, put quotes around it."},
	{"can only immediately follow a statement", "", "Remove it, or write a command before it."},
	{"is not a valid start for a statement", "", "Put quotes around it if it is meant as text."},
	{"statements must be separated", "Commands must be separated by ;, & or a new line.", "Add the separator."},
	{"a command can only contain words and redirects; encountered", "", "Put quotes around what is meant as text."},
	{"case patterns must", "", "A pattern of a case ends with a closing bracket: a | b) commands ;;."},
	{"word list can only contain words", "", "Put quotes around what is meant as text."},
}

// dynamic are errors that a shell finds when it comes to the place, if at all.
var dynamic = []rule{
	{"unclosed here-document", "", "The line that ends it holds the word alone, without spaces before and behind it. In a <<-EOT text of HCL every line loses the same number of spaces, so the word must stand as far left as the least indented line."},
	{"parameter expansion operator", "", "In ${NAME…}, a name is followed by one of the shell's operators."},
}

// structural reports whether every shell refuses the whole script for this
// error, by the parser's text.
func structural(text string) bool {
	if strings.Contains(text, "open an arithmetic") || strings.HasPrefix(text, "`]]`") {
		return false
	}
	for _, r := range structure {
		if strings.Contains(text, r.has) {
			return true
		}
	}
	return false
}

// explain returns an error of the parser as a sentence, and what to do.
func explain(text string) (what, remedy string) {
	for _, rules := range [][]rule{structure, dynamic} {
		for _, r := range rules {
			if !strings.Contains(text, r.has) {
				continue
			}
			if r.text != "" {
				return r.text, r.remedy
			}
			return sentence(text), r.remedy
		}
	}
	return sentence(text), "Write it in another way if the shell refuses it."
}

func sentence(text string) string {
	text = strings.Replace(text, "reached EOF", "reached the end", 1)
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:] + "."
}

// at returns a problem at a place: the word or the operator that stands there.
func at(text string, pos syntax.Pos) *Problem {
	start := min(int(pos.Offset()), len(text))
	if start == len(text) { // the end: the last thing before it
		start = len(strings.TrimRight(text, " \t\n"))
		start = max(0, strings.LastIndexAny(text[:start], " \t\n")+1)
	}
	return &Problem{Offset: start, End: tokenEnd(text, start)}
}

// tokenEnd returns where the word or operator at an offset ends.
func tokenEnd(text string, start int) int {
	first, size := utf8.DecodeRuneInString(text[start:])
	if size == 0 {
		return start
	}
	end := start + size
	if unicode.IsSpace(first) || strings.ContainsRune("\"'`(){}", first) {
		return end
	}
	for end < len(text) {
		r, n := utf8.DecodeRuneInString(text[end:])
		if unicode.IsSpace(r) || isWord(r) != isWord(first) || strings.ContainsRune("\"'`(){}", r) {
			break
		}
		end += n
	}
	return end
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
