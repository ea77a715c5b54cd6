package config

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ambient-ci/ambient/config/shell"
)

// piece is a part of a text and the place that it comes from.
type piece struct {
	text    string
	rng     Range
	literal bool // the text stands there, but for escapes and indentation
	quoted  bool // with literal: between quotes, where backslashes are escapes
}

// scriptPlace returns the place of a problem in the files; exact is false if the
// script does not stand there, but comes from the expression there.
func (l *loader) scriptPlace(a scriptArg, p shell.Problem, sc scope) (at Range, exact bool) {
	at = bare(a.expr).Range()
	pieces := l.pieces(a.expr, sc)
	var whole strings.Builder
	for _, part := range pieces {
		whole.WriteString(part.text)
	}
	if whole.String() != a.text {
		return at, false // the evaluator joined characters (NFC)
	}
	start := 0
	for i, part := range pieces {
		end := start + len(part.text)
		if p.Offset < end || i == len(pieces)-1 {
			if !part.literal {
				return part.rng, false
			}
			return l.literalRange(part, p.Offset-start, min(p.End, end)-start), true
		}
		start = end
	}
	return at, false
}

// pieces takes a text apart; nil if that can not be done.
func (l *loader) pieces(e hclsyntax.Expression, sc scope) (out []piece) {
	defer func() {
		if recover() != nil { // the evaluator's
			out = nil
		}
	}()
	t := &taker{l: l}
	ctx, ok := l.context(e, sc)
	if !ok || !t.take(e, ctx, false, 0) {
		return nil
	}
	return t.pieces
}

// taker collects the pieces of a text in their order.
type taker struct {
	l      *loader
	pieces []piece
}

// maxTake bounds how deep the taker goes, in expressions and in locals.
const maxTake = 100

// take adds the pieces of an expression; quoted is what holds for the literals
// of a template that it is the inner part of. It reports false if something can
// not be evaluated.
func (t *taker) take(e hclsyntax.Expression, ctx *hcl.EvalContext, quoted bool, depth int) bool {
	if depth > maxTake {
		return false
	}
	depth++
	switch e := e.(type) {
	case *iterExpr:
		child := ctx.NewChild()
		child.Variables = e.vars
		return t.take(e.Expression, child, false, depth)
	case *hclsyntax.ParenthesesExpr:
		return t.take(e.Expression, ctx, false, depth)
	case *hclsyntax.TemplateWrapExpr:
		return t.take(e.Wrapped, ctx, false, depth)
	case *hclsyntax.TemplateExpr:
		return t.template(e, ctx, t.l.sourceHas(e.SrcRange, `"`), depth)
	case *hclsyntax.ConditionalExpr:
		return t.conditional(e, ctx, quoted, depth)
	case *hclsyntax.TemplateJoinExpr:
		if loop, ok := e.Tuple.(*hclsyntax.ForExpr); ok {
			return t.loop(loop, ctx, quoted, depth)
		}
	case *hclsyntax.ScopeTraversalExpr:
		if ok, done := t.local(e, depth); done {
			return ok
		}
	}
	return t.opaque(e, ctx)
}

// opaque adds what an expression evaluates to as one piece.
func (t *taker) opaque(e hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	v, diags := e.Value(ctx)
	v, _ = v.UnmarkDeep()
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() {
		return false
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil {
		return false
	}
	t.pieces = append(t.pieces, piece{text: v.AsString(), rng: e.Range()})
	return true
}

func (t *taker) template(e *hclsyntax.TemplateExpr, ctx *hcl.EvalContext, quoted bool, depth int) bool {
	for _, part := range e.Parts {
		if lit, ok := part.(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type() == cty.String {
			t.pieces = append(t.pieces, piece{lit.Val.AsString(), lit.SrcRange, true, quoted})
		} else if !t.take(part, ctx, quoted, depth) {
			return false
		}
	}
	return true
}

// inner takes the inside of a directive such as %{ if … }, or an expression.
func (t *taker) inner(e hclsyntax.Expression, directive bool, ctx *hcl.EvalContext, quoted bool, depth int) bool {
	if tmpl, ok := e.(*hclsyntax.TemplateExpr); ok && directive {
		return t.template(tmpl, ctx, quoted, depth)
	}
	return t.take(e, ctx, false, depth)
}

func (t *taker) conditional(e *hclsyntax.ConditionalExpr, ctx *hcl.EvalContext, quoted bool, depth int) bool {
	v, diags := e.Condition.Value(ctx)
	v, _ = v.Unmark()
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() {
		return false
	}
	v, err := convert.Convert(v, cty.Bool)
	if err != nil {
		return false
	}
	branch := e.FalseResult
	if v.True() {
		branch = e.TrueResult
	}
	return t.inner(branch, t.l.sourceHas(e.SrcRange, "%{"), ctx, quoted, depth)
}

// loop takes the rounds of %{ for … }.
func (t *taker) loop(e *hclsyntax.ForExpr, ctx *hcl.EvalContext, quoted bool, depth int) bool {
	v, diags := e.CollExpr.Value(ctx)
	v, _ = v.Unmark()
	if diags.HasErrors() || !v.CanIterateElements() {
		return false
	}
	for k, element := range v.Elements() {
		child := ctx.NewChild()
		child.Variables = map[string]cty.Value{e.ValVar: element}
		if e.KeyVar != "" {
			child.Variables[e.KeyVar] = k
		}
		if !t.inner(e.ValExpr, true, child, quoted, depth) {
			return false
		}
	}
	return true
}

// local takes the expression of local.NAME where it is declared. Done is false
// for anything else.
func (t *taker) local(e *hclsyntax.ScopeTraversalExpr, depth int) (ok, done bool) {
	name, _, named := step(e.Traversal, 1)
	if e.Traversal.RootName() != "local" || !named || len(e.Traversal) != 2 {
		return false, false
	}
	for _, body := range t.l.bodies {
		for _, b := range body.Blocks {
			a := b.Body.Attributes[name]
			if b.Type != localsSpec.Name || a == nil {
				continue
			}
			ctx, ok := t.l.context(a.Expr, scope{})
			return ok && t.take(a.Expr, ctx, false, depth), true
		}
	}
	return false, false
}

// sourceHas reports whether the text at the beginning of a range is this.
func (l *loader) sourceHas(r Range, prefix string) bool {
	f := l.cfg.files[r.Filename]
	return f != nil && r.Start.Byte >= 0 && r.Start.Byte <= len(f.Bytes) && bytes.HasPrefix(f.Bytes[r.Start.Byte:], []byte(prefix))
}

// literalRange returns the place of a part of a literal, given in bytes of its
// text.
func (l *loader) literalRange(p piece, start, end int) Range {
	f := l.cfg.files[p.rng.Filename]
	if f == nil || p.rng.Start.Byte < 0 || p.rng.End.Byte > len(f.Bytes) || p.rng.Start.Byte > p.rng.End.Byte {
		return p.rng
	}
	units := align(f.Bytes[p.rng.Start.Byte:p.rng.End.Byte], p.text, p.quoted)
	if len(units) == 0 {
		return p.rng
	}
	start = min(max(start, 0), len(units)-1)
	end = min(max(end, start+1), len(units))
	return Range{
		Filename: p.rng.Filename,
		Start:    position(f.Bytes, p.rng.Start, p.rng.Start.Byte+units[start].start),
		End:      position(f.Bytes, p.rng.Start, p.rng.Start.Byte+units[end-1].end),
	}
}

// unit is where a byte of a literal's text is written, in bytes of its source.
type unit struct{ start, end int }

// align finds each byte of a literal's text in its source. The text lacks spaces
// that the source has, and the evaluator may have joined characters; after what
// does not fit, the two are brought together at the next line.
func align(src []byte, text string, quoted bool) []unit {
	units := make([]unit, 0, len(text))
	i := 0
	for len(units) < len(text) {
		rest := text[len(units):]
		if i >= len(src) {
			units = append(units, unit{i, i})
			continue
		}
		decoded, n := decode(src[i:], quoted)
		switch {
		case strings.HasPrefix(rest, decoded):
			for range len(decoded) {
				units = append(units, unit{i, i + n})
			}
			i += n
		case strings.TrimFunc(decoded, unicode.IsSpace) == "":
			i += n
		default:
			line, _, _ := strings.Cut(rest, "\n")
			next := i
			for next < len(src) && decoded != "\n" {
				next += n
				decoded, n = decode(src[min(next, len(src)):], quoted)
			}
			for range max(1, len(line)) {
				units = append(units, unit{i, next})
			}
			i = next
		}
	}
	return units
}

// decode returns what the beginning of a literal's source stands for and how
// many bytes that is: one escape or one byte.
func decode(src []byte, quoted bool) (string, int) {
	switch {
	case len(src) == 0:
		return "\n", 0
	case bytes.HasPrefix(src, []byte("$${")), bytes.HasPrefix(src, []byte("%%{")):
		return string(src[1:3]), 3
	case !quoted || src[0] != '\\' || len(src) < 2:
		return string(src[:1]), 1
	}
	size := map[byte]int{'u': 6, 'U': 10}[src[1]]
	if size == 0 {
		return map[byte]string{'n': "\n", 'r': "\r", 't': "\t", '"': `"`, '\\': `\`}[src[1]], 2
	}
	if len(src) < size {
		return string(src[:1]), 1
	}
	n, err := strconv.ParseUint(string(src[2:size]), 16, 32)
	if err != nil {
		return string(src[:1]), 1
	}
	return string(rune(n)), size
}

// position returns the line and column of a byte of a file that lies behind a
// known position. Columns are grapheme clusters, as everywhere in HCL.
func position(src []byte, known hcl.Pos, offset int) hcl.Pos {
	line := known.Line + bytes.Count(src[known.Byte:offset], []byte("\n"))
	start := bytes.LastIndexByte(src[:offset], '\n') + 1
	sc := hcl.NewRangeScanner(src[start:offset], "", bufio.ScanLines)
	pos := hcl.Pos{Line: line, Column: 1, Byte: offset}
	for sc.Scan() {
		pos.Column = sc.Range().End.Column
	}
	return pos
}
