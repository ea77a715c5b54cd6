package stages

import (
	"cmp"
	"slices"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// pathLengths returns for each node how long the longest path of work is that
// begins with it.
func (g *Graph) pathLengths(duration func(config.StageID) time.Duration) []time.Duration {
	own := g.weights(duration)
	length := make([]time.Duration, len(g.nodes))
	order := topological(g.adjacency(), g.preference())
	for _, i := range slices.Backward(order) {
		for _, w := range g.nodes[i].wanted {
			length[i] = max(length[i], length[w])
		}
		length[i] += own[i]
	}
	return length
}

// weights returns the durations of stages; barriers take no time.
func (g *Graph) weights(duration func(config.StageID) time.Duration) []time.Duration {
	own := make([]time.Duration, len(g.nodes))
	var known []time.Duration
	for i := range g.stages {
		if own[i] = max(0, duration(g.nodes[i].stage.ID)); own[i] > 0 {
			known = append(known, own[i])
		}
	}
	median := time.Second
	if len(known) > 0 {
		slices.Sort(known)
		median = known[len(known)/2]
	}
	for i := range g.stages {
		if own[i] == 0 {
			own[i] = median
		}
	}
	return own
}

// byPath returns the place of each stage when those with the longest path come
// first.
func (g *Graph) byPath(length []time.Duration) []int {
	nodes := slices.Clone(g.order)
	slices.SortStableFunc(nodes, func(a, b int) int { return cmp.Compare(length[b], length[a]) })
	place := make([]int, g.stages)
	for p, i := range nodes {
		place[i] = p
	}
	return place
}
