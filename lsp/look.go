package lsp

import (
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/config/outline"
)

// hover explains what is at a place.
func (s *server) hover(d *document, offset int) any {
	sp := s.space(d)
	answer := func(text string, span outline.Span) any {
		return hoverResult{markdown(text), d.text.span(span)}
	}
	if ref, i := sp.here.RefAt(offset); ref != nil {
		if text := sp.explainRef(ref, i); text != "" {
			return answer(text, ref.Parts[i].Span)
		}
	}
	if b, i := sp.here.BlockAt(offset); b != nil {
		if text := sp.explain(b, i); text != "" {
			span := b.Type.Span
			if i >= 0 {
				span = b.Labels[i].Span
			}
			return answer(text, span)
		}
	}
	if a := sp.here.AttrAt(offset); a != nil {
		if arg := argOf(sp.doc(a.Block), a.Name.Text); arg != nil {
			return answer(explainArg(*arg), a.Name.Span)
		}
	}
	return nil
}

// explain describes a block by its type, and an action by its label.
func (sp *space) explain(b *outline.Block, label int) string {
	if label >= 0 && b.Type.Text == "action" && b.Parent.Parent != nil {
		if doc := sp.actionDoc(b.Label()); doc != nil {
			return explainBlock("action "+b.Label(), doc)
		}
		return ""
	}
	if label >= 0 {
		return ""
	}
	plain := *b
	if b.Type.Text == "action" {
		plain.Labels = nil // the kind of block and not the action
	}
	doc := sp.doc(&plain)
	if doc == nil {
		return ""
	}
	return explainBlock(header(*doc), doc)
}

// maxShown is how many lines of a declaration are shown.
const maxShown = 20

// explainRef shows the declaration that a part of a reference names.
func (sp *space) explainRef(ref *outline.Ref, i int) string {
	if ref.Call {
		return "`" + ref.Parts[0].Text + "(…)`: a function"
	}
	s := sp.find(ref, i)
	if s == nil || s.file == nil {
		return ""
	}
	if sp.secret(s) {
		return "A sensitive variable. Its value is never shown."
	}
	span := s.block.Whole
	if s.attr != nil {
		span = outline.Span{Start: s.attr.Name.Span.Start, End: s.attr.Value.End}
	}
	lines := strings.Split(strings.TrimSpace(s.file.text.src[span.Start:span.End]), "\n")
	if len(lines) > maxShown {
		lines = append(lines[:maxShown], "…")
	}
	return "```hcl\n" + strings.Join(lines, "\n") + "\n```"
}

// secret reports whether a symbol is a variable that may be sensitive.
func (sp *space) secret(s *symbol) bool {
	a := s.block.Attr("sensitive")
	return s.block.Type.Text == "variable" && a != nil && s.file.value(a) != "false"
}

// define finds where what is at a place is declared.
func (s *server) define(d *document, offset int) any {
	sp := s.space(d)
	if ref, i := sp.here.RefAt(offset); ref != nil && !ref.Call {
		if found := sp.find(ref, i); found != nil && found.file != nil {
			return location{found.file.uri, found.file.text.span(found.span)}
		}
		return nil
	}
	b, i := sp.here.BlockAt(offset)
	if b == nil || i < 0 || b.Type.Text != "action" || b.Parent.Parent == nil {
		return nil
	}
	if found := sp.action(b.Label()); found != nil {
		return location{found.file.uri, found.file.text.span(found.span)}
	}
	return nil
}

// format brings a whole file into canonical form. A file with errors stays as it
// is.
func (s *server) format(d *document, _ int) any {
	out, diags := config.Format([]byte(d.text.src))
	if diags.HasErrors() || string(out) == d.text.src {
		return []textEdit{}
	}
	text := string(out)
	if d.crlf {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return []textEdit{{textRange{position{}, d.text.position(len(d.text.src))}, text}}
}

// symbols lists the blocks of a file.
func (s *server) symbols(d *document, _ int) any {
	root := outline.Parse([]byte(d.text.src)).Root
	tree := d.text.symbolsIn(root)
	if s.tree {
		return tree
	}
	flat := []flatSymbol{}
	var walk func([]documentSymbol)
	walk = func(list []documentSymbol) {
		for _, sym := range list {
			flat = append(flat, flatSymbol{sym.Name, sym.Kind, location{d.uri, sym.Selection}})
			walk(sym.Children)
		}
	}
	walk(tree)
	return flat
}

var symbolKinds = map[string]int{
	"project": symbolModule, "pre": symbolEvent, "plan": symbolEvent, "post": symbolEvent, "action": symbolFunction, "variable": symbolVariable,
}

func (t *text) symbolsIn(b *outline.Block) []documentSymbol {
	list := []documentSymbol{}
	for _, inner := range b.Blocks {
		name := inner.Type.Text
		for _, l := range inner.Labels {
			name += " " + l.Text
		}
		if name == "" {
			continue
		}
		kind := symbolKinds[inner.Type.Text]
		if kind == 0 {
			kind = symbolStruct
		}
		list = append(list, documentSymbol{
			Name: name, Kind: kind, Range: t.span(inner.Whole), Selection: t.span(inner.Type.Span), Children: t.symbolsIn(inner),
		})
	}
	if b.Type.Text == "locals" {
		for _, a := range b.Attrs {
			whole := outline.Span{Start: a.Name.Span.Start, End: a.Value.End}
			list = append(list, documentSymbol{Name: a.Name.Text, Kind: symbolProperty, Range: t.span(whole), Selection: t.span(a.Name.Span)})
		}
	}
	return list
}
