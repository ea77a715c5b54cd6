package config

import (
	"strings"
	"testing"
)

func TestStageID(t *testing.T) {
	tests := []struct {
		id                       StageID
		text, short, dir, inputs string
	}{
		{StageID{"greet", Plan, "build", ""}, "greet/plan.build", "plan.build", "plan.build", "/ci/inputs/greet/plan.build"},
		{StageID{"greet", Plan, "test", "short"}, `greet/plan.test["short"]`, `plan.test["short"]`, "plan.test.short", "/ci/inputs/greet/plan.test.short"},
		{StageID{"greet", Post, "x", `a/b "é"`}, `greet/post.x["a/b \"é\""]`, `post.x["a/b \"é\""]`, "post.x.a%2fb%20%22%c3%a9%22", "/ci/inputs/greet/post.x.a%2fb%20%22%c3%a9%22"},
		{StageID{"greet", Plan, "test", ".."}, `greet/plan.test[".."]`, `plan.test[".."]`, "plan.test.%2e%2e", "/ci/inputs/greet/plan.test.%2e%2e"},
	}
	for _, tt := range tests {
		got := []string{tt.id.String(), tt.id.Short(), tt.id.Dir(), tt.id.Inputs()}
		compare(t, tt.text, strings.Join(got, "\n"), strings.Join([]string{tt.text, tt.short, tt.dir, tt.inputs}, "\n"))
	}
	long := strings.Repeat("é", maxKey/2)
	a, b := StageID{Phase: Plan, Name: "x", Key: long}, StageID{Phase: Plan, Name: "x", Key: long + "x"}
	if a.Dir() == b.Dir() || len(a.Dir()) > 200 {
		t.Errorf("long keys: %s and %s", a.Dir(), b.Dir())
	}
}

// FuzzStageDir shows that directories are single, safe and different path
// elements.
func FuzzStageDir(f *testing.F) {
	f.Add("test", "short", "test-short", "")
	f.Add("a", ".b", "a", "%2eb")
	f.Add("x", strings.Repeat("/", 200), "x", strings.Repeat("/", 201))
	f.Fuzz(func(t *testing.T, name1, key1, name2, key2 string) {
		if !validName(name1) || !validName(name2) {
			return
		}
		a, b := StageID{"p", Plan, name1, key1}, StageID{"p", Plan, name2, key2}
		if (a == b) != (a.Dir() == b.Dir()) || (a == b) != (a.String() == b.String()) {
			t.Errorf("%q and %q: %s and %s", a, b, a.Dir(), b.Dir())
		}
		if d := a.Dir(); strings.ContainsAny(d, "/\\\x00\n ") || len(d) > 255 || d == "." || d == ".." {
			t.Errorf("%q is no path element", d)
		}
	})
}

func TestFindStages(t *testing.T) {
	stage := func(head string) string { return head + " {\n    action \"shell\" { script = \"true\" }\n  }\n" }
	src := "project \"a\" {\n  " + stage(`plan "build"`) + "  " + strings.Replace(stage(`plan "test"`), "action", "for_each = toset([\"x\", \"y/z\"])\n    action", 1) + "  " + stage(`plan "only"`) + "}\n" +
		"project \"b\" {\n  " + stage(`plan "build"`) + "}\n"
	c, diags := loadText(t, src, Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	tests := []struct{ text, want, err string }{
		{"a/plan.build", "a/plan.build", ""},
		{"b/plan.build", "b/plan.build", ""},
		{"plan.only", "a/plan.only", ""},
		{"plan.test", `a/plan.test["x"] a/plan.test["y/z"]`, ""},
		{`plan.test["x"]`, `a/plan.test["x"]`, ""},
		{`plan.test["y/z"]`, `a/plan.test["y/z"]`, ""},
		{`a/plan.test["y/z"]`, `a/plan.test["y/z"]`, ""},
		{"plan.build", "", `more than one project has a stage "plan.build": write PROJECT/plan.build, such as a/plan.build`},
		{"a/plan.biuld", "", `there is no stage "a/plan.biuld": Did you mean "a/plan.build"?`},
		{"", "", "there is no stage"},
		{"/", "", "there is no stage"},
	}
	for _, tt := range tests {
		found, err := c.FindStages(tt.text)
		var got []string
		for _, s := range found {
			got = append(got, s.ID.String())
		}
		message := ""
		if err != nil {
			message = err.Error()
		}
		if strings.Join(got, " ") != tt.want || !strings.HasPrefix(message, tt.err) || (tt.err == "") != (err == nil) {
			t.Errorf("%q: %v, %v", tt.text, got, err)
		}
	}
	if s := c.Stage(StageID{"a", Plan, "only", ""}); s == nil || s.ID.Name != "only" || c.Stage(StageID{}) != nil {
		t.Errorf("Stage: %v", s)
	}
}

func TestSizes(t *testing.T) {
	tests := []struct {
		text string
		want int64
		back string
	}{
		{"1GiB", 1 << 30, "1GiB"}, {"1.5 GiB", 3 << 29, "1.5GiB"}, {"512", 512, "512"}, {"64KiB", 64 << 10, "64KiB"},
		{" 2TiB ", 2 << 40, "2TiB"}, {"10B", 10, "10"}, {"1025", 1025, "1025"}, {"1500MiB", 1500 << 20, "1500MiB"},
		{"1GB", -1, ""}, {"", -1, ""}, {"GiB", -1, ""}, {"-1", -1, ""}, {"1e3", -1, ""}, {"0x10", -1, ""}, {"Inf", -1, ""}, {"NaN", -1, ""},
		{"9999999999999TiB", -1, ""}, {"0.1B", -1, ""},
	}
	for _, tt := range tests {
		got, err := ParseSize(tt.text)
		if err != nil {
			got = -1
		}
		if got != tt.want || err == nil && FormatSize(got) != tt.back {
			t.Errorf("%q: %d, %v, back %s", tt.text, got, err, FormatSize(got))
		}
	}
}

func TestNearest(t *testing.T) {
	tests := []struct{ given, want string }{
		{"cargo-fmt", "cargo_fmt"}, {"Shell", "shell"}, {"shel", "shell"}, {"opne", "open"}, {"q", ""}, {"", ""}, {"compile", ""}, {"none", "none"},
	}
	for _, tt := range tests {
		if got := nearest(tt.given, []string{"none", "open", "shell", "cargo_fmt", "p", ""}); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.given, got, tt.want)
		}
	}
}
