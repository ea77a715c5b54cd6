package ambientyaml

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Bounds of what is read.
const (
	maxFile  = 1 << 20 // bytes
	maxDepth = 100     // levels of nesting, aliases followed
	maxNodes = 50_000  // values and names, aliases followed
)

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// parse returns the mapping that the file is, nil after a report.
func (c *converter) parse(src []byte) *yaml.Node {
	if len(src) > maxFile {
		c.fail(nil, "File too large", "At most 1MiB of YAML is read.")
		return nil
	}
	var doc, next yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(src))
	if err := decode(dec, &doc); errors.Is(err, io.EOF) {
		c.fail(nil, "Empty file", "The file has nothing to convert. It should have plan: with a list of actions, or projects: with projects.")
		return nil
	} else if err != nil {
		c.syntax(err)
		return nil
	}
	if err := decode(dec, &next); err == nil {
		c.fail(&next, "Several documents", "A file with several YAML documents, parted by \"---\", is not a plan. Convert each by itself.")
		return nil
	} else if !errors.Is(err, io.EOF) {
		c.syntax(err)
		return nil
	}
	c.comments(&c.head, doc.HeadComment)
	root := doc.Content[0]
	if bad := measure(root); bad != nil {
		c.fail(bad, "Too much YAML", "The file has more than %d levels or %d values, aliases followed.", maxDepth, maxNodes)
		return nil
	}
	if resolve(root).Kind != yaml.MappingNode {
		c.fail(root, "Not a plan", "The file should be a mapping with plan: and a list of actions, or projects: and projects.")
		return nil
	}
	return resolve(root)
}

// decode reads one document. The library's panics are errors.
func decode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the YAML can not be read")
		}
	}()
	if err = dec.Decode(n); err == nil && len(n.Content) == 0 {
		err = io.EOF
	}
	return err
}

// syntax reports an error of the YAML parser.
func (c *converter) syntax(err error) {
	text, at := strings.TrimPrefix(err.Error(), "yaml: "), (*yaml.Node)(nil)
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		line, _ := strconv.Atoi(m[1]) // digits only; too many are line 0
		at = &yaml.Node{Line: line, Column: 1}
	}
	c.fail(at, "Invalid YAML", "The file is not YAML: %s.", text)
}

// measure returns the node at which a tree is too large, nil if it is not.
func measure(root *yaml.Node) *yaml.Node {
	left := maxNodes
	var walk func(n *yaml.Node, depth int) *yaml.Node
	walk = func(n *yaml.Node, depth int) *yaml.Node {
		if left--; left < 0 || depth > maxDepth || n == nil {
			return n
		}
		if n.Kind == yaml.AliasNode {
			if walk(n.Alias, depth+1) != nil {
				return n // where it is used, not where it is declared
			}
			return nil
		}
		for _, child := range n.Content {
			if bad := walk(child, depth+1); bad != nil {
				return bad
			}
		}
		return nil
	}
	return walk(root, 0)
}

// resolve returns what an alias stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// field is one entry of a mapping.
type field struct {
	name  string // as ambient's names are written: with underscores
	key   *yaml.Node
	value *yaml.Node // no alias
	used  bool
}

// fields returns the entries of a mapping in order. A name that stands twice is
// an error.
func (c *converter) fields(n *yaml.Node) []*field {
	var all []*field
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		f := &field{name: fold(resolve(key).Value), key: key, value: resolve(n.Content[i+1])}
		if seen[f.name] {
			c.fail(key, "Duplicate name", "The name %q stands twice in this mapping. Remove one of the two.", resolve(key).Value)
		}
		seen[f.name] = true
		all = append(all, f)
	}
	return all
}

// fold writes a name with underscores.
func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", "_")
}

// take returns the field of one of the names, nil if there is none, and marks it
// used.
func take(fields []*field, names ...string) *field {
	for _, name := range names {
		for _, f := range fields {
			if f.name == name && !f.used {
				f.used = true
				return f
			}
		}
	}
	return nil
}

// isNull reports whether a value is missing.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// scalar returns the text of a scalar; ok is false for anything else.
func scalar(n *yaml.Node) (text string, ok bool) {
	return n.Value, n.Kind == yaml.ScalarNode && !isNull(n)
}

// texts returns a list of scalars, or one scalar.
func texts(n *yaml.Node) (list []string, ok bool) {
	if text, ok := scalar(n); ok {
		return []string{text}, true
	}
	if n.Kind != yaml.SequenceNode {
		return nil, isNull(n)
	}
	for _, e := range n.Content {
		text, ok := scalar(resolve(e))
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

// plain returns a value as config.Literal takes it.
func plain(n *yaml.Node) any {
	switch n = resolve(n); n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, e := range n.Content {
			list = append(list, plain(e))
		}
		return list
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[resolve(n.Content[i]).Value] = plain(n.Content[i+1])
		}
		return m
	}
	var v any
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		if n.Decode(&v) != nil {
			return n.Value
		}
	}
	switch v := v.(type) {
	case bool, int, int64, float64:
		return v
	case uint64:
		return new(big.Int).SetUint64(v)
	}
	return n.Value
}
