// Package operator holds what runs on every decoded batch before the queries:
// filters, maps and flat maps written in Go.
//
// Filter, Map, FlatMap and KeyBy take a function that sees one Row at a time.
// It names the fields it uses and reaches them by their number, so that a
// batch of columns costs no look-up and no allocation:
//
//	operator.Filter([]string{"latency_ms"}, func(r operator.Row) bool {
//		return r.Float(0) < 60_000
//	})
//
// Every worker has a copy of the operator, but all copies share the function:
// it is called by several goroutines at once and must not keep anything
// without a lock. What operators write can be used by computed fields and
// queries like any field of the event; the bytes that late events and dead
// letters show stay as they came.
package operator

import "github.com/llm-optimizer/processor/event"

// Operator transforms a batch in place. It may set Batch.Drop, change columns,
// and add rows, but must keep the rows in the order of their offsets. It is
// called by one goroutine at a time per instance; Clone gives each worker one.
type Operator interface {
	// Needs are the fields the operator reads or writes, as they are written
	// in expressions: metadata.tenant, data["a.b"]. Their columns have Num
	// and Str. They may not be computed fields, which come after operators.
	Needs() []string
	// Bind is called once, with the columns of Needs in order, before the
	// instance or a clone of it is used.
	Bind(columns []int) error
	// Apply transforms the batch.
	Apply(b *event.Batch) error
	// Clone returns an independent instance, bound if this one is.
	Clone() Operator
}
