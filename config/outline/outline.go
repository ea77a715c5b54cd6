// Package outline finds the shape of a configuration file, also of one that is
// being written and has errors: its blocks, their arguments, and what
// expressions refer to. It is for editors. It checks nothing; package config
// does.
package outline

import "strings"

// Span is a part of a text, in bytes. End is after the last one.
type Span struct{ Start, End int }

// Has reports whether a cursor at the offset touches the span.
func (s Span) Has(offset int) bool { return s.Start <= offset && offset <= s.End }

// Name is a word and where it stands.
type Name struct {
	Text string
	Span Span
}

// Block is a block, or the whole file, which has no type.
type Block struct {
	Type   Name
	Labels []Name // their spans lie between the quotes
	Whole  Span   // from the type to the closing brace
	Body   Span   // between the braces; to the end of the file where one is missing
	Attrs  []*Attr
	Blocks []*Block
	Parent *Block // nil for the file
}

// Label returns the first label, "" if there is none.
func (b *Block) Label() string {
	if len(b.Labels) == 0 {
		return ""
	}
	return b.Labels[0].Text
}

// Attr returns the argument of that name, nil if there is none.
func (b *Block) Attr(name string) *Attr {
	for _, a := range b.Attrs {
		if a.Name.Text == name {
			return a
		}
	}
	return nil
}

// Enclosing returns the nearest block around or equal to this one that has one
// of the types, nil if there is none.
func (b *Block) Enclosing(types ...string) *Block {
	for ; b != nil; b = b.Parent {
		for _, t := range types {
			if b.Type.Text == t {
				return b
			}
		}
	}
	return nil
}

// Attr is an argument.
type Attr struct {
	Name  Name
	Value Span // up to the end of the line if there is none
	Block *Block
}

// Ref is a reference such as var.x or plan.test["short"].artifacts, by its
// parts, or the call of a function.
type Ref struct {
	Parts []Name
	Call  bool
	Block *Block // where it stands
}

// Outline is the shape of one file.
type Outline struct {
	Root   *Block
	Refs   []Ref
	src    []byte
	tokens []token
	labels []label
}

// label is a quoted label, also of a block that is not complete.
type label struct {
	span   Span
	kind   string // of the block
	index  int
	parent *Block
}

// walk calls f for a block and all in it.
func (b *Block) walk(f func(*Block)) {
	f(b)
	for _, inner := range b.Blocks {
		inner.walk(f)
	}
}

// Kind says what can be written at a place.
type Kind int

// The kinds of place.
const (
	Nothing Kind = iota // a comment, a string, or the middle of something else
	Item                // an argument or a block can begin here
	Label               // a label of a block
	Value               // an expression
)

// Place is what stands at an offset.
type Place struct {
	Kind  Kind
	Block *Block // the innermost one; for a label, the one that its block stands in
	Attr  *Attr  // of a value
	Type  string // of a label: the type of its block
	Index int    // of a label: which one
	Word  Span   // the word around the offset; for a label all of it
	// Path are the names that stand before the word: "plan", "build" for
	// plan.build.WORD.
	Path []string
}

// At says what can be written at an offset.
func (o *Outline) At(offset int) Place {
	offset = min(max(offset, 0), len(o.src))
	for _, l := range o.labels {
		if l.span.Has(offset) {
			return Place{Kind: Label, Block: l.parent, Type: l.kind, Index: l.index, Word: l.span}
		}
	}
	p := Place{Block: o.blockAt(offset), Word: o.wordAt(offset)}
	if o.inText(offset) {
		return p
	}
	for _, a := range p.Block.Attrs {
		if a.Value.Has(offset) {
			p.Kind, p.Attr, p.Path = Value, a, o.pathBefore(p.Word.Start)
			return p
		}
	}
	if o.beginsItem(p.Word.Start) {
		p.Kind = Item
	}
	return p
}

func (o *Outline) blockAt(offset int) *Block {
	best := o.Root
	for {
		next := best
		for _, b := range best.Blocks {
			if b.Body.Has(offset) {
				next = b
			}
		}
		if next == best {
			return best
		}
		best = next
	}
}

// beginsItem reports whether only spaces stand between a place and the
// beginning of its line, or a brace.
func (o *Outline) beginsItem(offset int) bool {
	before := strings.TrimRight(string(o.src[max(0, offset-1024):offset]), " \t")
	return before == "" || strings.ContainsRune("\n\r{}", rune(before[len(before)-1])) || strings.HasSuffix(before, "\ufeff")
}

func (o *Outline) wordAt(offset int) Span {
	s := Span{offset, offset}
	for s.Start > 0 && isWord(o.src[s.Start-1]) {
		s.Start--
	}
	for s.End < len(o.src) && isWord(o.src[s.End]) {
		s.End++
	}
	return s
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c >= 0x80
}

// pathBefore reads the names and keys that stand before a place, back to the
// beginning of the reference.
func (o *Outline) pathBefore(end int) []string {
	var path []string
	for end > 0 && o.src[end-1] == '.' {
		end--
		if end > 0 && o.src[end-1] == ']' { // a key, which is no name
			open := strings.LastIndexByte(string(o.src[max(0, end-256):end]), '[')
			if open < 0 {
				return nil
			}
			end = max(0, end-256) + open
		}
		word := o.wordAt(end)
		if word.Start == end {
			return []string{""} // a dot after something that is no name
		}
		path = append([]string{string(o.src[word.Start:end])}, path...)
		end = word.Start
	}
	return path
}

// RefAt returns the reference at an offset and the index of its part there; nil
// if there is none.
func (o *Outline) RefAt(offset int) (*Ref, int) {
	for i := range o.Refs {
		for k, part := range o.Refs[i].Parts {
			if part.Span.Has(offset) {
				return &o.Refs[i], k
			}
		}
	}
	return nil, 0
}

// Blocks returns all blocks of a type that stand at the top of the file.
func (o *Outline) Blocks(kind string) []*Block {
	var found []*Block
	for _, b := range o.Root.Blocks {
		if b.Type.Text == kind {
			found = append(found, b)
		}
	}
	return found
}

// BlockAt returns the block whose type or label is at an offset, with the index
// of the label, -1 for the type; nil if there is none.
func (o *Outline) BlockAt(offset int) (found *Block, labelIndex int) {
	o.Root.walk(func(b *Block) {
		if b.Parent == nil {
			return
		}
		if b.Type.Span.Has(offset) {
			found, labelIndex = b, -1
		}
		for i, l := range b.Labels {
			if l.Span.Has(offset) {
				found, labelIndex = b, i
			}
		}
	})
	return found, labelIndex
}

// AttrAt returns the argument whose name is at an offset, nil if there is none.
func (o *Outline) AttrAt(offset int) (found *Attr) {
	o.Root.walk(func(b *Block) {
		for _, a := range b.Attrs {
			if a.Name.Span.Has(offset) {
				found = a
			}
		}
	})
	return found
}
