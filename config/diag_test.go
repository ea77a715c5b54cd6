package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// loadText loads one file from a directory of its own.
func loadText(t testing.TB, src string, opts Options) (*Config, Diagnostics) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, FileName, src)
	if opts.Actions == nil {
		opts.Actions = testActions()
	}
	if opts.Version == "" {
		opts.Version = "0.1.0"
	}
	if opts.Home == "" {
		opts.Home = "/home/user"
	}
	c, diags := Load(dir, opts)
	return c, relative(dir, diags)
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// relative removes the temporary directory from diagnostics.
func relative(dir string, diags Diagnostics) Diagnostics {
	for _, d := range diags {
		if d.Subject != nil {
			d.Subject.Filename = strings.TrimPrefix(d.Subject.Filename, dir+"/")
		}
		d.Detail = strings.ReplaceAll(d.Detail, dir, "DIR")
		d.Detail = strings.ReplaceAll(d.Detail, "DIR/"+FileName, FileName)
	}
	return diags
}

// oneLine writes a diagnostic as "file:line,column-column: Summary; Detail".
func oneLine(d *Diagnostic) string {
	s := d.Subject
	end := fmt.Sprint(s.End.Column)
	if s.End.Line != s.Start.Line {
		end = fmt.Sprintf("%d,%d", s.End.Line, s.End.Column)
	}
	return fmt.Sprintf("%s:%d,%d-%s: %s; %s", s.Filename, s.Start.Line, s.Start.Column, end, d.Summary, strings.ReplaceAll(d.Detail, "\n", `\n`))
}

var expectation = regexp.MustCompile(`# ERROR: ([^#\n]*[^#\n ])`)

// expected reads the "# ERROR: summary" comments of a fixture, as "line: summary".
func expected(src string) []string {
	var want []string
	for i, text := range strings.Split(src, "\n") {
		for _, m := range expectation.FindAllStringSubmatch(text, -1) {
			want = append(want, fmt.Sprintf("%d: %s", i+1, m[1]))
		}
	}
	slices.Sort(want)
	return want
}

// TestErrors loads every fixture of testdata/errors. Each error is written on
// the line it belongs to, and in full in a golden file.
func TestErrors(t *testing.T) {
	paths, _ := filepath.Glob("testdata/errors/*.hcl")
	if len(paths) < 10 {
		t.Fatalf("only %d fixtures", len(paths))
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".hcl"), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, diags := loadText(t, string(src), Options{})
			var got, lines []string
			for _, d := range diags {
				if d.Subject == nil || d.Summary == "" || d.Detail == "" {
					t.Fatalf("incomplete diagnostic %+v", d)
				}
				got = append(got, fmt.Sprintf("%d: %s", d.Subject.Start.Line, d.Summary))
				lines = append(lines, oneLine(d))
			}
			slices.Sort(got)
			compare(t, "errors", strings.Join(got, "\n"), strings.Join(expected(string(src)), "\n"))
			golden(t, strings.TrimSuffix(path, ".hcl")+".golden", strings.Join(lines, "\n")+"\n")
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	compare(t, path, got, string(want))
}

// compare shows the lines in which two texts differ.
func compare(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var b bytes.Buffer
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintf(&b, "  got  %s\n", line)
		}
	}
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintf(&b, "  want %s\n", line)
		}
	}
	t.Errorf("%s differ (%d lines, want %d):\n%s", what, len(g), len(w), b.String())
}
