// Package result holds what leaves the engine: results of windows, late
// events and dead letters, with the one JSON form of each.
package result

import (
	"github.com/llm-optimizer/processor/event"
)

// Timing says when a firing happened relative to the watermark.
type Timing uint8

// The timings of a firing.
const (
	// OnTime firings are made by the watermark or the end of the input.
	OnTime Timing = iota
	// Early firings come before the watermark passes the window's end.
	Early
	// Late firings are corrections: the watermark had passed the end.
	Late
	// Retract withdraws a fired session that another one absorbed.
	Retract
)

// String is the timing as it stands in results.
func (t Timing) String() string { return [...]string{"on_time", "early", "late", "retract"}[t] }

// Query is what all results of one query share.
type Query struct {
	// Name is the query's name, Keys the names of its key fields and Values
	// the names of its aggregates, both in the query's order.
	Name   string
	Keys   []string
	Values []string
	// Functions say what made the values, in the order of Values. They are nil
	// where that is not known, for rows that an older version has stored.
	Functions []Function
	// Index is the query's number in its pipeline.
	Index int
	// Seed enters every window id: it is a hash of the pipeline's name, the
	// query's name and its definition.
	Seed uint64
}

// Function is what made a value.
type Function struct {
	// Name is the function as aggregate.Spec has it: count, sum, percentile, …
	Name string
	// Input is what it reads, and of which events. Functions with the same
	// input have been given the same values.
	Input string
	// Param is the p of a percentile and the k of a top-k.
	Param float64
}

// Result is one firing of a window and key. It is valid until the sink's
// Write returns; strings in it may be kept.
type Result struct {
	Query *Query
	// Key is the encoded grouping key, KeyJSON its JSON object.
	Key     string
	KeyJSON string
	// Start and End bound the window in nanoseconds since 1970, half open. A
	// global window has MinTime and MaxTime.
	Start, End int64
	// Identity is Start but for sessions, whose identity survives growth.
	Identity int64
	Timing   Timing
	// Firing counts the firings of this window and key from 0.
	Firing uint32
	// Partial marks a window that began before its query began to read.
	Partial bool
	// Values are in the order of Query.Values; nil for a retraction.
	Values []event.Value
	// Sketches are base64 texts by the name of their percentile, for queries
	// that include them.
	Sketches []Sketch

	// Events is how many events the firing holds, Watermark the combined
	// watermark and EmittedAt the wall clock at the firing.
	Events    int64
	Watermark int64
	EmittedAt int64
}

// Sketch is the mergeable form of one percentile column.
type Sketch struct {
	Name   string
	Base64 string
}

// Source is the position of a record, for late events and dead letters.
type Source struct {
	Topic, Path string
	Partition   int32
	Offset      int64
}

// LateEvent is an event that came after all of its windows were past the
// allowed lateness of a query.
type LateEvent struct {
	Query     string
	Source    Source
	Timestamp int64
	Watermark int64
	// Event is the record as it came.
	Event []byte
}

// DeadLetter is a record that could not be decoded, or that some queries
// refused for a wrong type.
type DeadLetter struct {
	Source Source
	Reason string
	Err    string
	Raw    []byte
	// Queries names the queries that refused it; empty when all did.
	Queries []string
}

// Batch is what a sink is given at once. Each sink is fed only what it is
// there for; most have results alone.
type Batch struct {
	Results []Result
	Late    []LateEvent
	Dead    []DeadLetter
	// Slab backs the Values of Results.
	Slab []event.Value
}

// Len is the number of rows in the batch.
func (b *Batch) Len() int { return len(b.Results) + len(b.Late) + len(b.Dead) }
