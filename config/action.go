package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// action evaluates an action block; nil after a report that leaves nothing.
func (l *loader) action(in *instance, s *Stage, b *hclsyntax.Block, refs *refSet) *Action {
	schema := l.schema(b, in.decl.phase)
	if schema == nil {
		for _, a := range sortedAttrs(b.Body) {
			l.evalRefs(a.Expr, in, refs) // for what is wrong in it
		}
		return nil
	}
	if schema.NeedsDebian && !s.Image.Debian {
		l.add(Errorf(b.LabelRanges[0], "Action needs a Debian image", "The action %q runs tools of Debian, which the built-in image does not have. Declare an image and name it here or in the project:\n"+
			"  image \"debian\" {\n    debian { suite = \"bookworm\" }\n  }\nand then:\n  image = image.debian", b.Labels[0]))
	}
	act := &Action{Name: schema.Name, Range: b.DefRange()}
	r := &argReader{l: l, in: in, refs: refs}
	before := len(l.diags)
	spec := l.actionSpec(schema)
	b = l.expandBlock(b, spec, in, refs)
	act.Args = r.read(spec, schema.Params, schema.Blocks, b)
	l.checkScripts(s, act, r, b.Body)
	l.actionExtras(act, schema, b, r)
	if !r.bad && !l.diags[before:].HasErrors() {
		l.checkAction(act, schema, b, r.sensitive)
	}
	act.Sensitive = sorted(r.sensitive)
	return act
}

// schema returns the schema of an action that may stand in the phase.
func (l *loader) schema(b *hclsyntax.Block, phase Phase) *ActionSchema {
	name := b.Labels[0]
	schema := l.opts.Actions[name]
	switch {
	case schema == nil:
		var allowed []string
		for n, s := range l.opts.Actions {
			if slices.Contains(s.Phases, phase) {
				allowed = append(allowed, n)
			}
		}
		hint := orList(allowed, name, fmt.Sprintf("actions for %s stages", phase))
		if near := nearest(name, append(names(l.opts.Actions), l.userActions()...)); near != "" {
			hint = fmt.Sprintf("Did you mean %q?", near)
		}
		l.add(Errorf(b.LabelRanges[0], "Unknown action", "There is no action %q. %s", name, hint))
		return nil
	case !slices.Contains(schema.Phases, phase):
		l.add(Errorf(b.LabelRanges[0], "Action not allowed in this phase", "The action %q can stand in %s, and this is a %s stage.", name, stagesOf(schema.Phases), phase))
		return nil
	}
	return schema
}

func stagesOf(phases []Phase) string { return andPhases(phases) + " stages" }

// actionSpec is spec, made once.
func (l *loader) actionSpec(s *ActionSchema) *blockSpec {
	if l.specs == nil {
		l.specs = map[*ActionSchema]*blockSpec{}
	}
	if l.specs[s] == nil {
		l.specs[s] = s.spec()
	}
	return l.specs[s]
}

// spec makes a row of the tables of the language from a schema.
func (s *ActionSchema) spec() *blockSpec {
	spec := &blockSpec{Name: s.Name, Action: true, Args: paramSpecs(s.Params)}
	for _, extra := range projectSpec.block(string(Plan)).block("action").Args {
		if spec.arg(extra.Name) == nil {
			spec.Args = append(spec.Args, extra)
		}
	}
	for _, b := range s.Blocks {
		spec.Blocks = append(spec.Blocks, &blockSpec{Name: b.Name, Doc: b.Doc, Args: paramSpecs(b.Params)})
	}
	return spec
}

func paramSpecs(params []Param) []argSpec {
	var args []argSpec
	for _, p := range params {
		a := argSpec{Name: p.Name, Type: string(p.Type), Required: p.Required, Doc: p.Doc}
		if p.Default != nil {
			a.Default = showDefault(p.Default)
		}
		args = append(args, a)
	}
	return args
}

func hasParam(params []Param, name string) bool {
	return slices.ContainsFunc(params, func(p Param) bool { return p.Name == name })
}

// actionExtras evaluates the arguments that every action has.
func (l *loader) actionExtras(act *Action, schema *ActionSchema, b *hclsyntax.Block, r *argReader) {
	act.Env = map[string]string{}
	if a := b.Body.Attributes["env"]; a != nil && !hasParam(schema.Params, "env") {
		env, hidden := l.envWithRefs(a, r.in, r.refs)
		act.Env = env
		if len(hidden) > 0 {
			r.sensitive = append(r.sensitive, "env")
		}
	}
	if a := b.Body.Attributes["timeout"]; a != nil && !hasParam(schema.Params, "timeout") {
		act.Timeout = l.timeout(a, r.in)
	}
}

func (l *loader) timeout(a *hclsyntax.Attribute, in *instance) time.Duration {
	v, ok := l.plain(a.Expr, scope{in: in})
	if !ok || v.IsNull() {
		return 0
	}
	n, err := durationOf(v)
	d := time.Duration(n)
	if err == nil && (d < time.Second || d > 7*24*time.Hour) {
		err = fmt.Errorf("it goes from 1s to 168h")
	}
	if err != nil {
		l.add(Errorf(exprRange(a), "Invalid duration", "The timeout is not right: %s.", err))
		return 0
	}
	return d
}

// argReader decodes the arguments of one action.
type argReader struct {
	l         *loader
	in        *instance
	refs      *refSet
	bad       bool     // something was wrong or is unknown
	sensitive []string // arguments made from sensitive variables
	scripts   []scriptArg
}

// read decodes a block with its nested blocks.
func (r *argReader) read(spec *blockSpec, params []Param, blocks []BlockSchema, b *hclsyntax.Block) Args {
	c := r.l.read(spec, b.Body, b.DefRange())
	args := Args{Values: map[string]any{}, Blocks: map[string][]Args{}}
	for _, p := range params {
		if v, ok := r.param(p, c.attrs[p.Name]); ok {
			args.Values[p.Name] = v
		}
	}
	for _, bs := range blocks {
		for _, inner := range c.of(bs.Name) {
			args.Blocks[bs.Name] = append(args.Blocks[bs.Name], r.read(spec.block(bs.Name), bs.Params, nil, inner))
		}
	}
	return args
}

// param decodes one argument; ok is false if it has no value.
func (r *argReader) param(p Param, a *hclsyntax.Attribute) (any, bool) {
	if a == nil {
		return goDefault(p.Default), p.Default != nil
	}
	before := len(r.l.diags)
	v, ok := r.l.evalRefs(a.Expr, r.in, r.refs)
	if p.Script {
		scriptHint(r.l.diags[before:])
	}
	secret := v.HasMarkDeep(sensitiveMark{})
	if secret {
		r.sensitive = append(r.sensitive, p.Name)
	}
	v, _ = v.UnmarkDeep()
	if !ok || !v.IsWhollyKnown() {
		r.bad = true
		return nil, false
	}
	if v.IsNull() {
		if p.Required {
			r.l.add(Errorf(exprRange(a), "Missing value", "The argument %q is null, and %s is needed.", p.Name, typeName(p.Type.cty())))
			r.bad = true
		}
		return goDefault(p.Default), p.Default != nil
	}
	out, ok := r.l.paramValue(p, v, exprRange(a))
	r.bad = r.bad || !ok
	if text, is := out.(string); is && p.Script {
		r.scripts = append(r.scripts, scriptArg{a.Expr, text, secret})
	}
	return out, ok
}

// cty returns the type that the evaluator must deliver.
func (t ParamType) cty() cty.Type {
	switch t {
	case TypeString:
		return cty.String
	case TypeNumber:
		return cty.Number
	case TypeBool:
		return cty.Bool
	case TypeStrings:
		return cty.List(cty.String)
	case TypeMap:
		return cty.Map(cty.String)
	}
	return cty.DynamicPseudoType
}

// paramValue turns a value into the Go type that Args promises.
func (l *loader) paramValue(p Param, v cty.Value, at Range) (any, bool) {
	if p.Type == TypeAny {
		return goValue(v), true
	}
	v, ok := l.as(v, p.Type.cty(), at)
	if !ok {
		return nil, false
	}
	switch p.Type {
	case TypeString:
		return v.AsString(), true
	case TypeBool:
		return v.True(), true
	case TypeStrings:
		return stringList(v), true
	case TypeMap:
		return stringMap(v), true
	}
	n, err := wholeNumber(v)
	if err != nil {
		l.add(Errorf(at, "Wrong type", "The value does not fit: %s.", err))
		return nil, false
	}
	return n, true
}

// goDefault brings a default to the type that Args promises.
func goDefault(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case []string:
		return slices.Clone(v)
	}
	return v
}

// checkAction runs the schema's own check and maps its problems to places.
func (l *loader) checkAction(act *Action, schema *ActionSchema, b *hclsyntax.Block, sensitive []string) {
	if schema.Check == nil {
		return
	}
	for _, p := range schema.Check(act.Args) {
		if len(sensitive) > 0 && (p.Param == "" || slices.Contains(sensitive, p.Param)) {
			p.Detail = "The reason is not shown, since the argument is made from a sensitive variable."
		}
		l.add(Errorf(problemRange(p, b), p.Summary, "%s", p.Detail))
	}
}

func problemRange(p Problem, b *hclsyntax.Block) Range {
	if p.Block != "" {
		n := 0
		for _, inner := range b.Body.Blocks {
			if inner.Type != p.Block {
				continue
			}
			if n == p.Index {
				b = inner
				break
			}
			n++
		}
	}
	if a := b.Body.Attributes[p.Param]; a != nil {
		return exprRange(a)
	}
	return b.DefRange()
}
