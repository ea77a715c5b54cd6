package ambientyaml

import (
	"gopkg.in/yaml.v3"

	"github.com/ambient-ci/ambient/config"
)

const mapping = yaml.MappingNode

// makeHTTPGet converts a list of items, each an address and a file name. The
// names of these two are taken as people write them.
func makeHTTPGet(c *converter, s *stage, it *item) *action {
	a := newAction("http_get")
	if f := take(it.fields, "items", "files", "urls"); f != nil {
		list := f.value.Content
		if f.value.Kind != yaml.SequenceNode {
			list = []*yaml.Node{f.value}
		}
		for _, n := range list {
			c.httpItem(s, it, a, n)
		}
	} else if file, ok := httpFile(it.fields); ok {
		a.args.Values = file.Values
	}
	if len(a.args.Blocks["file"]) == 1 {
		a.args.Values, a.args.Blocks = a.args.Blocks["file"][0].Values, nil
	}
	if len(a.args.Values) == 0 && len(a.args.Blocks["file"]) == 0 {
		why := c.lost(it.node, "Nothing to fetch", "the action \"http_get\" has no item with an address.")
		s.comment(why, original(it.node))
		c.forget(it)
		return nil
	}
	return a
}

func (c *converter) httpItem(s *stage, it *item, a *action, n *yaml.Node) {
	m := resolve(n)
	if url, ok := scalar(m); ok {
		a.args.Blocks["file"] = append(a.args.Blocks["file"], config.Args{Values: map[string]any{"url": url}})
		return
	}
	var fields []*field
	if m.Kind == mapping {
		fields = c.fields(m)
	}
	file, ok := httpFile(fields)
	if !ok {
		why := c.lost(n, "Item not carried over", "this item of \"http_get\" has no url.")
		s.comment(why, original(n))
		return
	}
	a.args.Blocks["file"] = append(a.args.Blocks["file"], file)
	c.leftovers(s, &item{name: it.name, fields: fields})
}

// httpFile reads the fields of one file.
func httpFile(fields []*field) (config.Args, bool) {
	args := config.Args{Values: map[string]any{}}
	for _, arg := range []struct {
		name   string
		spelt  []string
		needed bool
	}{
		{"url", []string{"url", "uri", "address"}, true},
		{"path", []string{"filename", "file_name", "file", "path", "pathname", "name", "output"}, false},
		{"sha256", []string{"sha256", "sha256sum", "checksum"}, false},
	} {
		f := take(fields, arg.spelt...)
		if f == nil {
			if arg.needed {
				return args, false
			}
			continue
		}
		text, ok := scalar(f.value)
		if !ok {
			f.used = false
			if arg.needed {
				return args, false
			}
			continue
		}
		args.Values[arg.name] = text
	}
	return args, true
}
