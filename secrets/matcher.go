package secrets

import (
	"slices"
	"sync/atomic"
)

// matcher finds any of many texts in one pass (Aho and Corasick, "Efficient
// string matching", CACM 18 (6), 1975). Line ends do not count: they are taken
// out of the texts it looks for, and passed over where they stand in a text that
// is searched. It is immutable but for its counters.
type matcher struct {
	nodes []node
	root  [256]int32
	quick filter
	// strict is how many bytes before a line end are surely the beginning of
	// some text; fewer may be let go when nothing follows.
	strict int32
	breaks int      // longest run of line ends inside a match
	texts  [][]byte // without line ends
	counts []atomic.Int64
}

// node is a state: the bytes on the way to it are the longest beginning of a
// text that the input so far ends with.
type node struct {
	child, sibling int32 // 0: none
	fail           int32 // the state of the next shorter beginning
	depth          int32 // bytes on the way
	match          int32 // length of the longest text that ends here, 0: none
	value          int32 // whose text that is
	label          byte
}

const leastBreaks = 16

func isBreak(c byte) bool { return c == '\n' || c == '\r' }

// newMatcher returns a matcher of texts, each a form of the value of that index;
// nil if there is nothing to look for.
func newMatcher(texts [][]string) *matcher {
	m := &matcher{nodes: make([]node, 1), strict: 4, breaks: leastBreaks, counts: make([]atomic.Int64, len(texts))}
	for value, all := range texts {
		for _, text := range all {
			m.add(text, int32(value))
		}
	}
	if len(m.nodes) == 1 {
		return nil
	}
	m.link()
	m.quick.learn(m.texts)
	m.texts = nil
	return m
}

// add adds a text, unless it is too short without line ends.
func (m *matcher) add(text string, value int32) {
	bytes, first, run, longest := make([]byte, 0, len(text)), 0, 0, 0
	for i := range len(text) {
		if !isBreak(text[i]) {
			bytes, run = append(bytes, text[i]), 0
			continue
		}
		if run++; run > longest {
			longest = run
		}
		if first == 0 {
			first = len(bytes)
		}
	}
	if len(bytes) < Shortest {
		return
	}
	if first > 0 {
		m.strict = min(m.strict, int32(first))
	}
	m.breaks = max(m.breaks, longest)
	state := int32(0)
	for _, c := range bytes {
		next := m.child(state, c)
		if next == 0 {
			next = m.grow(state, c)
		}
		state = next
	}
	if m.nodes[state].match == 0 {
		m.nodes[state].match, m.nodes[state].value = int32(len(bytes)), value
	}
	m.texts = append(m.texts, bytes)
}

func (m *matcher) child(state int32, c byte) int32 {
	if state == 0 {
		return m.root[c]
	}
	next := m.nodes[state].child
	for next != 0 && m.nodes[next].label != c {
		next = m.nodes[next].sibling
	}
	return next
}

func (m *matcher) grow(state int32, c byte) int32 {
	next := int32(len(m.nodes))
	n := node{label: c, depth: m.nodes[state].depth + 1}
	if state == 0 {
		m.root[c] = next
	} else {
		n.sibling = m.nodes[state].child
		m.nodes[state].child = next
	}
	m.nodes = append(m.nodes, n)
	return next
}

// link sets where each state fails to, level by level.
func (m *matcher) link() {
	var queue []int32
	for _, next := range m.root {
		if next != 0 {
			queue = append(queue, next)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		for next := m.nodes[state].child; next != 0; next = m.nodes[next].sibling {
			n := &m.nodes[next]
			n.fail = m.step(m.nodes[state].fail, n.label)
			if n.match == 0 {
				n.match, n.value = m.nodes[n.fail].match, m.nodes[n.fail].value
			}
			queue = append(queue, next)
		}
	}
	m.nodes = slices.Clip(m.nodes)
}

// step returns the state after one more byte, which is no line end.
func (m *matcher) step(state int32, c byte) int32 {
	for state != 0 {
		if next := m.child(state, c); next != 0 {
			return next
		}
		state = m.nodes[state].fail
	}
	return m.root[c]
}

// settle returns the state that counts after a state: one that nothing follows
// is left for what the next byte can go on from.
func (m *matcher) settle(state int32) int32 {
	for state != 0 && m.nodes[state].child == 0 {
		state = m.nodes[state].fail
	}
	return state
}

// found reports whether p has a match.
func (m *matcher) found(p []byte) bool {
	state := int32(0)
	line := lineEnds{p: p}
	for i := 0; i < len(p); i++ {
		if isBreak(p[i]) {
			continue
		}
		if state == 0 {
			if i += m.quick.skip(p[i:line.after(i)]); i == len(p) {
				return false
			}
			if isBreak(p[i]) {
				continue
			}
		}
		state = m.step(state, p[i])
		if m.nodes[state].match > 0 {
			return true
		}
	}
	return false
}
