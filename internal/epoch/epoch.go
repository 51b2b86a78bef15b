// Package epoch is the unit of durability: what one atomic commit of a
// pipeline's state holds, under which keys and in which bytes. It reads and
// writes through a state.Backend and knows nothing of the engine.
//
// layout.go has the keys, codec.go the values, outbox.go the rows on their way
// to sinks, load.go what a start reads, decide.go what a start does with it,
// and report.go what a person wants to know of a store.
package epoch

import (
	"time"

	"github.com/llm-optimizer/processor/event"
)

// Header is written once, when a state begins.
type Header struct {
	// Pipeline is the name of the pipeline that the state belongs to.
	Pipeline string
	// Incarnation is random: it tells this state from others of the pipeline.
	Incarnation [16]byte
	Created     time.Time
}

// Record is what every epoch writes anew: its number, how far time has come,
// and the queries with their ledgers.
type Record struct {
	// Number counts epochs from 1.
	Number uint64
	// Time is the wall clock at the barrier.
	Time time.Time
	// Watermark is the combined one.
	Watermark int64
	Queries   []Query
}

// Query is a query as a state knows it.
type Query struct {
	Name string
	// Hash is of the definition (query.Query.Hash): a changed query is
	// another one.
	Hash uint64
	// Since is the greatest event time that was read before the query began;
	// event.MinTime if it has seen everything. Windows that began before are
	// partial.
	Since int64
	Counts
}

// Counts is a query's ledger.
type Counts struct {
	Read, InWindows, Late, Dead, Filtered, Unwindowed, Duplicate, Overflow, Results int64
}

// Add adds other to c.
func (c *Counts) Add(other Counts) {
	c.Read += other.Read
	c.InWindows += other.InWindows
	c.Late += other.Late
	c.Dead += other.Dead
	c.Filtered += other.Filtered
	c.Unwindowed += other.Unwindowed
	c.Duplicate += other.Duplicate
	c.Overflow += other.Overflow
	c.Results += other.Results
}

// Partition is a source partition as far as it has been processed.
type Partition struct {
	// ID is its number in the state, which it keeps.
	ID uint32
	// Origin, Position and Token are what source.Saved says.
	Origin   event.Origin
	Position int64
	Token    []byte
	// Watermark is its own, event.MinTime if it has none.
	Watermark int64
}

// Place is how far a sink has got.
type Place struct {
	// Sink is its name.
	Sink string
	// Epoch is the last one that the sink is known to hold, and Token what its
	// Commit returned; nil for a sink without marks.
	Epoch uint64
	Token []byte
}
