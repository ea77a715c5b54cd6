package stages

import (
	"cmp"
	"container/heap"
	"slices"
)

// sort fills order and puts phases into it.
func (g *Graph) sort() {
	for _, i := range topological(g.adjacency(), g.preference()) {
		if g.nodes[i].stage != nil {
			g.order = append(g.order, i)
		}
	}
	rank := g.ranks()
	for _, phases := range g.phases {
		for _, members := range phases {
			slices.SortFunc(members, func(a, b int) int { return cmp.Compare(rank[a], rank[b]) })
		}
	}
}

// ranks returns the place of each stage in the order.
func (g *Graph) ranks() []int {
	rank := make([]int, g.stages)
	for r, i := range g.order {
		rank[i] = r
	}
	return rank
}

// depths returns, in order, how many stages the longest chain before each has.
func (g *Graph) depths() []int {
	depth := make([]int, len(g.nodes))
	barrier := map[[2]int]int{}
	var out []int
	for _, i := range g.order {
		for _, n := range g.nodes[i].needs {
			d := depth[n.node]
			if t := g.nodes[n.node]; t.stage == nil {
				d = barrier[[2]int{t.project, t.phase}]
			}
			depth[i] = max(depth[i], d+1)
		}
		key := [2]int{g.nodes[i].project, g.nodes[i].phase}
		barrier[key] = max(barrier[key], depth[i])
		out = append(out, depth[i])
	}
	return out
}

// adjacency returns for each node the nodes it needs.
func (g *Graph) adjacency() [][]int {
	adj := make([][]int, len(g.nodes))
	for i, n := range g.nodes {
		for _, need := range n.needs {
			adj[i] = append(adj[i], need.node)
		}
	}
	return adj
}

// preference returns for each node its place in the order that has no regard
// for single stages: projects after those they need, in file order where they
// need each other; in them the order of the files. Phases follow from edges.
func (g *Graph) preference() []int {
	rank := g.projectRanks()
	nodes := make([]int, len(g.nodes))
	for i := range nodes {
		nodes[i] = i
	}
	slices.SortFunc(nodes, func(a, b int) int {
		x, y := g.nodes[a], g.nodes[b]
		return cmp.Or(
			cmp.Compare(rank[x.project], rank[y.project]),
			cmp.Compare(x.project, y.project),
			cmp.Compare(a, b),
		)
	})
	place := make([]int, len(nodes))
	for p, i := range nodes {
		place[i] = p
	}
	return place
}

// projectRanks orders projects by what their stages need. Projects that need
// each other, which their stages may do without a cycle, have the same rank.
func (g *Graph) projectRanks() []int {
	adj := make([][]int, len(g.projects))
	for _, n := range g.nodes {
		for _, need := range n.needs {
			if to := g.nodes[need.node].project; to != n.project {
				adj[n.project] = append(adj[n.project], to)
			}
		}
	}
	group := components(adj)
	first := make([]int, len(adj))     // of each group: its first project
	between := make([][]int, len(adj)) // of each group: the groups it needs
	for p := len(adj) - 1; p >= 0; p-- {
		first[group[p]] = p
		for _, to := range adj[p] {
			if group[to] != group[p] {
				between[group[p]] = append(between[group[p]], group[to])
			}
		}
	}
	rank := make([]int, len(adj))
	for r, gr := range topological(between, first) {
		rank[gr] = r
	}
	out := make([]int, len(adj))
	for p := range out {
		out[p] = rank[group[p]]
	}
	return out
}

// topological returns the nodes of an acyclic graph, each after those it needs;
// of the nodes that could come next, that with the least preference comes.
// Nodes that a cycle holds back are left out.
func topological(needs [][]int, preference []int) []int {
	left := make([]int, len(needs))
	wanted := make([][]int, len(needs))
	ready := &byPreference{preference: preference}
	for i, ns := range needs {
		left[i] = len(ns)
		for _, n := range ns {
			wanted[n] = append(wanted[n], i)
		}
		if len(ns) == 0 {
			heap.Push(ready, i)
		}
	}
	var out []int
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		out = append(out, i)
		for _, w := range wanted[i] {
			if left[w]--; left[w] == 0 {
				heap.Push(ready, w)
			}
		}
	}
	return out
}

// byPreference is a heap of nodes.
type byPreference struct {
	nodes      []int
	preference []int
}

func (h *byPreference) Len() int { return len(h.nodes) }
func (h *byPreference) Less(a, b int) bool {
	return h.preference[h.nodes[a]] < h.preference[h.nodes[b]]
}
func (h *byPreference) Swap(a, b int) { h.nodes[a], h.nodes[b] = h.nodes[b], h.nodes[a] }
func (h *byPreference) Push(x any)    { h.nodes = append(h.nodes, x.(int)) }
func (h *byPreference) Pop() any {
	last := len(h.nodes) - 1
	x := h.nodes[last]
	h.nodes = h.nodes[:last]
	return x
}

// components returns for each node the number of its strongly connected
// component (Tarjan, "Depth-first search and linear graph algorithms", 1972).
func components(adj [][]int) []int {
	t := tarjan{adj: adj, seen: make([]int, len(adj)), low: make([]int, len(adj)), comp: make([]int, len(adj))}
	for i := range t.comp {
		t.comp[i] = -1
	}
	for i := range adj {
		if t.seen[i] == 0 {
			t.visit(i)
		}
	}
	return t.comp
}

type tarjan struct {
	adj   [][]int
	seen  []int // the time of the first visit, from 1
	low   []int // the earliest node on the stack that can be reached
	comp  []int // -1 until known
	stack []int
	time  int
	count int
}

func (t *tarjan) visit(i int) {
	t.time++
	t.seen[i], t.low[i] = t.time, t.time
	t.stack = append(t.stack, i)
	for _, n := range t.adj[i] {
		if t.seen[n] == 0 {
			t.visit(n)
			t.low[i] = min(t.low[i], t.low[n])
		} else if t.comp[n] < 0 {
			t.low[i] = min(t.low[i], t.seen[n])
		}
	}
	if t.low[i] != t.seen[i] {
		return
	}
	for {
		last := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.comp[last] = t.count
		if last == i {
			break
		}
	}
	t.count++
}
