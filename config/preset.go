package config

import "strings"

// presets are other defaults, for producers that are known: what stands in the
// file or the environment wins.
var presets = map[string][]struct{ path, value string }{
	// The Collector publishes batches up to 15 s old, and repeats what it could
	// not publish with the same id.
	"collector": {
		{"event.format", "auto"},
		{"event.time.field", "timestamp"},
		{"event.time.format", "rfc3339"},
		{"event.dedup.id", "id"},
		{"event.dedup.horizon", "1h"},
		{"watermark.max_out_of_orderness", "20s"},
		{"queries.*.allowed_lateness", "5m"},
	},
}

// applyPreset puts the values of the preset where there are none.
func (l *loader) applyPreset(root *node) {
	n := root.find("preset")
	if n == nil || n.kind != scalarNode {
		return
	}
	for _, p := range presets[n.text] {
		root.fill(declared, strings.Split(p.path, "."), &node{kind: scalarNode, at: n.at, scalar: anyScalar, text: p.value})
	}
}

// fill puts a value at a path unless there is one, or something that is in its
// way, or the setting was switched off; "*" is every item of a list.
func (n *node) fill(s *setting, path []string, value *node) {
	switch {
	case len(path) == 0:
	case path[0] == "*":
		if n.kind == sequenceNode {
			for _, item := range n.items {
				item.fill(s.child("*"), path[1:], value)
			}
		}
	case n.kind == nullNode:
		n.kind = mappingNode
		fallthrough
	case n.kind == mappingNode:
		below, s := n.find(path[0]), s.child(path[0])
		if below != nil && s.Off && below.isEmpty() {
			return
		}
		if below == nil {
			if len(path) > 1 && path[1] == "*" {
				return // the list is missing
			}
			below = &node{kind: nullNode, at: value.at}
			n.put(path[0], below)
		}
		if len(path) > 1 {
			below.fill(s, path[1:], value)
		} else if below.kind == nullNode {
			*below = *value
		}
	}
}
