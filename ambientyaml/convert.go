package ambientyaml

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/ambient-ci/ambient/config"
)

// Options are what Convert needs beside the text.
type Options struct {
	File string // the name of the file, for messages
	// Name and Source are of the project where the file is the plan of one
	// repository, which has neither. Source is relative to the result.
	Name, Source string
	Dir          string // of the file, relative to the result; relative sources are below it
	Home         string // in place of "~"; empty: "~" is not carried over
	// Actions are the actions there are. A converted one that its own check
	// refuses becomes a comment.
	Actions map[string]*config.ActionSchema
}

// Convert returns the configuration that does what the YAML does, formatted,
// and what it could not carry over, as warnings. With errors among the
// diagnostics there is no configuration.
func Convert(src []byte, opts Options) (hcl []byte, diags config.Diagnostics) {
	c := &converter{opts: opts, lines: bytes.SplitAfter(src, []byte("\n")), names: map[string]bool{}}
	defer func() {
		if r := recover(); r != nil {
			c.fail(nil, "Unreadable file", "The file can not be converted, which is a mistake in ambient.")
			hcl, diags = nil, c.diags
		}
	}()
	root := c.parse(src)
	if root == nil {
		return nil, c.diags
	}
	c.file(root)
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	sort.SliceStable(c.diags, func(i, j int) bool { return c.diags[i].Subject.Start.Line < c.diags[j].Subject.Start.Line })
	out, more := config.Format([]byte(c.render()))
	if more.HasErrors() {
		c.fail(nil, "Unreadable file", "The result is no configuration, which is a mistake in ambient: %s.", more[0].Summary)
		return nil, c.diags
	}
	return out, c.diags
}

// converter holds the state of one Convert.
type converter struct {
	opts     Options
	lines    [][]byte // of the YAML, with their ends
	diags    config.Diagnostics
	head     []string // comments at the top
	projects []*project
	names    map[string]bool // of projects, taken
}

// at is the place of a node, up to the end of its line; that of the file for
// nil.
func (c *converter) at(n *yaml.Node) config.Range {
	r := config.Range{Filename: c.opts.File}
	r.Start.Line, r.Start.Column = 1, 1
	if n == nil || n.Line < 1 {
		r.End = r.Start
		return r
	}
	r.Start.Line, r.Start.Column = n.Line, max(n.Column, 1)
	for _, line := range c.lines[:min(n.Line-1, len(c.lines))] {
		r.Start.Byte += len(line)
	}
	r.End = r.Start
	if n.Line > len(c.lines) {
		return r
	}
	line := bytes.TrimRight(c.lines[n.Line-1], " \t\r\n")
	for range r.Start.Column - 1 {
		_, size := utf8.DecodeRune(line)
		r.Start.Byte, line = r.Start.Byte+size, line[size:]
	}
	r.End.Byte, r.End.Column = r.Start.Byte+len(line), r.Start.Column+utf8.RuneCount(line)
	return r
}

func (c *converter) fail(n *yaml.Node, summary, detail string, args ...any) {
	c.diags = append(c.diags, config.Errorf(c.at(n), summary, detail, args...))
}

// lost reports what is not carried over and returns the comment that says so.
func (c *converter) lost(n *yaml.Node, summary, detail string, args ...any) string {
	detail = fmt.Sprintf(detail, args...)
	c.diags = append(c.diags, config.Warningf(c.at(n), summary, "%s", strings.ToUpper(detail[:1])+detail[1:]))
	if n == nil || n.Line == 0 {
		return detail
	}
	return fmt.Sprintf("Line %d: %s", n.Line, detail)
}

// maxKept is how many lines of YAML a comment repeats.
const maxKept = 200

// original returns the YAML of a node, to be kept in a comment.
func original(nodes ...*yaml.Node) string {
	var b strings.Builder
	for i := 0; i+1 < len(nodes); i += 2 {
		pair := &yaml.Node{Kind: yaml.MappingNode, Content: nodes[i : i+2]}
		writeNode(&b, pair)
	}
	if len(nodes) == 1 {
		writeNode(&b, nodes[0])
	}
	lines := strings.SplitAfter(b.String(), "\n")
	if len(lines) > maxKept {
		lines = append(lines[:maxKept], "…")
	}
	return "  " + strings.TrimRight(strings.Join(lines, "  "), " \n")
}

func writeNode(b *strings.Builder, n *yaml.Node) {
	enc := yaml.NewEncoder(b)
	enc.SetIndent(2)
	if enc.Encode(n) != nil || enc.Close() != nil {
		b.WriteString("…\n")
	}
}
