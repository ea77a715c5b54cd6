package config

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// convertTo converts a value that holds no marks. The error is a phrase for the
// user without values.
func convertTo(v cty.Value, want cty.Type) (cty.Value, error) {
	if err := surplus(v, want); err != nil {
		return cty.DynamicVal, err
	}
	out, err := convert.Convert(v, want)
	if err != nil {
		for _, find := range []func(cty.Value, cty.Type) error{elementError, attributeError} {
			if err := find(v, want); err != nil {
				return cty.DynamicVal, err
			}
		}
		return cty.DynamicVal, fmt.Errorf("%s is needed, and this is %s", typeName(want), typeName(v.Type()))
	}
	return out, nil
}

// elementError names the first element of a collection that does not fit, nil
// if the collection itself does not.
func elementError(v cty.Value, want cty.Type) error {
	t := v.Type()
	lists := (want.IsListType() || want.IsSetType()) && (t.IsTupleType() || t.IsListType() || t.IsSetType())
	maps := want.IsMapType() && (t.IsObjectType() || t.IsMapType())
	if !lists && !maps || v.IsNull() || !v.IsKnown() {
		return nil
	}
	n := 0
	for k, e := range v.Elements() {
		n++
		if _, err := convertTo(e, want.ElementType()); err == nil {
			continue
		} else if maps {
			return fmt.Errorf("element %q: %w", k.AsString(), err)
		} else {
			return fmt.Errorf("element %d: %w", n, err)
		}
	}
	return nil
}

// typeName returns a type for a sentence: "a string", "a list of strings".
func typeName(t cty.Type) string {
	switch {
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t == cty.DynamicPseudoType:
		return "any value"
	case t.IsTupleType(), t.IsListType() && t.ElementType() == cty.DynamicPseudoType:
		return "a list"
	case t.IsObjectType():
		return "an object"
	case t.IsListType():
		return "a list of " + plural(t.ElementType())
	case t.IsSetType():
		return "a set of " + plural(t.ElementType())
	case t.IsMapType():
		return "a map of " + plural(t.ElementType())
	}
	return t.FriendlyName()
}

func plural(t cty.Type) string {
	switch t {
	case cty.String:
		return "strings"
	case cty.Number:
		return "numbers"
	case cty.Bool:
		return "booleans"
	}
	return "values"
}

// plainAs evaluates an argument that must have a type. Null is reported.
func (l *loader) plainAs(e hcl.Expression, want cty.Type, sc scope) (cty.Value, bool) {
	v, ok := l.plain(e, sc)
	if !ok {
		return v, false
	}
	return l.as(v, want, e.Range())
}

// as converts a known value without marks and reports what does not fit.
func (l *loader) as(v cty.Value, want cty.Type, at Range) (cty.Value, bool) {
	if v.IsNull() {
		l.add(Errorf(at, "Missing value", "The value is null, and %s is needed.", typeName(want)))
		return v, false
	}
	out, err := convertTo(v, want)
	if err == nil {
		err = noNulls(out)
	}
	if err != nil {
		l.add(Errorf(at, "Wrong type", "The value does not fit: %s.", err))
		return v, false
	}
	return out, true
}

// noNulls refuses null elements of lists and maps.
func noNulls(v cty.Value) error {
	if !v.CanIterateElements() {
		return nil
	}
	for _, e := range v.Elements() {
		if e.IsNull() {
			return errors.New("an element is null")
		}
	}
	return nil
}

// wholeNumber returns a number that fits in an int64. The error is a phrase for
// the user.
func wholeNumber(v cty.Value) (int64, error) {
	n, err := convertTo(v, cty.Number)
	if err != nil {
		return 0, err
	}
	i, accuracy := n.AsBigFloat().Int64()
	if accuracy != big.Exact {
		return 0, errors.New("a whole number is needed, and not one beyond 64 bits")
	}
	return i, nil
}

// stringList returns a list(string) as Go; never nil.
func stringList(v cty.Value) []string {
	out := []string{}
	for _, e := range v.Elements() {
		out = append(out, e.AsString())
	}
	return out
}

// stringMap returns a map(string) as Go; never nil.
func stringMap(v cty.Value) map[string]string {
	out := map[string]string{}
	for k, e := range v.Elements() {
		out[k.AsString()] = e.AsString()
	}
	return out
}

// goValue returns any value as Go: nil, bool, int64, float64, string, []any or
// map[string]any.
func goValue(v cty.Value) any {
	switch t := v.Type(); {
	case v.IsNull():
		return nil
	case t == cty.String:
		return v.AsString()
	case t == cty.Bool:
		return v.True()
	case t == cty.Number:
		if i, err := wholeNumber(v); err == nil {
			return i
		}
		f, _ := v.AsBigFloat().Float64()
		return f
	case t.IsMapType(), t.IsObjectType():
		m := map[string]any{}
		for k, e := range v.Elements() {
			m[k.AsString()] = goValue(e)
		}
		return m
	case v.CanIterateElements():
		list := []any{}
		for _, e := range v.Elements() {
			list = append(list, goValue(e))
		}
		return list
	}
	return nil
}

// nameIn returns the attribute "name" of an object, "" if it has none.
func nameIn(v cty.Value) string {
	t := v.Type()
	if !t.IsObjectType() || v.IsNull() || !t.HasAttribute("name") || t.AttributeType("name") != cty.String {
		return ""
	}
	if n := v.GetAttr("name"); !n.IsNull() && n.IsKnown() {
		return n.AsString()
	}
	return ""
}
