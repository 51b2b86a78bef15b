package pipeline

import (
	"fmt"
	"slices"

	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/window"
)

// describe tells sinks the queries that they will get rows of, and refuses what
// they cannot take.
func (v *validator) describe(s *Spec, p *plan.Plan) {
	for i, c := range s.Sinks {
		at := fmt.Sprintf("sinks.%d", i)
		var queries []*result.Query
		for _, q := range p.Queries {
			if len(c.Queries) > 0 && !slices.Contains(c.Queries, q.Info.Name) {
				continue
			}
			queries = append(queries, q.Info)
			if r, ok := c.Sink.(sink.Replacer); ok && r.Replaces() && q.Def.Accumulation == window.Discarding {
				v.add(at, "query %s is discarding: each of its rows holds what is new, and here a later row replaces an earlier one; "+
					"let the sink keep all rows (history: true), or make the query accumulating", q.Info.Name)
			}
			if b, ok := c.Sink.(sink.Bounder); ok && b.FixedBounds() && !q.Def.Window.Fixed() {
				v.add(at, "query %s has %s windows, whose beginning is not fixed, and the sink's tables are partitioned by it; "+
					"leave out partition_by, or give the query a sink of its own", q.Info.Name, q.Def.Window.Kind)
			}
		}
		v.describeTo(at, c.Sink, queries)
	}
	for at, c := range map[string]*sink.Config{"late_events": s.LateEvents, "dead_letters": s.DeadLetters} {
		if c != nil {
			v.describeTo(at, c.Sink, nil)
		}
	}
}

func (v *validator) describeTo(at string, to sink.Sink, queries []*result.Query) {
	d, ok := to.(sink.Describer)
	if !ok {
		return
	}
	if err := d.Describe(queries); err != nil {
		v.add(at, "%v", err)
	}
}
