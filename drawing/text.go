package drawing

import (
	"fmt"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Text draws the graph as lines: every node with the nodes that it needs.
func Text(g Graph) string {
	needs := map[string][]string{}
	for _, e := range g.Edges {
		from := e.From
		if e.Data {
			from += " (artifacts)"
		}
		needs[e.To] = append(needs[e.To], plain(from))
	}
	var b strings.Builder
	for i, group := range g.Groups {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", plain(group.Name))
		for j, box := range group.Boxes {
			rail := branch(&b, "", j == len(group.Boxes)-1, plain(box.Name))
			for k, n := range box.Nodes {
				inner := branch(&b, rail, k == len(box.Nodes)-1, plain(n.Label))
				for l, need := range needs[n.ID] {
					branch(&b, inner, l == len(needs[n.ID])-1, "needs "+need)
				}
			}
		}
	}
	return b.String()
}

// branch writes one line of a tree and returns what stands before those below.
func branch(b *strings.Builder, rail string, last bool, text string) string {
	if last {
		b.WriteString(rail + "└─ " + text + "\n")
		return rail + "   "
	}
	b.WriteString(rail + "├─ " + text + "\n")
	return rail + "│  "
}

// colours of the boxes by their place: background and ink.
var colours = [][2]string{{"#dbeafe", "#1d4ed8"}, {"#dcfce7", "#15803d"}, {"#fef3c7", "#b45309"}, {"#f1f5f9", "#475569"}}

// phaseColours returns the colours of a box by its name.
func phaseColours(name string) [2]string {
	for i, known := range []string{"pre", "plan", "post"} {
		if name == known {
			return colours[i]
		}
	}
	return colours[3]
}

// DOT writes the graph in the language of Graphviz
// (https://graphviz.org/doc/info/lang.html).
func DOT(g Graph) string {
	names := g.names()
	var b strings.Builder
	b.WriteString("digraph ambient {\n  rankdir=LR\n  compound=true\n  node [shape=box style=\"rounded,filled\" fontname=monospace fontsize=11]\n")
	for i, group := range g.Groups {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s\n", i, dotText(group.Name))
		for j, box := range group.Boxes {
			c := phaseColours(box.Name)
			fmt.Fprintf(&b, "    subgraph cluster_%d_%d {\n      label=%s\n      color=%q\n", i, j, dotText(box.Name), c[1])
			for _, n := range box.Nodes {
				fmt.Fprintf(&b, "      %s [label=%s tooltip=%s fillcolor=%q color=%q]\n", names[n.ID], dotText(n.Label), dotText(n.Title), c[0], c[1])
			}
			b.WriteString("    }\n")
		}
		b.WriteString("  }\n")
	}
	for i, group := range g.Groups {
		for j := 1; j < len(group.Boxes); j++ {
			last, first := group.Boxes[j-1].Nodes, group.Boxes[j].Nodes
			if len(last) > 0 && len(first) > 0 {
				fmt.Fprintf(&b, "  %s -> %s [ltail=cluster_%d_%d lhead=cluster_%d_%d style=bold]\n",
					names[last[0].ID], names[first[0].ID], i, j-1, i, j)
			}
		}
	}
	for _, e := range g.Edges {
		style := ""
		if !e.Data {
			style = " [style=dashed]"
		}
		fmt.Fprintf(&b, "  %s -> %s%s\n", names[e.From], names[e.To], style)
	}
	b.WriteString("}\n")
	return b.String()
}

func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain(s)) + `"`
}

// Mermaid writes the graph in the language of Mermaid
// (https://mermaid.js.org/syntax/flowchart.html).
func Mermaid(g Graph) string {
	names := g.names()
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, name := range []string{"pre", "plan", "post"} {
		fmt.Fprintf(&b, "  classDef %s fill:%s,stroke:%s,color:#0f172a\n", name+"Stage", colours[i][0], colours[i][1])
	}
	for i, group := range g.Groups {
		fmt.Fprintf(&b, "  subgraph g%d[%s]\n", i, mermaidText(group.Name))
		for j, box := range group.Boxes {
			fmt.Fprintf(&b, "    subgraph g%db%d[%s]\n", i, j, mermaidText(box.Name))
			for _, n := range box.Nodes {
				class := ""
				if phaseColours(box.Name) != colours[3] {
					class = ":::" + box.Name + "Stage"
				}
				fmt.Fprintf(&b, "      %s[%s]%s\n", names[n.ID], mermaidText(n.Label), class)
			}
			b.WriteString("    end\n")
		}
		b.WriteString("  end\n")
	}
	for i, group := range g.Groups {
		for j := 1; j < len(group.Boxes); j++ {
			fmt.Fprintf(&b, "  g%db%d ==> g%db%d\n", i, j-1, i, j)
		}
	}
	for _, e := range g.Edges {
		arrow := "-.->"
		if e.Data {
			arrow = "-->"
		}
		fmt.Fprintf(&b, "  %s %s %s\n", names[e.From], arrow, names[e.To])
	}
	return b.String()
}

// mermaidText is text in quotes. Mermaid takes entity codes, and would take
// HTML and Markdown.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range plain(s) {
		switch {
		case strings.ContainsRune("\"#&;<>`\\*_~", r) && r != '_':
			fmt.Fprintf(&b, "#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
