package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// EnvPrefix begins the names of environment variables that give variables of
// the configuration their values.
const EnvPrefix = "AMBIENT_VAR_"

// variable is a variable block.
type variable struct {
	node      *node
	block     *hclsyntax.Block
	content   content
	typ       cty.Type
	defaults  *typeexpr.Defaults
	typed     bool // the type argument is given
	bad       bool // the block is wrong, which has been reported
	sensitive bool
	given     *given // the value from outside, nil: none
}

// given is a value from outside the configuration, the last one that wins.
type given struct {
	origin string         // for messages: "-var", "the environment variable …"
	text   string         // from the command line or the environment
	expr   hcl.Expression // from a file
	val    cty.Value      // from a use block, at the range; cty.NilVal: none
	at     Range
}

// declareVariable registers a variable block.
func (l *loader) declareVariable(b *hclsyntax.Block) {
	n := l.declare(l.vars, "variable", b)
	c := l.read(variableSpec, b.Body, b.DefRange())
	if n == nil {
		return
	}
	n.kind = "var"
	v := &variable{node: n, block: b, content: c, typ: cty.DynamicPseudoType}
	l.varDecls = append(l.varDecls, v)
	if a := c.attrs["type"]; a != nil {
		t, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		l.add(diags...)
		v.typ, v.defaults, v.typed, v.bad = t, defaults, true, diags.HasErrors()
	}
	v.sensitive = l.literalBool(c, "sensitive")
	if l.mods.parent == nil { // those of a module are set in its use block alone
		l.cfg.variables = append(l.cfg.variables, Variable{n.name, v.sensitive})
	}
	if a := c.attrs["description"]; a != nil {
		l.literal(a, cty.String)
	}
	n.eval = func() cty.Value { return l.variableValue(v) }
}

// literal evaluates an argument that can not refer to anything.
func (l *loader) literal(a *hclsyntax.Attribute, want cty.Type) (cty.Value, bool) {
	if len(a.Expr.Variables()) > 0 {
		l.add(Errorf(exprRange(a), "Reference not allowed here", "The argument %q can not refer to anything. Write the value itself.", a.Name))
		return cty.DynamicVal, false
	}
	v, ok := l.value(a.Expr, &hcl.EvalContext{Functions: l.functions})
	if !ok || want == cty.DynamicPseudoType {
		return v, ok
	}
	return l.as(v, want, exprRange(a))
}

func (l *loader) literalBool(c content, name string) bool {
	a := c.attrs[name]
	if a == nil {
		return false
	}
	v, ok := l.literal(a, cty.Bool)
	return !ok || v.True() // what can not be read is treated as a secret
}

// assignVariables finds the values given from outside.
func (l *loader) assignVariables() {
	byName := map[string]*variable{}
	for _, v := range l.varDecls {
		byName[v.node.name] = v
	}
	l.assignEnviron(byName)
	for _, path := range l.opts.VarFiles {
		l.assignFile(path, byName)
	}
	for _, arg := range l.opts.Vars {
		l.assignArg(arg, byName)
	}
}

func (l *loader) assignEnviron(byName map[string]*variable) {
	for _, e := range l.opts.Environ {
		name, text, _ := strings.Cut(e, "=")
		short, ours := strings.CutPrefix(name, EnvPrefix)
		if !ours {
			continue
		}
		if v := byName[short]; v != nil {
			v.given = &given{origin: "the environment variable " + name, text: text}
		} else if near := nearest(short, names(l.vars)); near != "" {
			w := Warningf(l.vars[near].rng, "Unknown variable in the environment", "The environment variable %s fits no variable. Did you mean %s%s?", printable(name), EnvPrefix, near)
			l.add(w)
		}
	}
}

func (l *loader) assignArg(arg string, byName map[string]*variable) {
	name, text, ok := strings.Cut(arg, "=")
	name = strings.TrimSpace(name)
	switch v := byName[name]; {
	case !ok:
		l.add(Errorf(l.start(), "Invalid -var", "Write -var NAME=VALUE, such as -var channel=edge."))
	case v == nil:
		l.add(Errorf(l.start(), "Unknown variable in -var", "No variable %q is declared. %s", name, orList(names(l.vars), name, "variables")))
	default:
		v.given = &given{origin: "-var " + name, text: text}
	}
}

// start is the place of what belongs to no place: the beginning of the first
// file.
func (l *loader) start() Range { return fileRange(l.bodies[0].SrcRange.Filename) }

// assignFile takes the values of a -var-file.
func (l *loader) assignFile(path string, byName map[string]*variable) {
	src, err := readPath(path)
	if err != nil {
		l.add(Errorf(l.start(), "Unreadable -var-file", "The file %q can not be read: %s.", path, cause(err)))
		return
	}
	before := len(l.diags)
	body := l.parse(src, path)
	if body == nil || l.diags[before:].HasErrors() {
		l.hideIfSensitive(path)
		return
	}
	for _, b := range body.Blocks {
		l.add(Errorf(b.TypeRange, "Block in a variable file", "A file of -var-file holds arguments only: NAME = VALUE."))
	}
	for _, a := range sortedAttrs(body) {
		v := byName[a.Name]
		if v == nil {
			l.add(Errorf(a.NameRange, "Unknown variable", "No variable %q is declared. %s", a.Name, orList(names(l.vars), a.Name, "variables")))
			continue
		}
		if v.sensitive {
			l.hidden = append(l.hidden, exprRange(a))
		}
		v.given = &given{origin: "the file " + path, expr: a.Expr}
	}
}

// hideIfSensitive hides a file that could not be parsed and may hold a secret.
func (l *loader) hideIfSensitive(path string) {
	for _, v := range l.varDecls {
		if v.sensitive {
			delete(l.cfg.files, path)
			return
		}
	}
}

// readPath reads a bounded file anywhere on the host, which may be a pipe: the
// user named it.
func readPath(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, maxFile)
}

// variableValue works out the value of a variable and reports what is wrong.
func (l *loader) variableValue(v *variable) cty.Value {
	fallback, hasDefault, ok := l.defaultValue(v)
	switch {
	case !ok || v.bad:
		return cty.DynamicVal
	case v.given != nil:
		return l.finish(v, l.givenValue(v))
	case hasDefault:
		return l.finish(v, fallback)
	}
	if l.opts.UnsetVars {
		return l.finish(v, cty.DynamicVal)
	}
	l.add(Errorf(v.node.rng, "Variable without value", "The variable %q has no default, so a value must be given: -var %s=VALUE, a -var-file, or the environment variable %s%s.", v.node.name, v.node.name, EnvPrefix, v.node.name))
	return cty.DynamicVal
}

// defaultValue evaluates the default; ok is false if it is wrong.
func (l *loader) defaultValue(v *variable) (val cty.Value, given, ok bool) {
	a := v.content.attrs["default"]
	if a == nil {
		return cty.NilVal, false, true
	}
	if v.sensitive {
		l.hidden = append(l.hidden, exprRange(a))
	}
	val, ok = l.literal(a, cty.DynamicPseudoType)
	if !ok || v.bad {
		return val, true, false
	}
	val, err := v.convert(val)
	if err != nil {
		l.add(Errorf(exprRange(a), "Wrong type", "The default does not fit the type of the variable: %s.", err))
		return val, true, false
	}
	return val, true, true
}

func (v *variable) convert(val cty.Value) (cty.Value, error) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	return convertTo(val, v.typ)
}

// givenValue converts a value from outside; unknown after a report.
func (l *loader) givenValue(v *variable) cty.Value {
	g := v.given
	if g.val != cty.NilVal {
		return l.usedValue(v, g)
	}
	val, err := cty.StringVal(g.text), error(nil)
	at := v.node.rng
	switch {
	case g.expr != nil:
		at = g.expr.Range()
		val, err = literalValue(g.expr)
	case v.typed && !v.typ.IsPrimitiveType() && v.typ != cty.DynamicPseudoType:
		val, err = parseValue(g.text)
	}
	if err == nil {
		val, err = v.convert(val)
	}
	if err != nil {
		l.add(Errorf(at, "Wrong value for a variable", "The value of %q from %s does not fit: %s.", v.node.name, g.origin, err))
		return cty.DynamicVal
	}
	return val
}

// parseValue reads a value written as an expression, as in -var 'list=["a"]'.
func parseValue(text string) (cty.Value, error) {
	notValid := fmt.Errorf("it must be written as in a file, such as '[\"a\", \"b\"]' or '{ a = 1 }'")
	tokens, diags := hclsyntax.LexExpression([]byte(text), "value", hcl.InitialPos)
	if len(text) > maxFile || diags.HasErrors() || checkNesting(tokens) != nil {
		return cty.DynamicVal, notValid
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.DynamicVal, notValid
	}
	return literalValue(e)
}

// literalValue evaluates an expression without references and functions.
func literalValue(e hcl.Expression) (cty.Value, error) {
	v, diags := e.Value(nil)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return cty.DynamicVal, fmt.Errorf("it can not hold references or functions")
	}
	return v, nil
}

// finish marks a sensitive value and remembers its texts for redaction.
func (l *loader) finish(v *variable, val cty.Value) cty.Value {
	if !v.sensitive {
		return val
	}
	val, _ = val.UnmarkDeep() // a module may be given what is marked already
	l.cfg.secrets = append(l.cfg.secrets, texts(val)...)
	return val.Mark(sensitiveMark{})
}

// texts returns every string in a value.
func texts(v cty.Value) []string {
	switch {
	case v.IsNull() || !v.IsKnown():
	case v.Type() == cty.String:
		if s := v.AsString(); s != "" {
			return []string{s}
		}
	case v.CanIterateElements():
		var all []string
		for _, e := range v.Elements() {
			all = append(all, texts(e)...)
		}
		return all
	}
	return nil
}

// validateVariables checks the validation rules, once all values are known.
func (l *loader) validateVariables() {
	for _, v := range l.varDecls {
		for _, b := range v.content.of("validation") {
			c := l.read(variableSpec.block("validation"), b.Body, b.DefRange())
			if c.attrs["condition"] != nil && c.attrs["error_message"] != nil {
				l.validate(v, c)
			}
		}
	}
}

func (l *loader) validate(v *variable, c content) {
	cond := c.attrs["condition"]
	good, text := l.holds(cond, c.attrs["error_message"], scope{})
	switch {
	case good:
	case v.given != nil && v.given.val != cty.NilVal:
		l.add(Errorf(v.given.at, "Invalid value for a variable", "%s\nThe rule of %q stands at %s.", text, v.node.name, place(exprRange(cond))))
	case v.given != nil:
		l.add(Errorf(exprRange(cond), "Invalid value for a variable", "%s\nThe value of %q comes from %s.", text, v.node.name, v.given.origin))
	default:
		l.add(Errorf(exprRange(cond), "Invalid value for a variable", "%s\nThe value of %q comes from its default.", text, v.node.name))
	}
}
