package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// frame is one use of a user-defined action while its body is evaluated.
type frame struct {
	decl   *actionDecl
	params map[string]cty.Value // unknown while the body is checked for its own sake
}

// inBody returns the scope of a body: of the stage it knows the phase only.
func (f *frame) inBody(phase Phase) *instance {
	return &instance{decl: &stageDecl{phase: phase}, frame: f}
}

// findAction returns the user-defined action of a name such as "release" or
// "lib.release", nil if there is none.
func (l *loader) findAction(name string) *actionDecl {
	module, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		return l.mods.actions[name]
	}
	if u := l.mods.use(module); u != nil && u.child != nil {
		return u.child.mods.actions[rest]
	}
	return nil
}

// stageActions evaluates an action block of a stage or of a user-defined action
// and returns the built-in actions that it stands for.
func (l *loader) stageActions(in *instance, s *Stage, b *hclsyntax.Block, refs *refSet) []*Action {
	name := b.Labels[0]
	d := l.findAction(name)
	if d == nil {
		if module, _, dotted := strings.Cut(name, "."); dotted {
			l.unknownModuleAction(b, module)
			l.evalAll(b, in, refs)
		} else if act := l.action(in, s, b, refs); act != nil {
			return []*Action{act}
		}
		return nil
	}
	if d.bad { // reported
		l.evalAll(b, in, refs)
		return nil
	}
	if !slices.Contains(d.phases, in.decl.phase) {
		l.add(Errorf(b.LabelRanges[0], "Action not allowed in this phase", "The action %q can stand in %s, and this is a %s stage. It is defined at %s.", name, stagesOf(d.phases), in.decl.phase, place(d.rng)))
		return nil
	}
	c, ok := l.call(d, in, b, refs)
	if !ok {
		return nil
	}
	return l.expandCall(c, in, s, b, refs)
}

// userActions returns the names of user-defined actions, as they are used here.
func (l *loader) userActions() []string {
	all := names(l.mods.actions)
	for _, u := range l.mods.uses {
		if u.child == nil {
			continue
		}
		for _, name := range names(u.child.mods.actions) {
			all = append(all, u.name+"."+name)
		}
	}
	return all
}

func (l *loader) evalAll(b *hclsyntax.Block, in *instance, refs *refSet) {
	for _, a := range sortedAttrs(b.Body) {
		l.evalRefs(a.Expr, in, refs) // for what is wrong in it
	}
}

// unknownModuleAction says what is wrong with a name such as "lib.release".
func (l *loader) unknownModuleAction(b *hclsyntax.Block, module string) {
	at, name := b.LabelRanges[0], b.Labels[0]
	u := l.mods.use(module)
	switch {
	case u == nil:
		l.add(Errorf(at, "Unknown module", "There is no module %q. %s", module, orList(l.mods.useNames(), module, "modules")))
	case u.child == nil, u.child.mods.broken:
		// reported at its use block or in its files
	default:
		_, rest, _ := strings.Cut(name, ".")
		l.add(Errorf(at, "Unknown action", "The module %q has no action %q. %s", module, rest, orList(names(u.child.mods.actions), rest, "actions of the module")))
	}
}

// countExpanded bounds what all uses make together.
func (l *loader) countExpanded(n int, b *hclsyntax.Block) bool {
	t := l.mods.tree
	if t.expanded += n; t.expanded <= maxExpanded {
		return true
	}
	l.add(Errorf(b.LabelRanges[0], "Too many actions", "User-defined actions can make at most %d actions in a configuration.", maxExpanded))
	return false
}

// userCall is a use of a user-defined action, with its arguments.
type userCall struct {
	decl   *actionDecl
	call   Call
	params map[string]cty.Value
	env    map[string]string
	hidden bool // env holds something sensitive
}

// call evaluates the arguments of a use; ok is false if anything was wrong or
// is not known.
func (l *loader) call(d *actionDecl, in *instance, b *hclsyntax.Block, refs *refSet) (userCall, bool) {
	u := userCall{decl: d, call: Call{Name: b.Labels[0], Range: b.DefRange()}, params: map[string]cty.Value{}}
	before := len(l.diags)
	c := l.read(d.spec(u.call.Name), b.Body, b.DefRange())
	ok := !l.diags[before:].HasErrors()
	if a := c.attrs["env"]; a != nil {
		var names []string
		u.env, names = l.envWithRefs(a, in, refs)
		u.hidden = len(names) > 0
	}
	for _, p := range d.params {
		v, good := l.argument(p, c.attrs[p.name], in, refs)
		u.params[p.name] = v
		ok = ok && good
	}
	if !ok {
		return u, false
	}
	for _, p := range d.params {
		at := b.DefRange()
		if a := c.attrs[p.name]; a != nil {
			at = exprRange(a)
		}
		ok = d.validate(p, u.params, at, l) && ok
	}
	return u, ok && !l.diags[before:].HasErrors()
}

// spec is the row of the tables that a use is checked against.
func (d *actionDecl) spec(name string) *blockSpec {
	s := &blockSpec{Name: name, Action: true}
	for _, p := range d.params {
		doc := p.description
		if doc == "" {
			doc = "it is declared at " + place(p.block.DefRange()) + "."
		}
		s.Args = append(s.Args, argSpec{Name: p.name, Type: p.typeText(), Required: p.required(), Doc: doc})
	}
	s.Args = append(s.Args,
		argSpec{Name: "env", Type: "map(string)"},
		argSpec{Name: "timeout", Type: "string", Later: "Set a time limit in the steps of the user-defined action, for which it can have a parameter, or for the stage."})
	return s
}

func (p *paramDecl) required() bool { return p.content.attrs["default"] == nil }

// typeText returns the type for people.
func (p *paramDecl) typeText() string { return typeName(p.typ) }

// argument evaluates one argument of a use in the scope of the caller and gives
// it the type of the parameter.
func (l *loader) argument(p *paramDecl, a *hclsyntax.Attribute, in *instance, refs *refSet) (cty.Value, bool) {
	if a == nil {
		return p.fallback, p.fallback != cty.NilVal && p.fallback.IsWhollyKnown()
	}
	v, ok := l.evalRefs(a.Expr, in, refs)
	if !ok || !v.IsWhollyKnown() || p.bad {
		return cty.UnknownVal(p.typ), false
	}
	plain, marks := v.UnmarkDeep()
	if plain.IsNull() {
		if p.required() {
			l.add(Errorf(exprRange(a), "Missing value", "The argument %q is null, and %s is needed.", p.name, p.typeText()))
			return cty.UnknownVal(p.typ), false
		}
		return p.fallback, p.fallback.IsWhollyKnown()
	}
	plain, err := p.convert(plain)
	if err != nil {
		l.add(Errorf(exprRange(a), "Wrong type", "The value does not fit the parameter %q: %s.", p.name, err))
		return cty.UnknownVal(p.typ), false
	}
	if len(marks) > 0 {
		plain = plain.Mark(sensitiveMark{})
	}
	return plain, true
}

// expandCall evaluates the body for the arguments of a use.
func (l *loader) expandCall(c userCall, in *instance, s *Stage, b *hclsyntax.Block, refs *refSet) []*Action {
	body := (&frame{decl: c.decl, params: c.params}).inBody(in.decl.phase)
	m := c.decl.l
	before := len(m.diags)
	var out []*Action
	steps := m.stepsOf(c.decl, body, refs)
	if !l.countExpanded(len(steps), b) {
		steps = nil
	}
	for _, step := range steps {
		out = append(out, m.stageActions(body, s, step, refs)...)
	}
	l.takeFrom(m, before, c.call)
	for _, act := range out {
		act.Via = append([]Call{c.call}, act.Via...)
		act.addEnv(c.env, c.hidden)
	}
	return out
}

// stepsOf returns the steps of an action with its dynamic blocks written out.
func (l *loader) stepsOf(d *actionDecl, body *instance, refs *refSet) []*hclsyntax.Block {
	if len(d.made) == 0 || d.bad {
		return d.steps
	}
	made := (&dynamic{l: l, in: body, refs: refs, spec: actionSpec, ok: true}).expand(d.block.Body)
	return content{blocks: made.Blocks}.of("action")
}

// addEnv adds variables that the action does not set itself.
func (a *Action) addEnv(env map[string]string, hidden bool) {
	if len(env) == 0 {
		return
	}
	own := a.Env
	a.Env = maps.Clone(env)
	maps.Copy(a.Env, own)
	if hidden {
		a.Sensitive = sorted(append(a.Sensitive, "env"))
	}
}

// takeFrom moves the diagnostics of a body to the caller and says in each where
// the call is.
func (l *loader) takeFrom(m *loader, before int, c Call) {
	fresh := slices.Clone(m.diags[before:])
	m.diags = m.diags[:before]
	for _, d := range fresh {
		if d.Severity == hcl.DiagWarning && l.warned(d) {
			continue // it does not depend on the use
		}
		noted := *d
		noted.Detail += fmt.Sprintf("\nThis is in the action %q, used at %s.", c.Name, place(c.Range))
		l.add(&noted)
	}
}

// warned reports whether a warning was given for the body itself.
func (l *loader) warned(w *Diagnostic) bool {
	return slices.ContainsFunc(l.diags, func(d *Diagnostic) bool {
		return d.Severity == w.Severity && d.Summary == w.Summary && d.Detail == w.Detail && *d.Subject == *w.Subject
	})
}

// resolveInBody is resolve for the body of a user-defined action. Done is false
// where the ordinary rules hold.
func (l *loader) resolveInBody(tr hcl.Traversal, f *frame, vals map[string]map[string]cty.Value) (ok, done bool) {
	root := tr.RootName()
	switch root {
	case "var", "local", "secret":
		return false, false
	case "param":
		return l.resolveParam(tr, f, vals), true
	case "each", string(Pre), string(Plan), string(Post), "project", "image", "limits", "source":
		l.add(Errorf(tr.SourceRange(), "Reference not allowed in an action", "The body of a user-defined action can not refer to what is outside it, but for variables and locals. Add a parameter, and give it %s.… where the action is used.", root))
		return false, true
	}
	hint := l.elsewhere("", root, "")
	if f.decl.param(root) != nil {
		hint = fmt.Sprintf("Did you mean param.%s?", root)
	}
	if hint == "" {
		hint = orList([]string{"param", "var", "local"}, root, "names that a reference can begin with")
	}
	l.add(Errorf(tr.SourceRange(), "Unknown reference", "There is nothing named %q to refer to. %s", root, hint))
	return false, true
}

func (l *loader) resolveParam(tr hcl.Traversal, f *frame, vals map[string]map[string]cty.Value) bool {
	var known []string
	for _, p := range f.decl.params {
		known = append(known, p.name)
	}
	name, rng, ok := step(tr, 1)
	if !ok {
		l.add(Errorf(tr.SourceRange(), "Incomplete reference", "Write param.NAME. %s", orList(known, "", "parameters")))
		return false
	}
	if f.decl.param(name) == nil {
		l.add(Errorf(rng, "Unknown reference", "There is no param.%s. %s", name, l.elsewhere("param", name, orList(known, name, "parameters"))))
		return false
	}
	if vals["param"] == nil {
		vals["param"] = map[string]cty.Value{}
	}
	vals["param"][name] = f.params[name]
	return true
}
