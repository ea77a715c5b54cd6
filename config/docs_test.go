package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestDocsAreComplete shows that the reference has everything and that its
// examples load.
func TestDocsAreComplete(t *testing.T) {
	var walk func(path string, b BlockDoc)
	walk = func(path string, b BlockDoc) {
		path += "/" + b.Name
		if b.Doc == "" {
			t.Errorf("%s has no description", path)
		}
		for _, a := range b.Arguments {
			if a.Doc == "" || a.Type == "" || a.Name == "" || a.Required && a.Default != "" {
				t.Errorf("%s: incomplete %+v", path, a)
			}
		}
		for _, inner := range b.Blocks {
			walk(path, inner)
		}
	}
	docs := BlockDocs()
	for _, b := range docs {
		walk("", b)
		if b.Name == useSpec.Name {
			continue // it needs a lock file: TestUseExample
		}
		if _, diags := loadText(t, b.Example+"\n"+minimal, Options{}); diags.HasErrors() {
			t.Errorf("the example of %s: %v", b.Name, diags)
		}
	}
	if got := len(docs); got != 11 {
		t.Errorf("%d blocks at the top", got)
	}
	for name, s := range testActions() {
		if d := ActionDoc(s); d.Name != name || len(d.Arguments) < 2 {
			t.Errorf("%+v", d)
		}
	}
}

// TestLaterIsNamed shows that nothing of later versions is called unknown or
// taken in silence.
func TestLaterIsNamed(t *testing.T) {
	var walk func(s *blockSpec, wrap func(string) string)
	check := func(what, src string) {
		_, diags := loadText(t, src, Options{})
		found := false
		for _, d := range diags {
			found = found || d.Summary == "Not supported by this version"
		}
		if !found {
			t.Errorf("%s is accepted or unknown: %v", what, diags)
		}
	}
	walk = func(s *blockSpec, wrap func(string) string) {
		for _, a := range s.Args {
			if a.Later != "" {
				check(s.Name+"."+a.Name, wrap(a.Name+" = 1"))
			}
		}
		for _, b := range s.Blocks {
			head := b.Name + strings.Repeat(` "x"`, len(b.Labels))
			if b.Later != "" {
				check(s.Name+"."+b.Name, wrap(head+" {}"))
				continue
			}
			walk(b, func(inner string) string { return wrap(fmt.Sprintf("%s {\n%s\n}", head, inner)) })
		}
	}
	walk(top, func(s string) string { return s + "\n" })
}
