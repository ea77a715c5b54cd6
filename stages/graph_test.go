package stages

import (
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

// make builds a configuration from lines such as "a/plan.x after a/plan.y
// artifacts b/plan.z", in this order.
func makeConfig(t testing.TB, lines ...string) *config.Config {
	t.Helper()
	cfg := &config.Config{}
	for n, line := range lines {
		words := strings.Fields(line)
		s := &config.Stage{ID: parseID(t, words[0]), Limits: config.DefaultLimits()}
		s.Range.Filename, s.Range.Start.Line = "ambient.hcl", n+1
		for k := 1; k < len(words); k += 2 {
			ref := config.Ref{Kind: config.RefKind(words[k]), Stage: parseID(t, words[k+1])}
			ref.Range.Filename, ref.Range.Start.Line, ref.Range.Start.Column = "ambient.hcl", n+1, k
			s.Refs = append(s.Refs, ref)
		}
		project(cfg, s.ID.Project).Stages = append(project(cfg, s.ID.Project).Stages, s)
	}
	return cfg
}

func project(cfg *config.Config, name string) *config.Project {
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

func build(t testing.TB, lines ...string) *Graph {
	t.Helper()
	g, diags := Build(makeConfig(t, lines...))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return g
}

func names(stages []*config.Stage) string {
	var out []string
	for _, s := range stages {
		out = append(out, s.ID.String())
	}
	return strings.Join(out, " ")
}

func TestOrder(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"nothing", nil, ""},
		{"phases", []string{"a/post.p", "a/plan.x", "a/pre.d", "a/plan.w"}, "a/pre.d a/plan.x a/plan.w a/post.p"},
		{"after beats file order", []string{"a/plan.x after a/plan.y", "a/plan.y"}, "a/plan.y a/plan.x"},
		{"post without plan", []string{"a/post.p", "a/pre.d"}, "a/pre.d a/post.p"},
		{"projects stay together", []string{
			"a/pre.d", "a/plan.x artifacts b/plan.y", "a/post.p", "b/pre.d", "b/plan.y", "b/post.p",
		}, "b/pre.d b/plan.y b/post.p a/pre.d a/plan.x a/post.p"},
		{"projects that need each other", []string{
			"a/plan.x artifacts b/plan.y", "b/pre.d", "b/plan.y", "b/post.p after a/plan.x",
		}, "b/pre.d b/plan.y a/plan.x b/post.p"},
		{"independent projects", []string{"b/plan.x", "a/plan.x"}, "b/plan.x a/plan.x"},
		{"instances", []string{"a/plan.z after a/plan.t", "a/plan.t[1]", "a/plan.t[2]"},
			`a/plan.t["1"] a/plan.t["2"] a/plan.z`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := names(build(t, tt.lines...).Order()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
