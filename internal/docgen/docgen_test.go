package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
)

func TestReferenceIsUpToDate(t *testing.T) {
	path := filepath.Join("..", "..", filepath.FromSlash(target))
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with `make docs`", err)
	}
	want := strings.Split(reference(), "\n")
	for i, line := range strings.Split(string(have), "\n") {
		if i >= len(want) || line != want[i] {
			t.Fatalf("%s:%d is out of date: write it anew with `make docs`\n have %q\n want %q", target, i+1, line, want[min(i, len(want)-1)])
		}
	}
	if len(strings.Split(string(have), "\n")) != len(want) {
		t.Fatalf("%s is out of date: write it anew with `make docs`", target)
	}
}

func TestReferenceIsComplete(t *testing.T) {
	text := reference()
	for _, d := range config.BlockDocs() {
		if !strings.Contains(text, "### `"+header(d)+"`") {
			t.Errorf("the block %s is missing", d.Name)
		}
		if d.Doc == "" {
			t.Errorf("the block %s has no description", d.Name)
		}
	}
	for _, a := range actions.All() {
		if a.Doc == "" || a.Example == "" {
			t.Errorf("the action %s has no description or no example", a.Name)
		}
		for _, p := range a.Params {
			if p.Doc == "" || !strings.Contains(text, "| `"+p.Name+"` |") {
				t.Errorf("the argument %s of %s is not described", p.Name, a.Name)
			}
		}
	}
}

var tokenPath = regexp.MustCompile(`secret\.token\.([a-z]+)\.path`)

// tokens declares the token that an example reads, and names it in its stage.
func tokens(example string) (declared, named string) {
	m := tokenPath.FindStringSubmatch(example)
	if m == nil {
		return "", ""
	}
	return fmt.Sprintf("secret \"token\" %q {\n  env = \"TOKEN\"\n}\n", m[1]), fmt.Sprintf("secrets = [secret.token.%s]\n", m[1])
}

// An example in the reference must be right.
func TestExamplesAreRight(t *testing.T) {
	for _, a := range actions.All() {
		dir := t.TempDir()
		image := ""
		if a.NeedsDebian {
			image = "image = image.x\n"
		}
		declared, named := tokens(a.Example)
		text := "image \"x\" {\n  debian {}\n}\n" + declared + "project \"p\" {\n" + image + string(a.Phases[0]) + " \"s\" {\n" + named + a.Example + "\n}\n}\n"
		if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, diags := config.Load(dir, config.Options{Actions: actions.Schemas()})
		if diags.HasErrors() {
			var b strings.Builder
			if err := config.WriteDiagnostics(&b, cfg, diags, 0, false); err != nil {
				t.Fatal(err)
			}
			t.Errorf("the example of %s is wrong:\n%s", a.Name, b.String())
		}
	}
}
