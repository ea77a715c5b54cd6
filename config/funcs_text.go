package config

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func param(name string, t cty.Type) function.Parameter {
	return function.Parameter{Name: name, Type: t}
}

// textFunc makes a function of a string to a string.
func textFunc(name string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param(name, cty.String)},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.DynamicVal, function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

// textTest makes a function of two strings to a bool.
func textTest(f func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("str", cty.String), param("part", cty.String)},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// replaceFunc replaces text, or what a pattern between slashes matches.
var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("str", cty.String), param("substring", cty.String), param("replacement", cty.String)},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		str, old, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(old) < 2 || old[0] != '/' || old[len(old)-1] != '/' {
			return cty.StringVal(strings.ReplaceAll(str, old, with)), nil
		}
		pattern, err := regexp.Compile(old[1 : len(old)-1])
		if err != nil {
			return cty.DynamicVal, function.NewArgErrorf(1, "the pattern is not valid")
		}
		if strings.Count(with, "$")*len(str) > maxArgs {
			return cty.DynamicVal, errTooMuch
		}
		return cty.StringVal(pattern.ReplaceAllString(str, with)), nil
	},
})

// lengthFunc counts elements, or the characters of a string.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		t := args[0].Type()
		if t == cty.String || t == cty.DynamicPseudoType || t.IsCollectionType() || t.IsTupleType() || t.IsObjectType() {
			return cty.Number, nil
		}
		return cty.Number, errors.New("a string, a list, a set, a map or an object is needed")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		switch t := v.Type(); {
		case !v.IsKnown():
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case t == cty.String:
			n, err := stdlib.Strlen(v)
			return n.WithMarks(marks), err
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))).WithMarks(marks), nil
		}
		return v.Length().WithMarks(marks), nil
	},
})

// coalesceFunc returns the first argument that is neither null nor "".
var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		var types []cty.Type
		for _, a := range args {
			types = append(types, a.Type())
		}
		t, _ := convert.UnifyUnsafe(types)
		if len(args) == 0 || t == cty.NilType {
			return cty.DynamicPseudoType, errors.New("the arguments must be of one type")
		}
		return t, nil
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		for _, a := range args {
			switch v, err := convert.Convert(a, t); {
			case err != nil:
				return cty.DynamicVal, err
			case !v.IsKnown():
				return cty.UnknownVal(t), nil
			case v.IsNull() || v.RawEquals(cty.StringVal("")):
			default:
				return v, nil
			}
		}
		return cty.DynamicVal, errors.New("every argument is null or empty")
	},
})

// oneFunc returns the only element of a list, or null.
var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("list", cty.DynamicPseudoType)},
	Type: func(args []cty.Value) (cty.Type, error) {
		if t := args[0].Type(); t.IsListType() || t.IsSetType() {
			return t.ElementType(), nil
		}
		return cty.DynamicPseudoType, nil
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		v := args[0]
		if v.Type().IsMapType() || !v.CanIterateElements() || v.LengthInt() > 1 {
			return cty.DynamicVal, errors.New("a list or set with one element or none is needed")
		}
		for _, e := range v.Elements() {
			return e, nil
		}
		return cty.NullVal(t), nil
	},
})

// elements returns the elements of a list argument; an error if one is null or
// of another type.
func elements(v cty.Value, want cty.Type) ([]cty.Value, error) {
	if v.Type().IsMapType() || v.Type().IsObjectType() || !v.CanIterateElements() {
		return nil, errors.New("a list or set is needed")
	}
	var all []cty.Value
	for _, e := range v.Elements() {
		c, err := convertTo(e, want)
		if err != nil || c.IsNull() {
			return nil, fmt.Errorf("every element must be %s", typeName(want))
		}
		all = append(all, c)
	}
	return all, nil
}

// sumFunc adds numbers.
var sumFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("list", cty.DynamicPseudoType)},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		all, err := elements(args[0], cty.Number)
		if err != nil {
			return cty.DynamicVal, err
		}
		sum := cty.Zero
		for _, e := range all {
			sum = sum.Add(e)
		}
		return sum, nil
	},
})

// allTrue makes alltrue (want true) and anytrue (want false).
func allTrue(want bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("list", cty.DynamicPseudoType)},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			all, err := elements(args[0], cty.Bool)
			if err != nil {
				return cty.DynamicVal, err
			}
			for _, e := range all {
				if e.IsKnown() && e.True() != want {
					return cty.BoolVal(!want), nil
				}
			}
			return cty.BoolVal(want), nil
		},
	})
}

func decodeBase64(s string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", errors.New("this is not base64")
	}
	if !utf8.Valid(data) {
		return "", errors.New("the decoded data is not UTF-8 text")
	}
	return string(data), nil
}

func encodeURL(s string) (string, error) { return url.QueryEscape(s), nil }

func baseName(s string) (string, error) { return path.Base(s), nil }

func dirName(s string) (string, error) { return path.Dir(s), nil }

func newHash(kind string) hash.Hash {
	switch kind {
	case "md5":
		return md5.New()
	case "sha1":
		return sha1.New()
	case "sha512":
		return sha512.New()
	}
	return sha256.New()
}

func hexOf(kind string) func(string) (string, error) {
	return func(s string) (string, error) {
		h := newHash(kind)
		h.Write([]byte(s))
		return hex.EncodeToString(h.Sum(nil)), nil
	}
}
