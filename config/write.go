package config

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Literal writes a value as it stands in a configuration file: nil, a bool, a
// whole number, a float64, a string, or a []string, []any, map[string]string or
// map[string]any of such values. Nothing in it is taken for an expression. What
// the language can not say (another type, an infinite number, text that is not
// UTF-8) is an error.
func Literal(v any) (string, error) {
	val, err := literalOf(v, 0)
	if err != nil {
		return "", err
	}
	return string(hclwrite.Format(hclwrite.TokensForValue(val).Bytes())), nil
}

// Quote is Literal of text, which can hold anything that is UTF-8; other bytes
// become U+FFFD.
func Quote(text string) string {
	lit, err := Literal(strings.ToValidUTF8(text, "\ufffd"))
	if err != nil {
		return `""`
	}
	return lit
}

func literalOf(v any, depth int) (cty.Value, error) {
	if depth > maxNest/4 {
		return cty.NilVal, fmt.Errorf("it is nested too deep")
	}
	switch v := v.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case bool:
		return cty.BoolVal(v), nil
	case int:
		return cty.NumberIntVal(int64(v)), nil
	case int64:
		return cty.NumberIntVal(v), nil
	case *big.Int:
		return cty.NumberVal(new(big.Float).SetInt(v)), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return cty.NilVal, fmt.Errorf("there is no such number")
		}
		return cty.NumberFloatVal(v), nil
	case string:
		return textOf(v)
	case []string:
		return listOf(v, depth)
	case []any:
		return listOf(v, depth)
	case map[string]string:
		return mapOf(v, depth)
	case map[string]any:
		return mapOf(v, depth)
	}
	return cty.NilVal, fmt.Errorf("there is no way to write a %T", v)
}

// textOf refuses what would not be the same when it is read again: strings of
// the language are UTF-8 in Unicode's normal form C.
func textOf(s string) (cty.Value, error) {
	v := cty.StringVal(s)
	if !utf8.ValidString(s) {
		return cty.NilVal, fmt.Errorf("the text is not UTF-8")
	}
	return v, nil
}

func listOf[E any](list []E, depth int) (cty.Value, error) {
	vals := make([]cty.Value, len(list))
	for i, e := range list {
		var err error
		if vals[i], err = literalOf(e, depth+1); err != nil {
			return cty.NilVal, err
		}
	}
	return cty.TupleVal(vals), nil
}

func mapOf[E any](m map[string]E, depth int) (cty.Value, error) {
	vals := map[string]cty.Value{}
	for name, e := range m {
		v, err := literalOf(e, depth+1)
		if err == nil && !utf8.ValidString(name) {
			err = fmt.Errorf("a name is not UTF-8")
		}
		if err != nil {
			return cty.NilVal, err
		}
		vals[name] = v
	}
	return cty.ObjectVal(vals), nil
}

// Script writes text of several lines as a heredoc whose lines are indented by
// one step more than indent, in which nothing is taken for an expression. Text
// that a heredoc can not hold as it is becomes a quoted string. A line end is
// added if the last one is missing.
func Script(text, indent string) string {
	text = strings.TrimSuffix(strings.ToValidUTF8(text, "\ufffd"), "\n") + "\n"
	if !plainLines(text) {
		return Quote(text)
	}
	marker := "EOT"
	for strings.Contains(text, marker) {
		marker += "_"
	}
	escaped := strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text)
	var b strings.Builder
	b.WriteString("<<-" + marker + "\n")
	for line := range strings.Lines(escaped) {
		if line != "\n" {
			b.WriteString(indent + "  ")
		}
		b.WriteString(line)
	}
	b.WriteString(indent + marker + "\n")
	if !reads(b.String(), text) {
		return Quote(text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// plainLines reports whether text has only what is shown.
func plainLines(text string) bool {
	for _, r := range text {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// reads reports whether an expression is the text.
func reads(expr, text string) bool {
	e, diags := hclsyntax.ParseExpression([]byte(expr), "", hcl.InitialPos)
	if diags.HasErrors() {
		return false
	}
	v, diags := e.Value(nil)
	return !diags.HasErrors() && v.Type() == cty.String && v.AsString() == text
}

// Comment writes text as comment lines, each with the indentation before it.
func Comment(text, indent string) string {
	var b bytes.Buffer
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		line = strings.TrimRightFunc(strings.Map(shownOnly, strings.ToValidUTF8(line, "\ufffd")), unicode.IsSpace)
		fmt.Fprintf(&b, "%s#", indent)
		if line != "" {
			fmt.Fprintf(&b, " %s", line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// shownOnly replaces what is not shown.
func shownOnly(r rune) rune {
	switch {
	case r == '\t':
		return r
	case !unicode.IsPrint(r):
		return '\ufffd'
	}
	return r
}
