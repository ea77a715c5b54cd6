package shell

import (
	"errors"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Shell is what runs a script.
type Shell int

// The shells of the images.
const (
	Bash Shell = iota
	Dash       // sh of Debian
	Ash        // sh of busybox
)

// Problem is something wrong with a script.
type Problem struct {
	Offset, End int    // what is wrong, in bytes of the script; at least one character unless the script is empty
	Warning     bool   // the shell may well take it
	Summary     string // a few words, the same for all scripts
	Text        string // what is wrong, a sentence; may quote the script
	Remedy      string // what to do; quotes nothing
}

// Bounds of what is looked at.
const (
	maxScript = 1 << 20 // bytes
	harmless  = 2 << 10 // bytes, which can not be nested too deeply
	maxFrames = 20000   // of the parser's stack, which nesting fills
)

// Check returns what is wrong with a script, in its order; nil when nothing is.
// The parser stops at the first syntax error. Check is safe for concurrent use
// and for hostile text.
func Check(text string, sh Shell) []Problem {
	problems := lint(text)
	if p := parse(text, sh); p != nil {
		problems = append(problems, *p)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Offset - b.Offset })
	return problems
}

// parse returns what the parser says, nil if it takes the script.
func parse(text string, sh Shell) *Problem {
	if len(text) > maxScript {
		return unchecked(text, "It is longer than 1 MiB.")
	}
	if sh == Bash {
		return read(text, syntax.LangBash).problem(text)
	}
	posix := read(text, syntax.LangPOSIX)
	if posix.err == nil {
		return nil
	}
	bash := read(text, syntax.LangBash)
	if bash.err == nil {
		return posix.foreign(text, sh)
	}
	p := bash.problem(text)
	var e syntax.ParseError
	if p != nil && (!errors.As(posix.err, &e) || strings.Contains(text[:p.Offset], "<<") || quoteInBraces.MatchString(text)) {
		p.Warning, p.Summary = true, summaryDoubtful // words that end something in bash may be text in sh
	}
	return p
}

// result is what one variant of the parser makes of a script.
type result struct {
	err  error
	ends int // the line of the first statement that ends the shell, 0: none
}

// errDeep says that a script is nested too deeply for the parser.
var errDeep = errors.New("it is nested too deeply")

var errPanic = errors.New("the parser failed")

// read parses a script. A mistake of the parser does not end the program.
func read(text string, lang syntax.LangVariant) (r result) {
	defer func() {
		if recover() != nil {
			r.err = errPanic
		}
	}()
	src := &source{text: text}
	parser := syntax.NewParser(syntax.Variant(lang))
	for stmt, err := range parser.StmtsSeq(src) {
		if src.deep {
			r.err = errDeep
			break
		}
		if err != nil {
			r.err = err
			break
		}
		if r.ends == 0 && endsShell(stmt) {
			r.ends = int(stmt.End().Line())
		}
	}
	return r
}

// endsShell reports whether a statement is exit, or exec of a program: a shell
// reads line by line and never sees what follows.
func endsShell(s *syntax.Stmt) bool {
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || s.Background || s.Coprocess || len(call.Args) == 0 {
		return false
	}
	name := call.Args[0].Lit()
	return name == "exit" || name == "exec" && len(call.Args) > 1
}

// source hands a script to the parser and watches how deep it is.
type source struct {
	text string
	read int // bytes
	deep bool
}

func (s *source) Read(p []byte) (int, error) {
	var frame [1]uintptr
	if s.read >= harmless && runtime.Callers(maxFrames, frame[:]) > 0 {
		s.deep = true
		return 0, errDeep
	}
	if s.text == "" {
		return 0, io.EOF
	}
	n := copy(p, s.text)
	s.text, s.read = s.text[n:], s.read+n
	return n, nil
}

// problem turns an error of the variant that the shell speaks into a problem.
func (r result) problem(text string) *Problem {
	var parse syntax.ParseError
	var lang syntax.LangError
	switch {
	case errors.As(r.err, &parse):
		return r.parseProblem(text, parse)
	case errors.As(r.err, &lang):
		p := at(text, lang.Pos)
		p.Warning, p.Summary = true, summaryDoubtful
		p.Text = "The shell may not know this: " + lang.Feature + "."
		p.Remedy = "Write it in another way if the shell does not."
		return r.unless(p, lang.Pos)
	case errors.Is(r.err, errDeep):
		return unchecked(text, "It is nested too deeply.")
	}
	return nil
}

func (r result) parseProblem(text string, e syntax.ParseError) *Problem {
	certain := structural(e.Text)
	if certain && strings.Contains(text[:e.Pos.Offset()], "<<") {
		e, certain = outsideHeredocs(text, e)
	}
	p := at(text, e.Pos)
	p.Summary = summaryError
	p.Text, p.Remedy = explain(e.Text)
	if !certain || mayBeRight(text, p.Offset, e.Text) {
		p.Warning, p.Summary = true, summaryDoubtful
	}
	return r.unless(p, e.Pos)
}

// unless drops a problem that the shell never comes to.
func (r result) unless(p *Problem, pos syntax.Pos) *Problem {
	if r.ends > 0 && int(pos.Line()) > r.ends {
		return nil
	}
	return p
}

// foreign warns of what bash takes and this shell certainly does not.
func (r result) foreign(text string, sh Shell) *Problem {
	var lang syntax.LangError
	if !errors.As(r.err, &lang) || !slices.Contains(foreignTo[sh], lang.Feature) {
		return nil
	}
	p := at(text, lang.Pos)
	p.Warning, p.Summary = true, "Script needs bash"
	p.Text = "This stage runs the script with sh, which does not know " + lang.Feature + "."
	p.Remedy = "Set shell = \"bash\", in an image that has it, or write it for sh."
	return r.unless(p, lang.Pos)
}

// mayBeRight reports whether an error of structure is one that shells do not
// look for where it stands, or that the parser is known to see wrongly.
func mayBeRight(text string, offset int, parser string) bool {
	before := text[:offset]
	line, _, _ := strings.Cut(text[strings.LastIndexByte(before, '\n')+1:], "\n")
	quote := strings.Contains(parser, "closing quote")
	switch {
	case quote && strings.Count(text, "`") == 1 && strings.HasPrefix(text[offset:], "`"):
		return false
	case strings.Contains(before, "alias"): // it can stand for any word
		return true
	case strings.Count(before, "`")%2 == 1, (quote && strings.Contains(before, "`")), strings.Contains(line, "`"): // looked into when the shell comes to it
		return true
	case strings.Contains(before, "${ "), strings.Contains(before, "${|"): // not known to every shell
		return true
	case strings.Contains(line, "(("), strings.HasPrefix(text[max(0, offset-1):], "=("): // arithmetic; eval a=(b)
		return true
	case strings.Contains(parser, "must be separated") && declares.MatchString(line): // declare >x y
		return true
	case quote && quoteInBraces.MatchString(text): // "${a+'b}" is right in sh
		return true
	}
	return false
}

var (
	quoteInBraces = regexp.MustCompile(`\$\{[^}\n]*['"]`)
	declares      = regexp.MustCompile(`\b(declare|export|let|local|readonly|typeset)\b`)
)
