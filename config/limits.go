package config

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// limitKind says how a limit is written.
type limitKind string

const (
	limitCount    limitKind = "number"
	limitSize     limitKind = "size"
	limitDuration limitKind = "duration"
)

// limitRow is one limit: the table serves the decoder and the reference.
type limitRow struct {
	name     string
	kind     limitKind
	min, max int64
	doc      string
	get      func(*Limits) int64
	set      func(*Limits, int64)
}

var limitRows = []limitRow{
	{"cpus", limitCount, 1, 64, "Processors.",
		func(l *Limits) int64 { return int64(l.CPUs) }, func(l *Limits, n int64) { l.CPUs = int(n) }},
	{"memory", limitSize, 128 << 20, 4 << 40, "Memory of the machine.",
		func(l *Limits) int64 { return l.Memory }, func(l *Limits, n int64) { l.Memory = n }},
	{"disk", limitSize, 64 << 20, 16 << 40, "What the stage can write. What it reads takes no room there, but may not be larger either.",
		func(l *Limits) int64 { return l.Disk }, func(l *Limits, n int64) { l.Disk = n }},
	{"timeout", limitDuration, int64(time.Second), int64(7 * 24 * time.Hour), "How long the stage may take.",
		func(l *Limits) int64 { return int64(l.Timeout) }, func(l *Limits, n int64) { l.Timeout = time.Duration(n) }},
	{"artifacts", limitSize, 64 << 10, 16 << 40, "Size of `/ci/artifacts`, as tar.",
		func(l *Limits) int64 { return l.Artifacts }, func(l *Limits, n int64) { l.Artifacts = n }},
	{"deps", limitSize, 64 << 10, 16 << 40, "Size of what a pre stage leaves in `/ci/deps`, as tar.",
		func(l *Limits) int64 { return l.Deps }, func(l *Limits, n int64) { l.Deps = n }},
	{"cache", limitSize, 64 << 10, 16 << 40, "Size of `/ci/cache`, as tar.",
		func(l *Limits) int64 { return l.Cache }, func(l *Limits, n int64) { l.Cache = n }},
	{"log", limitSize, 64 << 10, 1 << 40, "Size of the build log.",
		func(l *Limits) int64 { return l.Log }, func(l *Limits, n int64) { l.Log = n }},
	{"processes", limitCount, 16, 1 << 20, "Processes and threads at one time.",
		func(l *Limits) int64 { return l.Processes }, func(l *Limits, n int64) { l.Processes = n }},
}

// show writes a value of the row as a user would.
func (r limitRow) show(n int64) string {
	switch r.kind {
	case limitSize:
		return FormatSize(n)
	case limitDuration:
		return FormatDuration(time.Duration(n))
	}
	return strconv.FormatInt(n, 10)
}

func limitArgs() []argSpec {
	var args []argSpec
	defaults := DefaultLimits()
	for _, r := range limitRows {
		doc := fmt.Sprintf("%s From %s to %s.", r.doc, r.show(r.min), r.show(r.max))
		args = append(args, argSpec{Name: r.name, Type: string(r.kind), Default: r.show(r.get(&defaults)), Doc: doc})
	}
	return args
}

// declareLimits registers a limits block.
func (l *loader) declareLimits(b *hclsyntax.Block) {
	n := l.declare(l.limits, "limits", b)
	c := l.read(limitsSpec, b.Body, b.DefRange())
	if n == nil {
		return
	}
	n.eval = func() cty.Value {
		lim := DefaultLimits()
		lim.Name = b.Labels[0]
		ok := l.applyLimits(&lim, c, scope{})
		l.limitsByName[lim.Name] = lim
		if !ok {
			return cty.DynamicVal
		}
		return limitsValue(lim)
	}
}

// applyLimits changes the limits that a block names and reports whether all of
// it was right.
func (l *loader) applyLimits(lim *Limits, c content, sc scope) bool {
	ok := true
	for _, r := range limitRows {
		a := c.attrs[r.name]
		if a == nil {
			continue
		}
		n, good := l.limit(r, a, sc)
		if good {
			r.set(lim, n)
		}
		ok = ok && good
	}
	return ok
}

// limit evaluates one limit and checks its bounds.
func (l *loader) limit(r limitRow, a *hclsyntax.Attribute, sc scope) (int64, bool) {
	v, ok := l.plain(a.Expr, sc)
	if !ok {
		return 0, false
	}
	var n int64
	var err error
	switch {
	case v.IsNull():
		err = fmt.Errorf("remove the argument to get the default, %s", defaultOf(r))
	case r.kind == limitDuration:
		n, err = durationOf(v)
	case v.Type() == cty.String && r.kind == limitSize:
		n, err = ParseSize(v.AsString())
	default:
		n, err = wholeNumber(v)
	}
	switch {
	case err != nil:
		l.add(Errorf(exprRange(a), "Invalid "+string(r.kind), "The limit %q is not right: %s.", r.name, err))
		return 0, false
	case n < r.min || n > r.max:
		l.add(Errorf(exprRange(a), "Limit out of range", "The limit %q goes from %s to %s.", r.name, r.show(r.min), r.show(r.max)))
		return 0, false
	}
	return n, true
}

func defaultOf(r limitRow) string {
	lim := DefaultLimits()
	return r.show(r.get(&lim))
}

func durationOf(v cty.Value) (int64, error) {
	if v.Type() != cty.String {
		return 0, fmt.Errorf("write a string with a unit, such as \"90s\", \"10m\" or \"1h30m\"")
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		return 0, fmt.Errorf("write a number with a unit, such as \"90s\", \"10m\" or \"1h30m\"")
	}
	return int64(d), nil
}

// limitsValue is what limits.NAME evaluates to.
func limitsValue(lim Limits) cty.Value {
	attrs := map[string]cty.Value{"name": cty.StringVal(lim.Name)}
	for _, r := range limitRows {
		if r.kind == limitDuration {
			attrs[r.name] = cty.StringVal(r.show(r.get(&lim)))
		} else {
			attrs[r.name] = cty.NumberIntVal(r.get(&lim))
		}
	}
	return cty.ObjectVal(attrs)
}

// limitsReference reports whether an expression is limits.NAME, which needs no
// comparing.
func limitsReference(e hclsyntax.Expression) bool {
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	return ok && len(t.Traversal) == 2 && t.Traversal.RootName() == "limits"
}

// stageLimits works out the limits of a project or stage: those it inherits, or
// those its argument names, changed by its inline block.
func (l *loader) stageLimits(inherited Limits, c content, sc scope) Limits {
	lim := inherited
	if a := c.attrs["limits"]; a != nil {
		if v, ok := l.plain(a.Expr, sc); ok && !v.IsNull() {
			named, found := l.limitsByName[nameIn(v)]
			if found && (limitsReference(a.Expr) || limitsValue(named).RawEquals(v)) {
				lim = named
			} else {
				l.add(Errorf(exprRange(a), "Not limits", "Refer to a limits block: limits.NAME. To change single limits, write a block limits { … } here."))
			}
		}
	}
	for _, b := range c.of("limits") {
		l.applyLimits(&lim, l.read(inlineLimits, b.Body, b.DefRange()), sc)
	}
	return lim
}
