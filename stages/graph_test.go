package stages_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// makeConfig builds a configuration from lines such as "a/plan.x after a/plan.y
// artifacts b/plan.z", in this order. Line n is line n of ambient.hcl, and the
// expression of its word k starts in column k.
func makeConfig(t testing.TB, lines ...string) *config.Config {
	t.Helper()
	cfg := &config.Config{}
	for n, line := range lines {
		words := strings.Fields(line)
		s := &config.Stage{ID: parseID(t, words[0]), Limits: config.DefaultLimits()}
		place := func(column int) (r config.Range) {
			r.Filename, r.Start.Line, r.Start.Column = "ambient.hcl", n+1, column
			return r
		}
		s.Range = place(0)
		for k := 1; k < len(words); k += 2 {
			s.Refs = append(s.Refs, config.Ref{
				Kind:  config.RefKind(words[k]),
				Stage: parseID(t, words[k+1]),
				Range: place(k + 1),
			})
		}
		p := projectOf(cfg, s.ID.Project)
		p.Stages = append(p.Stages, s)
	}
	return cfg
}

func projectOf(cfg *config.Config, name string) *config.Project {
	for _, p := range cfg.Projects {
		if p.Name == name {
			return p
		}
	}
	p := &config.Project{Name: name}
	cfg.Projects = append(cfg.Projects, p)
	return p
}

// parseID reads "project/phase.name" or "project/phase.name[key]".
func parseID(t testing.TB, s string) config.StageID {
	t.Helper()
	project, rest, ok1 := strings.Cut(s, "/")
	phase, name, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 {
		t.Fatalf("not a stage: %q", s)
	}
	name, key, _ := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	return config.StageID{Project: project, Phase: config.Phase(phase), Name: name, Key: key}
}

func mustBuild(t testing.TB, cfg *config.Config) *stages.Graph {
	t.Helper()
	g, diags := stages.Build(cfg)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return g
}

func names(all []*config.Stage) string {
	var out []string
	for _, s := range all {
		out = append(out, s.ID.String())
	}
	return strings.Join(out, " ")
}

func TestOrder(t *testing.T) {
	tests := []struct {
		name   string
		lines  []string
		want   string
		levels []string
	}{
		{"nothing", nil, "", nil},
		{"phases", []string{"a/post.p", "a/plan.x", "a/pre.d", "a/plan.w"},
			"a/pre.d a/plan.x a/plan.w a/post.p",
			[]string{"a/pre.d", "a/plan.x a/plan.w", "a/post.p"}},
		{"after beats file order", []string{"a/plan.x after a/plan.y", "a/plan.y"},
			"a/plan.y a/plan.x", []string{"a/plan.y", "a/plan.x"}},
		{"post without plan", []string{"a/post.p", "a/pre.d"},
			"a/pre.d a/post.p", []string{"a/pre.d", "a/post.p"}},
		{"projects stay together", []string{
			"a/pre.d", "a/plan.x artifacts b/plan.y", "a/post.p", "b/pre.d", "b/plan.y", "b/post.p",
		}, "b/pre.d b/plan.y b/post.p a/pre.d a/plan.x a/post.p",
			[]string{"b/pre.d a/pre.d", "b/plan.y", "b/post.p a/plan.x", "a/post.p"}},
		{"projects that need each other", []string{
			"a/plan.x artifacts b/plan.y", "b/pre.d", "b/plan.y", "b/post.p after a/plan.x",
		}, "b/pre.d b/plan.y a/plan.x b/post.p",
			[]string{"b/pre.d", "b/plan.y", "a/plan.x", "b/post.p"}},
		{"independent projects", []string{"b/plan.x", "a/plan.x"},
			"b/plan.x a/plan.x", []string{"b/plan.x a/plan.x"}},
		{"all instances", []string{"a/plan.z after a/plan.t", "a/plan.t[1]", "a/plan.t[2]"},
			`a/plan.t["1"] a/plan.t["2"] a/plan.z`, []string{`a/plan.t["1"] a/plan.t["2"]`, "a/plan.z"}},
		{"one instance", []string{"a/plan.z after a/plan.t[1]", "a/plan.t[1]", "a/plan.t[2]"},
			`a/plan.t["1"] a/plan.z a/plan.t["2"]`, []string{`a/plan.t["1"] a/plan.t["2"]`, "a/plan.z"}},
		{"twice the same need", []string{"a/plan.z after a/plan.x artifacts a/plan.x", "a/plan.x"},
			"a/plan.x a/plan.z", []string{"a/plan.x", "a/plan.z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := mustBuild(t, makeConfig(t, tt.lines...))
			if got := names(g.Order()); got != tt.want {
				t.Errorf("order\ngot  %s\nwant %s", got, tt.want)
			}
			var levels []string
			for _, level := range g.Levels() {
				levels = append(levels, names(level))
			}
			if !slices.Equal(levels, tt.levels) {
				t.Errorf("levels\ngot  %q\nwant %q", levels, tt.levels)
			}
		})
	}
}

func TestEdges(t *testing.T) {
	g := mustBuild(t, makeConfig(t,
		"a/pre.d", "a/pre.e",
		"a/plan.x artifacts b/plan.y after b/plan.y",
		"a/post.p artifacts a/plan.x",
		"b/plan.y"))
	tests := []struct {
		stage string
		want  []string
	}{
		{"a/pre.d", nil},
		{"a/plan.x", []string{
			"b/plan.y: its artifacts are an input ambient.hcl:3,2",
			"b/plan.y: after ambient.hcl:3,4",
			"a/pre.d: every pre of the project",
			"a/pre.e: every pre of the project",
		}},
		{"a/post.p", []string{
			"a/plan.x: its artifacts are an input ambient.hcl:4,2",
			"a/plan.x: every plan of the project",
		}},
		{"a/plan.none", nil},
	}
	for _, tt := range tests {
		var got []string
		for _, e := range g.Edges(parseID(t, tt.stage)) {
			if e.Stage != parseID(t, tt.stage) {
				t.Errorf("an edge of %s is of %s", tt.stage, e.Stage)
			}
			line := fmt.Sprintf("%s: %s", e.Needs, e.Reason)
			if e.Kind != stages.EdgePhase {
				line += fmt.Sprintf(" %s:%d,%d", e.Range.Filename, e.Range.Start.Line, e.Range.Start.Column)
			}
			got = append(got, line)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s\ngot  %q\nwant %q", tt.stage, got, tt.want)
		}
	}
}

func TestBuildErrors(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string // "line,column: text of the detail"
	}{
		{"itself", []string{"a/plan.x after a/plan.x"},
			[]string{"1,2: a/plan.x -> a/plan.x."}},
		{"pair", []string{"a/plan.x after a/plan.y", "a/plan.y artifacts a/plan.x"},
			[]string{"1,2: a/plan.x -> a/plan.y -> a/plan.x.\n" +
				"  - a/plan.x needs a/plan.y: it says so at ambient.hcl:1\n" +
				"  - a/plan.y needs a/plan.x: it names its artifacts at ambient.hcl:2\n"}},
		{"shortest", []string{
			"a/plan.x after a/plan.y after a/plan.z", "a/plan.y after a/plan.z", "a/plan.z after a/plan.x",
		}, []string{"1,4: a/plan.x -> a/plan.z -> a/plan.x."}},
		{"behind other stages", []string{"a/plan.w after a/plan.x", "a/plan.x after a/plan.y", "a/plan.y after a/plan.x"},
			[]string{"2,2: a/plan.x -> a/plan.y -> a/plan.x."}},
		{"across phases", []string{"a/pre.d after a/plan.x", "a/plan.x"},
			[]string{"1,2: a/pre.d -> a/plan.x -> a/pre.d.\n" +
				"  - a/pre.d needs a/plan.x: it says so at ambient.hcl:1\n" +
				"  - a/plan.x needs a/pre.d: it is after every pre of the project\n"}},
		{"across projects", []string{
			"a/pre.d after b/post.p", "a/plan.x", "b/plan.y artifacts a/plan.x", "b/post.p",
		}, []string{"1,2: a/pre.d -> b/post.p -> b/plan.y -> a/plan.x -> a/pre.d."}},
		{"one for each knot", []string{
			"a/plan.x after a/plan.y", "a/plan.y after a/plan.x",
			"b/plan.x after b/plan.y", "b/plan.y after b/plan.x after a/plan.x",
		}, []string{
			"1,2: a/plan.x -> a/plan.y -> a/plan.x.",
			"3,2: b/plan.x -> b/plan.y -> b/plan.x.",
		}},
		{"unknown", []string{"a/plan.x after a/plan.nix"},
			[]string{"1,2: a/plan.x refers to a/plan.nix, which does not exist."}},
		{"twice", []string{"a/plan.x", "a/plan.x"},
			[]string{"2,0: a/plan.x is already defined at ambient.hcl:1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, diags := stages.Build(makeConfig(t, tt.lines...))
			if g != nil || !diags.HasErrors() || len(diags) != len(tt.want) {
				t.Fatalf("graph %v, diagnostics: %v", g, diags)
			}
			for i, d := range diags {
				got := fmt.Sprintf("%d,%d: %s", d.Subject.Start.Line, d.Subject.Start.Column, d.Detail)
				place, text, _ := strings.Cut(tt.want[i], " ")
				if !strings.HasPrefix(got, place+" ") || !strings.Contains(got, text) {
					t.Errorf("got  %s\nwant %s", got, tt.want[i])
				}
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		of   []stages.Outcome
		want stages.Outcome
		exit int
	}{
		{nil, stages.Succeeded, 0},
		{[]stages.Outcome{stages.Succeeded, stages.Succeeded}, stages.Succeeded, 0},
		{[]stages.Outcome{stages.Succeeded, stages.TimedOut, stages.Succeeded}, stages.TimedOut, 1},
		{[]stages.Outcome{stages.Failed, stages.TimedOut, stages.Skipped}, stages.Failed, 1},
		{[]stages.Outcome{stages.Skipped, stages.Succeeded}, stages.Failed, 1},
		{[]stages.Outcome{stages.Failed, stages.Errored, stages.TimedOut}, stages.Errored, 3},
		{[]stages.Outcome{stages.Cancelled, stages.Errored, stages.Failed}, stages.Cancelled, 130},
		{[]stages.Outcome{stages.Succeeded, "reused?"}, stages.Errored, 3},
		{[]stages.Outcome{stages.Succeeded, ""}, stages.Errored, 3},
		{[]stages.Outcome{stages.Skipped, stages.TimedOut, stages.Skipped}, stages.TimedOut, 1},
		{[]stages.Outcome{"odd", stages.Cancelled}, stages.Cancelled, 130},
	}
	for _, tt := range tests {
		got := stages.Combine(tt.of...)
		if exit := stages.ExitStatus(got); got != tt.want || exit != tt.exit {
			t.Errorf("%v: %s, exit %d; want %s, %d", tt.of, got, exit, tt.want, tt.exit)
		}
	}
}
