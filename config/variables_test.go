package config

import (
	"strings"
	"testing"
)

// script loads a file whose only action holds an expression and returns what
// it evaluates to, or the summaries and details of what is wrong.
func script(t *testing.T, top, expr string, opts Options) string {
	t.Helper()
	c, diags := loadText(t, top+"\nproject \"p\" {\n  plan \"x\" {\n    action \"shell\" { script = "+expr+" }\n  }\n}\n", opts)
	if diags.HasErrors() {
		var out []string
		for _, d := range diags {
			out = append(out, d.Summary+": "+d.Detail)
		}
		return strings.Join(out, "\n")
	}
	return c.Projects[0].Stages[0].Actions[0].Args.String("script")
}

func TestVariableOrigins(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one.tfvars", "v = \"file one\"\n")
	write(t, dir, "two.tfvars", "v = \"file two\"\n")
	write(t, dir, "unknown.tfvars", "w = 1\n")
	write(t, dir, "block.tfvars", "v {}\n")
	write(t, dir, "reference.tfvars", "v = local.x\n")
	one, two := dir+"/one.tfvars", dir+"/two.tfvars"
	env := []string{"AMBIENT_VAR_v=environment", "OTHER=1", "AMBIENT_VAR_other=1"}
	const variable = "variable \"v\" {\n  type = string\n  default = \"default\"\n}\n"
	tests := map[string]struct {
		opts Options
		want string
	}{
		"default":       {Options{}, "default"},
		"environment":   {Options{Environ: env}, "environment"},
		"file":          {Options{Environ: env, VarFiles: []string{one}}, "file one"},
		"last file":     {Options{Environ: env, VarFiles: []string{one, two}}, "file two"},
		"argument":      {Options{Environ: env, VarFiles: []string{one}, Vars: []string{"v=argument"}}, "argument"},
		"last argument": {Options{Vars: []string{"v=a", "v=b=c"}}, "b=c"},
		"empty":         {Options{Vars: []string{"v="}}, ""},
		"no value":      {Options{Vars: []string{"v"}}, "Invalid -var: Write -var NAME=VALUE, such as -var channel=edge."},
		"unknown":       {Options{Vars: []string{"w=1"}}, "Unknown variable in -var: No variable \"w\" is declared. The variables are: v."},
		"unknown file":  {Options{VarFiles: []string{dir + "/unknown.tfvars"}}, "Unknown variable: No variable \"w\" is declared. The variables are: v."},
		"block":         {Options{VarFiles: []string{dir + "/block.tfvars"}}, "Block in a variable file: A file of -var-file holds arguments only: NAME = VALUE."},
		"reference":     {Options{VarFiles: []string{dir + "/reference.tfvars"}}, "Wrong value for a variable: The value of \"v\" from the file DIR does not fit: it can not hold references or functions."},
		"missing file":  {Options{VarFiles: []string{dir + "/missing"}}, "Unreadable -var-file: The file \"DIR\" can not be read: no such file or directory."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := script(t, variable, "var.v", tt.opts)
			for _, f := range []string{"/reference.tfvars", "/missing"} {
				got = strings.ReplaceAll(got, dir+f, "DIR")
			}
			compare(t, "value", got, tt.want)
		})
	}
}

func TestVariableTypes(t *testing.T) {
	tests := []struct{ typ, arg, expr, want string }{
		{"", "[1]", "var.v", "[1]"},
		{"type = any", "x y", "var.v", "x y"},
		{"type = string", "[1]", "var.v", "[1]"},
		{"type = number", "12", "var.v + 1", "13"},
		{"type = number", "x", "var.v", "Wrong value for a variable: The value of \"v\" from -var v does not fit: a number is needed, and this is a string."},
		{"type = bool", "true", "var.v ? \"yes\" : \"no\"", "yes"},
		{"type = list(string)", "[\"a\", 1]", "join(\",\", var.v)", "a,1"},
		{"type = list(string)", "a,b", "join(\",\", var.v)", "Wrong value for a variable: The value of \"v\" from -var v does not fit: it must be written as in a file, such as '[\"a\", \"b\"]' or '{ a = 1 }'."},
		{"type = list(string)", strings.Repeat("[", 5000), "join(\",\", var.v)", "Wrong value for a variable: The value of \"v\" from -var v does not fit: it must be written as in a file, such as '[\"a\", \"b\"]' or '{ a = 1 }'."},
		{"type = list(number)", "[\"a\"]", "join(\",\", var.v)", "Wrong value for a variable: The value of \"v\" from -var v does not fit: element 1: a number is needed, and this is a string."},
		{"type = map(number)", "{ a = 1 }", "var.v.a", "1"},
		{"type = object({ a = number, b = optional(string, \"d\") })", "{ a = 1 }", "\"${var.v.a}${var.v.b}\"", "1d"},
		{"type = set(string)", "[\"b\", \"a\", \"b\"]", "join(\",\", var.v)", "a,b"},
	}
	for _, tt := range tests {
		t.Run(tt.typ+" "+tt.arg[:min(8, len(tt.arg))], func(t *testing.T) {
			got := script(t, "variable \"v\" {\n"+tt.typ+"\n}\n", tt.expr, Options{Vars: []string{"v=" + tt.arg}})
			compare(t, "value", got, tt.want)
		})
	}
}

func TestEnvironmentTypo(t *testing.T) {
	_, diags := loadText(t, "variable \"channel\" {\n  default = 1\n}\n"+minimal, Options{Environ: []string{"AMBIENT_VAR_chanel=x"}})
	if len(diags) != 1 || diags.HasErrors() || !strings.Contains(diags[0].Detail, "Did you mean AMBIENT_VAR_channel?") {
		t.Errorf("got %v", diags)
	}
}

func TestVersion(t *testing.T) {
	tests := []struct{ version, constraint, want string }{
		{"0.1.0", ">= 0.1", ""},
		{"0.1.0-dev", ">= 0.1", ""},
		{"0.2.0", "~> 0.1, < 0.2", "Wrong version of ambient"},
		{"1.0.0", "< 1", "Wrong version of ambient"},
		{"unknown", ">= 99", ""},
		{"0.1.0", "", "Invalid version constraint"},
	}
	for _, tt := range tests {
		_, diags := loadText(t, minimal+"ambient {\n  required_version = \""+tt.constraint+"\"\n}\n", Options{Version: tt.version})
		got := ""
		if len(diags) > 0 {
			got = diags[0].Summary
		}
		if got != tt.want {
			t.Errorf("%s for %q: %q, want %q", tt.version, tt.constraint, got, tt.want)
		}
	}
}

func TestSensitiveTexts(t *testing.T) {
	c, diags := loadText(t, "variable \"t\" {\n  sensitive = true\n  default = { a = [\"one\", \"two\"], b = 3, c = \"one\" }\n}\n"+minimal, Options{})
	if got := strings.Join(c.Sensitive(), ","); got != "one,two" || len(diags) > 0 {
		t.Errorf("got %q, %v", got, diags)
	}
}
