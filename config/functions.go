package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"gopkg.in/yaml.v3"
)

// functions returns every function of the language. Each is pure: nothing of it
// depends on time, chance or the environment, and the ones that read files read
// below root only.
func functions(root *os.Root) map[string]function.Function {
	all := maps.Clone(library)
	maps.Copy(all, moreFunctions)
	maps.Copy(all, ipFunctions)
	maps.Copy(all, fileFunctions(root, all))
	for name, f := range all {
		all[name] = bounded(name, f)
	}
	// These take expressions and not values, and so can not be wrapped.
	all["try"], all["can"] = tryfunc.TryFunc, tryfunc.CanFunc
	return all
}

// FunctionNames returns the names of all functions, sorted, for the reference.
func FunctionNames() []string { return names(functions(nil)) }

// library holds the functions that need nothing but their arguments.
var library = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
	"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
	"signum": stdlib.SignumFunc,

	"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc,
	"indent": stdlib.IndentFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc,
	"regexall": stdlib.RegexAllFunc, "replace": replaceFunc, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc,
	"substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
	"trimsuffix": stdlib.TrimSuffixFunc, "trimspace": stdlib.TrimSpaceFunc, "upper": stdlib.UpperFunc,
	"startswith":  textTest(strings.HasPrefix),
	"endswith":    textTest(strings.HasSuffix),
	"strcontains": textTest(strings.Contains),

	"alltrue": allTrue(true), "anytrue": allTrue(false), "chunklist": stdlib.ChunklistFunc, "coalesce": coalesceFunc,
	"coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
	"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
	"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": lengthFunc,
	"merge": stdlib.MergeFunc, "one": oneFunc, "range": stdlib.RangeFunc,
	"reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
	"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
	"sort": stdlib.SortFunc, "sum": sumFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

	"base64decode": textFunc("str", decodeBase64),
	"base64encode": textFunc("str", func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
	"csvdecode":    stdlib.CSVDecodeFunc,
	"jsondecode":   stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
	"urlencode":  textFunc("str", encodeURL),
	"yamldecode": ctyyaml.YAMLDecodeFunc, "yamlencode": ctyyaml.YAMLEncodeFunc,

	"md5": textFunc("str", hexOf("md5")), "sha1": textFunc("str", hexOf("sha1")), "sha256": textFunc("str", hexOf("sha256")), "sha512": textFunc("str", hexOf("sha512")),

	"basename": textFunc("path", baseName), "dirname": textFunc("path", dirName),

	"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number), "tostring": stdlib.MakeToFunc(cty.String),
	"tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
}

// maxArgs bounds what a function gets, in bytes, so that no call of a few
// characters can use up the memory.
const maxArgs = 16 << 20

// bounded wraps a function with checks of its arguments.
func bounded(name string, f function.Function) function.Function {
	check := func(args []cty.Value) error {
		size := 0
		for _, a := range args {
			size += sizeOf(a, maxArgs-size)
		}
		if size > maxArgs {
			return fmt.Errorf("the arguments are larger than %s", FormatSize(maxArgs))
		}
		if c := argChecks[name]; c != nil {
			return c(args)
		}
		return nil
	}
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// argChecks refuse arguments with which a function would make far more than it
// got, or recurse too deep.
var argChecks = map[string]func([]cty.Value) error{
	"format":     checkFormat,
	"formatlist": checkFormat,
	"replace":    checkReplace,
	"indent":     checkIndent,
	"setproduct": checkProduct,
	"jsondecode": checkJSON,
	"yamldecode": checkYAML,
	"pow":        checkPow,
}

var errTooMuch = errors.New("the result would be too large")

// text returns a known string argument, without its marks.
func text(args []cty.Value, i int) string {
	if i >= len(args) {
		return ""
	}
	v, _ := args[i].Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

func number(args []cty.Value, i int) float64 {
	v, _ := args[i].Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Number {
		return 0
	}
	f, _ := v.AsBigFloat().Float64()
	return f
}

var wideFormat = regexp.MustCompile(`%[^a-zA-Z%]*[0-9]{4}`)

func checkFormat(args []cty.Value) error {
	if wideFormat.MatchString(text(args, 0)) {
		return errors.New("a width or precision has at most three digits")
	}
	return nil
}

func checkReplace(args []cty.Value) error {
	s, with := len(text(args, 0))+1, len(text(args, 2))+1
	if s > maxArgs/with {
		return errTooMuch
	}
	return nil
}

func checkIndent(args []cty.Value) error {
	n := number(args, 0)
	if n < 0 || n > 1000 || n*float64(strings.Count(text(args, 1), "\n")) > maxArgs {
		return errors.New("the number of spaces goes from 0 to 1000")
	}
	return nil
}

func checkProduct(args []cty.Value) error {
	size := 1
	for _, a := range args {
		a, _ = a.Unmark()
		if a.IsNull() || !a.IsKnown() || !a.CanIterateElements() {
			continue
		}
		if size *= a.LengthInt() + 1; size > 100_000 {
			return errTooMuch
		}
	}
	return nil
}

func checkPow(args []cty.Value) error {
	if e := number(args, 1); e > 10_000 || e < -10_000 {
		return errTooMuch
	}
	return nil
}

// maxDepth bounds how deep decoded data may be nested.
const maxDepth = 500

func checkJSON(args []cty.Value) error {
	depth, quoted, escaped := 0, false, false
	for _, c := range []byte(text(args, 0)) {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
		if depth > maxDepth {
			return errors.New("the data is nested too deep")
		}
	}
	return nil
}

// checkYAML refuses data that grows by aliases or is nested too deep: the
// decoder that follows does not look.
func checkYAML(args []cty.Value) error {
	var data any
	if err := yaml.Unmarshal([]byte(text(args, 0)), &data); err != nil {
		return err
	}
	if deeper(data, maxDepth) {
		return errors.New("the data is nested too deep")
	}
	return nil
}

func deeper(v any, limit int) bool {
	if limit == 0 {
		return true
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if deeper(e, limit-1) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if deeper(e, limit-1) {
				return true
			}
		}
	case map[any]any:
		for _, e := range v {
			if deeper(e, limit-1) {
				return true
			}
		}
	}
	return false
}
