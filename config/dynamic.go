package config

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const dynamicPlace = "A dynamic block stands inside a stage or an action. To make several stages, give one stage the argument for_each or a matrix block."

// Bounds of what dynamic blocks can make.
const (
	maxDynamic   = 1000  // by one of them
	maxGenerated = 50000 // in a configuration
)

var dynamicSpec = &blockSpec{
	Name: "dynamic", Labels: []string{"block"},
	Doc: "Stands for as many blocks of one kind as `for_each` has elements: actions, or the blocks inside an action. " +
		"In `content` and `labels` the name of the block, or what `iterator` says, is an object: `.key` is the index or key of the element and `.value` its value.",
	Example: "dynamic \"action\" {\n  for_each = [\"unit\", \"race\"]\n  labels   = [\"shell\"]\n  content {\n" +
		"    script = \"make ${action.value}\"\n  }\n}",
	Args: []argSpec{
		{Name: "for_each", Type: "list, set or map", Required: true, Doc: "The elements. It may refer to artifacts of stages."},
		{Name: "labels", Type: "list(string)", Default: "[]", Doc: "The labels of the blocks: for `action` its name."},
		{Name: "iterator", Type: "name", Default: "the block's name", Doc: "The name by which `content` refers to the element, written without quotes."},
	},
	Blocks: []*blockSpec{{Name: "content", Single: true, Open: true, Doc: "The arguments and blocks of each block."}},
}

// iterExpr is an expression inside a dynamic block: it can refer to the
// iterators around it.
type iterExpr struct {
	hclsyntax.Expression
	vars map[string]cty.Value
}

// Value evaluates the expression with the iterators.
func (e *iterExpr) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	child := ctx.NewChild()
	child.Variables = e.vars
	v, diags := e.Expression.Value(child)
	return v, hideSensitive(diags, child)
}

// Variables returns what the expression refers to beside the iterators.
func (e *iterExpr) Variables() []hcl.Traversal {
	return slices.DeleteFunc(e.Expression.Variables(), func(tr hcl.Traversal) bool {
		_, own := e.vars[tr.RootName()]
		return own
	})
}

// UnwrapExpression returns the expression as it is written.
func (e *iterExpr) UnwrapExpression() hcl.Expression { return e.Expression }

// bare returns an expression as it is written in the file.
func bare(e hclsyntax.Expression) hclsyntax.Expression {
	if it, ok := e.(*iterExpr); ok {
		return it.Expression
	}
	return e
}

// withIterator gives everything in a body one more iterator. What stands in
// several dynamic blocks sees the innermost of those with the same name.
func withIterator(body *hclsyntax.Body, name string, v cty.Value) *hclsyntax.Body {
	out := *body
	out.Attributes = hclsyntax.Attributes{}
	for n, a := range body.Attributes {
		vars := map[string]cty.Value{name: v}
		if outer, ok := a.Expr.(*iterExpr); ok {
			vars = maps.Clone(outer.vars)
			vars[name] = v
		}
		wrapped := *a
		wrapped.Expr = &iterExpr{bare(a.Expr), vars}
		out.Attributes[n] = &wrapped
	}
	out.Blocks = make(hclsyntax.Blocks, len(body.Blocks))
	for i, b := range body.Blocks {
		inner := *b
		inner.Body = withIterator(b.Body, name, v)
		out.Blocks[i] = &inner
	}
	return &out
}

func isDynamic(b *hclsyntax.Block) bool { return b.Type == dynamicSpec.Name }

// expanded returns what a stage holds once its dynamic blocks are written out;
// whole is false if something in it was wrong.
func (l *loader) expanded(in *instance, refs *refSet) (c content, whole bool) {
	decl := in.decl
	if !slices.ContainsFunc(decl.block.Body.Blocks, isDynamic) {
		return decl.content, len(decl.content.blocks) == len(decl.block.Body.Blocks)
	}
	d := &dynamic{l: l, in: in, refs: refs, spec: projectSpec.block(string(decl.phase)), ok: true}
	body := d.expand(decl.block.Body)
	c = l.read(d.spec, body, decl.block.DefRange())
	return c, d.ok && len(c.blocks) == len(body.Blocks)
}

// expandBlock writes out the dynamic blocks in an action.
func (l *loader) expandBlock(b *hclsyntax.Block, spec *blockSpec, in *instance, refs *refSet) *hclsyntax.Block {
	if !slices.ContainsFunc(b.Body.Blocks, isDynamic) {
		return b
	}
	d := &dynamic{l: l, in: in, refs: refs, spec: spec, ok: true}
	out := *b
	out.Body = d.expand(b.Body)
	return &out
}

// dynamic writes out the dynamic blocks of one body.
type dynamic struct {
	l    *loader
	in   *instance
	refs *refSet
	spec *blockSpec // of the body
	ok   bool
}

func (d *dynamic) fail(diag *Diagnostic) {
	d.l.add(diag)
	d.ok = false
}

func (d *dynamic) expand(body *hclsyntax.Body) *hclsyntax.Body {
	out := *body
	out.Blocks = nil
	for _, b := range body.Blocks {
		if isDynamic(b) {
			out.Blocks = append(out.Blocks, d.generate(b)...)
		} else {
			out.Blocks = append(out.Blocks, b)
		}
	}
	return &out
}

// generate makes the blocks that a dynamic block stands for.
func (d *dynamic) generate(b *hclsyntax.Block) []*hclsyntax.Block {
	if diag := dynamicSpec.checkLabels(b); diag != nil {
		d.fail(diag)
		return nil
	}
	c := d.l.read(dynamicSpec, b.Body, b.DefRange())
	target := d.target(b)
	name, named := d.iterator(b, c)
	if target == nil || !named {
		return nil
	}
	if len(c.of("content")) == 0 {
		d.fail(Errorf(b.DefRange(), "Missing block", "A dynamic block needs a block content { … } with what each block holds."))
		return nil
	}
	elements, ok := d.elements(c.attrs["for_each"])
	if !ok {
		d.ok = false
		return nil
	}
	var out []*hclsyntax.Block
	for _, e := range elements {
		made := d.block(b, c, target, name, e)
		if made == nil {
			return nil
		}
		out = append(out, made)
	}
	return out
}

// target returns the kind of block that is made, nil after a report.
func (d *dynamic) target(b *hclsyntax.Block) *blockSpec {
	kind := b.Labels[0]
	spec := d.spec.block(kind)
	switch {
	case kind == dynamicSpec.Name || kind == matrixSpec.Name:
		d.fail(Errorf(b.LabelRanges[0], "Block not allowed here", "A block %q can not be made by a dynamic block.", kind))
		return nil
	case spec == nil || spec.Later+spec.Never != "":
		diag := d.spec.checkBlock(&hclsyntax.Block{Type: kind, TypeRange: b.LabelRanges[0]}, nil)
		if diag == nil { // the body takes any block
			diag = Errorf(b.LabelRanges[0], "Unknown block", "%s has no such block.", d.spec.title())
		}
		d.fail(diag)
		return nil
	}
	return spec
}

// reserved are the names with which references begin.
var reserved = []string{"var", "local", "image", "limits", "each", "pre", "plan", "post", "project", "source", "secret", "param"}

func (d *dynamic) iterator(b *hclsyntax.Block, c content) (string, bool) {
	name, at := b.Labels[0], b.LabelRanges[0]
	if a := c.attrs["iterator"]; a != nil {
		at = exprRange(a)
		if name = hcl.ExprAsKeyword(a.Expr); name == "" {
			d.fail(Errorf(at, "Invalid name", "Write a name without quotes, such as iterator = item."))
			return "", false
		}
	}
	if slices.Contains(reserved, name) {
		d.fail(Errorf(at, "Reserved name", "References begin with %q already. Choose another name for the element, such as iterator = item.", name))
		return "", false
	}
	return name, true
}

// elements evaluates for_each to objects with key and value.
func (d *dynamic) elements(a *hclsyntax.Attribute) ([]cty.Value, bool) {
	if a == nil {
		return nil, false
	}
	v, ok := d.l.evalRefs(a.Expr, d.in, d.refs)
	if !ok || !v.IsKnown() {
		return nil, false
	}
	if v.HasMark(sensitiveMark{}) {
		d.l.add(Errorf(exprRange(a), "Sensitive value not allowed here", "The number of blocks would show something of the value. A sensitive variable can be used in the arguments and the environment of actions only."))
		return nil, false
	}
	t := v.Type()
	switch {
	case v.IsNull() || !t.IsListType() && !t.IsTupleType() && !t.IsSetType() && !t.IsMapType() && !t.IsObjectType():
		d.l.add(Errorf(exprRange(a), "Wrong type", "for_each of a dynamic block needs a list, a set or a map, and this is %s.", nullOr(v)))
		return nil, false
	case v.LengthInt() > maxDynamic:
		d.l.add(Errorf(exprRange(a), "Too many blocks", "A dynamic block can make at most %d blocks.", maxDynamic))
		return nil, false
	}
	if d.l.generated += v.LengthInt(); d.l.generated > maxGenerated {
		d.l.add(Errorf(exprRange(a), "Too many blocks", "All dynamic blocks together can make at most %d blocks.", maxGenerated))
		return nil, false
	}
	var out []cty.Value
	for k, e := range v.Elements() {
		out = append(out, cty.ObjectVal(map[string]cty.Value{"key": k, "value": e}))
	}
	return out, true
}

// block makes one block, nil after a report.
func (d *dynamic) block(b *hclsyntax.Block, c content, target *blockSpec, name string, element cty.Value) *hclsyntax.Block {
	body := c.of("content")[0]
	out := &hclsyntax.Block{
		Type: target.Name, TypeRange: b.LabelRanges[0],
		Body:           withIterator(body.Body, name, element),
		OpenBraceRange: body.OpenBraceRange, CloseBraceRange: body.CloseBraceRange,
	}
	a := c.attrs["labels"]
	if a == nil {
		if len(target.Labels) > 0 {
			d.fail(Errorf(b.DefRange(), "Missing argument", "A block %s needs a label. Write labels = [\"%s\"].", target.header(), "NAME"))
			return nil
		}
		return out
	}
	vars := map[string]cty.Value{name: element}
	if outer, ok := a.Expr.(*iterExpr); ok {
		vars = maps.Clone(outer.vars)
		vars[name] = element
	}
	v, ok := d.l.plainAs(&iterExpr{bare(a.Expr), vars}, cty.List(cty.String), scope{in: d.in})
	if !ok {
		d.ok = false
		return nil
	}
	out.Labels = stringList(v)
	for i := range out.Labels {
		out.LabelRanges = append(out.LabelRanges, elementRange(a.Expr, i))
	}
	if len(out.Labels) != len(target.Labels) {
		d.fail(Errorf(exprRange(a), "Wrong number of labels", "Write one label for each in %s { … }.", target.header()))
		return nil
	}
	return out
}
