package config

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// unknownParams are the parameters of an action about whose use nothing is
// known.
func (d *actionDecl) unknownParams() *frame {
	f := &frame{decl: d, params: map[string]cty.Value{}}
	for _, p := range d.params {
		f.params[p.name] = cty.UnknownVal(p.typ)
	}
	return f
}

// checkParams evaluates the defaults of parameters and checks their rules.
func (l *loader) checkParams(d *actionDecl) {
	in := d.unknownParams().inBody(Plan)
	for _, p := range d.params {
		l.paramDefault(p)
		for _, b := range p.content.of("validation") {
			c := l.read(actionSpec.block("param").block("validation"), b.Body, b.DefRange())
			p.rules = append(p.rules, c)
			for _, a := range c.sorted {
				l.eval(a.Expr, scope{in: in})
			}
		}
	}
}

// paramDefault evaluates the default of a parameter.
func (l *loader) paramDefault(p *paramDecl) {
	a := p.content.attrs["default"]
	if a == nil || p.bad {
		return
	}
	p.fallback = cty.UnknownVal(p.typ)
	v, ok := l.eval(a.Expr, scope{})
	if !ok || !v.IsWhollyKnown() {
		return
	}
	v, marks := v.UnmarkDeep()
	v, err := p.convert(v)
	if err != nil {
		l.add(Errorf(exprRange(a), "Wrong type", "The default does not fit the type of the parameter: %s.", err))
		return
	}
	if len(marks) > 0 {
		v = v.Mark(sensitiveMark{})
	}
	p.fallback = v
}

// checkSteps evaluates the body with unknown parameters, so that everything that
// does not depend on a use is told once.
func (l *loader) checkSteps(d *actionDecl) {
	f := d.unknownParams()
	s := &Stage{Image: &Image{Debian: true}}
	refs := &refSet{}
	for _, b := range l.stepsOf(d, f.inBody(Plan), refs) {
		phase := Plan
		if phases := l.phasesOf(b.Labels[0]); len(phases) > 0 {
			phase = phases[0]
		}
		if inner := l.findAction(b.Labels[0]); inner != nil && !inner.bad {
			l.call(inner, f.inBody(phase), b, refs)
			continue
		}
		l.stageActions(f.inBody(phase), s, b, refs)
	}
}

// validate checks the rules of a parameter for the arguments of a use and
// reports at the argument, in the list of the caller.
func (d *actionDecl) validate(p *paramDecl, params map[string]cty.Value, at Range, caller *loader) bool {
	ok := true
	for _, c := range p.rules {
		cond, msg := c.attrs["condition"], c.attrs["error_message"]
		if cond == nil || msg == nil {
			continue
		}
		sc := scope{in: (&frame{decl: d, params: params}).inBody(Plan)}
		before := len(d.l.diags)
		good, text := d.l.holds(cond, msg, sc)
		caller.takeFrom(d.l, before, Call{Name: d.name, Range: at})
		if !good {
			caller.add(Errorf(at, "Invalid value for a parameter", "%s\nThe rule of %q stands at %s.", text, p.name, place(exprRange(cond))))
			ok = false
		}
	}
	return ok
}

// holds checks one rule. It returns what to tell the user if the rule is broken;
// good is true, too, when the rule can not be checked, which has been reported.
func (l *loader) holds(cond, msg *hclsyntax.Attribute, sc scope) (good bool, text string) {
	got, ok := l.eval(cond.Expr, sc)
	if !ok || !got.IsWhollyKnown() {
		return true, ""
	}
	got, _ = got.UnmarkDeep()
	got, ok = l.as(got, cty.Bool, exprRange(cond))
	if !ok || got.True() {
		return true, ""
	}
	text = "The value is not allowed."
	if v, ok := l.eval(msg.Expr, sc); ok && v.IsWhollyKnown() {
		if v.HasMarkDeep(sensitiveMark{}) {
			text = "The value is not allowed. The message is not shown, since it holds a sensitive value."
		} else if s, ok := l.as(v, cty.String, exprRange(msg)); ok {
			text = s.AsString()
		}
	}
	return false, text
}
