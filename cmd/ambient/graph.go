package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/drawing"
)

type graphCommand struct{ *app }

type graphOptions struct {
	format  string
	targets []string
	vars    variables
}

// graphFormats are the formats by the name in -format.
var graphFormats = map[string]func(drawing.Graph) string{
	"text": drawing.Text, "dot": drawing.DOT, "mermaid": drawing.Mermaid, "svg": drawing.SVG,
}

func (graphCommand) Synopsis() string { return "draw what needs what" }

func (graphCommand) Help() string {
	return helpText{
		usage: "graph [-format=text|dot|mermaid|svg] [-target=STAGE] [-var NAME=VALUE] [-var-file=FILE]",
		about: "Draws the stages and what they need. An arrow between two phases means that every\n" +
			"stage of the one waits for every stage of the other; a whole arrow brings artifacts,\n" +
			"a dashed one is order alone. The picture needs no Graphviz.",
		options: append([]string{
			"-format=FORMAT", "text (the default), dot (Graphviz), mermaid or svg",
			"-target=STAGE", "only this stage and what it needs; may be repeated",
		}, variableOptions...),
		exits:    []string{"0", "the configuration is right", configExit[0], configExit[1], otherExit[0], otherExit[1]},
		examples: []string{"ambient graph", "ambient graph -format=svg > graph.svg", "ambient graph -format=dot | dot -Tpng > graph.png"},
	}.String()
}

func (c graphCommand) Run(args []string) int {
	opts, err := c.parseGraph(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("graph", err)
}

func (c graphCommand) parseGraph(args []string) (opts graphOptions, err error) {
	fs := newFlags("graph")
	fs.StringVar(&opts.format, "format", "text", "")
	fs.Func("target", "", func(s string) error { opts.targets = append(opts.targets, s); return nil })
	opts.vars.register(fs)
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	if err == nil && graphFormats[opts.format] == nil {
		names := []string{"dot", "mermaid", "svg", "text"}
		err = usagef("-format=%s: there are %s.%s", opts.format, strings.Join(names, ", "), didYouMean(opts.format, names))
	}
	return opts, err
}

func (c graphCommand) run(opts graphOptions) error {
	l, err := c.load(opts.vars)
	if err != nil {
		return err
	}
	if l, err = l.targets(opts.targets); err != nil {
		return err
	}
	c.out.printf("%s", graphFormats[opts.format](l.drawing()))
	return nil
}

// drawing is the graph of l as it is drawn.
func (l *loaded) drawing() drawing.Graph {
	var g drawing.Graph
	for _, s := range l.graph.Order() {
		group := findOrAdd(&g.Groups, func(x drawing.Group) bool { return x.Name == s.ID.Project }, drawing.Group{Name: s.ID.Project})
		box := findOrAdd(&group.Boxes, func(x drawing.Box) bool { return x.Name == string(s.ID.Phase) }, drawing.Box{Name: string(s.ID.Phase)})
		box.Nodes = append(box.Nodes, drawing.Node{ID: s.ID.String(), Label: instanceName(s.ID), Title: nodeTitle(s)})
		for _, r := range s.Refs {
			for _, from := range l.named(r.Stage) {
				g.Edges = addEdge(g.Edges, drawing.Edge{From: from, To: s.ID.String(), Data: r.Kind == config.RefArtifacts})
			}
		}
	}
	for i := range g.Groups {
		slices.SortStableFunc(g.Groups[i].Boxes, func(a, b drawing.Box) int { return phaseRank(a.Name) - phaseRank(b.Name) })
	}
	return g
}

func phaseRank(name string) int { return slices.Index(config.Phases, config.Phase(name)) }

func findOrAdd[T any](list *[]T, is func(T) bool, fresh T) *T {
	i := slices.IndexFunc(*list, is)
	if i < 0 {
		i = len(*list)
		*list = append(*list, fresh)
	}
	return &(*list)[i]
}

// addEdge adds an edge, or makes one that is there bring artifacts as well.
func addEdge(edges []drawing.Edge, e drawing.Edge) []drawing.Edge {
	for i := len(edges) - 1; i >= 0 && edges[i].To == e.To; i-- {
		if edges[i].From == e.From {
			edges[i].Data = edges[i].Data || e.Data
			return edges
		}
	}
	return append(edges, e)
}

// named are the stages that a reference means: one, or every instance.
func (l *loaded) named(id config.StageID) []string {
	if l.graph.Stage(id) != nil {
		return []string{id.String()}
	}
	if l.families == nil {
		l.families = map[config.StageID][]string{}
		for _, s := range l.graph.Order() {
			whole := s.ID
			whole.Key = ""
			l.families[whole] = append(l.families[whole], s.ID.String())
		}
	}
	return l.families[id]
}

func instanceName(id config.StageID) string {
	if id.Key == "" {
		return id.Name
	}
	return id.Name + "[" + strconv.Quote(id.Key) + "]"
}

// nodeTitle is what is to be known of a stage in a picture.
func nodeTitle(s *config.Stage) string {
	var titles []string
	for _, a := range s.Actions {
		titles = append(titles, actionTitle(a))
	}
	if len(titles) == 0 {
		return ""
	}
	text := strings.Join(titles, ", ")
	for i, a := range s.Allow {
		if i == mostWords {
			text += fmt.Sprintf(" and %d more", len(s.Allow)-mostWords)
			break
		}
		text += pick(i == 0, "; reaches ", ", ") + a.String()
	}
	for i, name := range s.SecretAddresses() {
		text += pick(i == 0, "; uses ", ", ") + name
	}
	return "(" + text + ")"
}

func pick(first bool, yes, no string) string {
	if first {
		return yes
	}
	return no
}
