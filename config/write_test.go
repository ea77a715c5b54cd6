package config

import (
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"
)

// evaluate reads an expression without references.
func evaluate(t testing.TB, expr string) any {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expr), "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s\n%v", expr, diags)
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		t.Fatalf("%s\n%v", expr, diags)
	}
	return goValue(v)
}

func TestLiteral(t *testing.T) {
	for _, v := range []any{
		nil, true, int64(0), int64(-5), 1.5, "", "a ${b} %{ if c } \"d\"\n\\\t", "$${x}", "%%{", "$", "ünï ✓",
		[]any{}, []any{"a", int64(1), nil, []any{true}},
		map[string]any{"a": "b", "for": int64(1), "with space": []any{}, "${x}": map[string]any{"if": false}, "": "", "1": "one"},
	} {
		text, err := Literal(v)
		if err != nil {
			t.Errorf("%v: %v", v, err)
		} else if got := evaluate(t, text); !reflect.DeepEqual(got, v) {
			t.Errorf("Literal(%#v) = %s, which is %#v", v, text, got)
		}
	}
	for _, v := range []any{math.NaN(), math.Inf(1), "\xff", map[string]any{"\xff": 1}, []any{struct{}{}}} {
		if text, err := Literal(v); err == nil {
			t.Errorf("Literal(%#v) = %s; want an error", v, text)
		}
	}
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	if text, err := Literal(huge); err != nil || text != huge.String() {
		t.Errorf("Literal of a big number: %s, %v", text, err)
	}
	deep := any("x")
	for range maxNest {
		deep = []any{deep}
	}
	if _, err := Literal(deep); err == nil {
		t.Error("a value that no file can hold was written")
	}
}

func TestScript(t *testing.T) {
	for _, text := range []string{
		"make\n", "make", "", "\n", "\n\n  a\n b\n\n", "\tindented\n", "echo ${HOME} %{x}\n", "$${x} $$ %%\n", "cat <<EOT\nEOT\nEOT_\n",
		"a\r\nb\n", "bell\a\n", "a\\nb \"c\" 'd'\n", "EOT", "trailing  \n  \n", "    deep\n    deeper\n", "\\${x}\n", "$", "%", "${", "tab\tin\n\t\ttabs\n",
	} {
		want := strings.TrimSuffix(text, "\n") + "\n"
		got := Script(text, "    ")
		if v := evaluate(t, got+"\n"); v != want {
			t.Errorf("Script(%q) = %s\nwhich is %q", text, got, v)
		}
	}
	if got := Script("a\n\nb ${c}\n", "  "); got != "<<-EOT\n    a\n\n    b $${c}\n  EOT" {
		t.Errorf("got %s", got)
	}
}

func TestComment(t *testing.T) {
	if got := Comment("a\n\n  b\x1b[2J\r\n}\u2028c\n", "  "); got != "  # a\n  #\n  #   b\ufffd[2J\ufffd\n  # }\ufffdc\n" {
		t.Errorf("got %q", got)
	}
}

func TestFormat(t *testing.T) {
	got, diags := Format([]byte("locals{\na=1\n   bcd   =   [ 1,2 ]\n}\n"))
	if len(diags) > 0 || string(got) != "locals {\n  a   = 1\n  bcd = [1, 2]\n}\n" {
		t.Errorf("%v\n%s", diags, got)
	}
	for _, bad := range []string{"locals {", "a = \"", strings.Repeat("[", 2*maxNest)} {
		got, diags = Format([]byte("x=1\n" + bad))
		if !diags.HasErrors() || string(got) != "x=1\n"+bad || diags[0].Subject == nil {
			t.Errorf("%.20q: %v\n%.20q", bad, diags, got)
		}
	}
}

// FuzzWrite shows that text is never taken for code.
func FuzzWrite(f *testing.F) {
	f.Add("echo ${HOME}\nEOT\n")
	f.Add("a\r\n\tb")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		valid := norm.NFC.String(strings.ToValidUTF8(text, "\ufffd"))
		if got := evaluate(t, Quote(text)); got != valid {
			t.Errorf("Quote(%q) = %s, which is %q", text, Quote(text), got)
		}
		script := norm.NFC.String(strings.TrimSuffix(strings.ToValidUTF8(text, "\ufffd"), "\n") + "\n")
		if got := evaluate(t, Script(text, "  ")+"\n"); got != script {
			t.Errorf("Script(%q) = %s, which is %q", text, Script(text, "  "), got)
		}
		src := "a = 1\n" + Comment(text, "") + "b = 2\n"
		_, diags := hclsyntax.ParseConfig([]byte(src), "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Errorf("Comment(%q) = %q: %v", text, src, diags)
		}
	})
}
