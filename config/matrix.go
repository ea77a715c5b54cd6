package config

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const matrixPlace = "A matrix block makes instances of one stage and stands inside it: plan \"test\" { matrix { … } }."

var matrixSpec = &blockSpec{
	Name: "matrix", Single: true, Open: true,
	Doc: "Makes one instance of the stage for each combination of the values of its axes. Every argument but `include` and `exclude` is an axis: a list of " +
		"strings, numbers or booleans. `each.value.AXIS` is the value of this instance and `each.key` its values in the order in which the axes are written, joined by commas; " +
		"a comma or a backslash in a value has a backslash before it. More than 1000 instances are an error.",
	Example: "plan \"test\" {\n  matrix {\n    go      = [\"1.25\", \"1.26\"]\n    tags    = [\"\", \"netgo\"]\n" +
		"    exclude = [{ go = \"1.25\", tags = \"netgo\" }]\n    include = [{ go = \"1.27rc1\", tags = \"\" }]\n  }\n" +
		"  action \"shell\" { script = \"test-with ${each.value.go} ${each.value.tags}\" }\n}",
	Args: []argSpec{
		{Name: "exclude", Type: "list(object)", Default: "[]", Doc: "Combinations to leave out: every one that has all the values of one of these objects. They need not name all axes."},
		{Name: "include", Type: "list(object)", Default: "[]", Doc: "Further combinations, added after what is excluded. They name every axis."},
	},
}

// axis is one list of a matrix.
type axis struct {
	name   string
	values []cty.Value
	texts  []string // what stands in keys, before it is escaped
}

// combination is one instance of a matrix: a value and its text for each axis.
type combination struct {
	values []cty.Value
	texts  []string
}

// key joins the texts so that different combinations have different keys.
func (c combination) key() string {
	var parts []string
	for _, t := range c.texts {
		parts = append(parts, strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(t))
	}
	return strings.Join(parts, ",")
}

// matrix works out the combinations of one block.
type matrix struct {
	l    *loader
	axes []axis
	all  []combination
	ok   bool
}

// expandMatrix makes the instances of a stage with a matrix.
func (l *loader) expandMatrix(s *stageDecl, id StageID) {
	b := s.content.of(matrixSpec.Name)[0]
	if a := s.content.attrs["for_each"]; a != nil {
		l.add(Errorf(b.DefRange(), "Both for_each and matrix", "A stage can have one of the two. Make the elements of for_each an axis of the matrix, or remove one of them."))
		return
	}
	c := l.read(matrixSpec, b.Body, b.DefRange())
	for _, inner := range c.blocks {
		l.add(Errorf(inner.TypeRange, "Unknown block", "A matrix block holds arguments only: AXIS = [VALUE, …]."))
	}
	m := &matrix{l: l, ok: len(c.blocks) == 0}
	m.readAxes(c, b)
	if !m.ok || !m.product(b) {
		return
	}
	m.exclude(c.attrs["exclude"])
	m.include(c.attrs["include"])
	if m.ok {
		s.broken = !m.instances(s, id, b)
	}
}

func (m *matrix) fail(at Range, summary, detail string, args ...any) {
	m.l.add(Errorf(at, summary, detail, args...))
	m.ok = false
}

func (m *matrix) readAxes(c content, b *hclsyntax.Block) {
	for _, a := range c.sorted {
		if matrixSpec.arg(a.Name) == nil {
			m.axes = append(m.axes, m.axis(a))
		}
	}
	if len(m.axes) == 0 && m.ok {
		m.fail(b.DefRange(), "Matrix without axes", "Give it at least one list, such as go = [\"1.25\", \"1.26\"].")
	}
}

func (m *matrix) axis(a *hclsyntax.Attribute) axis {
	x := axis{name: a.Name}
	v, ok := m.l.plain(a.Expr, scope{})
	if !ok {
		m.ok = false
		return x
	}
	if t := v.Type(); v.IsNull() || !t.IsListType() && !t.IsTupleType() && !t.IsSetType() {
		m.fail(exprRange(a), "Wrong type", "An axis of a matrix is a list, such as [\"a\", \"b\"], and this is %s.", nullOr(v))
		return x
	}
	i := -1
	for _, e := range v.Elements() {
		i++
		text, ok := axisText(e)
		at := elementRange(a.Expr, i)
		switch {
		case !ok && nearest(a.Name, matrixSpec.argNames()) != "":
			m.fail(a.NameRange, "Wrong type", "%q would be an axis, whose values are strings, numbers or booleans. Did you mean %q?", a.Name, nearest(a.Name, matrixSpec.argNames()))
			return x
		case !ok:
			m.fail(at, "Wrong type", "The values of an axis are strings, numbers or booleans, and this is %s. Keep larger values in a local map and look them up by each.value.%s.", nullOr(e), a.Name)
		case slices.Contains(x.texts, text):
			m.fail(at, "Duplicate value", "The value stands already in this axis, and an instance can not be made twice. Remove one of the two.")
		default:
			x.values, x.texts = append(x.values, e), append(x.texts, text)
		}
	}
	return x
}

// axisText writes a value as it stands in keys.
func axisText(v cty.Value) (string, bool) {
	if v.IsNull() || !v.Type().IsPrimitiveType() {
		return "", false
	}
	s, err := convertTo(v, cty.String)
	if err != nil {
		return "", false
	}
	return s.AsString(), true
}

func nullOr(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	return typeName(v.Type())
}

// product makes all combinations; the last axis changes fastest.
func (m *matrix) product(b *hclsyntax.Block) bool {
	n := big.NewInt(1)
	for _, x := range m.axes {
		n.Mul(n, big.NewInt(int64(len(x.values))))
	}
	if n.Cmp(big.NewInt(maxInstances)) > 0 {
		m.tooMany(b, n.String())
		return false
	}
	if n.Sign() == 0 {
		return true
	}
	m.all = []combination{{}}
	for _, x := range m.axes {
		var longer []combination
		for _, c := range m.all {
			for i := range x.values {
				longer = append(longer, combination{append(slices.Clip(c.values), x.values[i]), append(slices.Clip(c.texts), x.texts[i])})
			}
		}
		m.all = longer
	}
	return true
}

func (m *matrix) tooMany(b *hclsyntax.Block, n string) {
	m.fail(b.DefRange(), "Too many instances", "The matrix makes %s combinations, and a stage can have at most %d instances. Shorten its lists, or split the stage.", n, maxInstances)
}

// object is one element of include or exclude: texts and values by axis.
type object struct {
	at     Range
	texts  map[string]string
	values map[string]cty.Value
}

// objects reads include or exclude.
func (m *matrix) objects(a *hclsyntax.Attribute) []object {
	v, ok := m.l.plain(a.Expr, scope{})
	if !ok {
		m.ok = false
		return nil
	}
	if t := v.Type(); v.IsNull() || !t.IsListType() && !t.IsTupleType() && !t.IsSetType() {
		m.fail(exprRange(a), "Wrong type", "%q is a list of objects, such as [{ %s = … }], and this is %s.", a.Name, m.axes[0].name, nullOr(v))
		return nil
	}
	var all []object
	i := -1
	for _, e := range v.Elements() {
		i++
		if o, ok := m.object(e, elementRange(a.Expr, i)); ok {
			all = append(all, o)
		}
	}
	return all
}

func (m *matrix) object(v cty.Value, at Range) (object, bool) {
	o := object{at: at, texts: map[string]string{}, values: map[string]cty.Value{}}
	if t := v.Type(); v.IsNull() || !t.IsObjectType() && !t.IsMapType() || v.LengthInt() == 0 {
		m.fail(at, "Wrong type", "An object with values of axes is needed, such as { %s = … }.", m.axes[0].name)
		return o, false
	}
	for k, e := range v.Elements() {
		name := k.AsString()
		text, ok := axisText(e)
		switch {
		case !slices.Contains(m.names(), name):
			m.fail(at, "Unknown axis", "The matrix has no axis %q. %s", printable(name), orList(m.names(), name, "axes"))
			return o, false
		case !ok:
			m.fail(at, "Wrong type", "The value of %q must be a string, a number or a boolean.", name)
			return o, false
		}
		o.texts[name], o.values[name] = text, e
	}
	return o, true
}

func (m *matrix) names() []string {
	var names []string
	for _, x := range m.axes {
		names = append(names, x.name)
	}
	return names
}

func (m *matrix) exclude(a *hclsyntax.Attribute) {
	if a == nil {
		return
	}
	for _, o := range m.objects(a) {
		before := len(m.all)
		m.all = slices.DeleteFunc(m.all, func(c combination) bool { return m.fits(c, o) })
		if len(m.all) == before {
			m.l.add(Warningf(o.at, "Nothing excluded", "No combination that is still there has these values, so this changes nothing. Remove it, or correct it."))
		}
	}
}

func (m *matrix) fits(c combination, o object) bool {
	for i, x := range m.axes {
		if text, named := o.texts[x.name]; named && text != c.texts[i] {
			return false
		}
	}
	return true
}

func (m *matrix) include(a *hclsyntax.Attribute) {
	if a == nil {
		return
	}
	for _, o := range m.objects(a) {
		var c combination
		for _, x := range m.axes {
			text, named := o.texts[x.name]
			if !named {
				m.fail(o.at, "Missing axis", "A combination that is included names every axis, and %q is missing.", x.name)
				break
			}
			c.values, c.texts = append(c.values, o.values[x.name]), append(c.texts, text)
		}
		if len(c.texts) < len(m.axes) {
			continue
		}
		if slices.ContainsFunc(m.all, func(old combination) bool { return slices.Equal(old.texts, c.texts) }) {
			m.fail(o.at, "Duplicate combination", "The matrix makes this combination already. Remove it from \"include\".")
			continue
		}
		m.all = append(m.all, c)
	}
}

// instances makes the instances and reports whether it could.
func (m *matrix) instances(s *stageDecl, id StageID, b *hclsyntax.Block) bool {
	if len(m.all) > maxInstances {
		m.tooMany(b, fmt.Sprint(len(m.all)))
		return false
	}
	if len(m.all) == 0 {
		m.l.add(Warningf(b.DefRange(), "Matrix without combinations", "An axis is empty or everything is excluded, so that the stage has no instance and never runs."))
	}
	for _, c := range m.all {
		id.Key = c.key()
		if !goodKey(id.Key) {
			m.fail(b.DefRange(), "Invalid key of a matrix", "The values of one combination, joined by commas, have 1 to %d bytes of printable text.", maxKey)
			return false
		}
		attrs := map[string]cty.Value{}
		for i, x := range m.axes {
			attrs[x.name] = c.values[i]
		}
		s.instances = append(s.instances, &instance{decl: s, id: id, key: id.Key, value: cty.ObjectVal(attrs)})
	}
	return true
}

func goodKey(key string) bool {
	return key != "" && len(key) <= maxKey && printable(key) == key && !strings.Contains(key, "\n")
}
