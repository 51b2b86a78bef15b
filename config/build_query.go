package config

import (
	"strings"

	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

func (l *loader) queries(v view) []query.Query {
	out := make([]query.Query, 0, v.items())
	names := map[string]int{}
	for i := range v.items() {
		item := v.item(i)
		q := l.query(item)
		out = append(out, q)
		before := l.problems
		for _, p := range q.Validate() {
			l.problem(before, join(item.path, p.Path), p.Column, p.Message)
		}
		if line, taken := names[q.Name]; taken && q.Name != "" {
			l.add(item.path+".name", item.at("name").place(), "%q is the name of the query in line %d too; choose another", q.Name, line)
		}
		names[q.Name] = item.place().line
	}
	return out
}

func (l *loader) query(v view) query.Query {
	q := query.Query{
		Name:            v.text("name"),
		Where:           v.text("where"),
		Window:          windowSpec(v.at("window")),
		AllowedLateness: v.duration("allowed_lateness"),
		Trigger: window.Trigger{
			Count: uint64(v.at("trigger").integer("count")),
			Every: v.at("trigger").duration("every"),
			// Whether another one would fire is not known while one is wrong.
			NoOnTime: !v.at("trigger").flag("on_time") && l.sound(v.path+".trigger"),
		},
		IncludeSketches: v.flag("include_sketches"),
	}
	if v.text("accumulation") == window.Discarding.String() {
		q.Accumulation = window.Discarding
	}
	v.pairs("key", func(name, text string, n *node) {
		if n.bare && query.CheckField("", text) != nil {
			l.add(join(v.path, "key."+name), n.at, "%s is an expression; give it a name: {name: expression} without the brackets", n.quote())
		}
		q.Key = append(q.Key, query.KeyField{Name: name, Expr: text})
	})
	v.pairs("aggregate", func(name, text string, n *node) {
		s, p := query.ParseAggregate(name, text)
		if p != nil {
			l.addExpr(n, join(v.path, p.Path), *p)
			n.value = nil // as of other values that are wrong
			return
		}
		q.Aggregates = append(q.Aggregates, s)
	})
	return q
}

func windowSpec(v view) window.Spec {
	kind := v.kind()
	if kind == "" {
		return window.Spec{}
	}
	w := v.at(kind)
	switch kind {
	case "tumbling":
		return window.Tumbling(w.duration("size")).WithOffset(w.duration("offset"))
	case "sliding":
		return window.Sliding(w.duration("size"), w.duration("slide")).WithOffset(w.duration("offset"))
	case "session":
		return window.Session(w.duration("gap"))
	case "calendar":
		return window.Calendar(window.Unit(w.text("unit")), w.text("timezone"))
	default:
		return window.Global()
	}
}

// lookup finds the value at a path, or the nearest one above it. Names may
// hold dots.
func lookup(n *node, path string) (found *node, exact bool) {
	for path != "" {
		var below *node
		rest := ""
		switch n.kind {
		case mappingNode:
			for _, e := range n.entries {
				after, ok := strings.CutPrefix(path, e.key)
				if ok && (after == "" || after[0] == '.') && (below == nil || len(after) < len(rest)) {
					below, rest = e.value, after
				}
			}
		case sequenceNode:
			head, _, _ := strings.Cut(path, ".")
			for i := range n.items {
				if itoa(i) == head {
					below, rest = n.items[i], path[len(head):]
				}
			}
		default:
		}
		if below == nil {
			return n, false
		}
		n, path = below, strings.TrimPrefix(rest, ".")
	}
	return n, true
}
