package outline

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// token is a token of the language, or a break, at which everything that is open
// in an expression ends.
type token struct {
	hclsyntax.TokenType
	Span
}

// tokenBreak stands where a text ends without its quote.
const tokenBreak = hclsyntax.TokenNil

// Bounds of the work on a file.
const (
	maxRestarts = 20  // texts without a closing quote
	maxNest     = 200 // blocks in blocks
)

// Parse finds the shape of a file.
func Parse(src []byte) *Outline {
	o := &Outline{src: src, tokens: scan(src), Root: &Block{Whole: Span{0, len(src)}, Body: Span{0, len(src)}}}
	p := &parser{o: o, block: o.Root}
	for !p.at(hclsyntax.TokenEOF) {
		p.item()
	}
	for ; p.block != o.Root; p.block = p.block.Parent {
		p.block.Whole.End, p.block.Body.End = len(src), len(src)
	}
	return o
}

// scan returns the tokens of a text. Where a quoted text runs into the next
// line, it begins anew there, so that one missing quote does not turn the rest
// of the file inside out.
func scan(src []byte) []token {
	var all []token
	base := 0
	for restart := 0; ; restart++ {
		lexed, _ := hclsyntax.LexConfig(src[base:], "", hcl.Pos{Line: 1, Column: 1})
		next := -1
		for _, t := range lexed {
			span := Span{base + t.Range.Start.Byte, base + t.Range.End.Byte}
			if t.Type == hclsyntax.TokenQuotedNewline && restart < maxRestarts {
				all = append(all, token{tokenBreak, Span{span.Start, span.Start}}, token{hclsyntax.TokenNewline, span})
				next = span.End
				break
			}
			all = append(all, token{t.Type, span})
		}
		if next < 0 {
			break
		}
		base = next
	}
	if len(all) == 0 || all[len(all)-1].TokenType != hclsyntax.TokenEOF {
		all = append(all, token{hclsyntax.TokenEOF, Span{len(src), len(src)}})
	}
	return all
}

// parser walks over the tokens of a file.
type parser struct {
	o     *Outline
	i     int
	block *Block
	depth int
}

func (p *parser) tok() token { return p.o.tokens[p.i] }

func (p *parser) at(types ...hclsyntax.TokenType) bool {
	for _, t := range types {
		if p.tok().TokenType == t {
			return true
		}
	}
	return false
}

// next returns the present token and goes on; the end of the file stays.
func (p *parser) next() token {
	t := p.tok()
	if p.i < len(p.o.tokens)-1 {
		p.i++
	}
	return t
}

func (p *parser) text(s Span) string { return string(p.o.src[s.Start:s.End]) }

// item reads one thing in a body: an argument, the beginning or the end of a
// block, or something else, which is passed over.
func (p *parser) item() {
	switch {
	case p.at(hclsyntax.TokenCBrace):
		p.closeBlock(p.next())
	case p.at(hclsyntax.TokenIdent):
		p.named()
	case p.at(hclsyntax.TokenOBrace):
		t := p.next()
		p.openBlock(Name{Span: Span{t.Start, t.Start}}, nil, t)
	default:
		p.next()
	}
}

// named reads what begins with a name.
func (p *parser) named() {
	name := Name{Span: p.next().Span}
	name.Text = p.text(name.Span)
	if p.at(hclsyntax.TokenEqual) {
		p.attribute(name)
		return
	}
	var labels []Name
	for p.at(hclsyntax.TokenOQuote, hclsyntax.TokenIdent) {
		labels = append(labels, p.label(name.Text, len(labels)))
	}
	if p.at(hclsyntax.TokenOBrace) {
		p.openBlock(name, labels, p.next())
		return
	}
	for !p.at(hclsyntax.TokenNewline, hclsyntax.TokenEOF, hclsyntax.TokenCBrace, hclsyntax.TokenOBrace) && !p.lineComment() {
		p.next()
	}
}

// lineComment reports whether a comment follows that has the end of its line in
// it.
func (p *parser) lineComment() bool {
	return p.at(hclsyntax.TokenComment) && p.o.src[p.tok().End-1] == '\n'
}

// label reads one label, quoted or not.
func (p *parser) label(kind string, index int) Name {
	open := p.next()
	if open.TokenType == hclsyntax.TokenIdent {
		return Name{p.text(open.Span), open.Span}
	}
	span := Span{open.End, open.End}
	for !p.at(hclsyntax.TokenCQuote, tokenBreak, hclsyntax.TokenNewline, hclsyntax.TokenEOF) {
		span.End = p.next().End
	}
	if p.at(hclsyntax.TokenCQuote, tokenBreak) {
		p.next()
	}
	p.o.labels = append(p.o.labels, label{span, kind, index, p.block})
	return Name{p.text(span), span}
}

func (p *parser) openBlock(kind Name, labels []Name, brace token) {
	b := &Block{Type: kind, Labels: labels, Whole: Span{kind.Span.Start, brace.End}, Body: Span{brace.End, brace.End}, Parent: p.block}
	if p.depth++; p.depth > maxNest {
		return // what is in it counts as being in the one around it
	}
	p.block.Blocks = append(p.block.Blocks, b)
	p.block = b
}

func (p *parser) closeBlock(brace token) {
	if p.depth--; p.depth >= maxNest {
		return
	}
	if p.block.Parent == nil {
		p.depth = 0
		return
	}
	p.block.Body.End, p.block.Whole.End = brace.Start, brace.End
	p.block = p.block.Parent
}

// attribute reads an argument from its equals sign on.
func (p *parser) attribute(name Name) {
	a := &Attr{Name: name, Block: p.block, Value: Span{Start: p.next().End}}
	p.block.Attrs = append(p.block.Attrs, a)
	p.expression()
	a.Value.End = max(a.Value.Start, p.tok().Start)
}

// expression passes over an expression and collects what it refers to.
func (p *parser) expression() {
	depth := 0
	lineStart := false
	for !p.at(hclsyntax.TokenEOF, tokenBreak) {
		switch {
		case p.at(hclsyntax.TokenNewline):
			if depth == 0 {
				return
			}
			p.next()
			lineStart = true
			continue
		case depth == 0 && p.lineComment():
			return
		case lineStart && p.headerAhead():
			return // a bracket is missing, and the next block begins
		case p.at(hclsyntax.TokenIdent):
			p.reference()
			lineStart = false
			continue
		case p.at(hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl):
			depth++
		case p.at(hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd):
			if depth == 0 {
				return // the brace of a block on one line
			}
			depth--
		}
		lineStart = p.at(hclsyntax.TokenComment)
		p.next()
	}
}

// headerAhead reports whether the header of a block follows: no expression has
// a name with an opening brace behind it.
func (p *parser) headerAhead() bool {
	i := p.i
	types := func() hclsyntax.TokenType { return p.o.tokens[min(i, len(p.o.tokens)-1)].TokenType }
	if types() != hclsyntax.TokenIdent {
		return false
	}
	for i++; types() == hclsyntax.TokenOQuote; i++ {
		for i++; types() == hclsyntax.TokenQuotedLit; i++ {
		}
		if types() != hclsyntax.TokenCQuote {
			return false
		}
	}
	return types() == hclsyntax.TokenOBrace
}

// reference reads a name with all that follows it.
func (p *parser) reference() {
	first := p.next()
	ref := Ref{Parts: []Name{{p.text(first.Span), first.Span}}, Block: p.block}
	ref.Call = p.at(hclsyntax.TokenOParen)
	for !ref.Call {
		if p.at(hclsyntax.TokenDot) && p.ahead(1) == hclsyntax.TokenIdent {
			p.next()
			t := p.next()
			ref.Parts = append(ref.Parts, Name{p.text(t.Span), t.Span})
			continue
		}
		if p.at(hclsyntax.TokenOBrack) && p.ahead(1) == hclsyntax.TokenOQuote && p.ahead(2) == hclsyntax.TokenQuotedLit &&
			p.ahead(3) == hclsyntax.TokenCQuote && p.ahead(4) == hclsyntax.TokenCBrack {
			span := p.o.tokens[p.i+2].Span
			p.i += 5
			ref.Parts = append(ref.Parts, Name{p.text(span), span})
			continue
		}
		if p.at(hclsyntax.TokenOBrack) && p.ahead(1) == hclsyntax.TokenNumberLit && p.ahead(2) == hclsyntax.TokenCBrack {
			p.i += 3
			continue
		}
		break
	}
	p.o.Refs = append(p.o.Refs, ref)
}

func (p *parser) ahead(n int) hclsyntax.TokenType {
	return p.o.tokens[min(p.i+n, len(p.o.tokens)-1)].TokenType
}

// inText reports whether an offset lies in a string, outside of its
// interpolations, or in a comment.
func (o *Outline) inText(offset int) bool {
	var left token
	for _, t := range o.tokens {
		if t.Start >= offset {
			break
		}
		if t.TokenType != tokenBreak {
			left = t
		}
	}
	switch left.TokenType {
	case hclsyntax.TokenComment:
		// A comment has the end of its line in it.
		return offset < left.End || offset == left.End && o.src[left.End-1] != '\n'
	case hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateSeqEnd:
		return true
	}
	return false
}
