package config

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// TestScriptPlaces checks that a mistake in a script is reported where it is
// written. In each source, «» stand around that place.
func TestScriptPlaces(t *testing.T) {
	const head = `variable "word" { default = "fi" }
variable "script" { default = "echo a\necho 'b" }
locals {
  on    = true
  list  = ["a", "fi"]
  lines = "echo; fi"
  name  = "lines"
}
project "p" {
  plan "s" {
    action "shell" {
      script = `
	const tail = "\n    }\n  }\n}\n"
	cases := map[string]struct{ src, detail string }{
		"heredoc":                {src: "<<EOT\necho a\n«fi»\nEOT"},
		"heredoc, dedented":      {src: "<<-EOT\n        echo a\n          b\n        «fi»\n      EOT"},
		"heredoc, tabs":          {src: "<<-EOT\n\t\techo a\n\t\t  «fi» b\n\tEOT"},
		"heredoc, empty lines":   {src: "<<-EOT\n\n\n        echo a\n   \n\n        if a; then\n          b && «fi»\n        fi\n      EOT"},
		"heredoc, backslashes":   {src: "<<EOT\necho \\n \\\" \\u00e9 \\\\; «fi»\nEOT"},
		"heredoc, dollars":       {src: "<<EOT\necho $${a} %%{b} $$ %% $${a}; «fi»\nEOT"},
		"heredoc, wide text":     {src: "<<EOT\necho é 世界 👩‍👩‍👧; «fi»\nEOT"},
		"heredoc, first line":    {src: "<<-EOT\n        «fi»\n      EOT"},
		"quoted":                 {src: `"echo; «fi»"`},
		"quoted, new lines":      {src: `"echo\n\n\techo; «fi»\n"`},
		"quoted, quotes":         {src: `"echo \"a b\" \\\\; «fi»"`},
		"quoted, unicode":        {src: `"echo \u00e9 \U0001F600 é; «fi»"`},
		"quoted, escaped mark":   {src: `"echo a «|» \u007c b"`},
		"quoted, mark escaped":   {src: `"echo a «\u007c» | b"`},
		"quoted, dollars":        {src: `"echo $${a} %%{b} $$; «fi»"`},
		"quoted, closing":        {src: `"echo «'»a b"`},
		"parentheses":            {src: `("echo; «fi»")`},
		"after interpolation":    {src: `"echo ${var.word} ${1 + 1}; «fi»"`},
		"before interpolation":   {src: "<<EOT\n«fi»\necho ${var.word}\nEOT"},
		"between, dedented":      {src: "<<-EOT\n        ${local.on} a\n        «fi» ${local.on}\n      EOT"},
		"interpolation":          {src: `"echo; ${«var.word»}"`, detail: `\nIt is line 1 of the script, as it runs:\n  echo; fi`},
		"interpolation, line":    {src: "<<-EOT\n        echo\n        ${«var.word»} a\n      EOT", detail: `\nIt is line 2 of the script, as it runs:\n  fi a`},
		"interpolation alone":    {src: `"${«var.word»}"`, detail: `\nIt is line 1 of the script, as it runs:\n  fi`},
		"condition":              {src: `"echo ${local.on ? "a; «fi»" : "b"}"`},
		"condition, other":       {src: `"echo ${!local.on ? "fi" : «var.script»}"`, detail: `\nIt is line 2 of the script, as it runs:\n  echo 'b`},
		"condition of scripts":   {src: `local.on ? "«fi»" : "true"`},
		"directive if":           {src: "<<-EOT\n        %{ if local.on }\n        echo; «fi»\n        %{ else }\n        then\n        %{ endif }\n      EOT"},
		"directive else":         {src: "<<-EOT\n        %{ if !local.on ~}\n        fi\n        %{~ else ~}\n        echo \"\\\"\"; «then»\n        %{ endif }\n      EOT"},
		"directive if, a quote":  {src: "<<EOT\n%{ if local.on }\"a\\\"b\"; «fi»%{ endif }\nEOT"},
		"directive if, quoted":   {src: `"%{ if local.on }\"a\"; «fi»%{ endif }"`},
		"directive for":          {src: "<<-EOT\n        %{ for x in local.list ~}\n        echo ${x}\n        «fi»\n        %{ endfor ~}\n      EOT"},
		"directive for, value":   {src: "<<-EOT\n        %{ for i, x in local.list ~}\n        ${«x»}\n        %{ endfor ~}\n      EOT", detail: `\nIt is line 2 of the script, as it runs:\n  fi`},
		"variable":               {src: `«var.script»`, detail: `\nIt is line 2 of the script, as it runs:\n  echo 'b`},
		"function":               {src: `«trimspace(" echo; fi ")»`, detail: `\nIt is line 1 of the script, as it runs:\n  echo; fi`},
		"characters joined":      {src: "<<EOT\necho e\u0301\necho; «fi»\nEOT"},
		"characters joined, too": {src: "<<EOT\necho «e\u0301; fi»\nEOT"},
		"not in the files":       {src: `«join("; ", local.list)»`, detail: `\nIt is line 1 of the script, as it runs:\n  a; fi`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			marked := head + c.src + tail
			for _, ends := range []string{"\n", "\r\n"} {
				checkPlace(t, strings.ReplaceAll(marked, "\n", ends), c.detail)
			}
		})
	}
}

// positionAt returns the end of a text as the lexer counts.
func positionAt(text string) hcl.Pos {
	tokens, _ := hclsyntax.LexConfig([]byte(text), "", hcl.InitialPos)
	return tokens[len(tokens)-1].Range.End
}

// checkPlace loads a source and wants one error, at the marked place.
func checkPlace(t *testing.T, marked, detail string) {
	t.Helper()
	before, rest, _ := strings.Cut(marked, "«")
	inside, after, ok := strings.Cut(rest, "»")
	if !ok {
		t.Fatal("no mark")
	}
	c, diags := loadText(t, before+inside+after, Options{})
	if len(diags) != 1 || diags[0].Summary != "Syntax error in a script" {
		t.Fatalf("got %v", diags)
	}
	d := diags[0]
	src := c.files[c.Dir+"/"+FileName].Bytes
	from := len(strings.ReplaceAll(before, "\r\n", "\n"))
	if got := string(src[d.Subject.Start.Byte:d.Subject.End.Byte]); d.Subject.Start.Byte != from || got != inside {
		t.Errorf("marked %q, and reported is %q: %s", inside, got, oneLine(d))
	}
	if start := positionAt(before); d.Subject.Start.Line != start.Line || d.Subject.Start.Column != start.Column {
		t.Errorf("starts at %d,%d, want %d,%d", d.Subject.Start.Line, d.Subject.Start.Column, start.Line, start.Column)
	}
	if end := positionAt(before + inside); d.Subject.End.Line != end.Line || d.Subject.End.Column != end.Column {
		t.Errorf("ends at %d,%d, want %d,%d", d.Subject.End.Line, d.Subject.End.Column, end.Line, end.Column)
	}
	if _, more, _ := strings.Cut(oneLine(d), `\n`); strings.TrimPrefix(detail, `\n`) != more {
		t.Errorf("detail %q, want %q", more, detail)
	}
}

// TestScriptsElsewhere checks scripts that are made in other ways.
func TestScriptsElsewhere(t *testing.T) {
	cases := map[string]struct{ src, detail string }{
		"local": {src: `locals {
  text = <<-EOT
    if a; then b
      «done»
  EOT
}
project "p" {
  plan "a" {
    action "shell" { script = local.text }
  }
  plan "b" {
    action "shell" { script = "${local.text}" }
  }
}`},
		"local of a local": {src: `locals {
  a = "echo; «fi»"
  b = "echo ${local.a}"
}
project "p" {
  plan "a" {
    action "shell" { script = local.b }
  }
}`},
		"instances": {src: `project "p" {
  plan "a" {
    for_each = toset(["x", "y"])
    action "shell" { script = "echo ${each.key}; «fi»" }
  }
}`},
		"instance": {src: `project "p" {
  plan "a" {
    for_each = { x = "a", y = "fi" }
    action "shell" { script = ("echo; ${«each.value»}") }
  }
}`, detail: `\nIt is line 1 of the script, as it runs:\n  echo; fi`},
		"artifacts": {src: `project "p" {
  plan "a" {
    action "shell" { script = "true" }
  }
  plan "b" {
    action "shell" { script = "cd ${plan.a.artifacts}; «fi»" }
  }
}`},
		"dynamic": {src: `project "p" {
  plan "a" {
    dynamic "action" {
      for_each = ["x", "y"]
      labels   = ["shell"]
      content {
        script = "echo ${action.value}; «fi»"
      }
    }
  }
}`},
		"dynamic value": {src: `project "p" {
  plan "a" {
    dynamic "action" {
      for_each = ["x", "fi"]
      labels   = ["shell"]
      content {
        script = "%{ if true }${«action.value»}%{ endif }"
      }
    }
  }
}`, detail: `\nIt is line 1 of the script, as it runs:\n  fi`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { checkPlace(t, c.src, c.detail) })
	}
}

// TestSensitiveScripts checks that nothing of a sensitive value is shown,
// wherever the mistake is.
func TestSensitiveScripts(t *testing.T) {
	for _, text := range []string{
		`"echo ${var.key}; fi"`, `"echo; ${var.key}"`, `var.key`, `"cat <<${var.key}"`, `"${var.key}=(1); ${"$"}${"{"}${var.key}!}"`,
		`trimspace("echo; ${var.key} fi")`, `"a${var.key}() ("`, `lower(var.key)`, `local.text`, `join("", [for c in ["", "("] : "${var.key}${c}"])`,
	} {
		src := `variable "key" {
  sensitive = true
  default   = "fi k9"
}
locals {
  text = "echo; ${var.key}"
}
project "p" {
  plan "a" {
    action "shell" { script = ` + text + ` }
  }
}`
		c, diags := loadText(t, src, Options{})
		if len(diags) == 0 {
			t.Errorf("%s: no diagnostic", text)
		}
		var b strings.Builder
		if err := WriteDiagnostics(&b, c, diags, 80, false); err != nil {
			t.Fatal(err)
		}
		if out := strings.ToLower(b.String()); strings.Contains(out, "k9") {
			t.Errorf("%s: %s", text, out)
		}
	}
}
