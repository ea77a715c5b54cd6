package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// evaluateModules gives the variables of modules their values and checks what
// the modules hold. The configuration that uses them has been evaluated.
func (l *loader) evaluateModules() {
	for _, u := range l.mods.uses {
		m := u.child
		if m == nil || m.functions == nil {
			continue // reported
		}
		l.giveVariables(u)
		m.evaluateNodes()
		m.evaluateModules()
		m.checkActions()
		l.absorb(m)
	}
}

// giveVariables sets the variables of a module from its use block.
func (l *loader) giveVariables(u *useDecl) {
	m := u.child
	byName := map[string]*variable{}
	for _, v := range m.varDecls {
		if useSpec.arg(v.node.name) != nil {
			m.add(Errorf(v.node.rng, "Reserved name", "The argument %q of a use block is its own, so a variable of a module can not have this name. Choose another.", v.node.name))
		}
		byName[v.node.name] = v
	}
	for _, a := range u.content.sorted {
		switch v := byName[a.Name]; {
		case useSpec.arg(a.Name) != nil:
		case v != nil:
			l.giveVariable(u, v, a)
		case !m.mods.broken:
			l.add(Errorf(a.NameRange, "Unknown argument", "The module %q has no variable %q. %s", u.name, a.Name, orList(names(byName), a.Name, "variables of the module")))
		}
	}
	for _, v := range m.varDecls {
		if v.given == nil && v.content.attrs["default"] == nil && !m.opts.UnsetVars {
			v.bad = true
			l.add(Errorf(u.block.DefRange(), "Missing argument", "The module %q needs a value for its variable %q, declared at %s: write %s = … in this block.", u.name, v.node.name, place(v.node.rng), v.node.name))
		}
	}
}

func (l *loader) giveVariable(u *useDecl, v *variable, a *hclsyntax.Attribute) {
	val, _ := l.eval(a.Expr, scope{})
	if v.sensitive {
		l.hidden = append(l.hidden, exprRange(a))
	}
	v.given = &given{origin: fmt.Sprintf("the use block at %s", place(u.rng)), val: val, at: exprRange(a)}
}

// usedValue gives a value from a use block the type of the variable; unknown
// after a report.
func (l *loader) usedValue(v *variable, g *given) cty.Value {
	if !g.val.IsWhollyKnown() {
		return cty.DynamicVal
	}
	val, marks := g.val.UnmarkDeep()
	val, err := v.convert(val)
	if err != nil {
		l.add(Errorf(g.at, "Wrong value for a variable", "The value of the variable %q does not fit: %s. It is declared at %s.", v.node.name, err, place(v.node.rng)))
		return cty.DynamicVal
	}
	if len(marks) > 0 {
		val = val.Mark(sensitiveMark{})
	}
	return val
}
