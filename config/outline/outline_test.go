package outline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// show writes an outline on one line: type label{attr …, block …}.
func show(b *Block) string {
	var parts []string
	for _, a := range b.Attrs {
		parts = append(parts, a.Name.Text)
	}
	for _, inner := range b.Blocks {
		text := inner.Type.Text
		for _, l := range inner.Labels {
			text += " " + l.Text
		}
		parts = append(parts, text+show(inner))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func TestShape(t *testing.T) {
	for _, test := range []struct{ src, want string }{
		{"", "{}"},
		{"a = 1\nb { c = 2 }\nd \"e\" f {\n  g = [\n 1, 2 ]\n h {}\n}\n", "{a b{c} d e f{g h{}}}"},
		{"a = 1 # x\nb = 2 // y\n/* c = 3 */\nd {}", "{a b d{}}"},
		{"a = \"${b.c}\"\nd = <<E\n${e.f}\n  g = 1\nE\nh = 2\n", "{a d h}"},
		// What is not complete.
		{"project \"p\" {\n  plan \"a\" {\n    im\n    env = {}\n  }\n  plan \"b\" {}\n", "{project p{plan a{env} plan b{}}}"},
		{"project \"p\" {\n  image =\n  plan \"a\" {}\n}\n", "{project p{image plan a{}}}"},
		{"project \"p\" {\n  plan \"a {\n    env = 1\n  }\n}\nlocals {\n x = 1\n}\n", "{project p{env} locals{x}}"},
		{"project \"p\" {\n  source = \"abc\n  plan \"a\" {}\n}\n", "{project p{source plan a{}}}"},
		{"a {\n  b = [1,\n  plan \"x\" {\n    c = 1\n  }\n}\n", "{a{b plan x{c}}}"},
		{"a {\n  b = f(\n  plan {\n    c = 1\n  }\n}\n", "{a{b plan{c}}}"},
		{"a = image.\nb = 1\n", "{a b}"},
		{"}\n}\na {\n}}\nb {}", "{a{} b{}}"},
		{"{ a = 1 }\nb = 2", "{b {a}}"},
		{"a b c\nd = 1", "{d}"},
		{"a b # c\nd = 1", "{d}"},
		{"x = \"${\n y = 1\n}\"\nz = 1", "{x z}"},
	} {
		if got := show(Parse([]byte(test.src)).Root); got != test.want {
			t.Errorf("%q: got %s, want %s", test.src, got, test.want)
		}
	}
}

func TestRefs(t *testing.T) {
	o := Parse([]byte(`a = [var.x, plan.t["k"].artifacts, upper(local.y)]` + "\nb = \"-${image.z.name}-\"\nc { d = x.y[0].z }\n"))
	var got []string
	for _, r := range o.Refs {
		var parts []string
		for _, p := range r.Parts {
			parts = append(parts, p.Text)
		}
		text := strings.Join(parts, ".")
		if r.Call {
			text += "()"
		}
		got = append(got, r.Block.Type.Text+":"+text)
	}
	want := ":var.x :plan.t.k.artifacts :upper() :local.y :image.z.name c:x.y.z"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

// The cursor of each text is at "|".
func TestAt(t *testing.T) {
	kinds := map[Kind]string{Nothing: "nothing", Item: "item", Label: "label", Value: "value"}
	for _, test := range []struct{ src, want string }{
		{"|", "item  "},
		{"pro|", "item  pro"},
		{"project \"p\" {\n  pl|\n}", "item project pl"},
		{"project \"p\" {\n  plan|an \"x\" {}\n}", "item project plan"},
		{"project \"p\" { | }", "item project "},
		{"project \"p\" {\n  plan \"x\" {\n    action \"sh|ell\" {}\n  }\n}", "label plan sh action 0"},
		{"project \"p\" {\n  plan \"x\" {\n    action \"|\n  }\n}", "label plan  action 0"},
		{"a {\n  action \"sh|\n  b = 1\n}", "label a sh action 0"},
		{"a {\n  b = |\n}", "value a  b"},
		{"a {\n  b = im|\n}", "value a im b"},
		{"a {\n  b = image.|\n  c = 1\n}", "value a  b image"},
		{"a {\n  b = [plan.x, project.p.plan.bu|]\n}", "value a bu b project,p,plan"},
		{"a {\n  b = plan.x[\"k\"].art|\n}", "value a art b plan,x"},
		{"a {\n  b = \"te|xt\"\n}", "nothing a te"},
		{"a {\n  b = \"${va|}\"\n}", "value a va b"},
		{"a {\n  b = \"${| }\"\n}", "value a  b"},
		{"a {\n  b = \"x${y}z|\"\n}", "nothing a z"},
		{"a {\n  b = <<-E\n    ${var.|}\n  E\n}", "value a  b var"},
		{"a {\n  b = <<-E\n    plan.|\n  E\n}", "nothing a "},
		{"a {\n  # pl|\n}", "nothing a pl"},
		{"a {\n  # plan\n  |\n}", "item a "},
		{"a {\n  b = 1 # |\n  c = 2\n}", "nothing a "},
		{"a {\n  b |\n}", "nothing a "},
		{"a {\n  b = \"unclosed\n  c|\n}", "item a c"},
		{"a {\n  b = { c = 1 }|.\n}", "value a  b"},
		{"a { b = 1 }\nc|", "item  c"},
		{"x = (1).|", "value   x "},
		{"\ufeffpro|", "item  pro"},
	} {
		offset := strings.Index(test.src, "|")
		o := Parse([]byte(strings.Replace(test.src, "|", "", 1)))
		p := o.At(offset)
		got := fmt.Sprintf("%s %s %s", kinds[p.Kind], p.Block.Type.Text, strings.TrimPrefix(prefix(o, p, offset), "\ufeff"))
		if p.Attr != nil {
			got += " " + p.Attr.Name.Text
		}
		if p.Kind == Label {
			got += fmt.Sprintf(" %s %d", p.Type, p.Index)
		}
		if len(p.Path) > 0 {
			got += " " + strings.Join(p.Path, ",")
		}
		if got != test.want {
			t.Errorf("%q: got %q, want %q", test.src, got, test.want)
		}
	}
}

func TestWhatIsAt(t *testing.T) {
	src := "plan \"x\" {\n  env = var.y\n}\n"
	o := Parse([]byte(src))
	if b, i := o.BlockAt(strings.Index(src, "x")); b == nil || i != 0 || b.Label() != "x" {
		t.Errorf("label: %v %d", b, i)
	}
	if b, i := o.BlockAt(2); b == nil || i != -1 {
		t.Errorf("type: %v %d", b, i)
	}
	if a := o.AttrAt(strings.Index(src, "nv")); a == nil || a.Name.Text != "env" || a.Block.Enclosing("plan") == nil || a.Block.Enclosing("pre") != nil {
		t.Errorf("argument: %v", a)
	}
	if r, i := o.RefAt(strings.Index(src, "y")); r == nil || i != 1 {
		t.Errorf("reference: %v %d", r, i)
	}
	if r, _ := o.RefAt(0); r != nil || o.AttrAt(0) != nil || len(o.Blocks("plan")) != 1 || o.Root.Attr("x") != nil || o.Root.Label() != "" {
		t.Error("found what is not there")
	}
}

func TestDeepNesting(t *testing.T) {
	o := Parse([]byte(strings.Repeat("a {\n", 2000) + "x = 1\n" + strings.Repeat("}\n", 2000) + "b {}\n"))
	if got := o.Blocks("b"); len(got) != 1 {
		t.Errorf("after deep nesting there are %d blocks b", len(got))
	}
	Parse([]byte(strings.Repeat("a = \"\n", 5000)))
}

// FuzzParse shows that no text and no cursor make this package panic, and that
// every span lies in the text.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("../testdata/*/*.hcl")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src, len(src)/2)
	}
	f.Add([]byte("a \"\n = ${ } ]"), 4)
	f.Fuzz(func(t *testing.T, src []byte, offset int) {
		if len(src) > 1<<13 {
			return
		}
		o := Parse(src)
		check := func(what string, s Span) {
			if s.Start < 0 || s.Start > s.End || s.End > len(src) {
				t.Errorf("%s has the span %v of %d", what, s, len(src))
			}
		}
		o.Root.walk(func(b *Block) {
			check("block", b.Whole)
			check("body", b.Body)
			check("type", b.Type.Span)
			for _, a := range b.Attrs {
				check("argument", a.Name.Span)
				check("value", a.Value)
			}
		})
		for _, r := range o.Refs {
			for _, p := range r.Parts {
				check("reference", p.Span)
			}
		}
		p := o.At(offset)
		check("word", p.Word)
		o.RefAt(offset)
		o.BlockAt(offset)
		o.AttrAt(offset)
	})
}

// prefix returns the word at a place up to the offset.
func prefix(o *Outline, p Place, offset int) string {
	return string(o.src[p.Word.Start:max(p.Word.Start, min(offset, p.Word.End))])
}
