package aggregate

import (
	"github.com/llm-optimizer/processor/event"
)

// Rows are the rows of a batch that an update adds: row Index[i] goes to the
// accumulator Slot[i]. The two are of one length.
type Rows struct {
	Slot  []uint32
	Index []int32
	// Batch resolves text; Time and Offset order first and last. It may be
	// nil when all aggregates are numeric.
	Batch *event.Batch
}

// Window is what a value may depend on beside its accumulator.
type Window struct {
	// Seconds is the window's length; 0 for a window without one.
	Seconds float64
}

// state is the accumulators of one family over one column, for many groups.
// Slots are handed out by the Composite; a slot is empty until it is updated
// or merged into.
type state interface {
	// grow makes slots below n usable. It never shrinks.
	grow(n uint32)
	// reset empties a slot and releases what it holds, for reuse.
	reset(slot uint32)
	// clear empties the slots below n, which are all that were used.
	clear(n uint32)
	// update adds rows. col is nil for states that read no column. Nulls are
	// skipped; values of a wrong type were refused before, and are skipped too.
	update(rows Rows, col *event.Column)
	// merge adds slot src[i] of from, which is of the same type and stays as
	// it is, to slot dst[i]. from may be the state itself.
	merge(dst []uint32, from state, src []uint32)
	// append appends a slot's encoding; load fills an empty slot from one and
	// leaves errors in the decoder.
	append(dst []byte, slot uint32) []byte
	load(slot uint32, d *decoder)
	// value computes what one output asks for.
	value(o *output, slot uint32, w Window) event.Value
	// bytes is the memory held, roughly.
	bytes() int
}
