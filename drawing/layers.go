package drawing

import (
	"cmp"
	"slices"
)

// sketch is the layout of the nodes of one box: columns from left to right, each
// edge from one column to the next (Sugiyama, Tagawa, Toda: "Methods for visual
// understanding of hierarchical system structures", 1981).
type sketch struct {
	nodes   []*spot
	columns [][]*spot
	links   []*link
	w, h    float64
}

// spot is a place in a column: of a node, or of an edge that passes by.
type spot struct {
	node       int // index in the box; -1: an edge passes
	column     int
	x, y, w, h float64
	before     []*spot // neighbours in the column to the left
	after      []*spot
	order      float64
}

// link is an edge with the spots that it passes.
type link struct {
	edge int // index of the edge
	path []*spot
}

// Measures of a drawing, in pixels.
const (
	nodeHeight = 26.0
	rowGap     = 10.0
	columnGap  = 46.0
	passHeight = 6.0
	mostRows   = 14 // of nodes without edges, before the next column begins
)

// inner is an edge between two nodes of a box, by their indexes.
type inner struct{ edge, from, to int }

// newSketch lays out nodes of these widths.
func newSketch(widths []float64, edges []inner) *sketch {
	s := &sketch{}
	depth := depths(len(widths), edges)
	linked := make([]bool, len(widths))
	for _, e := range edges {
		linked[e.from], linked[e.to] = true, true
	}
	var loose []*spot
	for i, w := range widths {
		p := &spot{node: i, column: depth[i], w: w, h: nodeHeight}
		s.nodes = append(s.nodes, p)
		if linked[i] {
			s.put(p)
		} else {
			loose = append(loose, p)
		}
	}
	for _, e := range edges {
		s.link(e)
	}
	s.reorder()
	s.place()
	s.grid(loose)
	return s
}

// depths is the length of the longest chain of edges to each node. Nodes on a
// cycle, which no pipeline has, end up somewhere.
func depths(n int, edges []inner) []int {
	depth := make([]int, n)
	for range n {
		moved := false
		for _, e := range edges {
			if d := depth[e.from] + 1; depth[e.to] < d && d < n {
				depth[e.to], moved = d, true
			}
		}
		if !moved {
			break
		}
	}
	return depth
}

func (s *sketch) put(p *spot) {
	for len(s.columns) <= p.column {
		s.columns = append(s.columns, nil)
	}
	p.order = float64(len(s.columns[p.column]))
	s.columns[p.column] = append(s.columns[p.column], p)
}

// link puts an edge through the columns between its ends.
func (s *sketch) link(e inner) {
	from, to := s.nodes[e.from], s.nodes[e.to]
	l := &link{edge: e.edge, path: []*spot{from}}
	last := from
	for c := from.column + 1; c < to.column; c++ {
		p := &spot{node: -1, column: c, h: passHeight}
		s.put(p)
		join(last, p)
		l.path = append(l.path, p)
		last = p
	}
	if from.column < to.column {
		join(last, to)
	}
	l.path = append(l.path, to)
	s.links = append(s.links, l)
}

func join(a, b *spot) {
	a.after = append(a.after, b)
	b.before = append(b.before, a)
}

// sweeps is how often the columns are reordered in each direction.
const sweeps = 6

// reorder puts every spot near its neighbours, so that few edges cross.
func (s *sketch) reorder() {
	for range sweeps {
		for c := 1; c < len(s.columns); c++ {
			settle(s.columns[c], func(p *spot) []*spot { return p.before })
		}
		for c := len(s.columns) - 2; c >= 0; c-- {
			settle(s.columns[c], func(p *spot) []*spot { return p.after })
		}
	}
}

// settle sorts a column by the mean place of neighbours.
func settle(column []*spot, neighbours func(*spot) []*spot) {
	want := map[*spot]float64{}
	for i, p := range column {
		want[p] = float64(i)
		if ns := neighbours(p); len(ns) > 0 {
			sum := 0.0
			for _, n := range ns {
				sum += n.order
			}
			want[p] = sum / float64(len(ns))
		}
	}
	slices.SortStableFunc(column, func(a, b *spot) int { return cmp.Compare(want[a], want[b]) })
	for i, p := range column {
		p.order = float64(i)
	}
}

// place gives coordinates: columns beside each other, and in them every spot as
// near to its neighbours as the others permit.
func (s *sketch) place() {
	x := 0.0
	for _, column := range s.columns {
		y, w := 0.0, 0.0
		for _, p := range column {
			p.x, p.y = x, y
			y += p.h + rowGap
			w = max(w, p.w)
		}
		for _, p := range column {
			p.w = w
		}
		x += w + channel(column)
	}
	for range sweeps {
		for c := 1; c < len(s.columns); c++ {
			drift(s.columns[c], func(p *spot) []*spot { return p.before })
		}
		for c := len(s.columns) - 2; c >= 0; c-- {
			drift(s.columns[c], func(p *spot) []*spot { return p.after })
		}
	}
	s.bound()
}

// channel is the space to the right of a column, wider where many edges begin.
func channel(column []*spot) float64 {
	n := 0
	for _, p := range column {
		n += len(p.after)
	}
	return columnGap + 2*float64(min(n, 40))
}

// drift moves the spots of a column towards their neighbours and keeps their
// order and distance: down where they must, and then up as far as they may.
func drift(column []*spot, neighbours func(*spot) []*spot) {
	for _, p := range column {
		if ns := neighbours(p); len(ns) > 0 {
			sum := 0.0
			for _, n := range ns {
				sum += n.y + n.h/2
			}
			p.y = sum/float64(len(ns)) - p.h/2
		}
	}
	over := 0.0
	for i := 1; i < len(column); i++ {
		least := column[i-1].y + column[i-1].h + rowGap
		if column[i].y < least {
			over += least - column[i].y
			column[i].y = least
		}
	}
	if len(column) == 0 {
		return
	}
	shift := over / float64(len(column)) / 2
	for _, p := range column {
		p.y -= shift
	}
}

// bound moves everything to the origin and measures it.
func (s *sketch) bound() {
	top := 0.0
	first := true
	for _, column := range s.columns {
		for _, p := range column {
			if first || p.y < top {
				top, first = p.y, false
			}
		}
	}
	for _, column := range s.columns {
		for _, p := range column {
			p.y -= top
			s.w, s.h = max(s.w, p.x+p.w), max(s.h, p.y+p.h)
		}
	}
}

// grid puts nodes without edges below the others, in columns.
func (s *sketch) grid(loose []*spot) {
	if len(loose) == 0 {
		return
	}
	top := s.h
	if top > 0 {
		top += 2 * rowGap
	}
	columns := (len(loose) + mostRows - 1) / mostRows
	for columns*columns < len(loose)/4 {
		columns++
	}
	rows := (len(loose) + columns - 1) / columns
	x := 0.0
	for from := 0; from < len(loose); from += rows {
		part := loose[from:min(from+rows, len(loose))]
		w := 0.0
		for _, p := range part {
			w = max(w, p.w)
		}
		for i, p := range part {
			p.x, p.y, p.w = x, top+float64(i)*(nodeHeight+rowGap), w
			s.w, s.h = max(s.w, p.x+p.w), max(s.h, p.y+p.h)
		}
		x += w + columnGap/2
	}
}
