// Package drawing draws the graph of a pipeline: as text, in the languages of
// Graphviz and Mermaid, and as an SVG picture with a layout of its own. The same
// graph gives the same bytes.
//
// That every stage of a phase waits for every stage of the one before is drawn
// as one arrow between two boxes, and not as an arrow for each pair.
package drawing

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Graph is what to draw: groups (projects) of boxes (phases) of nodes (stages).
type Graph struct {
	Groups []Group
	Edges  []Edge // in any order; each node after those it needs
}

// Group is a project.
type Group struct {
	Name  string
	Boxes []Box // each waits for the one before
}

// Box is a phase of a project.
type Box struct {
	Name  string
	Nodes []Node
}

// Node is a stage. IDs are unique in a graph.
type Node struct {
	ID    string // "greet/plan.build"
	Label string // "build"
	Title string // more about it, where there is room
}

// Edge says that a node needs another one.
type Edge struct {
	From, To string // IDs: To waits for From
	Data     bool   // To gets what From made
}

// names gives every node a short name that is safe in every language.
func (g Graph) names() map[string]string {
	names := map[string]string{}
	for _, group := range g.Groups {
		for _, b := range group.Boxes {
			for _, n := range b.Nodes {
				names[n.ID] = "n" + itoa(len(names))
			}
		}
	}
	return names
}

// plain is one line of text without what controls a terminal or is no character
// in XML (https://www.w3.org/TR/xml/#charsets).
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r == '\ufffe', r == '\uffff', unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return utf8.RuneError
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return utf8.RuneError
		}
		return r
	}, s)
}
