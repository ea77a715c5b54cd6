package config

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// show loads a file and returns what the user sees.
func show(t *testing.T, src string, width int, color bool, opts Options) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, FileName, src)
	opts.Actions = testActions()
	c, diags := Load(dir, opts)
	var b bytes.Buffer
	if err := WriteDiagnostics(&b, c, diags, width, color); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), dir+"/", "")
}

const minimal = "project \"p\" {\n  plan \"x\" {\n    action \"shell\" { script = \"true\" }\n  }\n}\n"

func TestWriteDiagnostics(t *testing.T) {
	got := show(t, minimal+"projct \"é\" {\n\tsorce = 1\n}\n", 40, false, Options{})
	want := `Error: Unknown block

  on ambient.hcl line 6, in projct "é":
     6: projct "é" {
        ^^^^^^

A configuration has no block "projct".
Did you mean "project"?

`
	compare(t, "plain", got, want)
	got = show(t, "project \"p\" {\n\tplan \"x\" {}\n", 0, true, Options{})
	if !strings.Contains(got, colorRed) || !strings.Contains(got, "line 1") {
		t.Errorf("a syntax error has no colour or place:\n%q", got)
	}
}

// TestSourceLine shows that a diagnostic has its source line even when the file
// could not be parsed.
func TestSourceLine(t *testing.T) {
	for _, src := range []string{"project \"p\" {", "a = \"b", "}", "x y z", "a = <<E\n", "\x00", "\xff\xfe", "locals { a = 1 + }"} {
		got := show(t, src, 80, false, Options{})
		if !strings.Contains(got, "     1: ") && !strings.Contains(got, "     2: ") {
			t.Errorf("%q: no source line:\n%s", src, got)
		}
	}
}

func TestHostileSource(t *testing.T) {
	src := minimal + "bad\x1b[31m\u202e = \"" + strings.Repeat("x", 100000) + "\"\n"
	got := show(t, src, 80, false, Options{})
	if strings.ContainsAny(got, "\x1b\u202e") || len(got) > 4000 {
		t.Errorf("%d bytes of output, or control characters:\n%.500q", len(got), got)
	}
	c, diags := loadText(t, minimal, Options{})
	diags = append(diags, Sourceless("Over\x1bthere", "de\x07tail"), Errorf(Range{Filename: "gone.hcl"}, "Gone", "x"))
	var b bytes.Buffer
	if err := WriteDiagnostics(&b, c, diags, 80, false); err != nil || strings.ContainsAny(b.String(), "\x1b\x07") {
		t.Errorf("%v %q", err, b.String())
	}
	if err := WriteDiagnostics(&b, nil, diags, 80, false); err != nil {
		t.Error(err)
	}
}

func TestWrap(t *testing.T) {
	got := wrap("one two three\n  code that stays as it is\nfour", 8)
	compare(t, "wrap", got, "one two\nthree\n  code that stays as it is\nfour")
}

func TestDiagnosticsJSON(t *testing.T) {
	_, diags := loadText(t, "projct \"p\" {}\n", Options{})
	diags = append(diags, Sourceless("Over there", "Look."))
	got, err := json.Marshal(DiagnosticsJSON(diags))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"error","summary":"Unknown block","detail":"A configuration has no block \"projct\". Did you mean \"project\"?","file":"ambient.hcl","start":{"line":1,"column":1,"byte":0},"end":{"line":1,"column":7,"byte":6}},{"severity":"error","summary":"Over there","detail":"Look."}]`
	compare(t, "json", string(got), want)
	if got, _ := json.Marshal(DiagnosticsJSON(nil)); string(got) != "[]" {
		t.Errorf("no diagnostics are %s", got)
	}
}

// TestSensitiveIsNotShown makes mistakes around a secret wherever it can stand.
func TestSensitiveIsNotShown(t *testing.T) {
	const secret = "hunter2-secret"
	use := "variable \"token\" {\n  type = string\n  sensitive = true\n}\n"
	number := strings.Replace(use, "string", "number", 1)
	list := strings.Replace(use, "string", "list(number)", 1)
	project := "project \"p\" {\n  plan \"x\" {\n    action \"shell\" { script = \"${local.x}\" }\n  }\n}\n"
	file := t.TempDir()
	write(t, file, "good.tfvars", "token = \""+secret+"\"\n")
	write(t, file, "broken.tfvars", "token = \""+secret+"\n")
	arg := Options{Vars: []string{"token=" + secret}}
	tests := map[string]struct {
		src  string
		opts Options
	}{
		"default":   {strings.Replace(number, "sensitive", "default = \""+secret+"\"\n  sensitive", 1) + project, Options{}},
		"arg":       {number + project, arg},
		"arg list":  {list + project, Options{Vars: []string{"token=[\"" + secret + "\""}}},
		"env":       {number + project, Options{Environ: []string{"AMBIENT_VAR_token=" + secret}}},
		"file":      {number + project, Options{VarFiles: []string{file + "/good.tfvars"}}},
		"broken":    {use + project, Options{VarFiles: []string{file + "/broken.tfvars"}}},
		"function":  {use + "locals { x = parseint(\"${var.token}\", 10) }\n" + project, arg},
		"decode":    {use + "locals { x = jsondecode(var.token) }\n" + project, arg},
		"file path": {use + "locals { x = file(var.token) }\n" + project, arg},
		"key":       {use + "locals { x = {for i in [1, 2]: var.token => i} }\n" + project, arg},
		"index":     {use + "locals { x = {}[var.token] }\n" + project, arg},
		"each":      {use + "locals { x = \"\" }\n" + strings.Replace(project, "    action", "    for_each = {(var.token) = 1}\n    action", 1), arg},
		"env name":  {use + "locals { x = \"\" }\n" + strings.Replace(project, "    action", "    env = {(var.token) = 1}\n    action", 1), arg},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := show(t, tt.src, 0, false, tt.opts)
			if got == "" || strings.Contains(got, secret) || strings.Contains(got, "hunter2") {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}
