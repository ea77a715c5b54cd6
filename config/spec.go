package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// argSpec is a row in the tables of the language: one argument of a block.
type argSpec struct {
	Name     string
	Type     string // as the reference shows it
	Required bool
	Default  string // as the reference shows it; empty: none
	Doc      string
	Later    string // not in this version: what to do instead
	Never    string // a mistake that is near: why it is not allowed
}

// blockSpec is a row in the tables of the language: one kind of block.
type blockSpec struct {
	Name    string
	Labels  []string // what each label is
	Doc     string
	Example string
	Args    []argSpec
	Blocks  []*blockSpec
	Single  bool   // at most once in its parent
	Open    bool   // arguments and blocks of any name: someone else checks them
	Later   string // not in this version: what to do instead
	Never   string // known elsewhere, not allowed here: why
	Action  bool   // an action's arguments, not a block's
	Dotted  bool   // labels may be two names joined by a dot
	Module  bool   // the body of a file of a module
	// Kinds are the blocks of this name by their first label, which is their Kind.
	Kinds []*blockSpec
	Kind  string
}

// title names the block at the beginning of a sentence.
func (s *blockSpec) title() string {
	switch {
	case s.Name == "":
		return "A configuration"
	case s.Module:
		return "A module"
	case s.Action:
		return fmt.Sprintf("The action %q", s.Name)
	}
	if s.Kind != "" {
		return fmt.Sprintf("The block %s %q", s.Name, s.Kind)
	}
	return fmt.Sprintf("The block %q", s.Name)
}

// kind returns the block of a kind, nil if there is none.
func (s *blockSpec) kind(name string) *blockSpec {
	i := slices.IndexFunc(s.Kinds, func(k *blockSpec) bool { return k.Kind == name })
	if i < 0 {
		return nil
	}
	return s.Kinds[i]
}

func (s *blockSpec) kindNames() []string {
	var all []string
	for _, k := range s.Kinds {
		all = append(all, k.Kind)
	}
	return all
}

func (s *blockSpec) arg(name string) *argSpec {
	i := slices.IndexFunc(s.Args, func(a argSpec) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Args[i]
}

func (s *blockSpec) block(name string) *blockSpec {
	i := slices.IndexFunc(s.Blocks, func(b *blockSpec) bool { return b.Name == name })
	if i < 0 {
		return nil
	}
	return s.Blocks[i]
}

// header returns how the block is written: `plan "NAME"`.
func (s *blockSpec) header() string {
	h := s.Name
	for _, l := range s.Labels {
		h += fmt.Sprintf(" %q", strings.ToUpper(l))
	}
	return h
}

// content is what a block holds, matched against its spec.
type content struct {
	attrs  map[string]*hclsyntax.Attribute
	sorted []*hclsyntax.Attribute // in the order of the file
	blocks []*hclsyntax.Block     // in the order of the file, with the right labels
}

// of returns the blocks of one kind.
func (c content) of(kind string) []*hclsyntax.Block {
	var out []*hclsyntax.Block
	for _, b := range c.blocks {
		if b.Type == kind {
			out = append(out, b)
		}
	}
	return out
}

// read matches a body against a spec and reports everything that does not fit.
// What fits is returned. The header is where missing arguments are reported.
func (s *blockSpec) read(body *hclsyntax.Body, header Range) (content, Diagnostics) {
	c := content{attrs: map[string]*hclsyntax.Attribute{}}
	var diags Diagnostics
	meant := map[string]bool{} // what unknown arguments were probably meant to be
	for _, a := range sortedAttrs(body) {
		if d := s.checkAttr(a); d != nil {
			diags = append(diags, d)
			meant[nearest(a.Name, s.argNames())] = true
			continue
		}
		c.attrs[a.Name] = a
		c.sorted = append(c.sorted, a)
	}
	for _, a := range s.Args {
		if a.Required && body.Attributes[a.Name] == nil && !meant[a.Name] {
			diags = append(diags, Errorf(header, "Missing argument", "%s needs the argument %q (%s): %s", s.title(), a.Name, a.Type, a.Doc))
		}
	}
	first := map[string]*hclsyntax.Block{}
	for _, b := range body.Blocks {
		if d := s.checkBlock(b, first[b.Type]); d != nil {
			diags = append(diags, d)
			continue
		}
		if first[b.Type] == nil {
			first[b.Type] = b
		}
		c.blocks = append(c.blocks, b)
	}
	return c, diags
}

func sortedAttrs(body *hclsyntax.Body) []*hclsyntax.Attribute {
	attrs := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		attrs = append(attrs, a)
	}
	sort.Slice(attrs, func(i, j int) bool { return attrs[i].NameRange.Start.Byte < attrs[j].NameRange.Start.Byte })
	return attrs
}

// checkAttr reports an argument that may not stand in the block.
func (s *blockSpec) checkAttr(a *hclsyntax.Attribute) *Diagnostic {
	spec := s.arg(a.Name)
	switch {
	case spec != nil && spec.Never != "":
		return Errorf(a.NameRange, "Argument not allowed here", "%s", spec.Never)
	case spec != nil && spec.Later != "":
		return later(a.NameRange, "argument", a.Name, spec.Later)
	case spec != nil || s.Open:
		return nil
	}
	if b := s.block(a.Name); b != nil {
		if b.Never != "" {
			return Errorf(a.NameRange, "Block not allowed here", "%s", b.Never)
		}
		if b.Later != "" {
			return later(a.NameRange, "block", a.Name, b.Later)
		}
		return Errorf(a.NameRange, "Block written as argument", "%q is a block. Write it without the equals sign:\n  %s { … }", a.Name, b.header())
	}
	return Errorf(a.NameRange, "Unknown argument", "%s has no argument %q. %s", s.title(), a.Name, s.suggestArg(a.Name))
}

// argNames returns the arguments that this version supports.
func (s *blockSpec) argNames() []string {
	var names []string
	for _, a := range s.Args {
		if a.Later+a.Never == "" {
			names = append(names, a.Name)
		}
	}
	return names
}

func (s *blockSpec) suggestArg(name string) string {
	names := s.argNames()
	if len(names) == 0 && s.Name == "" {
		return "Values of your own stand in a block:\n  locals {\n    " + name + " = …\n  }"
	}
	for _, b := range s.Blocks {
		if nearest(name, append(names, b.Name)) == b.Name && b.Later+b.Never == "" {
			return fmt.Sprintf("Did you mean the block %s { … }?", b.header())
		}
	}
	return orList(names, name, "arguments")
}

// checkBlock reports a block that may not stand in this one. First is an
// earlier block of its kind, if any.
func (s *blockSpec) checkBlock(b, first *hclsyntax.Block) *Diagnostic {
	spec := s.block(b.Type)
	switch {
	case spec == nil && s.arg(b.Type) != nil:
		return Errorf(b.TypeRange, "Argument written as block", "%q is an argument. Write it with an equals sign:\n  %s = …", b.Type, b.Type)
	case spec == nil && s.Open:
		return nil
	case spec == nil:
		return s.unknownBlock(b)
	case spec.Later != "":
		return later(b.TypeRange, "block", b.Type, spec.Later)
	case spec.Never != "":
		return Errorf(b.TypeRange, "Block not allowed here", "%s", spec.Never)
	case spec.Single && first != nil:
		return Errorf(b.DefRange(), "Duplicate block", "%s can hold one %q block only, and one stands already at %s. Merge the two.", s.title(), b.Type, place(first.DefRange()))
	}
	return spec.checkLabels(b)
}

func (s *blockSpec) unknownBlock(b *hclsyntax.Block) *Diagnostic {
	var names []string
	for _, k := range s.Blocks {
		if k.Later+k.Never == "" {
			names = append(names, k.Name)
		}
	}
	return Errorf(b.TypeRange, "Unknown block", "%s has no block %q. %s", s.title(), b.Type, orList(names, b.Type, "blocks"))
}

func (s *blockSpec) checkLabels(b *hclsyntax.Block) *Diagnostic {
	switch {
	case len(b.Labels) > len(s.Labels):
		at := b.LabelRanges[len(s.Labels)]
		return Errorf(at, "Too many labels", "Write %s { … }.", s.header())
	case len(b.Labels) < len(s.Labels):
		return Errorf(b.DefRange(), "Missing label", "%s needs a %s: write %s { … }.", s.title(), s.Labels[len(b.Labels)], s.header())
	}
	if len(s.Kinds) > 0 && s.kind(b.Labels[0]) == nil {
		return Errorf(b.LabelRanges[0], "Unknown kind of "+s.Name, "There is no %s of the kind %q. %s", s.Name, b.Labels[0], orList(s.kindNames(), b.Labels[0], "kinds"))
	}
	for i, label := range b.Labels {
		name, rest, dotted := strings.Cut(label, ".")
		if s.Dotted && dotted && validName(name) && validName(rest) {
			continue
		}
		if !validName(label) {
			return Errorf(b.LabelRanges[i], "Invalid name", "A name begins with a letter, holds letters, digits, \"_\" and \"-\" only, and has at most %d characters.", maxName)
		}
	}
	return nil
}

// maxName is the longest name of anything, in bytes.
const maxName = 63

func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return false
		}
	}
	c := s[0] | 0x20
	return c >= 'a' && c <= 'z'
}

// later reports what the language knows and this version does not do.
func later(at Range, what, name, remedy string) *Diagnostic {
	return Errorf(at, "Not supported by this version", "This version of ambient does not support the %s %q. %s", what, name, remedy)
}

// exprRange returns where an argument's value stands.
func exprRange(a *hclsyntax.Attribute) Range { return a.Expr.Range() }
