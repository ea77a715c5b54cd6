package drawing

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// sample has two projects, three phases, both kinds of edge, an edge between
// projects and a label that means something in every language.
func sample() Graph {
	node := func(id, label string) Node { return Node{ID: id, Label: label, Title: "(shell)"} }
	return Graph{
		Groups: []Group{
			{Name: "lib", Boxes: []Box{{Name: "plan", Nodes: []Node{node("lib/plan.build", "build")}}}},
			{Name: "app", Boxes: []Box{
				{Name: "pre", Nodes: []Node{node("app/pre.deps", "deps")}},
				{Name: "plan", Nodes: []Node{
					node("a1", "build"), node("a2", `test["</text>&'*_#;"]`), node("a3", "lint"), node("a4", "pack"),
				}},
				{Name: "post", Nodes: []Node{node("a5", "publish")}},
			}},
		},
		Edges: []Edge{{"lib/plan.build", "a1", true}, {"a1", "a2", false}, {"a2", "a4", true}, {"a1", "a4", true}},
	}
}

func TestGolden(t *testing.T) {
	for name, draw := range map[string]func(Graph) string{
		"sample.txt": Text, "sample.dot": DOT, "sample.mmd": Mermaid, "sample.svg": SVG,
	} {
		got := draw(sample())
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s is another one (-update writes it; look at it then): %v", name, err)
		}
	}
}

// random makes a graph of n stages in a few projects, without cycles.
func random(seed uint64, n int) Graph {
	r := rand.New(rand.NewPCG(seed, seed))
	g := Graph{}
	var ids []string
	for p := 0; len(ids) < n; p++ {
		group := Group{Name: fmt.Sprint("project", p)}
		for _, phase := range []string{"pre", "plan", "post"} {
			box := Box{Name: phase}
			for range 1 + r.IntN(n/2+1) {
				id := fmt.Sprintf("%d/%s.%d", p, phase, len(ids))
				for range r.IntN(3) {
					if len(ids) > 0 {
						g.Edges = append(g.Edges, Edge{ids[r.IntN(len(ids))], id, r.IntN(2) == 0})
					}
				}
				box.Nodes = append(box.Nodes, Node{ID: id, Label: strings.Repeat("x", 1+r.IntN(30))})
				ids = append(ids, id)
			}
			group.Boxes = append(group.Boxes, box)
		}
		g.Groups = append(g.Groups, group)
	}
	return g
}

func TestNothingOverlaps(t *testing.T) {
	for seed := range uint64(30) {
		g := random(seed, 10+int(seed)*4)
		p := &picture{g: g, nodes: map[string]placed{}, drawn: map[int]bool{}}
		y := margin
		for _, group := range g.Groups {
			y = p.group(group, y) + groupGap
		}
		var seen []placed
		for i, group := range g.Groups {
			for j, box := range group.Boxes {
				for _, n := range box.Nodes {
					at := p.nodes[n.ID]
					if b := p.boxes[i][j]; at.x < b.x || at.y < b.y+boxHead-1 || at.x+at.w > b.x+b.w || at.y+at.h > b.y+b.h {
						t.Fatalf("seed %d: %s is outside of its box", seed, n.ID)
					}
					if at.w < textWidth(n.Label) {
						t.Fatalf("seed %d: %q does not fit", seed, n.Label)
					}
					for _, o := range seen {
						if at.x < o.x+o.w && o.x < at.x+at.w && at.y < o.y+o.h && o.y < at.y+at.h {
							t.Fatalf("seed %d: %s lies on another stage", seed, n.ID)
						}
					}
					seen = append(seen, at)
				}
			}
		}
	}
}

func TestEdgesGoForward(t *testing.T) {
	s := newSketch([]float64{10, 10, 10, 10}, []inner{{0, 0, 1}, {1, 1, 2}, {2, 0, 2}, {3, 2, 3}})
	for _, l := range s.links {
		for i := 1; i < len(l.path); i++ {
			if l.path[i].x < l.path[i-1].x+l.path[i-1].w {
				t.Errorf("edge %d goes back", l.edge)
			}
		}
	}
	if len(s.links[2].path) != 3 {
		t.Errorf("a long edge passes %d places, want 3", len(s.links[2].path))
	}
}

func TestSameBytes(t *testing.T) {
	for name, draw := range map[string]func(Graph) string{"SVG": SVG, "DOT": DOT, "Mermaid": Mermaid, "text": Text} {
		first := draw(random(7, 60))
		if draw(random(7, 60)) != first {
			t.Errorf("%s: the same graph gives other bytes", name)
		}
	}
}

func TestLargeGraphIsQuick(t *testing.T) {
	g := random(3, 1000)
	began := time.Now()
	SVG(g)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("1000 stages took %s", d)
	}
}

func TestEmpty(t *testing.T) {
	for _, g := range []Graph{{}, {Groups: []Group{{Name: "p"}}}, {Groups: []Group{{Name: "p", Boxes: []Box{{Name: "plan"}}}}}} {
		if err := wellFormed(SVG(g)); err != nil {
			t.Error(err)
		}
	}
}

func wellFormed(text string) error {
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("build", "p")
	f.Add("</text><script>", "\"\\\n]")
	f.Add("\x00\xff\ufffe\u202e", "end")
	graph := func(label, name string) Graph {
		return Graph{
			Groups: []Group{{Name: name, Boxes: []Box{{Name: name, Nodes: []Node{{ID: label, Label: label, Title: name}}}}}},
			Edges:  []Edge{{label, label, true}},
		}
	}
	lines := func(text string) int { return strings.Count(text, "\n") }
	f.Fuzz(func(t *testing.T, label, name string) {
		g, harmless := graph(label, name), graph("x", "y")
		svg := SVG(g)
		if err := wellFormed(svg); err != nil {
			t.Errorf("%v in %s", err, svg)
		}
		if strings.Contains(svg, "<script") {
			t.Error("text became markup")
		}
		for name, draw := range map[string]func(Graph) string{"SVG": SVG, "Mermaid": Mermaid, "DOT": DOT, "text": Text} {
			if got, want := lines(draw(g)), lines(draw(harmless)); got != want {
				t.Errorf("%s has %d lines, want %d:\n%s", name, got, want, draw(g))
			}
		}
	})
}
