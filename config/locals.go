package config

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxValue bounds the size of a local, in bytes of text and elements.
const maxValue = 16 << 20

// declareLocals registers the arguments of a locals block.
func (l *loader) declareLocals(b *hclsyntax.Block) {
	c := l.read(localsSpec, b.Body, b.DefRange())
	for _, inner := range c.blocks {
		l.add(Errorf(inner.TypeRange, "Unknown block", "A locals block holds arguments only: NAME = VALUE."))
	}
	for _, a := range c.sorted {
		n := l.declareName(l.locals, "local", a.Name, a.NameRange)
		if n == nil {
			continue
		}
		n.eval = func() cty.Value {
			v, _ := l.eval(a.Expr, scope{})
			if sizeOf(v, maxValue) > maxValue {
				l.add(Errorf(exprRange(a), "Value too large", "A local can hold at most %s.", FormatSize(maxValue)))
				return cty.DynamicVal
			}
			return v
		}
	}
}

// sizeOf estimates the size of a value in bytes and stops counting when it
// passes limit.
func sizeOf(v cty.Value, limit int) int {
	v, _ = v.Unmark()
	size := 16
	switch {
	case v.IsNull() || !v.IsKnown():
	case v.Type() == cty.String:
		size += len(v.AsString())
	case v.CanIterateElements():
		for k, e := range v.Elements() {
			if size > limit {
				break
			}
			size += sizeOf(k, limit-size) + sizeOf(e, limit-size)
		}
	}
	return size
}
