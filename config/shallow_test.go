package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// deepest is what checkNesting counts at most.
func deepest(src []byte) int {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	n := nesting{stack: []nestLevel{{braces: true}}}
	most := 0
	for _, t := range tokens {
		n.see(t.Type)
		most = max(most, n.total)
	}
	return most
}

func checkEstimate(t *testing.T, src []byte) (int, bool) {
	t.Helper()
	got, ok := estimate(src)
	if want := deepest(src); ok && got < want {
		t.Fatalf("%q: estimated %d, and it is %d", src, got, want)
	}
	return got, ok
}

func TestEstimate(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*/*.hcl")
	more, _ := filepath.Glob("testdata/valid/*/*.hcl")
	understood := 0
	for _, path := range append(paths, more...) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := checkEstimate(t, src); ok {
			understood++
		}
	}
	if understood < len(paths)*3/4 {
		t.Errorf("only %d of %d files are understood", understood, len(paths))
	}
	for src, understood := range map[string]bool{
		"a = <<E\n${x}E\nE\n":       true,
		"a = <<E\n$${x} $$ %\nE\n":  true,
		"a = <<-E\n  b\n  E  \n":    true,
		"a = <<E\n${x\n}\nE\nb=1\n": true,
		"a = \"\\\"${\"b\"}\"\n":    true,
		"a = \"b\n":                 false,
		"a = <<E\nb":                false,
		"a = (]\n":                  false,
		"/* a":                      false,
		"a = \"${b ~} \"\n":         true,
	} {
		if _, ok := checkEstimate(t, []byte(src)); ok != understood {
			t.Errorf("%q: understood: %v", src, ok)
		}
	}
	if shallow([]byte("a = " + strings.Repeat("(", 2000) + strings.Repeat(")", 2000))) {
		t.Error("2000 brackets are shallow")
	}
}

func FuzzEstimate(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*/*.hcl")
	for _, path := range paths {
		if src, err := os.ReadFile(path); err == nil {
			f.Add(src)
		}
	}
	for _, s := range []string{"<<E\n%{if a~}\n${[b]}\n E \n", "\"${\"${a[1]}\"}\"", "a // b\n/**/ c # d", "a = [\n1,\n2+3,\n]", "\"$$${a}%%%{b}\\${\"", "<<-a-1\na-1\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) { checkEstimate(t, src) })
}
