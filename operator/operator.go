// Package operator holds what runs on every decoded batch before the queries:
// filters, maps and flat maps written in Go.
package operator

import "github.com/llm-optimizer/processor/event"

// Operator transforms a batch in place. It may set Batch.Drop, change columns,
// and add rows, but must keep the rows in the order of their offsets. It is
// called by one goroutine at a time per instance; Clone gives each worker one.
type Operator interface {
	// Needs are the fields the operator reads or writes, as dotted paths.
	Needs() []string
	// Bind is called once per instance with the columns of Needs, in order.
	Bind(columns []int) error
	// Apply transforms the batch.
	Apply(b *event.Batch) error
	// Clone returns an independent instance.
	Clone() Operator
}
