package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// testActions are schemas of every shape.
func testActions() map[string]*ActionSchema {
	return map[string]*ActionSchema{
		"shell": {
			Name: "shell", Doc: "Runs a script.", Phases: Phases,
			Params: []Param{
				{Name: "script", Type: TypeString, Required: true, Script: true, Doc: "The script."},
				{Name: "shell", Type: TypeString, Doc: "The interpreter."},
			},
		},
		"http_get": {
			Name: "http_get", Doc: "Fetches.", Phases: []Phase{Pre, Post},
			Params: []Param{
				{Name: "url", Type: TypeString, Doc: "What to fetch."},
				{Name: "sha256", Type: TypeString, Doc: "Its checksum."},
				{Name: "retries", Type: TypeNumber, Default: int64(3), Doc: "How often."},
			},
			Blocks: []BlockSchema{{Name: "file", Doc: "A file.", Params: []Param{{Name: "url", Type: TypeString, Required: true, Doc: "What to fetch."}}}},
			Check: func(a Args) []Problem {
				if a.Has("url") && len(a.Blocks["file"]) > 0 {
					return []Problem{{Param: "url", Summary: "Both url and file", Detail: "Use one of the two."}}
				}
				var out []Problem
				for i, f := range a.Blocks["file"] {
					if f.String("url") == "bad" {
						out = append(out, Problem{Param: "url", Block: "file", Index: i, Summary: "Bad address", Detail: "Write a good one."})
					}
				}
				return out
			},
		},
		"custom": {
			Name: "custom", Doc: "Runs the project's own.", Phases: []Phase{Plan},
			Params: []Param{
				{Name: "name", Type: TypeString, Required: true, Doc: "Which."},
				{Name: "args", Type: TypeAny, Doc: "Anything."},
				{Name: "strings", Type: TypeStrings, Doc: "Strings."},
				{Name: "map", Type: TypeMap, Doc: "Map."},
				{Name: "flag", Type: TypeBool, Default: true, Doc: "Flag."},
				{Name: "number", Type: TypeNumber, Doc: "Number."},
			},
		},
		"cargo_fmt": {Name: "cargo_fmt", Doc: "Checks.", Phases: []Phase{Plan}, NeedsDebian: true},
	}
}

// model writes a configuration as JSON without the name of its directory.
func model(t testing.TB, c *Config) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c.Projects); err != nil {
		t.Fatal(err)
	}
	abs, _ := filepath.Abs(c.Dir)
	text := strings.ReplaceAll(b.String(), abs, "DIR")
	return ranges.ReplaceAllString(text, "\"$1:$2,$3-$4,$5\"")
}

// ranges matches a range as JSON, to be written on one line.
var ranges = regexp.MustCompile(`\{\s*"Filename": "([^"]*)",\s*"Start": \{\s*"Line": (\d+),\s*"Column": (\d+),\s*"Byte": \d+\s*\},\s*"End": \{\s*"Line": (\d+),\s*"Column": (\d+),\s*"Byte": \d+\s*\}\s*\}`)

// TestValid loads every directory of testdata/valid, twice, and compares the
// model with a golden file.
func TestValid(t *testing.T) {
	dirs, _ := filepath.Glob("testdata/valid/*")
	if len(dirs) < 3 {
		t.Fatalf("only %d fixtures", len(dirs))
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var models [2]string
			for i := range models {
				c, diags := Load(dir, Options{Actions: testActions(), Version: "0.1.0-dev", Home: "/home/user", Environ: []string{"AMBIENT_VAR_env=from the environment", "HOME=/nowhere"}})
				if len(diags) > 0 {
					var b bytes.Buffer
					WriteDiagnostics(&b, c, diags, 80, false)
					t.Fatal(b.String())
				}
				models[i] = model(t, c)
			}
			compare(t, "second load", models[1], models[0])
			golden(t, filepath.Join(dir, "model.json"), models[0])
		})
	}
}

// TestErrorsAreDeterministic loads fixtures with many errors several times.
func TestErrorsAreDeterministic(t *testing.T) {
	for _, name := range []string{"locals", "actions", "refs", "variables"} {
		src, err := os.ReadFile("testdata/errors/" + name + ".hcl")
		if err != nil {
			t.Fatal(err)
		}
		first := ""
		for range 5 {
			_, diags := loadText(t, string(src), Options{})
			text := ""
			for _, d := range diags {
				text += oneLine(d) + "\n"
			}
			if first == "" {
				first = text
			}
			compare(t, name, text, first)
		}
	}
}

// summaries loads a directory and returns what is wrong, without details.
func summaries(dir string, opts Options) string {
	opts.Actions = testActions()
	_, diags := Load(dir, opts)
	var out []string
	for _, d := range relative(dir, diags) {
		out = append(out, fmt.Sprintf("%s:%d: %s", d.Subject.Filename, d.Subject.Start.Line, d.Summary))
	}
	return strings.Join(out, "\n")
}

func TestFiles(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "x.hcl", minimal)
	tests := map[string]struct {
		make func(dir string)
		want string
	}{
		"none":   {func(string) {}, "DIR:0: No configuration"},
		"other":  {func(dir string) { write(t, dir, "main.hcl", "x"); write(t, dir, "sub/ambient.hcl", "x") }, "DIR:0: No configuration"},
		"one":    {func(dir string) { write(t, dir, "ambient.hcl", minimal) }, ""},
		"suffix": {func(dir string) { write(t, dir, "ci.ambient.hcl", minimal) }, ""},
		"hidden": {func(dir string) { write(t, dir, ".#ci.ambient.hcl", "x"); write(t, dir, "ambient.hcl", minimal) }, ""},
		"CRLF":   {func(dir string) { write(t, dir, "ambient.hcl", strings.ReplaceAll(minimal, "\n", "\r\n")) }, ""},
		"BOM":    {func(dir string) { write(t, dir, "ambient.hcl", "\ufeff"+minimal) }, ""},
		"UTF-16": {func(dir string) { write(t, dir, "ambient.hcl", "\xff\xfep\x00") }, "ambient.hcl:1: Invalid character encoding\nambient.hcl:1: Argument or block definition required\nambient.hcl:1: Invalid character"},
		"huge":   {func(dir string) { write(t, dir, "ambient.hcl", strings.Repeat("#", maxFile+1)) }, "ambient.hcl:1: Unreadable file"},
		"dir":    {func(dir string) { write(t, dir, "ambient.hcl/x", "") }, "ambient.hcl:1: Unreadable file"},
		"pipe":   {func(dir string) { _ = syscall.Mkfifo(filepath.Join(dir, "ambient.hcl"), 0o600) }, "ambient.hcl:1: Unreadable file"},
		"link": {func(dir string) {
			write(t, dir, "sub/x", minimal)
			_ = os.Symlink("sub/x", filepath.Join(dir, "ambient.hcl"))
		}, ""},
		"escape":   {func(dir string) { _ = os.Symlink(outside+"/x.hcl", filepath.Join(dir, "ambient.hcl")) }, "ambient.hcl:1: Unreadable file"},
		"dangling": {func(dir string) { _ = os.Symlink("nowhere", filepath.Join(dir, "ambient.hcl")) }, "ambient.hcl:1: Unreadable file"},
		"two": {func(dir string) {
			write(t, dir, "ambient.hcl", minimal)
			write(t, dir, "b.ambient.hcl", minimal+"ambient {}\n")
			write(t, dir, "a.ambient.hcl", "ambient {\n}\nx = \n")
		}, "a.ambient.hcl:3: Invalid expression\nb.ambient.hcl:6: Duplicate block"},
		"two projects": {func(dir string) {
			write(t, dir, "ambient.hcl", minimal)
			write(t, dir, "b.ambient.hcl", minimal)
		}, "b.ambient.hcl:1: Duplicate project"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(dir)
			if got := strings.ReplaceAll(summaries(dir, Options{}), dir+":0", "DIR:0"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	if got := summaries(filepath.Join(outside, "nowhere"), Options{}); !strings.Contains(got, "Unreadable directory") {
		t.Error(got)
	}
}

// TestComplex shows that no file can exhaust the stack.
func TestComplex(t *testing.T) {
	many := func(s string) string { return strings.Repeat(s, 10_000) }
	whole := strings.Repeat("(", maxFile-100)
	tests := map[string]string{
		"parentheses": "x = " + whole,
		"lists":       "x = " + many("["),
		"objects":     "x = " + many("{a="),
		"templates":   "x = " + many(`"${`),
		"directives":  "x = \"" + many("%{if true}"),
		"not":         "x = " + many("!") + "true",
		"minus":       "x = " + many("-") + "1",
		"plus":        "x = 1" + many("+1"),
		"conditions":  "x = 1" + many("?1:1"),
		"index":       "x = a" + many("[0]"),
		"splat":       "x = a" + many("[*]"),
		"dots":        "x = a" + many(".a"),
		"calls":       "x = " + many("f("),
		"blocks":      many("a {\n"),
		"for":         "x = " + many("[for a in "),
	}
	for name, src := range tests {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, "locals {\n"+src+"\n}\n", Options{})
			if len(diags) != 1 || diags[0].Summary != "Expression too complex" {
				t.Errorf("%d diagnostics, %+v", len(diags), diags[:min(1, len(diags))])
			}
		})
	}
	var long strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&long, "  l%d = local.l%d\n", i, i+1)
	}
	_, diags := loadText(t, "locals {\n"+long.String()+"  l20000 = 1\n}\n"+minimal, Options{})
	if len(diags) == 0 || diags[0].Summary != "Too many references in a row" {
		t.Errorf("a long chain gives %+v", diags)
	}
	var wide strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&wide, "  w%d = [1, \"${local.x}\", { a = upper(\"b\") }, -1 + 2 * 3]\n", i)
	}
	if _, diags := loadText(t, "locals {\n  x = 1\n"+wide.String()+"}\n"+minimal, Options{}); len(diags) > 0 {
		t.Errorf("a long file gives %v", diags)
	}
}

// TestGrowth shows that a value can not double until the memory is full.
func TestGrowth(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "  l%d = \"${local.l%d}${local.l%d}\"\n", i, i+1, i+1)
	}
	_, diags := loadText(t, "locals {\n"+b.String()+"  l60 = \"0123456789abcdef\"\n}\n"+minimal, Options{})
	if len(diags) != 1 || diags[0].Summary != "Value too large" {
		t.Errorf("got %v", diags)
	}
}
