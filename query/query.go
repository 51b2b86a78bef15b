// Package query holds a query as plain data: what both the YAML config and the
// builder make, what is validated, and what is hashed into the state.
package query

import (
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/window"
)

// Query is one windowed aggregation.
type Query struct {
	// Name is unique in the pipeline: [a-zA-Z0-9_-].
	Name string
	// Where is the filter; empty means all events.
	Where string
	// Key is the grouping key; empty means one group.
	Key []KeyField
	// Window assigns events to windows.
	Window window.Spec
	// AllowedLateness is how long, in event time, a window is kept after its
	// end for corrections.
	AllowedLateness time.Duration
	Trigger         window.Trigger
	Accumulation    window.Accumulation
	// Aggregates are in the order of the result's values.
	Aggregates []aggregate.Spec
	// IncludeSketches adds the mergeable sketch of each percentile to results.
	IncludeSketches bool
}

// KeyField is one field of the grouping key.
type KeyField struct {
	// Name is the field's name in results; Expr a path or an expression.
	Name, Expr string
}
