package config

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"

	"github.com/ambient-ci/ambient/config/shell"
)

// FuzzScriptPlaces puts any text into a script, in every way in which a file can
// hold it, and wants each problem to be reported inside the argument, at a text
// that is what the problem is about.
func FuzzScriptPlaces(f *testing.F) {
	for _, text := range []string{
		"echo; fi", "é\nif a; then\n\t\"b\\n\" 'c\n", "cat <<E\n${a}\n", "\\u00e9 | | \U0001f469\u200d\U0001f469 fi", "%{ if } ;; $${", "\r\n )", "  a\n\n b\n(", "e\u0301 fi",
		"\"\\\" fi", "a $${a!} %%{", "\u2028)", "#!/bin/x\n)", "~}\n ~{ fi",
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 || !utf8.ValidString(text) || !norm.NFC.IsNormalString(text) || strings.ContainsRune(text, 0) {
			return
		}
		quoted := Quote(text)
		inner := strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
		for _, expr := range []string{
			quoted, Script(text, "      "), `("%{ if true }` + inner + ` %{ endif }")`, `"${"` + inner + `"}"`, `"%{ for x in ["y"] ~} ` + inner + ` %{ endfor }"`,
			"var.v", "trimspace(var.v)", "\"a ${var.v}\"", "<<-EOT\n        a\n        ${var.v} b\n      EOT",
		} {
			checkScriptExpr(t, dir, expr, text)
		}
	})
}

func checkScriptExpr(t *testing.T, dir, expr, variable string) {
	head := "variable \"v\" { default = " + Quote(variable) + " }\nproject \"p\" {\n  plan \"s\" {\n    action \"shell\" {\n      script = "
	src := head + expr + "\n    }\n  }\n}\n"
	c, diags := Load(dir, Options{Actions: testActions(), Version: "0.1.0", Files: map[string][]byte{FileName: []byte(src)}})
	file := c.files[dir+"/"+FileName]
	at, text := theScript(t, file)
	var tokens []string
	for _, p := range shell.Check(text, shell.Ash) {
		tokens = append(tokens, text[p.Offset:p.End])
	}
	if len(tokens) != len(diags) {
		t.Fatalf("%d diagnostics for %d problems of %q: %v", len(diags), len(tokens), text, diags)
	}
	for _, d := range diags {
		r := *d.Subject
		if r.Start.Byte < at.Start.Byte || r.End.Byte > at.End.Byte || r.End.Byte < r.Start.Byte {
			t.Fatalf("%s: %v lies outside the argument at %v", expr, r, at)
		}
		if strings.Contains(d.Detail, "as it runs:") || text == "" {
			continue // the text stands elsewhere
		}
		got := decodeAll(string(r.SliceBytes(file.Bytes)), !strings.HasPrefix(expr, "<<"))
		if !slices.ContainsFunc(tokens, func(token string) bool { // $${ is one escape, and a line can go on in an interpolation
			return strings.Contains(got, token) && len(got) <= len(token)+2 || got != "" && strings.HasPrefix(token, got)
		}) {
			t.Fatalf("%s: %q is reported, and the problem is one of %q", expr, got, tokens)
		}
	}
}

// theScript returns where the script is and what it evaluates to.
func theScript(t *testing.T, file *hcl.File) (Range, string) {
	t.Helper()
	body := file.Body.(*hclsyntax.Body)
	for _, b := range body.Blocks {
		if b.Type != "project" {
			continue
		}
		a := b.Body.Blocks[0].Body.Blocks[0].Body.Attributes["script"]
		v, diags := body.Blocks[0].Body.Attributes["default"].Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		l := newLoader(".", Options{})
		l.vars["v"] = &node{kind: "var", name: "v", state: nodeDone, val: v}
		l.functions = functions(nil)
		script, ok := l.eval(a.Expr, scope{})
		if !ok {
			t.Fatal(l.diags)
		}
		return a.Expr.Range(), script.AsString()
	}
	t.Fatal("no project")
	return Range{}, ""
}

func decodeAll(src string, quoted bool) string {
	var b strings.Builder
	for len(src) > 0 {
		text, n := decode([]byte(src), quoted)
		b.WriteString(text)
		src = src[n:]
	}
	return b.String()
}
