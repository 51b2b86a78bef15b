package pipeline

import (
	"cmp"

	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/sink"
)

// The names of the sinks of side outputs that are given none.
const (
	lateName = "late_events"
	deadName = "dead_letters"
)

// makeLanes lists the sinks in the order in which they are opened. Late events
// and dead letters have lanes of their own, unless a sink of results takes them
// into its transactions.
func makeLanes(s *Spec) []delivery.Lane {
	var lanes []delivery.Lane
	for _, c := range s.Sinks {
		lanes = append(lanes, delivery.Lane{Kind: delivery.Results, Config: c})
	}
	results := lanes[:len(s.Sinks):len(s.Sinks)]
	side := func(kind delivery.Kind, rows sink.Rows, c *sink.Config, name string) {
		if c == nil || join(results, kind, rows, c.Sink) {
			return
		}
		l := delivery.Lane{Kind: kind, Config: *c}
		l.Name = cmp.Or(l.Name, name)
		lanes = append(lanes, l)
	}
	side(delivery.Late, sink.LateEvents, s.LateEvents, lateName)
	side(delivery.Dead, sink.DeadLetters, s.DeadLetters, deadName)
	return lanes
}

// join gives rows to the first of the sinks that delivers them in the place of
// another.
func join(results []delivery.Lane, kind delivery.Kind, rows sink.Rows, other sink.Sink) bool {
	for i := range results {
		if j, ok := results[i].Sink.(sink.Joiner); ok && j.Join(rows, other) {
			results[i].Kind |= kind
			return true
		}
	}
	return false
}
