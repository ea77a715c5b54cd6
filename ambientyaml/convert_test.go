package ambientyaml

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
)

func options(file string) Options {
	return Options{File: file, Name: "sample", Dir: "ci", Home: "/home/user", Actions: actions.Schemas()}
}

// check fails unless the text is a configuration without errors, formatted.
func check(t *testing.T, hcl []byte) *config.Config {
	t.Helper()
	cfg, diags := config.Load(t.TempDir(), config.Options{
		Actions: actions.Schemas(), Files: map[string][]byte{config.FileName: hcl}, SkipSourceCheck: true, Home: "/home/user",
	})
	for _, d := range diags {
		t.Errorf("%v\n%s", d, hcl)
	}
	if formatted, diags := config.Format(hcl); len(diags) > 0 || !bytes.Equal(formatted, hcl) {
		t.Errorf("%v; not formatted:\n%s", diags, hcl)
	}
	return cfg
}

// The expected result of testdata/NAME.yaml is NAME.hcl, and what is reported
// NAME.txt. UPDATE=1 writes both.
func TestSamples(t *testing.T) {
	samples, _ := filepath.Glob("testdata/*.yaml")
	if len(samples) < 4 {
		t.Fatal("no samples")
	}
	for _, file := range samples {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			hcl, diags := Convert(src, options(filepath.Base(file)))
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			check(t, hcl)
			var notes bytes.Buffer
			if err := config.WriteDiagnostics(&notes, config.Texts(map[string][]byte{filepath.Base(file): src}), diags, 100, false); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, "yaml")+"hcl", hcl)
			golden(t, strings.TrimSuffix(file, "yaml")+"txt", notes.Bytes())
			if again, _ := Convert(src, options(filepath.Base(file))); !bytes.Equal(again, hcl) {
				t.Error("converted again, it is another text")
			}
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s", file, got)
	}
}

func TestSamplesHaveEveryAction(t *testing.T) {
	var all []byte
	samples, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range samples {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, src...)
	}
	for _, name := range ruleNames() {
		if !strings.Contains(fold(string(all)), "action: "+strings.TrimSuffix(name, "_extract")) && name != "dput2" {
			t.Errorf("no sample has the action %s", name)
		}
	}
}

func TestEnvironmentIsThatOfLaterActions(t *testing.T) {
	hcl, _ := Convert([]byte("plan:\n- {action: setenv, set: {A: 1}}\n- {action: pwd}\n- {action: setenv, set: {B: 2, A: '3'}}\n- {action: pwd}\n"), options("f"))
	stage := check(t, hcl).Stages()[0]
	if a := stage.Actions; len(a) != 2 || len(stage.Env) != 0 || a[0].Env["A"] != "1" || len(a[0].Env) != 1 || a[1].Env["A"] != "3" || a[1].Env["B"] != "2" {
		t.Errorf("%s", hcl)
	}
}

func TestScriptsAreNotChanged(t *testing.T) {
	for _, script := range []string{"echo ${HOME} %{x}", "cat <<EOT\n  a\nEOT\n", "\n\n  a\n\tb \n", "a\rb", "printf '\a'", "true # \"${ü}\"\n", "EOT_\nEOT", "make", "make\n"} {
		quoted, err := config.Literal(script)
		if err != nil {
			t.Fatal(err)
		}
		yaml := "plan:\n- action: shell\n  shell: " + strings.NewReplacer("$${", "${", "%%{", "%{").Replace(quoted) + "\n"
		hcl, diags := Convert([]byte(yaml), options("f"))
		if len(diags) > 0 {
			t.Fatalf("%s: %v", yaml, diags)
		}
		got := check(t, hcl).Stages()[0].Actions[0].Args.String("script")
		if strings.TrimSuffix(got, "\n") != strings.TrimSuffix(script, "\n") {
			t.Errorf("%q became %q", script, got)
		}
	}
}

func TestErrors(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+p+",", 10) + "]\n"
	}
	for _, test := range []struct {
		name, yaml, summary string
		line                int
	}{
		{"empty", "", "Empty file", 1},
		{"only a comment", "# nothing\n", "Empty file", 1},
		{"not YAML", "plan:\n  - a: b: c\n", "Invalid YAML", 2},
		{"two documents", "plan: []\n---\nplan: []\n", "Several documents", 2},
		{"second is broken", "plan: []\n---\na: b: c\n", "Invalid YAML", 3},
		{"a list", "- action: shell\n", "Not a plan", 1},
		{"plan is text", "\nplan: make\n", "Not a plan", 2},
		{"project is a list", "projects:\n  a: []\n", "Not a project", 2},
		{"settings", "executor: /usr/bin/x\ntmpdir: /tmp\n", "Not a plan", 1},
		{"settings with projects", "projects: /etc/projects.yaml\n", "Not a plan", 1},
		{"twice", "plan: []\nplan: []\n", "Duplicate name", 2},
		{"twice, other spelling", "pre_plan: []\npre-plan: []\n", "Duplicate name", 2},
		{"nothing", "plan: []\n", "Nothing to convert", 1},
		{"null", "plan:\n", "Nothing to convert", 1},
		{"all refused", "plan:\n- action: nope\n", "Nothing to convert", 1},
		{"bomb", bomb + "plan: *j\n", "Too much YAML", 5},
		{"cycle", "plan: &a [*a]\n", "Too much YAML", 1},
		{"deep", "plan: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "Too much YAML", 1},
		{"very deep", strings.Repeat("[", 20000), "Invalid YAML", 1},
		{"many", "plan: [" + strings.Repeat("x,", maxNodes) + "]", "Too much YAML", 1},
		{"large", "# " + strings.Repeat("x", maxFile), "File too large", 1},
		{"not UTF-8", "plan: \"\xff\"", "Invalid YAML", 1},
	} {
		hcl, diags := Convert([]byte(test.yaml), options("f.yaml"))
		var errs config.Diagnostics
		for _, d := range diags {
			if d.Severity == 1 {
				errs = append(errs, d)
			}
		}
		if hcl != nil || len(errs) != 1 || errs[0].Summary != test.summary || errs[0].Subject.Start.Line != test.line || errs[0].Detail == "" {
			t.Errorf("%s: %v; want %q in line %d\n%s", test.name, diags, test.summary, test.line, hcl)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]string{
		"2G": "2GiB", "1TB": "1TiB", "16 GB": "16GiB", "1.5 GiB": "1.5GiB", "512M": "512MiB", "100kb": "100KiB", "65536": "64KiB", "1 MiB ": "1MiB",
		"": "", "1": "", "99TB": "", "-1G": "", "1e9": "", "G": "", "1 X": "", "1GG": "",
	} {
		bytes, ok := size(text)
		if got := config.FormatSize(bytes); ok != (want != "") || ok && got != want {
			t.Errorf("size(%q) = %s, %v; want %q", text, got, ok, want)
		}
	}
}

func TestNamesAndSources(t *testing.T) {
	hcl, diags := Convert([]byte(`projects:
  a b: {source: x, plan: [{action: pwd}]}
  a-b: {source: ., plan: [{action: pwd}]}
  "1": {source: /abs/, plan: [{action: pwd}]}
  "é\n\"": {source: ../.., plan: [{action: pwd}]}
  `+strings.Repeat("x", 100)+`: {source: "~", plan: [{action: pwd}]}
  `+strings.Repeat("x", 101)+`: {source: "~other/x", plan: [{action: pwd}]}
`), options("f"))
	if len(diags) != 1 || diags[0].Summary != "Source not carried over" {
		t.Errorf("%v", diags)
	}
	var got []string
	cfg := check(t, hcl)
	for _, p := range cfg.Projects {
		got = append(got, p.Name)
	}
	long := strings.Repeat("x", 57)
	if want := []string{"a-b", "a-b-2", "project-1", "project", long, long + "-2"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	for _, want := range []string{`"./ci/x"`, `"./ci"`, `"/abs"`, `".."`, `"/home/user"`} {
		if !strings.Contains(string(hcl), want) {
			t.Errorf("no source %s in\n%s", want, hcl)
		}
	}
}

// FuzzConvert shows that no text makes Convert panic, that a result is always a
// configuration without errors, and that every diagnostic has a place.
func FuzzConvert(f *testing.F) {
	samples, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range samples {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<14 {
			return
		}
		hcl, diags := Convert(src, options("f.yaml"))
		if (hcl == nil) != diags.HasErrors() {
			t.Fatalf("%s with %v", hcl, diags)
		}
		for _, d := range diags {
			if d.Subject == nil || d.Subject.Start.Line < 1 || d.Summary == "" || d.Detail == "" {
				t.Errorf("incomplete diagnostic %+v", d)
			}
			if strings.Contains(d.Detail, "mistake in ambient") {
				t.Errorf("%v\n%q", d, src)
			}
		}
		if hcl == nil {
			return
		}
		_, diags = config.Load(dir, config.Options{
			Actions: actions.Schemas(), Files: map[string][]byte{config.FileName: hcl}, SkipSourceCheck: true, Home: "/home/user",
		})
		for _, d := range diags {
			if !brokenScript(d) {
				t.Errorf("%v\n%s", d, hcl)
			}
		}
	})
}

// brokenScript reports whether a diagnostic is about the text of a script, which
// is the user's: it was wrong before.
func brokenScript(d *config.Diagnostic) bool { return strings.Contains(d.Summary, "script") }
