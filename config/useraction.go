package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Call is the place where a user-defined action was used.
type Call struct {
	Name  string // as written there: "release", "lib.release"
	Range Range  // of the block's header
}

// Prefix says by which user-defined actions an action came into its stage:
// "lib.release: ", or nothing.
func (a *Action) Prefix() string {
	var b strings.Builder
	for _, c := range a.Via {
		b.WriteString(c.Name + ": ")
	}
	return b.String()
}

// Bounds of what user-defined actions can make.
const (
	maxSteps    = 1000   // built-in actions of one user-defined action
	maxExpanded = 50_000 // built-in actions that all uses make
	maxCalls    = 100    // user-defined actions inside each other
)

// actionDecl is an action block at the top of a file.
type actionDecl struct {
	l           *loader // of the module in which it stands
	name        string
	rng         Range // of the label
	block       *hclsyntax.Block
	description string
	params      []*paramDecl
	steps       []*hclsyntax.Block // as they are written
	made        []*hclsyntax.Block // stand for what its dynamic blocks make, which a use writes out
	phases      []Phase            // where it may stand
	narrowed    []Phase            // what its argument "phases" says; nil: nothing
	size        int                // built-in actions that one use makes
	depth       int                // 1: only built-in actions in it
	state       nodeState
	bad         bool // wrong, which has been reported: it is not expanded
}

// paramDecl is a param block.
type paramDecl struct {
	variable
	name        string
	description string
	fallback    cty.Value // cty.NilVal: the parameter is required
	rules       []content
}

// actionSpec is a user-defined action.
var actionSpec = &blockSpec{
	Name: "action", Labels: []string{"name"},
	Doc: "A user-defined action: a name for a list of actions, used like a built-in one: `action \"NAME\" { … }`, " +
		"with its parameters as arguments and, for all its steps, `env`. Its expressions may refer to `param.NAME`, variables and locals; " +
		"what they need of a stage is given as a parameter.",
	Example: "action \"release\" {\n  description = \"Builds and packs one target.\"\n\n  param \"target\" {\n    type = string\n  }\n\n" +
		"  action \"shell\" { script = \"make ${param.target}\" }\n  action \"shell\" { script = \"make pack DESTDIR=$AMBIENT_ARTIFACTS\" }\n}",
	Args: []argSpec{
		{Name: "description", Type: "string", Doc: "What the action does."},
		{Name: "phases", Type: "list(string)", Default: "those of all its actions", Doc: "Where it may stand, to allow fewer phases than its actions do."},
	},
	Blocks: []*blockSpec{
		{
			Name: "param", Labels: []string{"name"}, Doc: "A parameter, used in the action as `param.NAME`.",
			Args: []argSpec{
				{Name: "type", Type: "type", Default: "any", Doc: "Its type, as in a `variable` block."},
				{Name: "default", Type: "any", Doc: "The value when none is given. Without it the parameter must be given. It may refer to variables and locals."},
				{Name: "description", Type: "string", Doc: "What the parameter is for."},
			},
			Blocks: []*blockSpec{{
				Name: "validation", Doc: "A rule for the value. There may be several.",
				Args: []argSpec{
					{Name: "condition", Type: "bool", Required: true, Doc: "An expression that is true for a good value. It may refer to `param.NAME`, variables and locals."},
					{Name: "error_message", Type: "string", Required: true, Doc: "What to tell the user otherwise."},
				},
			}},
		},
		{Name: "action", Labels: []string{"name"}, Dotted: true, Open: true, Doc: "One step: a built-in action, or another user-defined one."},
		dynamicSpec,
		{Name: "network", Never: "An action runs in a stage, and the stage says what it may reach."},
	},
}

// declareAction registers a user-defined action.
func (l *loader) declareAction(b *hclsyntax.Block) {
	d := &actionDecl{l: l, name: b.Labels[0], rng: b.LabelRanges[0], block: b}
	c := l.read(actionSpec, b.Body, b.DefRange())
	if l.opts.Actions[d.name] != nil {
		l.add(Errorf(d.rng, "Name of a built-in action", "The action %q is built in and can not be defined again. Choose another name.", d.name))
		return
	}
	if old := l.mods.actions[d.name]; old != nil {
		l.add(duplicate(d.rng, old.rng, "action", d.name))
		return
	}
	l.mods.actions[d.name] = d
	l.mods.order = append(l.mods.order, d)
	before := len(l.diags)
	d.description = l.literalText(c.attrs["description"])
	d.narrowed = l.narrowedPhases(c.attrs["phases"])
	for _, inner := range c.blocks {
		switch inner.Type {
		case "param":
			l.declareParam(d, inner)
		case "action":
			d.steps = append(d.steps, inner)
		case dynamicSpec.Name:
			l.declareDynamic(d, inner)
		}
	}
	if len(d.all()) == 0 && len(b.Body.Blocks) == len(c.blocks) && !l.diags[before:].HasErrors() {
		l.add(Errorf(b.DefRange(), "Action without actions", "A user-defined action needs at least one action, such as:\n  action \"shell\" { script = \"make\" }"))
	}
	d.bad = l.diags[before:].HasErrors() || len(c.blocks) < len(b.Body.Blocks) || len(c.attrs) < len(b.Body.Attributes)
}

// declareDynamic notes which action a dynamic block makes: where the whole may
// stand does not depend on a use.
func (l *loader) declareDynamic(d *actionDecl, b *hclsyntax.Block) {
	if b.Labels[0] != "action" {
		l.add(Errorf(b.LabelRanges[0], "Block not allowed here", "In a user-defined action a dynamic block makes actions only: dynamic \"action\" { … }."))
		return
	}
	a := b.Body.Attributes["labels"]
	if a == nil {
		l.add(Errorf(b.DefRange(), "Missing argument", "A dynamic block needs the name of the action that it makes: labels = [\"NAME\"]."))
		return
	}
	v, ok := l.literal(a, cty.List(cty.String))
	if ok && v.LengthInt() == 1 {
		name := stringList(v)[0]
		d.made = append(d.made, &hclsyntax.Block{
			Type: "action", TypeRange: b.TypeRange, Labels: []string{name}, LabelRanges: []hcl.Range{elementRange(a.Expr, 0)}, Body: b.Body,
		})
	} else if ok {
		l.add(Errorf(exprRange(a), "Wrong number of labels", "Write one label, the name of the action."))
	}
}

func (l *loader) literalText(a *hclsyntax.Attribute) string {
	if a == nil {
		return ""
	}
	v, ok := l.literal(a, cty.String)
	if !ok || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

// narrowedPhases reads the argument "phases".
func (l *loader) narrowedPhases(a *hclsyntax.Attribute) []Phase {
	if a == nil {
		return nil
	}
	v, ok := l.literal(a, cty.List(cty.String))
	if !ok {
		return nil
	}
	given := stringList(v)
	out := []Phase{}
	for _, p := range Phases {
		if slices.Contains(given, string(p)) {
			out = append(out, p)
		}
	}
	for i, name := range given {
		if !slices.Contains(Phases, Phase(name)) {
			l.add(Errorf(elementRange(a.Expr, i), "Unknown phase", "There is no such phase. %s", orList([]string{"pre", "plan", "post"}, name, "phases")))
		}
	}
	if len(given) == 0 {
		l.add(Errorf(exprRange(a), "No phase", "Name at least one of pre, plan and post, or leave the argument out."))
	}
	return out
}

// declareParam adds a parameter to an action.
func (l *loader) declareParam(d *actionDecl, b *hclsyntax.Block) {
	p := &paramDecl{name: b.Labels[0]}
	p.block, p.typ = b, cty.DynamicPseudoType
	p.content = l.read(actionSpec.block("param"), b.Body, b.DefRange())
	for _, old := range d.params {
		if old.name == p.name {
			l.add(duplicate(b.LabelRanges[0], old.block.LabelRanges[0], "parameter", p.name))
			return
		}
	}
	if projectSpec.block(string(Plan)).block("action").arg(p.name) != nil {
		l.add(Errorf(b.LabelRanges[0], "Reserved name", "Every action has the argument %q already. Choose another name.", p.name))
	}
	d.params = append(d.params, p)
	if a := p.content.attrs["type"]; a != nil {
		t, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		l.add(diags...)
		p.typ, p.defaults, p.typed, p.bad = t, defaults, true, diags.HasErrors()
	}
	p.description = l.literalText(p.content.attrs["description"])
}

// all returns the steps and what stands for those that are not known yet.
func (d *actionDecl) all() []*hclsyntax.Block { return slices.Concat(d.steps, d.made) }

// param returns a parameter, nil if there is none of that name.
func (d *actionDecl) param(name string) *paramDecl {
	for _, p := range d.params {
		if p.name == name {
			return p
		}
	}
	return nil
}

// checkActions checks every user-defined action of this module, used or not, so
// that what is wrong with one is told once, and not again for each use.
func (l *loader) checkActions() {
	for _, d := range l.mods.order {
		l.measure(d, nil)
	}
	for _, check := range []func(*actionDecl){l.checkParams, l.checkSteps} {
		for _, d := range l.mods.order {
			before := len(l.diags)
			check(d)
			d.bad = d.bad || l.diags[before:].HasErrors()
		}
	}
}

// measure works out where an action may stand and how much it makes, and finds
// actions that use themselves. Path is what led here.
func (l *loader) measure(d *actionDecl, path []*hclsyntax.Block) {
	if d.state == nodeDone {
		return
	}
	d.state = nodeBusy
	d.phases, d.depth = Phases, 1
	for _, b := range d.all() {
		l.measureStep(d, b, append(slices.Clip(path), b))
	}
	d.state = nodeDone
	switch {
	case d.size > maxSteps:
		d.bad = true
		l.add(Errorf(d.rng, "Too many actions", "One use of the action %q would make more than %d actions.", d.name, maxSteps))
	case d.bad:
	case len(d.phases) == 0:
		d.bad = true
		l.add(Errorf(d.rng, "Action fits no phase", "The actions in %q can not stand in one stage: %s. Split it.", d.name, d.conflict()))
	case d.narrowed != nil:
		l.narrow(d)
	}
}

// measureStep takes one step into account.
func (l *loader) measureStep(d *actionDecl, b *hclsyntax.Block, path []*hclsyntax.Block) {
	if s := l.opts.Actions[b.Labels[0]]; s != nil {
		d.size++
		d.phases = both(d.phases, s.Phases)
		return
	}
	inner := l.findAction(b.Labels[0])
	switch {
	case inner == nil:
		return
	case inner.state == nodeBusy:
		inner.bad, d.bad = true, true
		l.add(Errorf(b.LabelRanges[0], "Circular actions", "The action %q uses itself: %s. Remove one of these uses.", inner.name, actionCircle(inner, path)))
		return
	case len(path) >= maxCalls:
		d.bad = true
		l.add(Errorf(b.LabelRanges[0], "Actions nested too deep", "More than %d actions use each other in a chain. Make the chain shorter.", maxCalls))
		return
	}
	inner.l.measure(inner, path)
	d.bad = d.bad || inner.bad
	d.size = min(d.size+inner.size, maxSteps+1)
	d.phases = both(d.phases, inner.phases)
	d.depth = max(d.depth, inner.depth+1)
	if d.depth > maxCalls && !d.bad {
		d.bad = true
		l.add(Errorf(b.LabelRanges[0], "Actions nested too deep", "More than %d actions use each other in a chain. Make the chain shorter.", maxCalls))
	}
}

// actionCircle writes the path from an action back to itself.
func actionCircle(d *actionDecl, path []*hclsyntax.Block) string {
	var words []string
	on := false
	for _, b := range path {
		on = on || slices.Contains(d.all(), b)
		if on {
			words = append(words, fmt.Sprintf("%s (%s)", b.Labels[0], place(b.LabelRanges[0])))
		}
	}
	if len(words) > maxListed {
		words = append(append(words[:maxListed-1:maxListed-1], "…"), words[len(words)-1])
	}
	return d.name + " → " + strings.Join(words, " → ")
}

// both returns the phases in a that are in b.
func both(a, b []Phase) []Phase {
	var out []Phase
	for _, p := range a {
		if slices.Contains(b, p) {
			out = append(out, p)
		}
	}
	return out
}

// conflict says where each step could stand.
func (d *actionDecl) conflict() string {
	var words []string
	for _, b := range d.all() {
		if phases := d.l.phasesOf(b.Labels[0]); len(phases) < len(Phases) {
			words = append(words, fmt.Sprintf("%s only in %s", b.Labels[0], stagesOf(phases)))
		}
	}
	slices.Sort(words)
	words = slices.Compact(words)
	return strings.Join(words[:min(len(words), maxListed)], ", ")
}

// phasesOf returns where an action may stand, nil if there is none of that name.
func (l *loader) phasesOf(name string) []Phase {
	if s := l.opts.Actions[name]; s != nil {
		return s.Phases
	}
	if d := l.findAction(name); d != nil {
		return d.phases
	}
	return nil
}

// narrow applies the argument "phases".
func (l *loader) narrow(d *actionDecl) {
	at := d.block.Body.Attributes["phases"]
	for _, p := range d.narrowed {
		if !slices.Contains(d.phases, p) {
			d.bad = true
			l.add(Errorf(exprRange(at), "Phase not possible", "The action %q can stand in %s only, because of what it does: %s.", d.name, stagesOf(d.phases), d.conflict()))
			return
		}
	}
	d.phases = d.narrowed
}
