package config

import (
	"strings"
	"testing"
)

// TestObjectVariables shows what is said of objects that do not fit.
func TestObjectVariables(t *testing.T) {
	const typ = "type = list(object({ name = string, jobs = optional(number, 2), env = optional(map(string), {}), on = optional(object({ tag = bool })) }))"
	bad := func(why string) string {
		return "Wrong value for a variable: The value of \"v\" from -var v does not fit: " + why + "."
	}
	tests := []struct{ arg, want string }{
		{`[{ name = "a" }]`, `[{"env":{},"jobs":2,"name":"a","on":null}]`},
		{`[{ name = 1, jobs = "3", env = { A = 1 }, on = { tag = "true" } }]`, `[{"env":{"A":"1"},"jobs":3,"name":"1","on":{"tag":true}}]`},
		{`[{ name = "a", jbos = 3 }]`, bad(`there is no attribute "jbos" (Did you mean "jobs"?)`)},
		{`[{ name = "a", on = { tag = true, x = 1 } }]`, bad(`there is no attribute "x" (The attributes are: tag.)`)},
		{`[{ jobs = 3 }]`, bad(`element 1: the attribute "name" (a string) is missing`)},
		{`[{ name = "a" }, { name = "b", jobs = "many" }]`, bad(`element 2: attribute "jobs": a number is needed, and this is a string`)},
		{`[{ name = "a", env = { A = [] } }]`, bad(`element 1: attribute "env": element "A": a string is needed, and this is a list`)},
		{`[{ name = "a", on = {} }]`, bad(`element 1: attribute "on": the attribute "tag" (true or false) is missing`)},
		{`["a"]`, bad(`element 1: an object is needed, and this is a string`)},
		{`{ name = "a" }`, bad(`a list of values is needed, and this is an object`)},
	}
	for _, tt := range tests {
		t.Run(tt.arg, func(t *testing.T) {
			compare(t, "value", script(t, "variable \"v\" {\n"+typ+"\n}\n", "jsonencode(var.v)", Options{Vars: []string{"v=" + tt.arg}}), tt.want)
		})
	}
}

// TestOriginOfBadValues names where a bad value comes from, whatever is wrong.
func TestOriginOfBadValues(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "bad.vars", "v = \"x\"\n")
	const typed, ruled = "type = number", "validation {\n    condition     = var.v == \"y\"\n    error_message = \"v must be y, not ${var.v}.\"\n  }\n  default = \"x\""
	for _, tt := range []struct {
		body, want string
		opts       Options
	}{
		{typed, "from -var v does not fit", Options{Vars: []string{"v=x"}}},
		{typed, "from the file " + dir + "/bad.vars does not fit", Options{VarFiles: []string{dir + "/bad.vars"}}},
		{typed, "from the environment variable AMBIENT_VAR_v does not fit", Options{Environ: []string{"AMBIENT_VAR_v=x"}}},
		{ruled, "v must be y, not x.\nThe value of \"v\" comes from -var v.", Options{Vars: []string{"v=x"}}},
		{ruled, "comes from the file " + dir + "/bad.vars.", Options{VarFiles: []string{dir + "/bad.vars"}}},
		{ruled, "comes from the environment variable AMBIENT_VAR_v.", Options{Environ: []string{"AMBIENT_VAR_v=x"}}},
		{ruled, "comes from its default.", Options{}},
		{ruled + "\n  sensitive = true", "The message is not shown, since it holds a sensitive value.\nThe value of \"v\" comes from its default.", Options{}},
	} {
		if got := script(t, "variable \"v\" {\n  "+tt.body+"\n}\n", `"${var.v}"`, tt.opts); !strings.Contains(got, tt.want) {
			t.Errorf("got %s\nwant %s", got, tt.want)
		}
	}
}

// TestNamesOfAllKinds puts quotes, newlines, escapes and more where names stand.
// Each is refused in a way that can be shown.
func TestNamesOfAllKinds(t *testing.T) {
	bad := []string{`a\"b`, `a\nb`, `a\u001b[31mb`, `a b`, `a/b`, `..`, ``, `é`, strings.Repeat("a", 64), `\u202eab`}
	places := map[string]string{
		"project":  "project \"NAME\" {\n  plan \"x\" {\n    action \"shell\" { script = \"true\" }\n  }\n}\n",
		"stage":    "project \"p\" {\n  plan \"NAME\" {\n    action \"shell\" { script = \"true\" }\n  }\n}\n",
		"action":   "project \"p\" {\n  plan \"x\" {\n    action \"NAME\" {}\n  }\n}\n",
		"variable": "variable \"NAME\" {}\n" + minimal,
		"image":    "image \"NAME\" {\n  debian {}\n}\n" + minimal,
		"limits":   "limits \"NAME\" {}\n" + minimal,
		"source":   "project \"p\" {\n  sources = { \"NAME\" = \".\" }\n  plan \"x\" {\n    action \"shell\" { script = \"true\" }\n  }\n}\n",
		"env":      "project \"p\" {\n  env = { \"NAME\" = 1 }\n  plan \"x\" {\n    action \"shell\" { script = \"true\" }\n  }\n}\n",
		"index":    "locals {\n  x = local[\"NAME\"]\n}\n" + minimal,
		"dynamic":  "project \"p\" {\n  plan \"x\" {\n    dynamic \"NAME\" {\n      for_each = []\n      content {}\n    }\n  }\n}\n",
	}
	for place, src := range places {
		for _, name := range bad {
			if place == "env" && len(name) == 64 {
				continue // the environment takes it
			}
			c, diags := loadText(t, strings.ReplaceAll(src, "NAME", name), Options{})
			if !diags.HasErrors() {
				t.Errorf("%s %q is accepted", place, name)
			}
			var b strings.Builder
			if err := WriteDiagnostics(&b, c, diags, 80, false); err != nil {
				t.Error(err)
			}
			if strings.ContainsAny(b.String(), "\x1b\u202e") {
				t.Errorf("%s %q: the terminal is controlled by %q", place, name, b.String())
			}
			for _, d := range diags {
				if d.Subject == nil {
					t.Errorf("%s %q: no range: %s", place, name, d.Summary)
				}
			}
		}
	}
}

// TestKeysOfAllKinds shows that keys with quotes and commas make different
// stages, and that a reference finds them.
func TestKeysOfAllKinds(t *testing.T) {
	c, diags := loadText(t, `project "p" {
  plan "x" {
    matrix {
      a = ["1,2", "1", "1\\", "\"", "'"]
      b = ["3", "2,3", ",2", ""]
    }
    action "shell" { script = "true" }
  }
  plan "y" {
    action "shell" { script = "${plan.x["1\\,2,3"].artifacts} ${plan.x["1,2\\,3"].artifacts}" }
  }
}
`, Options{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	ids, dirs := map[string]bool{}, map[string]bool{}
	for _, s := range c.Stages() {
		ids[s.ID.String()], dirs[s.ID.Dir()] = true, true
	}
	if len(ids) != 21 || len(dirs) != 21 {
		t.Errorf("%d addresses and %d directories of 21 stages", len(ids), len(dirs))
	}
	if refs := c.Stages()[20].Refs; len(refs) != 2 || refs[0].Stage == refs[1].Stage {
		t.Errorf("%+v", refs)
	}
}
