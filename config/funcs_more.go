package config

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// moreFunctions are those of Terraform that the standard library of cty does not
// have, or has with another meaning.
var moreFunctions = map[string]function.Function{
	"index": indexFunc, "lookup": lookupFunc, "matchkeys": matchKeysFunc, "transpose": transposeFunc,
	"urldecode":    textFunc("str", decodeURL),
	"base64sha256": textFunc("str", base64Of("sha256")),
	"base64sha512": textFunc("str", base64Of("sha512")),
	"uuidv5":       uuidFunc,
	"formatdate":   stdlib.FormatDateFunc,
	"timeadd":      stdlib.TimeAddFunc,
	"timecmp":      timeCompareFunc,
}

// LeftOut is a function of Terraform that the language does not have.
type LeftOut struct {
	Name   string
	Reason string // a sentence for the user: why, and what to do
}

const (
	notPure   = "A plan must be the same for the same files and variables. Give the value with a variable."
	onMachine = "A plan must not depend on the machine it is made on. Write the path relative to the directory of the configuration."
	noMarks   = "What is sensitive is said where it comes from: set sensitive = true in the variable."
)

var leftOut = []LeftOut{
	{"abspath", onMachine},
	{"base64gzip", "The result would change with the compressor. Compress in a stage."},
	{"bcrypt", notPure},
	{"ephemeralasnull", "There are no ephemeral values here."},
	{"issensitive", noMarks},
	{"list", "Write the list itself: [a, b]."},
	{"map", "Write the map itself: { a = b }."},
	{"nonsensitive", noMarks},
	{"pathexpand", onMachine},
	{"plantimestamp", notPure},
	{"rsadecrypt", "A private key has no place in a configuration."},
	{"sensitive", noMarks},
	{"templatestring", "Write the template where it is used, or keep it in a file for templatefile."},
	{"textdecodebase64", "Only UTF-8 is supported: use base64decode."},
	{"textencodebase64", "Only UTF-8 is supported: use base64encode."},
	{"timestamp", notPure},
	{"type", "It is for Terraform's console. A wrong type is reported with what is needed."},
	{"uuid", notPure},
}

// LeftOutFunctions returns the functions of Terraform that the language does not
// have, sorted, for the reference. The slice is the caller's.
func LeftOutFunctions() []LeftOut { return append([]LeftOut(nil), leftOut...) }

// explainLeftOut says why a function that was called does not exist.
func explainLeftOut(d *Diagnostic) {
	x, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d)
	if !ok || x.CalledFunctionNamespace() != "" {
		return
	}
	for _, f := range leftOut {
		if f.Name == x.CalledFunctionName() {
			d.Detail = fmt.Sprintf("There is no function %q here. %s", f.Name, f.Reason)
		}
	}
}

// indexFunc returns the first place of a value in a list.
var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("list", cty.DynamicPseudoType), param("value", cty.DynamicPseudoType)},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
			return cty.DynamicVal, function.NewArgErrorf(0, "a list is needed")
		}
		if args[0].LengthInt() == 0 {
			return cty.DynamicVal, errors.New("the list is empty")
		}
		i := int64(0)
		for _, e := range args[0].Elements() {
			eq, err := stdlib.Equal(e, args[1])
			if err != nil {
				return cty.DynamicVal, err
			}
			if !eq.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if eq.True() {
				return cty.NumberIntVal(i), nil
			}
			i++
		}
		return cty.DynamicVal, errors.New("the list does not hold the value")
	},
})

// lookupFunc returns an element of a map, or the default if there is one.
var lookupFunc = function.New(&function.Spec{
	Params:   []function.Parameter{param("map", cty.DynamicPseudoType), param("key", cty.String)},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) > 3 {
			return cty.DynamicPseudoType, errors.New("a map, a key and at most one default are needed")
		}
		switch t := args[0].Type(); {
		case t.IsMapType():
			return t.ElementType(), nil
		case t.IsObjectType():
			return cty.DynamicPseudoType, nil
		}
		return cty.DynamicPseudoType, function.NewArgErrorf(0, "a map is needed")
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		key, m := args[1].AsString(), args[0].Type()
		switch {
		case m.IsObjectType() && m.HasAttribute(key):
			return args[0].GetAttr(key), nil
		case m.IsMapType() && args[0].HasIndex(args[1]).True():
			return args[0].Index(args[1]), nil
		case len(args) < 3:
			return cty.DynamicVal, errors.New("the map has no such element, and no default is given")
		}
		v, err := convert.Convert(args[2], t)
		if err != nil {
			return cty.DynamicVal, function.NewArgErrorf(2, "the default must be of the type of the elements")
		}
		return v, nil
	},
})

// matchKeysFunc returns the values whose keys are wanted.
var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("values", cty.List(cty.DynamicPseudoType)), param("keys", cty.List(cty.DynamicPseudoType)), param("search", cty.List(cty.DynamicPseudoType))},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		values, keys := args[0].AsValueSlice(), args[1].AsValueSlice()
		if len(values) != len(keys) {
			return cty.DynamicVal, errors.New("there must be as many keys as values")
		}
		var out []cty.Value
		for i, k := range keys {
			for _, s := range args[2].AsValueSlice() {
				if eq, err := stdlib.Equal(k, s); err == nil && eq.IsKnown() && eq.True() {
					out = append(out, values[i])
					break
				}
			}
		}
		if len(out) == 0 {
			return cty.ListValEmpty(t.ElementType()), nil
		}
		return cty.ListVal(out), nil
	},
})

// transposeFunc swaps the keys and the values of a map of lists.
var transposeFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("values", cty.Map(cty.List(cty.String)))},
	Type:   function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		swapped := map[string][]cty.Value{}
		for k, list := range args[0].Elements() {
			if list.IsNull() {
				return cty.DynamicVal, errors.New("a list is null")
			}
			for _, e := range list.Elements() {
				if e.IsNull() {
					return cty.DynamicVal, errors.New("an element is null")
				}
				swapped[e.AsString()] = append(swapped[e.AsString()], k) // keys come sorted
			}
		}
		if len(swapped) == 0 {
			return cty.MapValEmpty(t.ElementType()), nil
		}
		out := map[string]cty.Value{}
		for k, list := range swapped {
			out[k] = cty.ListVal(list)
		}
		return cty.MapVal(out), nil
	},
})

// timeCompareFunc compares two RFC 3339 times that are given.
var timeCompareFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("a", cty.String), param("b", cty.String)},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var times [2]time.Time
		for i := range times {
			var err error
			if times[i], err = time.Parse(time.RFC3339, args[i].AsString()); err != nil {
				return cty.DynamicVal, function.NewArgErrorf(i, "a time is needed, such as \"2026-01-02T15:04:05Z\"")
			}
		}
		return cty.NumberIntVal(int64(times[0].Compare(times[1]))), nil
	},
})

// uuidFunc makes a name-based UUID (RFC 9562, version 5).
var uuidFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("namespace", cty.String), param("name", cty.String)},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		space, err := namespace(args[0].AsString())
		if err != nil {
			return cty.DynamicVal, function.NewArgError(0, err)
		}
		sum := sha1.Sum(append(space, args[1].AsString()...))
		id := sum[:16]
		id[6] = id[6]&0x0f | 0x50
		id[8] = id[8]&0x3f | 0x80
		return cty.StringVal(fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])), nil
	},
})

// namespace returns the bytes of a UUID, or of one of the four that the standard
// names.
func namespace(text string) ([]byte, error) {
	known := map[string]string{"dns": "0", "url": "1", "oid": "2", "x500": "4"}
	if digit := known[text]; digit != "" {
		text = "6ba7b81" + digit + "-9dad-11d1-80b4-00c04fd430c8"
	}
	id, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(id) != 16 {
		return nil, errors.New("the namespace is a UUID, or one of dns, url, oid, x500")
	}
	return id, nil
}

func decodeURL(s string) (string, error) {
	out, err := url.QueryUnescape(s)
	if err != nil || !utf8.ValidString(out) {
		return "", errors.New("this is not a URL-encoded UTF-8 text")
	}
	return out, nil
}

func base64Of(kind string) func(string) (string, error) {
	return func(s string) (string, error) {
		h := newHash(kind)
		h.Write([]byte(s))
		return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
	}
}

// hashFunctions returns the functions that hash a file.
func (t tree) hashFunctions() map[string]function.Function {
	all := map[string]function.Function{}
	for _, kind := range []string{"md5", "sha1", "sha256", "sha512"} {
		all["file"+kind] = textFunc("path", func(name string) (string, error) {
			sum, err := t.hash(name, kind)
			return hex.EncodeToString(sum), err
		})
	}
	for _, kind := range []string{"sha256", "sha512"} {
		all["filebase64"+kind] = textFunc("path", func(name string) (string, error) {
			sum, err := t.hash(name, kind)
			return base64.StdEncoding.EncodeToString(sum), err
		})
	}
	return all
}
