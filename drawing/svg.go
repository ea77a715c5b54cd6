package drawing

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Measures of the picture, in pixels.
const (
	margin    = 16.0
	boxPad    = 14.0
	boxHead   = 22.0
	groupHead = 26.0
	boxGap    = 54.0
	groupGap  = 26.0
	charWidth = 7.3 // of the monospace font at its size, generously
	mostChars = 44  // of a label; the whole stands in its title
)

// placed is a rectangle of the picture.
type placed struct{ x, y, w, h float64 }

// picture is a drawing in the making.
type picture struct {
	g      Graph
	nodes  map[string]placed
	groups []placed
	boxes  [][]placed
	paths  [][2]string // path data and class, of the edges inside boxes
	drawn  map[int]bool
	w, h   float64
}

// SVG draws the graph: projects below each other, their phases side by side.
func SVG(g Graph) string {
	p := &picture{g: g, nodes: map[string]placed{}, drawn: map[int]bool{}}
	y := margin
	for _, group := range g.Groups {
		y = p.group(group, y) + groupGap
	}
	p.w, p.h = max(p.w+margin, 120), max(y-groupGap+margin, 60)
	return p.render()
}

// group lays out a project with its top at y and returns its bottom.
func (p *picture) group(group Group, y float64) float64 {
	x, tallest := margin+boxPad, 0.0
	var sketches []*sketch
	for _, box := range group.Boxes {
		s := p.sketch(box)
		sketches = append(sketches, s)
		tallest = max(tallest, s.h)
	}
	var boxes []placed
	for i, box := range group.Boxes {
		s := sketches[i]
		at := placed{x, y + groupHead, max(s.w+2*boxPad, textWidth(box.Name)+2*boxPad), tallest + boxHead + boxPad}
		boxes = append(boxes, at)
		p.settle(box, s, at.x+boxPad, at.y+boxHead+(tallest-s.h)/2)
		x += at.w + boxGap
	}
	w := x - boxGap + boxPad - margin
	if len(boxes) == 0 {
		w = 2 * boxPad
	}
	at := placed{margin, y, max(w, textWidth(group.Name)+2*boxPad), groupHead + tallest + boxHead + 2*boxPad}
	p.groups, p.boxes = append(p.groups, at), append(p.boxes, boxes)
	p.w = max(p.w, at.x+at.w)
	return at.y + at.h
}

// sketch lays out one box with the edges that lie inside of it.
func (p *picture) sketch(box Box) *sketch {
	index := map[string]int{}
	var widths []float64
	for i, n := range box.Nodes {
		index[n.ID] = i
		widths = append(widths, textWidth(clip(plain(n.Label)))+18)
	}
	var edges []inner
	for i, e := range p.g.Edges {
		from, ok1 := index[e.From]
		to, ok2 := index[e.To]
		if ok1 && ok2 {
			edges = append(edges, inner{i, from, to})
			p.drawn[i] = true
		}
	}
	return newSketch(widths, edges)
}

// settle moves a sketch to its place in the picture.
func (p *picture) settle(box Box, s *sketch, x, y float64) {
	for i, n := range box.Nodes {
		at := s.nodes[i]
		p.nodes[n.ID] = placed{at.x + x, at.y + y, at.w, at.h}
	}
	for _, l := range s.links {
		p.paths = append(p.paths, [2]string{route(l, x, y), edgeClass(p.g.Edges[l.edge])})
	}
}

func edgeClass(e Edge) string {
	if e.Data {
		return "data"
	}
	return "after"
}

// route is the path of an edge: level at both ends and where it passes nodes.
func route(l *link, dx, dy float64) string {
	first, last := l.path[0], l.path[len(l.path)-1]
	var b strings.Builder
	x, y := first.x+first.w+dx, first.y+first.h/2+dy
	fmt.Fprintf(&b, "M%s %s", num(x), num(y))
	for _, p := range l.path[1:] {
		toX, toY := p.x+dx, p.y+p.h/2+dy
		if p == last {
			toX -= arrow
		}
		curve(&b, x, y, toX, toY)
		x, y = toX, toY
		if p != last {
			x += p.w
			fmt.Fprintf(&b, "H%s", num(x))
		}
	}
	return b.String()
}

// arrow is the length of an arrow's head.
const arrow = 6.0

func curve(b *strings.Builder, x, y, toX, toY float64) {
	bend := max((toX-x)/2, 14)
	fmt.Fprintf(b, "C%s %s %s %s %s %s", num(x+bend), num(y), num(toX-bend), num(toY), num(toX), num(toY))
}

// num is a coordinate with at most one decimal.
func num(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }

func textWidth(s string) float64 { return charWidth * cells(s) }

// cells estimates the width of a text in characters of the font.
func cells(s string) float64 {
	n := 0.0
	for _, r := range s {
		if n++; r >= 0x1100 {
			n++ // most of these are wide
		}
	}
	return n
}

func clip(s string) string {
	if utf8.RuneCountInString(s) <= mostChars {
		return s
	}
	return string([]rune(s)[:mostChars-1]) + "…"
}

const style = `<style>
text{font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#0f172a}
.project{fill:#f8fafc;stroke:#cbd5e1}
.name{font-weight:bold;font-size:13px}
.phase{font-size:11px}
path{fill:none}
.data{stroke:#334155;stroke-width:1.3}
.after{stroke:#64748b;stroke-width:1.2;stroke-dasharray:4 3}
.across{stroke:#7c3aed}
.barrier{stroke:#475569;stroke-width:2.6}
.head{fill:#334155}
</style>
<defs><marker id="head" viewBox="0 0 6 6" refX="0" refY="3" markerWidth="6" markerHeight="6" markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0L6 3L0 6Z"/></marker>
<marker id="bighead" viewBox="0 0 6 6" refX="0" refY="3" markerWidth="11" markerHeight="11" markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0L6 3L0 6Z"/></marker></defs>
`

func (p *picture) render() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s">`+"\n", num(p.w), num(p.h), num(p.w), num(p.h))
	b.WriteString(style + `<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	for i, group := range p.g.Groups {
		p.renderGroup(&b, i, group)
	}
	for _, path := range p.paths {
		fmt.Fprintf(&b, `<path class="%s" marker-end="url(#head)" d="%s"/>`+"\n", path[1], path[0])
	}
	for i, e := range p.g.Edges {
		from, ok1 := p.nodes[e.From]
		to, ok2 := p.nodes[e.To]
		if ok1 && ok2 && !p.drawn[i] {
			fmt.Fprintf(&b, `<path class="%s across" marker-end="url(#head)" d="%s"/>`+"\n", edgeClass(e), across(from, to))
		}
	}
	for _, group := range p.g.Groups {
		for _, box := range group.Boxes {
			for _, n := range box.Nodes {
				p.renderNode(&b, n, phaseColours(box.Name))
			}
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// across is the path of an edge from one box to another.
func across(from, to placed) string {
	var b strings.Builder
	x, y := from.x+from.w, from.y+from.h/2
	fmt.Fprintf(&b, "M%s %s", num(x), num(y))
	toX, toY := to.x-arrow, to.y+to.h/2
	if toX > x {
		curve(&b, x, y, toX, toY)
		return b.String()
	}
	const out = 34.0
	fmt.Fprintf(&b, "C%s %s %s %s %s %s", num(x+out), num(y), num(toX-out), num(toY), num(toX), num(toY))
	return b.String()
}

func (p *picture) renderGroup(b *strings.Builder, i int, group Group) {
	at := p.groups[i]
	rect(b, at, `class="project" rx="8"`)
	label(b, at.x+boxPad, at.y+18, "name", group.Name)
	for j, box := range group.Boxes {
		c, at := phaseColours(box.Name), p.boxes[i][j]
		rect(b, at, fmt.Sprintf(`rx="6" fill="%s" fill-opacity=".35" stroke="%s" stroke-opacity=".45"`, c[0], c[1]))
		label(b, at.x+boxPad, at.y+15, "phase", box.Name)
		if j > 0 {
			last := p.boxes[i][j-1]
			y := last.y + last.h/2
			fmt.Fprintf(b, `<path class="barrier" marker-end="url(#bighead)" d="M%s %sH%s"><title>%s</title></path>`+"\n",
				num(last.x+last.w), num(y), num(at.x-11), xmlText("every "+box.Name+" waits for every "+group.Boxes[j-1].Name))
		}
	}
}

func (p *picture) renderNode(b *strings.Builder, n Node, c [2]string) {
	at := p.nodes[n.ID]
	fmt.Fprintf(b, "<g><title>%s</title>", xmlText(strings.TrimSpace(n.ID+" "+n.Title)))
	rect(b, at, fmt.Sprintf(`rx="5" fill="%s" stroke="%s"`, c[0], c[1]))
	label(b, at.x+9, at.y+17.5, "", clip(plain(n.Label)))
	b.WriteString("</g>\n")
}

func rect(b *strings.Builder, at placed, attrs string) {
	fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s" %s/>`+"\n", num(at.x), num(at.y), num(at.w), num(at.h), attrs)
}

func label(b *strings.Builder, x, y float64, class, text string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(b, `<text x="%s" y="%s"%s>%s</text>`+"\n", num(x), num(y), class, xmlText(text))
}

var xmlEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func xmlText(s string) string { return xmlEscape.Replace(plain(s)) }
