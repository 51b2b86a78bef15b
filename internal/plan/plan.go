// Package plan turns queries into what the engine executes: the columns to
// decode, the expressions to compute, and for each query its panes and the
// accumulators that it shares.
package plan

import (
	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// Plan is a pipeline's queries made executable. It is read only; what has
// scratch of its own is cloned by each goroutine that runs it.
type Plan struct {
	Schema *event.Schema
	// Computed fill the columns after Schema.Fields, in order.
	Computed []Computed
	Queries  []*Query
	// Dedup is nil without deduplication.
	Dedup *Dedup
}

// Dedup says what events are known by, and for how long.
type Dedup struct {
	// Column has the ids.
	Column int
	// Horizon is for how long an id is kept after its event, in nanoseconds.
	Horizon int64
	// Definition identifies both in durable state.
	Definition uint64
}

// Computed is a column that an expression fills.
type Computed struct {
	Name    string
	Program *expr.Program
	Column  int
}

// Query is one query made executable.
type Query struct {
	Def  query.Query
	Info *result.Query
	// StateHash names the query in durable state: it changes with everything
	// that decides what the query's state means.
	StateHash uint64
	// Where is nil when all events pass.
	Where *expr.Program
	// Keys are the columns of the grouping key.
	Keys []int
	// Inputs are the columns that Composite.Update takes, in its order.
	Inputs []int
	// Checks are the columns whose wrong types make an event dead.
	Checks []Check
	// Composite is the empty prototype of the query's accumulators.
	Composite *aggregate.Composite
	// Aligned is nil for sessions, Gap is 0 for all others.
	Aligned *window.Aligned
	Gap     int64
	// Lateness in nanoseconds.
	Lateness int64
	// MinTime and MaxTime bound the event times whose windows fit into int64
	// nanoseconds for certain. Others may, if Aligned says so.
	MinTime, MaxTime int64
}

// Check names a column that a query computes on.
type Check struct {
	Column int
	// Numeric columns must hold numbers, others any scalar; null is fine.
	Numeric bool
	// Where is the column that says whether the row is looked at, or -1.
	Where int
	// What is the field or expression, for messages.
	What string
}

// FiresOnce reports whether a window of the query fires at most once: its
// state is gone as soon as the watermark has passed its end.
func (q *Query) FiresOnce() bool {
	return q.Lateness == 0 && q.Def.Trigger == window.Trigger{}
}

// SharesPanes reports whether windows are merged from panes that they share.
// Without that every window accumulates by itself.
func (q *Query) SharesPanes() bool {
	if q.Aligned == nil || !q.Aligned.Shares() {
		return false
	}
	if q.Def.Trigger.Count > 0 || q.Def.Trigger.Every > 0 || q.Def.Trigger.NoOnTime {
		return false
	}
	return q.FiresOnce() || q.Def.Accumulation == window.Accumulating
}

// Combines reports whether partitions may fold events into partials before
// they cross the exchange. Count triggers must see every event, and a session
// may be cut by a late one.
func (q *Query) Combines() bool {
	return q.Aligned != nil && q.Def.Trigger.Count == 0
}
