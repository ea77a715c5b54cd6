package blockdev

import (
	"strings"
)

// node is a path of an archive. A directory has children.
type node struct {
	kind     Kind
	listed   bool // it has an entry of its own
	written  bool // it is in the archive that is written
	children map[string]*node
	merged   *merged // used by Merge
}

// tree holds the paths of an archive. It takes time in proportion to the
// length of a path, whatever a hostile archive does.
type tree struct {
	root  node
	count int // nodes, implied directories included
}

func newTree() *tree { return &tree{root: node{kind: Dir, listed: true, written: true}} }

// clash is a path that can not be where it is asked for, because at is not a
// directory.
type clash struct {
	at   string
	node *node
}

// place returns the node of a clean path, and makes it with its parents if it
// does not exist. made tells the first from the second. A node that is made has
// kind k. visit, if not nil, is called for every parent directory, top first.
func (t *tree) place(name string, k Kind, visit func(dir string, n *node) error) (n *node, made bool, c *clash, err error) {
	n = &t.root
	for start := 0; ; {
		part, last := name[start:], true
		if i := strings.IndexByte(part, '/'); i >= 0 {
			part, last = part[:i], false
		}
		end := start + len(part)
		child := n.children[part]
		if child == nil {
			child, made = &node{kind: Dir}, true
			if last {
				child.kind = k
			}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[strings.Clone(part)] = child
			t.count++
		}
		if last {
			return child, made, nil, nil
		}
		if child.kind != Dir {
			return nil, false, &clash{at: name[:end], node: child}, nil
		}
		if visit != nil {
			if err := visit(name[:end], child); err != nil {
				return nil, false, nil, err
			}
		}
		n, start = child, end+1
	}
}

// find returns the node of a clean path, or nil.
func (t *tree) find(name string) *node {
	n := &t.root
	for part := range strings.SplitSeq(name, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}
