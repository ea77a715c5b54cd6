package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// stageBase is what stages inherit from their project.
type stageBase struct {
	image  *Image
	limits Limits
	env    map[string]string
	hidden []string // names in env that are sensitive
	trust  []string // files with certificate authorities
}

// stage evaluates one instance of a stage.
func (l *loader) stage(in *instance, base stageBase) *Stage {
	refs := &refSet{}
	c, whole := l.expanded(in, refs)
	sc := scope{in: in}
	in.secrets = l.stageSecrets(in, c)
	s := &Stage{
		ID:      in.id,
		Image:   l.stageImage(base.image, c, sc),
		Limits:  l.stageLimits(base.limits, c, sc),
		Secrets: in.secrets,
		Env:     maps.Clone(base.env),
		Range:   in.decl.block.DefRange(),
		When:    l.when(in, c),
		Retry:   l.retry(in, c),
		Reuse:   l.reuse(in, c),
	}
	if d := l.stageTimeout(in, c); d > 0 {
		s.Limits.Timeout = d
	}
	s.Network, s.Allow = l.network(in.decl.phase, c, sc)
	if trust := l.trust(base.trust, c.of(trustSpec.Name), sc); s.Network != NetworkNone {
		s.Trust = trust
	}
	s.Refs = l.after(in, c)
	if a := c.attrs["env"]; a != nil {
		env, hidden := l.envWithRefs(a, in, refs)
		maps.Copy(s.Env, env)
		base.hidden = slices.Concat(slices.DeleteFunc(slices.Clone(base.hidden), func(n string) bool { return has(env, n) }), hidden)
	}
	s.Sensitive = sorted(base.hidden)
	l.settleSecrets(s, c.attrs["secrets"])
	for _, b := range c.of("action") {
		s.Actions = append(s.Actions, l.stageActions(in, s, b, refs)...)
	}
	s.Refs = append(s.Refs, refs.refs...)
	if len(c.of("action")) == 0 && whole {
		l.add(Errorf(s.Range, "Stage without actions", "A stage needs at least one action, such as:\n  action \"shell\" { script = \"make\" }"))
	}
	return s
}

func has(m map[string]string, name string) bool { _, ok := m[name]; return ok }

// sorted returns names in order, each once; nil if there is none.
func sorted(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// env evaluates an env argument without references to stages. It returns the
// variables, never nil, and the names of those that are sensitive.
func (l *loader) env(a *hclsyntax.Attribute, sc scope) (map[string]string, []string) {
	if a == nil {
		return map[string]string{}, nil
	}
	v, ok := l.eval(a.Expr, sc)
	if !ok {
		return map[string]string{}, nil
	}
	return l.envMap(v, a)
}

// envWithRefs is env where references to stages are allowed.
func (l *loader) envWithRefs(a *hclsyntax.Attribute, in *instance, refs *refSet) (map[string]string, []string) {
	v, ok := l.evalRefs(a.Expr, in, refs)
	if !ok {
		return map[string]string{}, nil
	}
	return l.envMap(v, a)
}

func (l *loader) envMap(v cty.Value, a *hclsyntax.Attribute) (map[string]string, []string) {
	out, hidden := map[string]string{}, []string(nil)
	v, marks := v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return out, nil
	}
	if t := v.Type(); !t.IsMapType() && !t.IsObjectType() {
		l.add(Errorf(exprRange(a), "Wrong type", "The environment is a map, such as { LANG = \"C.UTF-8\" }, and this is %s.", typeName(t)))
		return out, nil
	}
	for k, e := range v.Elements() {
		name := k.AsString()
		text, secret, ok := l.envValue(name, e, itemRange(a.Expr, name))
		if !ok {
			continue
		}
		out[name] = text
		if secret || marks.Has(sensitiveMark{}) {
			hidden = append(hidden, name)
		}
	}
	return out, hidden
}

// envValue checks one variable of an environment.
func (l *loader) envValue(name string, v cty.Value, at Range) (text string, secret, ok bool) {
	secret = v.HasMarkDeep(sensitiveMark{})
	v, _ = v.UnmarkDeep()
	if d := checkEnvName(name, at); d != nil {
		l.add(d)
		return "", secret, false
	}
	if !v.IsKnown() {
		return "", secret, false
	}
	if v, ok = l.as(v, cty.String, at); !ok {
		return "", secret, false
	}
	if text = v.AsString(); strings.ContainsRune(text, 0) {
		l.add(Errorf(at, "Invalid value", "An environment variable can not hold a NUL character."))
		return "", secret, false
	}
	return text, secret, true
}

func checkEnvName(name string, at Range) *Diagnostic {
	for i := range len(name) {
		c := name[i]
		if !isNameByte(c) || c == '-' || i == 0 && c >= '0' && c <= '9' {
			return Errorf(at, "Invalid name of an environment variable", "A name holds letters, digits and \"_\" only and does not begin with a digit.")
		}
	}
	switch {
	case name == "":
		return Errorf(at, "Invalid name of an environment variable", "The name is empty.")
	case strings.HasPrefix(name, "AMBIENT_"):
		return Errorf(at, "Reserved environment variable", "Variables that begin with AMBIENT_ are set by ambient itself. Choose another name.")
	}
	return nil
}

// itemRange returns the place of one value of an object, or that of the whole
// expression if it is not written as an object.
func itemRange(e hclsyntax.Expression, name string) Range {
	if o, ok := bare(e).(*hclsyntax.ObjectConsExpr); ok {
		for _, item := range o.Items {
			if k, diags := item.KeyExpr.Value(nil); !diags.HasErrors() && k.Type() == cty.String && k.IsKnown() && !k.IsNull() && k.AsString() == name {
				return item.ValueExpr.Range()
			}
		}
	}
	return e.Range()
}
