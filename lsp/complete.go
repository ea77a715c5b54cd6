package lsp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/config/outline"
)

// complete lists what can be written at a place.
func (s *server) complete(d *document, offset int) any {
	sp := s.space(d)
	c := &completer{sp: sp, snippets: s.snippets, place: sp.here.At(offset)}
	c.edit = d.text.span(c.place.Word)
	c.after = firstOf(d.text.src[c.place.Word.End:])
	switch c.place.Kind {
	case outline.Item:
		c.items()
	case outline.Label:
		c.label()
	case outline.Value:
		c.value()
	}
	if c.list == nil {
		c.list = []completionItem{}
	}
	return completionList{Items: c.list}
}

// completer collects what can be written at one place.
type completer struct {
	sp       *space
	place    outline.Place
	edit     textRange // what an item replaces
	after    byte      // what stands behind it on the line, 0 for nothing
	snippets bool
	list     []completionItem
}

// firstOf returns the first byte of a line that is no space, 0 if there is none.
func firstOf(src string) byte {
	src = strings.TrimLeft(src, " \t")
	if src == "" || src[0] == '\n' || src[0] == '\r' {
		return 0
	}
	return src[0]
}

// add adds an item that writes text; snippet is the same with stops, for clients
// that know them. Group orders the groups of items.
func (c *completer) add(group int, item completionItem, text, snippet string) {
	if c.place.Kind == outline.Item && strings.IndexByte("={\"", c.after) >= 0 {
		text, snippet = strings.Fields(item.Label)[0], "" // the rest stands there already
	}
	item.Sort = fmt.Sprintf("%d%s", group, item.Label)
	if c.snippets && snippet != "" {
		text, item.Format = snippet, formatSnippet
	}
	item.TextEdit = &textEdit{c.edit, text}
	c.list = append(c.list, item)
}

// items lists the arguments and blocks that a block can still get.
func (c *completer) items() {
	doc := c.sp.doc(c.place.Block)
	if doc == nil {
		return
	}
	for _, a := range doc.Arguments {
		if old := c.place.Block.Attr(a.Name); old != nil && !old.Name.Span.Has(c.place.Word.Start) {
			continue
		}
		group, detail := 1, a.Type
		if a.Required {
			group, detail = 0, a.Type+", required"
		}
		c.add(group, completionItem{Label: a.Name, Kind: itemProperty, Detail: detail, Doc: markdown(explainArg(a))}, a.Name+" = ", argSnippet(a))
	}
	for _, b := range doc.Blocks {
		if b.Single && c.has(b.Name) {
			continue
		}
		name := b.Name
		if b.Kind != "" {
			name += fmt.Sprintf(" %q", b.Kind)
		}
		c.add(2, completionItem{Label: name, Kind: itemStruct, Detail: header(b), Doc: markdown(explainBlock(header(b), &b))}, name+" ", blockSnippet(name, b))
	}
}

func (c *completer) has(kind string) bool {
	return slices.ContainsFunc(c.place.Block.Blocks, func(b *outline.Block) bool {
		return b.Type.Text == kind && !b.Type.Span.Has(c.place.Word.Start)
	})
}

// argSnippet writes an argument with a stop at its value.
func argSnippet(a config.ArgDoc) string {
	switch {
	case a.Type == "image" || a.Type == "limits":
		return a.Name + " = " + a.Type + ".$0"
	case a.Name == "script":
		return a.Name + " = <<-EOT\n\t$0\nEOT"
	case a.Type == "string" || a.Type == "size" || a.Type == "duration":
		return a.Name + " = \"$0\""
	case strings.HasPrefix(a.Type, "list("):
		return a.Name + " = [$0]"
	case strings.HasPrefix(a.Type, "map("):
		return a.Name + " = {\n\t$0\n}"
	}
	return a.Name + " = $0"
}

func blockSnippet(name string, b config.BlockDoc) string {
	text := name
	for i, l := range b.Labels {
		text += fmt.Sprintf(" \"${%d:%s}\"", i+1, l)
	}
	return text + " {\n\t$0\n}"
}

// label lists the actions for the label of an action, and the kinds of block
// for that of a dynamic one.
func (c *completer) label() {
	switch c.place.Type {
	case "action":
		c.actionNames()
	case "secret":
		c.secretKinds()
	case "dynamic":
		if doc := c.sp.doc(c.place.Block); doc != nil {
			for _, b := range doc.Blocks {
				c.add(0, completionItem{Label: b.Name, Kind: itemStruct, Doc: markdown(b.Doc)}, b.Name, "")
			}
		}
	}
}

// secretKinds lists what the first label of a secret can be.
func (c *completer) secretKinds() {
	doc := c.sp.doc(c.place.Block)
	if doc == nil || c.place.Index != 0 {
		return
	}
	for _, b := range doc.Blocks {
		if b.Name == c.place.Type && b.Kind != "" {
			c.add(0, completionItem{Label: b.Kind, Kind: itemStruct, Doc: markdown(b.Doc)}, b.Kind, "")
		}
	}
}

func (c *completer) actionNames() {
	if c.place.Block.Parent == nil {
		return // it defines one
	}
	stage := c.place.Block.Enclosing(phases...)
	var names []string
	for name, schema := range c.sp.actions {
		if stage == nil || slices.Contains(schema.Phases, config.Phase(stage.Type.Text)) {
			names = append(names, name)
		}
	}
	for _, user := range c.sp.declared("action") {
		names = append(names, user.name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		item := completionItem{Label: name, Kind: itemFunction}
		if doc := c.sp.actionDoc(name); doc != nil {
			item.Doc = markdown(explainBlock("action "+name, doc))
		}
		c.add(0, item, name, "")
	}
}

// value lists what an expression can refer to.
func (c *completer) value() {
	if len(c.place.Path) > 0 {
		for _, s := range c.sp.next(c.place.Path, c.place.Block) {
			c.add(0, completionItem{Label: s.name, Kind: itemVariable, Detail: s.summary()}, s.name, "")
		}
		return
	}
	if c.place.Attr.Name.Text == "type" && c.place.Block.Enclosing("variable", "param") == c.place.Block {
		for _, t := range []string{"string", "number", "bool", "any", "list", "set", "map", "object", "tuple", "optional"} {
			c.add(0, completionItem{Label: t, Kind: itemKeyword}, t, "")
		}
		return
	}
	c.known()
	c.roots()
	for _, f := range config.FunctionNames() {
		c.add(3, completionItem{Label: f, Kind: itemFunction, Detail: f + "(…)"}, f+"(", f+"($0)")
	}
	for _, w := range []string{"true", "false", "null"} {
		c.add(4, completionItem{Label: w, Kind: itemKeyword}, w, "")
	}
}

// known lists whole references that fit the type of the argument.
func (c *completer) known() {
	arg := argOf(c.sp.doc(c.place.Block), c.place.Attr.Name.Text)
	if arg == nil {
		return
	}
	switch arg.Type {
	case "image", "limits":
		for _, s := range c.sp.declared(arg.Type) {
			c.add(0, completionItem{Label: arg.Type + "." + s.name, Kind: itemVariable, Detail: s.summary()}, arg.Type+"."+s.name, "")
		}
	case "list(secret)":
		for _, s := range c.sp.secrets() {
			address := "secret." + s.block.Label() + "." + s.name
			c.add(0, completionItem{Label: address, Kind: itemVariable}, address, "")
		}
	case "list(stage)":
		for _, phase := range phases {
			for _, s := range c.sp.inside(c.sp.here, c.place.Block.Enclosing("project"), phase) {
				c.add(0, completionItem{Label: phase + "." + s.name, Kind: itemEvent}, phase+"."+s.name, "")
			}
		}
	}
}

// roots lists the names that a reference can begin with here.
func (c *completer) roots() {
	at := c.place.Block
	for _, r := range []struct {
		name, detail string
		fits         bool
	}{
		{"var", "a variable", true},
		{"local", "a local value", true},
		{"image", "an image", true},
		{"limits", "limits", true},
		{"pre", "a pre stage of this project", at.Enclosing("project") != nil},
		{"plan", "a plan stage of this project", at.Enclosing("project") != nil},
		{"post", "a post stage of this project", at.Enclosing("project") != nil},
		{"project", "a stage of another project", at.Enclosing("project") != nil},
		{"each", "the element of this instance", at.Enclosing(phases...) != nil},
		{"source", "a further source tree of this project", at.Enclosing("project") != nil},
		{"secret", "a secret of this stage", at.Enclosing("pre", "post") != nil},
		{"param", "a parameter of this action", c.sp.userAction(at) != nil},
	} {
		if r.fits {
			c.add(2, completionItem{Label: r.name, Kind: itemModule, Detail: r.detail}, r.name, r.name+".$0")
		}
	}
}

// summary is what a list of completions says of a symbol.
func (s *symbol) summary() string {
	switch {
	case s.attr != nil:
		value, _, more := strings.Cut(s.file.value(s.attr), "\n")
		if more {
			value += " …"
		}
		return value
	case s.block != nil:
		return strings.Trim(s.file.value(s.block.Attr("description")), `"`)
	}
	return ""
}
