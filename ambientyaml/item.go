package ambientyaml

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ambient-ci/ambient/config"
)

// item is one action of a plan in YAML.
type item struct {
	name   string // with underscores
	node   *yaml.Node
	fields []*field
	phase  config.Phase
}

// part is what a stage holds: a comment, or an action with the comments above
// it.
type part struct {
	comments []string
	action   *action
}

// action is one action as it will be written.
type action struct {
	name string
	args config.Args
	env  map[string]string
}

// newAction makes an action out of pairs of argument and value; nil values are
// left out.
func newAction(name string, pairs ...any) *action {
	a := &action{name: name, args: config.Args{Values: map[string]any{}, Blocks: map[string][]config.Args{}}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != nil {
			a.args.Values[pairs[i].(string)] = pairs[i+1]
		}
	}
	return a
}

// shell makes an action that runs a script.
func shell(script string) *action { return newAction("shell", "script", script) }

// item reads one entry of a plan; nil after a comment was added.
func (c *converter) item(s *stage, n *yaml.Node) *item {
	m := resolve(n)
	if m.Kind != yaml.MappingNode {
		why := c.lost(n, "Not an action", "this is not an action, which is written \"- action: NAME\".")
		s.comment(why, original(n))
		return nil
	}
	it := &item{node: n, phase: s.phase, fields: c.fields(m)}
	name := take(it.fields, "action")
	text, ok := "", false
	if name != nil {
		text, ok = scalar(name.value)
	}
	if !ok {
		why := c.lost(n, "Action without name", "this entry does not say \"action: NAME\".")
		s.comment(why, original(n))
		return nil
	}
	it.name = fold(text)
	return it
}

// convert adds what an entry of a plan becomes.
func (c *converter) convert(s *stage, n *yaml.Node) {
	s.yamlComments(n.HeadComment, firstKey(n).HeadComment)
	n.HeadComment, firstKey(n).HeadComment = "", ""
	foot := n.FootComment
	n.FootComment = ""
	if it := c.item(s, n); it != nil {
		c.convertItem(s, it)
	}
	s.yamlComments(foot)
}

func firstKey(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return n.Content[0]
	}
	return &yaml.Node{}
}

func (c *converter) convertItem(s *stage, it *item) {
	rule, known := rules[it.name]
	switch {
	case !known:
		why := c.lost(it.node, "Unknown action", "there is no action %q.%s", it.name, guess(it.name, ruleNames()))
		s.comment(why, original(it.node))
		return
	case rule.never != "":
		why := c.lost(it.node, "Action not carried over", "%q: %s", it.name, rule.never)
		s.comment(why, original(it.node))
		return
	case !slices.Contains(rule.phases, it.phase):
		why := c.lost(it.node, "Action in the wrong phase", "%q can not stand in a %s stage: %s", it.name, it.phase, rule.why())
		s.comment(why, original(it.node))
		return
	}
	if rule.make == nil { // setenv
		c.setenv(s, it)
	} else if a := rule.make(c, s, it); a != nil {
		if !c.admit(s, it, a) {
			return
		}
		s.need(rule.packages...)
		s.add(a)
	}
	c.leftovers(s, it)
}

// admit reports whether an action passes its own check and can be written.
func (c *converter) admit(s *stage, it *item, a *action) bool {
	why := ""
	if schema := c.opts.Actions[a.name]; schema != nil && schema.Check != nil {
		for _, p := range schema.Check(a.args) {
			why = p.Summary + ". " + p.Detail
		}
	}
	if _, err := a.lines(); err != nil && why == "" {
		why = err.Error() + "."
	}
	if why == "" {
		return true
	}
	s.comment(c.lost(it.node, "Action not carried over", "%q: %s", it.name, why), original(it.node))
	return false
}

// leftovers reports the fields of an action that nothing looked at.
func (c *converter) leftovers(s *stage, it *item) {
	for _, f := range it.fields {
		if f.used {
			continue
		}
		why := c.lost(f.key, "Argument not carried over", "the action %q has no %q here.%s", it.name, f.name, guess(f.name, rules[it.name].params))
		s.comment(why, original(f.key, f.value))
	}
}

// text takes a field that must be text; ok is false after a comment was added.
func (c *converter) text(s *stage, it *item, name string) (string, bool) {
	f := take(it.fields, name)
	if f == nil {
		why := c.lost(it.node, "Missing argument", "the action %q needs %q.%s", it.name, name, c.meant(it, name))
		s.comment(why, original(it.node))
		c.forget(it)
		return "", false
	}
	text, ok := scalar(f.value)
	if !ok {
		why := c.lost(f.value, "Wrong type", "%q of the action %q should be text.", name, it.name)
		s.comment(why, original(it.node))
		c.forget(it)
	}
	return text, ok
}

// meant names a field that was probably meant to be the missing one.
func (c *converter) meant(it *item, want string) string {
	for _, f := range it.fields {
		if config.Nearest(f.name, []string{want}) == want {
			return " Is it what " + strings.TrimSpace(f.key.Value) + " is meant to be?"
		}
	}
	return ""
}

// forget marks the fields of an entry that is a comment as a whole.
func (c *converter) forget(it *item) {
	for _, f := range it.fields {
		f.used = true
	}
}

// list takes a field that may be a list of texts.
func (c *converter) list(s *stage, it *item, name string) []string {
	f := take(it.fields, name)
	if f == nil {
		return nil
	}
	list, ok := texts(f.value)
	if !ok {
		why := c.lost(f.value, "Wrong type", "%q of the action %q should be a list of texts.", name, it.name)
		s.comment(why, original(f.key, f.value))
	}
	return list
}

// optional takes a field that may be text, "" if there is none.
func (c *converter) optional(s *stage, it *item, name string) string {
	f := take(it.fields, name)
	if f == nil || isNull(f.value) {
		return ""
	}
	text, ok := scalar(f.value)
	if !ok {
		why := c.lost(f.value, "Wrong type", "%q of the action %q should be text.", name, it.name)
		s.comment(why, original(f.key, f.value))
	}
	return text
}
