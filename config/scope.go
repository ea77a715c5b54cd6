package config

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// node is a named value that is evaluated when something refers to it.
type node struct {
	kind, name string
	rng        Range // of the name
	eval       func() cty.Value
	state      nodeState
	val        cty.Value
}

type nodeState int

const (
	nodeNew nodeState = iota
	nodeBusy
	nodeDone
)

// maxChain is how many locals may refer to each other in a row.
const maxChain = 500

// address returns how the node is referred to.
func (n *node) address() string { return n.kind + "." + n.name }

// force evaluates a node, once. From is the expression that refers to it.
func (l *loader) force(n *node, from Range) cty.Value {
	switch n.state {
	case nodeDone:
		return n.val
	case nodeBusy:
		l.add(Errorf(from, "Circular reference", "%s refers to itself: %s. Remove one of these references.", n.address(), l.circle(n)))
		return cty.DynamicVal
	}
	if len(l.chain) >= maxChain {
		l.add(Errorf(from, "Too many references in a row", "More than %d values refer to each other in a chain. Make the chain shorter.", maxChain))
		return cty.DynamicVal
	}
	n.state = nodeBusy
	l.chain = append(l.chain, n)
	n.val = n.eval()
	l.chain = l.chain[:len(l.chain)-1]
	n.state = nodeDone
	return n.val
}

// circle writes the path from a node that is being evaluated back to itself.
func (l *loader) circle(n *node) string {
	var path []string
	on := false
	for _, c := range l.chain {
		on = on || c == n
		if on {
			path = append(path, fmt.Sprintf("%s (%s)", c.address(), place(c.rng)))
		}
	}
	if len(path) > maxListed {
		path = append(path[:maxListed], "…")
	}
	return strings.Join(append(path, n.address()), " → ")
}

// declare registers the node of a labelled block, nil if the name is taken.
func (l *loader) declare(into map[string]*node, kind string, b *hclsyntax.Block) *node {
	return l.declareName(into, kind, b.Labels[0], b.LabelRanges[0])
}

func (l *loader) declareName(into map[string]*node, kind, name string, rng Range) *node {
	if old := into[name]; old != nil {
		l.add(duplicate(rng, old.rng, kind, name))
		return nil
	}
	n := &node{kind: kind, name: name, rng: rng}
	into[name] = n
	return n
}

// sortedNodes returns nodes in the order of their declaration.
func sortedNodes(m map[string]*node) []*node {
	var all []*node
	for _, n := range m {
		all = append(all, n)
	}
	sort.Slice(all, func(i, j int) bool { return before(&all[i].rng, &all[j].rng) })
	return all
}

// names returns the keys of a map, sorted.
func names[V any](m map[string]V) []string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}

// scope is what an expression may refer to, beside variables, locals, images
// and limits.
type scope struct {
	in      *instance    // the stage it stands in, nil outside
	project *projectDecl // the project it stands in; nil: none, or that of the stage
	refs    *[]stagePath // collects references to stages; nil: not allowed here
	secrets bool         // whole secrets may be referred to
}

// sensitiveMark marks what was made from a sensitive variable.
type sensitiveMark struct{}

// stageMark marks what was made from a reference to a stage.
type stageMark struct{ id StageID }

// eval evaluates an expression. Everything wrong is reported; ok is false if
// anything was. The value can hold unknown parts where something it refers to
// was wrong and has been reported.
func (l *loader) eval(e hcl.Expression, sc scope) (v cty.Value, ok bool) {
	ctx, ok := l.context(e, sc)
	if !ok {
		return cty.DynamicVal, false
	}
	return l.value(e, ctx)
}

// context resolves what an expression refers to. Everything wrong is reported;
// ok is false if anything was.
func (l *loader) context(e hcl.Expression, sc scope) (ctx *hcl.EvalContext, ok bool) {
	vals := map[string]map[string]cty.Value{}
	ctx = &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: l.functions}
	ok = true
	for _, tr := range e.Variables() {
		if !l.resolve(tr, sc, vals, ctx) {
			ok = false
		}
	}
	for root, attrs := range vals {
		ctx.Variables[root] = cty.ObjectVal(attrs)
	}
	return ctx, ok
}

// value runs the evaluator, which must not be able to end the program.
func (l *loader) value(e hcl.Expression, ctx *hcl.EvalContext) (v cty.Value, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			l.add(Errorf(e.Range(), "Expression can not be evaluated", "The evaluator failed on this expression, which is a mistake in ambient. Write it in another way."))
			v, ok = cty.DynamicVal, false
		}
	}()
	v, diags := e.Value(ctx)
	l.add(hideSensitive(diags, ctx)...)
	if diags.HasErrors() {
		return cty.DynamicVal, false
	}
	return v, true
}

// hideSensitive removes the reason of a failed call when a sensitive value is
// near: functions quote their arguments.
func hideSensitive(diags Diagnostics, ctx *hcl.EvalContext) Diagnostics {
	if len(diags) == 0 {
		return nil
	}
	if len(diags) == 0 {
		return nil // to look at all values takes longer than all the rest
	}
	for _, v := range ctx.Variables {
		if !v.HasMarkDeep(sensitiveMark{}) {
			continue
		}
		for _, d := range diags {
			if x, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && x.FunctionCallError() != nil {
				d.Detail = fmt.Sprintf("The call of %s failed. The reason is not shown, since the expression refers to a sensitive value.", x.CalledFunctionName())
			}
		}
	}
	return diags
}

// plain evaluates an expression where neither a sensitive value nor a reference
// to a stage is allowed. ok is false unless the whole value is known.
func (l *loader) plain(e hcl.Expression, sc scope) (cty.Value, bool) {
	v, ok := l.eval(e, sc)
	if !ok {
		return cty.DynamicVal, false
	}
	if v.HasMarkDeep(sensitiveMark{}) {
		l.add(Errorf(e.Range(), "Sensitive value not allowed here", "This value would be shown. A sensitive variable can be used in the arguments and the environment of actions only."))
		return cty.DynamicVal, false
	}
	v, _ = v.UnmarkDeep()
	return v, v.IsWhollyKnown()
}

// resolve makes what a traversal refers to available to the evaluator and
// reports whether it is right.
func (l *loader) resolve(tr hcl.Traversal, sc scope, vals map[string]map[string]cty.Value, ctx *hcl.EvalContext) bool {
	root := tr.RootName()
	if sc.in != nil && sc.in.frame != nil {
		if ok, done := l.resolveInBody(tr, sc.in.frame, vals); done {
			return ok
		}
	}
	switch root {
	case "var", "local", "image", "limits":
		n := l.lookup(tr, root)
		if n == nil {
			return false
		}
		if vals[root] == nil {
			vals[root] = map[string]cty.Value{}
		}
		vals[root][n.name] = l.force(n, tr.SourceRange())
		return true
	case "each":
		return l.resolveEach(tr, sc, vals)
	case string(Pre), string(Plan), string(Post), "project":
		return l.resolveStage(tr, sc, ctx)
	case "source":
		return l.resolveSource(tr, sc, vals)
	case "param":
		l.add(Errorf(tr.SourceRange(), "Reference outside an action", "param.NAME exists in the body of a user-defined action, and only there."))
		return false
	case "secret":
		return l.resolveSecret(tr, sc, ctx)
	}
	l.add(l.unknownRoot(tr))
	return false
}

// lookup returns the node that a traversal such as var.x names, nil if it is
// not right.
func (l *loader) lookup(tr hcl.Traversal, root string) *node {
	nodes := map[string]map[string]*node{"var": l.vars, "local": l.locals, "image": l.images, "limits": l.limits}[root]
	kind := map[string]string{"var": "variables", "local": "locals", "image": "images", "limits": "limits"}[root]
	name, rng, ok := step(tr, 1)
	if !ok {
		l.add(Errorf(tr.SourceRange(), "Incomplete reference", "Write %s.NAME. %s", root, orList(names(nodes), "", kind)))
		return nil
	}
	if n := nodes[name]; n != nil {
		return n
	}
	l.add(Errorf(rng, "Unknown reference", "There is no %s.%s. %s", root, name, l.elsewhere(root, name, orList(names(nodes), name, kind))))
	return nil
}

// elsewhere adds to a suggestion that the name exists with another prefix.
func (l *loader) elsewhere(root, name, otherwise string) string {
	for _, o := range []struct {
		root  string
		nodes map[string]*node
	}{{"var", l.vars}, {"local", l.locals}, {"image", l.images}, {"limits", l.limits}} {
		if o.root != root && o.nodes[name] != nil {
			return fmt.Sprintf("Did you mean %s.%s?", o.root, name)
		}
	}
	return otherwise
}

func (l *loader) unknownRoot(tr hcl.Traversal) *Diagnostic {
	root := tr.RootName()
	hint := l.elsewhere("", root, "")
	roots := []string{"var", "local", "image", "limits", "each", "pre", "plan", "post", "project", "source", "secret"}
	if hint == "" {
		hint = orList(roots, root, "names that a reference can begin with")
	}
	if len(tr) == 1 && !strings.HasPrefix(hint, "Did") {
		hint = fmt.Sprintf("If a text is meant, write it in quotes: %q.", root)
	}
	return Errorf(tr.SourceRange(), "Unknown reference", "There is nothing named %q to refer to. %s", root, hint)
}

// step returns the name at a place in a traversal, written .name or ["name"].
func step(tr hcl.Traversal, i int) (string, Range, bool) {
	if i >= len(tr) {
		return "", Range{}, false
	}
	switch s := tr[i].(type) {
	case hcl.TraverseAttr:
		return s.Name, afterDot(s), true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), s.SrcRange, true
		}
	}
	return "", Range{}, false
}

// afterDot returns the place of the name itself.
func afterDot(s hcl.TraverseAttr) Range {
	r := s.SrcRange
	if r.End.Byte-r.Start.Byte == len(s.Name)+1 {
		r.Start.Byte++
		r.Start.Column++
	}
	return r
}

func (l *loader) resolveEach(tr hcl.Traversal, sc scope, vals map[string]map[string]cty.Value) bool {
	name, rng, ok := step(tr, 1)
	switch {
	case sc.in == nil || sc.in.key == "":
		l.add(Errorf(tr.SourceRange(), "Reference outside for_each", "each.key and each.value exist in stages that have the argument for_each or a matrix block, and only there."))
		return false
	case !ok:
		l.add(Errorf(tr.SourceRange(), "Incomplete reference", "Write each.key or each.value."))
		return false
	case name != "key" && name != "value":
		l.add(Errorf(rng, "Unknown reference", "There is no each.%s. Write each.key or each.value.", name))
		return false
	}
	vals["each"] = map[string]cty.Value{"key": cty.StringVal(sc.in.key), "value": sc.in.value}
	return true
}
