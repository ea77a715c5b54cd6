package lsp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/config/outline"
)

// doc returns what the schema says of a block, nil if it does not know it.
func (sp *space) doc(b *outline.Block) *config.BlockDoc {
	if b.Parent == nil {
		return &config.BlockDoc{Blocks: config.BlockDocs()}
	}
	parent := b.Parent
	kind := b.Type.Text
	if kind == "content" && parent.Type.Text == "dynamic" && parent.Parent != nil {
		kind, parent = parent.Label(), parent.Parent // it is a block of that kind
	}
	of := sp.doc(parent)
	if of == nil {
		return nil
	}
	i := slices.IndexFunc(of.Blocks, func(d config.BlockDoc) bool { return d.Name == kind && (d.Kind == "" || d.Kind == b.Label()) })
	if i < 0 {
		return nil
	}
	doc := of.Blocks[i]
	if kind == "action" && doc.Open {
		if special := sp.actionDoc(b.Label()); special != nil {
			return special
		}
	}
	return &doc
}

// actionDoc describes an action, built in or the user's; nil if there is none.
func (sp *space) actionDoc(name string) *config.BlockDoc {
	if schema := sp.actions[name]; schema != nil {
		doc := config.ActionDoc(schema)
		return &doc
	}
	user := sp.action(name)
	if user == nil {
		return nil
	}
	doc := &config.BlockDoc{Name: name, Doc: "An action that is defined in these files."}
	if text := user.file.value(user.block.Attr("description")); text != "" {
		doc.Doc += "\n\n" + text
	}
	for _, p := range sp.inside(user.file, user.block, "param") {
		doc.Arguments = append(doc.Arguments, config.ArgDoc{
			Name: p.name, Type: user.file.value(p.block.Attr("type")), Default: user.file.value(p.block.Attr("default")),
			Required: p.block.Attr("default") == nil, Doc: strings.Trim(user.file.value(p.block.Attr("description")), `"`),
		})
	}
	return doc
}

// value returns the text of an argument's value, "" if there is none.
func (f *file) value(a *outline.Attr) string {
	if a == nil {
		return ""
	}
	return strings.TrimSpace(f.text.src[a.Value.Start:a.Value.End])
}

// argOf returns what the schema says of an argument, nil if nothing.
func argOf(doc *config.BlockDoc, name string) *config.ArgDoc {
	if doc == nil {
		return nil
	}
	for i := range doc.Arguments {
		if doc.Arguments[i].Name == name {
			return &doc.Arguments[i]
		}
	}
	return nil
}

// explainBlock writes what the schema says of a block.
func explainBlock(title string, d *config.BlockDoc) string {
	text := fmt.Sprintf("**%s**\n\n%s", title, d.Doc)
	if d.Example != "" {
		text += "\n\n```hcl\n" + strings.TrimSpace(d.Example) + "\n```"
	}
	if len(d.Arguments) == 0 {
		return text
	}
	text += "\n"
	for _, a := range d.Arguments {
		text += "\n- " + argHead(a)
	}
	return text
}

// argHead is an argument on one line.
func argHead(a config.ArgDoc) string {
	head := "`" + a.Name + "`"
	if a.Type != "" {
		head += " " + a.Type
	}
	switch {
	case a.Required:
		head += ", required"
	case a.Default != "":
		head += ", default `" + strings.Trim(a.Default, "`") + "`"
	}
	return head
}

func explainArg(a config.ArgDoc) string { return argHead(a) + "\n\n" + a.Doc }

// header is how a block begins.
func header(d config.BlockDoc) string {
	text := d.Name
	if d.Kind != "" {
		text += fmt.Sprintf(" %q", d.Kind)
	}
	for _, l := range d.Labels {
		text += fmt.Sprintf(" %q", strings.ToUpper(l))
	}
	return text
}
