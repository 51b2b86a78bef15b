package decode

import (
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// node is a place in the events that some path leads to or through.
type node struct {
	name  string
	kids  []*node
	slots []slot
	marks mark
	// guard, when set, switches the event time of this node off while it is
	// present; see slot.guard.
	guard *node

	// seen is the serial number of the record that last had this node, null
	// says that it was null there.
	seen uint64
	null bool

	keys keys
}

// slot is a column that a node feeds.
type slot struct {
	col int
	// guard is the envelope's attribute of the same name: a field of a
	// CloudEvent's payload gives way to it. Nil for all other columns.
	guard *node
}

// mark says what a node means beside its columns.
type mark uint8

const (
	markTime      mark = 1 << iota // the event time
	markSpec                       // specversion: this is a CloudEvent
	markData                       // the payload
	markData64                     // the payload in base64
	markEventTime                  // a CloudEvent's own time
)

// kid returns the child with a name, nil when no path leads there.
func (n *node) kid(name []byte) *node {
	for _, k := range n.kids {
		if k.name == string(name) {
			return k
		}
	}
	return nil
}

// at returns the node that path leads to, making what is missing.
func (n *node) at(path ...string) *node {
	for _, name := range path {
		k := n.kid([]byte(name))
		if k == nil {
			k = &node{name: name}
			n.kids = append(n.kids, k)
		}
		n = k
	}
	return n
}

// blocked reports whether the envelope of the record has the guard's attribute.
func (n *node) blocked(serial uint64) bool { return n != nil && n.seen == serial && !n.null }

func plainTree(s *event.Schema, timePath []string) *node {
	root := &node{}
	for i, f := range s.Fields {
		if f.Attribute {
			continue
		}
		n := root.at(f.Path...)
		n.slots = append(n.slots, slot{col: i})
	}
	if len(timePath) > 0 {
		root.at(timePath...).marks |= markTime
	}
	return root
}

// cloudTrees returns the tree for the envelope and the one for the payload, by
// the rule at parseCloud.
func cloudTrees(s *event.Schema, timePath []string, auto bool) (root, payload *node) {
	root, payload = plainTree(s, timePath), &node{}
	for i, f := range s.Fields {
		if f.Attribute {
			continue
		}
		n, guard := payloadPlace(root, payload, f.Path)
		n.slots = append(n.slots, slot{col: i, guard: guard})
	}
	if len(timePath) > 0 {
		n, guard := payloadPlace(root, payload, timePath)
		n.marks |= markTime
		n.guard = guard
	}
	if auto {
		root.at("specversion").marks |= markSpec
		if !slices.Equal(timePath, []string{"time"}) {
			root.at("time").marks |= markEventTime
		}
	}
	root.at("data").marks |= markData
	root.at("data_base64").marks |= markData64
	return root, payload
}

// payloadPlace returns the node of a path in the payload's tree, and the
// attribute of the envelope that hides it.
func payloadPlace(root, payload *node, path []string) (n, guard *node) {
	if path[0] == "data" {
		return payload.at(path[1:]...), nil
	}
	return payload.at(path...), root.at(path[0])
}
