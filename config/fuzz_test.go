package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad shows that no text makes Load panic, that every diagnostic has a
// place in a file, a summary and a detail, and that all can be shown.
func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*/*.hcl")
	more, _ := filepath.Glob("testdata/valid/*/*.hcl")
	for _, path := range append(paths, more...) {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	for _, s := range weird {
		f.Add(s)
	}
	dir := f.TempDir()
	actions := testActions()
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 1<<16 {
			return
		}
		write(t, dir, FileName, src)
		c, diags := Load(dir, Options{Actions: actions, Version: "0.1.0"})
		if c == nil || diags.HasErrors() != (len(c.Projects) == 0) {
			t.Fatalf("a configuration of %v with %v", c, diags)
		}
		for _, d := range diags {
			if d.Subject == nil || d.Summary == "" || d.Detail == "" || strings.TrimPrefix(d.Subject.Filename, dir+"/") != FileName {
				t.Fatalf("incomplete diagnostic %+v", d)
			}
		}
		var b bytes.Buffer
		if err := WriteDiagnostics(&b, c, diags, 60, true); err != nil {
			t.Fatal(err)
		}
	})
}

// weird are expressions in which evaluators stumble.
var weird = func() []string {
	var out []string
	for _, e := range []string{
		`plan.x[null]`, `plan.x[0]["a"]`, `plan["x"].artifacts`, `plan["x"]["artifacts"]`, `project["p"]["plan"]["x"]`, `plan.*`, `plan[*]`,
		`plan.x.*.artifacts`, `values(plan.x)`, `keys(plan.x)`, `[for k, v in plan.x : v]`, `{for k, v in plan.x : v.artifacts => k}`,
		`toset([plan.x, plan.x])`, `plan.x == plan.x ? "a" : "b"`, `jsonencode(plan.x)`, `"${plan.x}"`, `merge(plan.x, { a = 1 })`,
		`try(plan.x.artifacts.y, "z")`, `can(plan.x)`, `each[null]`, `var[null]`, `local[0]`, `local["a"]`, `each.value.a.b`, `null`, `"${null}"`,
		`[null]`, `{ (null) = 1 }`, `{ "${plan.x.artifacts}" = 1 }`, `setproduct([plan.x.artifacts], ["a"])`, `format("%s", plan.x)`,
		`sort([plan.x.artifacts, "b"])`, `lookup({}, "a")`, `element([], 0)`, `1/0`, `-(1/0)`, `1e999999999`, `1e9 % 0`, `range(1e9)`,
		`substr("a", -5, 1e9)`, `regex("(", "a")`, `one(plan.x)`, `sum([])`, `chunklist([1], 0)`, `zipmap(["a"], [])`, `index([], 1)`,
		`tonumber(plan.x.artifacts)`, `convert(1, nope)`, `templatefile("ambient.hcl", plan.x)`, `file(plan.x.artifacts)`, `yamldecode("&a [*a]")`,
		`csvdecode("a,a\n1,2")`, `"\u0000"`, `"\ud800"`, `<<E
%{ if plan.x }x%{ endif }
E`, `[for plan in [1] : plan][0]`, `formatlist("%s", plan.x)`, `plan.x.artifacts...`, `upper(["a"]...)`, `max(plan.x...)`,
	} {
		for _, extra := range []string{"", "    for_each = toset([\"a\"])\n"} {
			out = append(out, "project \"p\" {\n  plan \"x\" {\n"+extra+"    action \"shell\" { script = \"true\" }\n  }\n  plan \"y\" {\n    after = ["+e+"]\n    env = { A = "+e+" }\n    for_each = "+e+
				"\n    action \"custom\" {\n      name = "+e+"\n      args = "+e+"\n      map = "+e+"\n      strings = "+e+"\n    }\n  }\n  limits {\n    memory = "+e+"\n  }\n  image = "+e+"\n}\nlocals {\n  a = "+e+"\n}\n")
			out = append(out, "project \"p\" {\n  plan \"x\" {\n"+extra+"    action \"shell\" { script = \"true\" }\n  }\n  plan \"y\" {\n    env = { A = "+e+
				" }\n    action \"custom\" {\n      name = "+e+"\n      args = "+e+"\n    }\n  }\n}\n")
			out = append(out, "project \"p\" {\n  timeout = "+e+"\n  sources = { a = "+e+", b = \".\" }\n  plan \"x\" {\n"+extra+"    action \"shell\" { script = source.b }\n  }\n  plan \"y\" {\n    matrix {\n      a = ["+e+
				", 1]\n      b = "+e+"\n      exclude = ["+e+"]\n      include = "+e+"\n    }\n    when = "+e+"\n    timeout = "+e+"\n    retry {\n      attempts = "+e+"\n      on = ["+e+"]\n      delay = "+e+
				"\n    }\n    action \"shell\" { script = each.value.a }\n  }\n  plan \"z\" {\n    dynamic \"action\" {\n      for_each = "+e+"\n      labels = ["+e+"]\n      iterator = "+e+
				"\n      content { script = x.value }\n    }\n    dynamic \"action\" {\n      for_each = ["+e+", "+e+"]\n      labels = [\"custom\"]\n      content {\n        name = "+e+
				"\n        args = action.value\n        dynamic \"file\" {\n          for_each = action\n          content { url = file.value }\n        }\n      }\n    }\n  }\n}\n")
		}
	}
	return out
}()
