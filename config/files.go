package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Bounds of what is read.
const (
	maxFile  = 1 << 20 // bytes of one configuration file
	maxText  = 8 << 20 // bytes of all of them
	maxData  = 4 << 20 // bytes of a file that a function reads
	maxFiles = 256     // configuration files
	maxNest  = 1000    // levels in one expression
)

// FileName is the name of the configuration file; files that end in
// ".ambient.hcl" are read too.
const FileName = "ambient.hcl"

const smallest = `  project "hello" {
    plan "greet" {
      action "shell" { script = "echo hello from $(uname -m)" }
    }
  }`

// listFiles returns the names of the configuration files of a directory.
func listFiles(root *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if IsFileName(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

// errTooLarge says that a file is larger than ambient reads.
var errTooLarge = errors.New("the file is too large")

// readBounded reads a regular file below root, following symbolic links that
// stay below it. It never blocks on a pipe or a device.
func readBounded(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

// readAll reads everything, or fails when there is more than limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: at most %s are read", errTooLarge, FormatSize(limit))
	}
	return data, nil
}

func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// cause returns the innermost reason of a file error, without the path.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if strings.Contains(err.Error(), "escapes from parent") {
		return "it lies outside the directory"
	}
	return err.Error()
}

// parseDir reads and parses every configuration file of the directory.
func (l *loader) parseDir() {
	names, err := l.fileNames()
	switch {
	case err != nil:
		l.add(Errorf(dirRange(l.display), "Unreadable directory", "The directory can not be read: %s.", cause(err)))
		return
	case len(names) == 0:
		l.add(Errorf(dirRange(l.display), "No configuration", "There is no file %s and no file *.%s in this directory. The smallest %s is:\n\n%s", FileName, FileName, FileName, smallest))
		return
	case len(names) > maxFiles:
		l.add(Errorf(fileRange(filepath.Join(l.display, names[maxFiles])), "Too many files", "At most %d configuration files are read from a directory. Merge some.", maxFiles))
		return
	}
	for _, name := range names {
		l.parseFile(name)
	}
}

func (l *loader) parseFile(name string) {
	shown := filepath.Join(l.display, name)
	src, err := l.readConfig(name)
	if err != nil {
		l.add(Errorf(fileRange(shown), "Unreadable file", "The file can not be read: %s.", cause(err)))
		return
	}
	if l.text += len(src); l.text > maxText {
		l.add(Errorf(fileRange(shown), "Too much configuration", "At most %s of configuration are read from a directory.", FormatSize(maxText)))
		return
	}
	if body := l.parse(src, shown); body != nil {
		l.bodies = append(l.bodies, body)
	}
}

// parse parses one file and keeps it for diagnostics. It returns what could be
// parsed, nil if nothing.
func (l *loader) parse(src []byte, shown string) *hclsyntax.Body {
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	l.cfg.files[shown] = &hcl.File{Bytes: src, Body: &hclsyntax.Body{}}
	if !shallow(src) {
		tokens, _ := hclsyntax.LexConfig(src, shown, hcl.InitialPos)
		if d := checkNesting(tokens); d != nil {
			l.add(d)
			return nil
		}
	}
	file, diags := hclsyntax.ParseConfig(src, shown, hcl.InitialPos)
	l.add(syntaxErrors(diags)...)
	l.cfg.files[shown] = file
	body, _ := file.Body.(*hclsyntax.Body)
	return body
}

// syntaxErrors drops what follows from a quote that is not closed: the parser
// then takes code for text and text for code.
func syntaxErrors(diags Diagnostics) Diagnostics {
	for i, d := range diags {
		switch d.Summary {
		case "Invalid multi-line string":
			d.Summary, d.Detail = "Unterminated string", "The closing quote of this text is missing. Texts of several lines are written <<-EOT … EOT."
			return diags[:i+1]
		case "Invalid template control keyword", "Invalid template directive":
			d.Detail += " If it is meant as text, such as curl's %{http_code}, write it with two percent signs: %%{."
		}
	}
	return diags
}

// fileRange is the beginning of a file.
func fileRange(name string) Range {
	return Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
}

// dirRange is the place of what is wrong with a directory: it has no line.
func dirRange(name string) Range { return Range{Filename: name} }

// nesting counts how deep the parser and the evaluator would go, so that no file
// can exhaust the stack: brackets and templates that are open, and operators in
// the expressions around the present place.
type nesting struct {
	stack []nestLevel
	total int
}

type nestLevel struct {
	braces bool // a new line ends an item
	weight int
}

// checkNesting reports the first token at which an expression is too deep.
func checkNesting(tokens hclsyntax.Tokens) *Diagnostic {
	n := nesting{stack: []nestLevel{{braces: true}}}
	for _, t := range tokens {
		n.see(t.Type)
		if n.total > maxNest {
			return Errorf(t.Range, "Expression too complex", "An expression can have at most %d operators and nested brackets. Split it with locals.", maxNest)
		}
	}
	return nil
}

func (n *nesting) see(t hclsyntax.TokenType) {
	top := &n.stack[len(n.stack)-1]
	switch t {
	case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOQuote,
		hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		if t == hclsyntax.TokenOBrack || t == hclsyntax.TokenTemplateControl {
			n.weigh(top)
		}
		n.stack = append(n.stack, nestLevel{braces: t == hclsyntax.TokenOBrace, weight: 1})
		n.total++
	case hclsyntax.TokenCBrace, hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		if len(n.stack) > 1 {
			n.total -= top.weight
			n.stack = n.stack[:len(n.stack)-1]
		}
	case hclsyntax.TokenNewline:
		if top.braces {
			n.reset(top)
		}
	case hclsyntax.TokenComma:
		n.reset(top)
	case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenStringLit, hclsyntax.TokenQuotedLit, hclsyntax.TokenComment:
	default:
		n.weigh(top)
	}
}

func (n *nesting) weigh(top *nestLevel) { top.weight++; n.total++ }

func (n *nesting) reset(top *nestLevel) {
	n.total -= top.weight
	top.weight = 0
	if len(n.stack) > 1 {
		top.weight, n.total = 1, n.total+1
	}
}
