package aggregate

import (
	"github.com/llm-optimizer/processor/event"
)

// Rows are the rows of a batch that an update adds: row Index[i] goes to the
// accumulator Slot[i]. The two are of one length.
type Rows struct {
	Slot  []uint32
	Index []int32
	// Batch resolves text; Time and Offset order first and last.
	Batch *event.Batch
}

// State is the accumulators of one aggregate family over one column, for many
// groups: slot s belongs to one (key, pane). Slots are handed out by a
// Composite; a slot is empty until it is updated or merged into.
type State interface {
	// Grow makes slots below n usable. It never shrinks.
	Grow(n int)
	// Reset empties a slot and releases what it holds, for reuse.
	Reset(slot uint32)
	// Update adds rows. col is nil for states that read no column. Rows whose
	// value is null are skipped; wrong types were refused before.
	Update(rows Rows, col *event.Column)
	// Merge adds slot src[i] of from, which is of the same type and stays as
	// it is, to slot dst[i].
	Merge(dst []uint32, from State, src []uint32)
	// Append appends a slot's versioned encoding, Load replaces a slot by one.
	Append(dst []byte, slot uint32) []byte
	Load(slot uint32, enc []byte) error
	// Bytes is the memory held, roughly.
	Bytes() int
}

// Window is what a value may depend on beside its accumulator.
type Window struct {
	// Seconds is the window's length; 0 for a window without one.
	Seconds float64
}

// Custom makes accumulators written by a user of the library.
type Custom interface {
	// New returns an empty accumulator.
	New() Accumulator
}

// Accumulator is the state of a custom aggregate for one window and key. It
// is called by one goroutine at a time.
type Accumulator interface {
	// Add adds the value of one event; nulls are not passed on.
	Add(v event.Value)
	// Merge adds another accumulator of the same kind, which is not used
	// afterwards.
	Merge(other Accumulator)
	// Value is the aggregate; it may be called more than once.
	Value() event.Value
	// MarshalBinary and UnmarshalBinary make it durable.
	MarshalBinary() ([]byte, error)
	UnmarshalBinary(data []byte) error
}
