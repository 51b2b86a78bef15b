package pipeline

import (
	"fmt"

	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/window"
)

// describe tells sinks the queries that they will get rows of, and refuses what
// they cannot take. The plan may lack queries in which something is wrong.
func (v *validator) describe(s *Spec, p *plan.Plan) {
	for i, c := range s.Sinks {
		at := fmt.Sprintf("sinks.%d", i)
		for j := range s.Queries {
			if q := &s.Queries[j]; c.Takes(q.Name) {
				v.checkRows(at, c.Sink, q)
			}
		}
		v.describeTo(at, c.Sink, p, c.Takes)
	}
	none := func(string) bool { return false }
	if s.LateEvents != nil {
		v.describeTo(lateName, s.LateEvents.Sink, p, none)
	}
	if s.DeadLetters != nil {
		v.describeTo(deadName, s.DeadLetters.Sink, p, none)
	}
}

// checkRows refuses a query by how its rows follow each other.
func (v *validator) checkRows(at string, to sink.Sink, q *query.Query) {
	if r, ok := to.(sink.Replacer); ok && r.Replaces() && q.Accumulation == window.Discarding {
		v.add(at, "query %s is discarding: each of its rows holds what is new, and here a later row replaces an earlier one; "+
			"let the sink keep all rows (history: true), or make the query accumulating", q.Name)
	}
	if b, ok := to.(sink.Bounder); ok && b.FixedBounds() && !q.Window.Fixed() {
		v.add(at, "query %s has %s windows, whose beginning is not fixed, and the sink's tables are partitioned by it; "+
			"leave out partition_by, or give the query a sink of its own", q.Name, q.Window.Kind)
	}
}

func (v *validator) describeTo(at string, to sink.Sink, p *plan.Plan, takes func(query string) bool) {
	d, ok := to.(sink.Describer)
	if !ok || p == nil {
		return
	}
	var queries []*result.Query
	for _, q := range p.Queries {
		if takes(q.Info.Name) {
			queries = append(queries, q.Info)
		}
	}
	err := d.Describe(queries)
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		if err != nil {
			v.add(at, "%v", err)
		}
	}
}
