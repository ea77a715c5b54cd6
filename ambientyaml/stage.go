package ambientyaml

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ambient-ci/ambient/config"
)

// stage is one of the three plans of a project.
type stage struct {
	project *project
	phase   config.Phase
	parts   []part
	above   string            // the comment above it
	pending []string          // comments for the next action
	env     map[string]string // what setenv has set so far
	keys    bool              // it uses the secret of its project
}

// stageNames are the names of the stages that the plans become.
var stageNames = map[config.Phase]string{config.Pre: "deps", config.Plan: "ci", config.Post: "deliver"}

func (s *stage) comment(lines ...string) {
	s.pending = append(s.pending, strings.Join(lines, "\n"))
}

// yamlComments carries comments of the YAML over.
func (s *stage) yamlComments(texts ...string) {
	for _, text := range texts {
		if text = uncomment(text); text != "" {
			s.comment(text)
		}
	}
}

// comments is yamlComments for the top of the file.
func (c *converter) comments(into *[]string, text string) {
	if text = uncomment(text); text != "" {
		*into = append(*into, text)
	}
}

// uncomment removes the signs of comments.
func uncomment(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.TrimPrefix(strings.TrimLeft(strings.TrimSpace(line), "#"), " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func (s *stage) need(packages ...string) {
	for _, p := range packages {
		s.project.packages[p] = true
	}
}

func (s *stage) setenv(name, value string) {
	s.env = maps.Clone(s.env)
	if s.env == nil {
		s.env = map[string]string{}
	}
	s.env[name] = value
}

func (s *stage) add(a *action) {
	a.env = s.env
	s.parts = append(s.parts, part{comments: s.pending, action: a})
	s.pending = nil
}

// finish turns comments after the last action into a part of their own, and
// puts what installs a toolchain before what needs it.
func (s *stage) finish() {
	if len(s.pending) > 0 {
		s.parts = append(s.parts, part{comments: s.pending})
		s.pending = nil
	}
	if s.phase != config.Pre || !s.project.rustup {
		return
	}
	isRustup := func(p part) bool {
		return p.action != nil && p.action.name == "rustup"
	}
	sort.SliceStable(s.parts, func(i, j int) bool { return isRustup(s.parts[i]) && !isRustup(s.parts[j]) })
}

// actions returns the number of actions.
func (s *stage) actions() int {
	n := 0
	for _, p := range s.parts {
		if p.action != nil {
			n++
		}
	}
	return n
}

// common returns the environment that all actions have, to be that of the stage.
func (s *stage) common() map[string]string {
	var env map[string]string
	first := true
	for _, p := range s.parts {
		switch {
		case p.action == nil:
		case first:
			env, first = p.action.env, false
		case !maps.Equal(env, p.action.env):
			return nil
		}
	}
	return env
}

// plan converts one plan.
func (c *converter) plan(p *project, phase config.Phase, f *field) {
	if f == nil || isNull(f.value) {
		return
	}
	if f.value.Kind != yaml.SequenceNode {
		c.fail(f.value, "Not a plan", "%s should be a list of actions, each written \"- action: NAME\".", f.name)
		return
	}
	s := &stage{project: p, phase: phase}
	s.above = uncomment(f.key.HeadComment)
	for _, n := range f.value.Content {
		c.convert(s, n)
	}
	s.yamlComments(f.key.FootComment)
	s.finish()
	p.stages = append(p.stages, s)
}

// sortedKeys returns the names in a set, in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
