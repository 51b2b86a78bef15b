// Package exchange carries what the combine side of a partition hands to the
// merge side of a key shard: partial aggregates, single rows, and the
// watermarks that order them. In one process it is a channel to each shard.
package exchange

import (
	"context"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/result"
)

// Flush is what one partition hands to one shard at once. Flushes reach every
// shard in one order, also those that carry nothing for it.
type Flush struct {
	Kind Kind
	// Others is the minimum of the watermarks of the other partitions that
	// count: an event that met w lifts the combined one to min(w, Others).
	Others int64
	// Combined is the combined watermark after the flush.
	Combined int64
	// Now is the wall clock when the flush was made, in nanoseconds.
	Now int64
	// Due says, for a Tick, which queries' processing-time triggers fire.
	Due []bool
	// Partials and Rows are by query; either may be shorter than that.
	Partials []*Partials
	Rows     [][]Rows
	// Held are the batches that Rows read; the shard releases them.
	Held []*Shared
	// Late and Dead are the rows that the partition itself put out. They
	// cross with what they were read with, so that an epoch has both or none;
	// the first shard gets them.
	Late []result.LateEvent
	Dead []result.DeadLetter
	// Look is called by the shard, with its number.
	Look func(shard int)
}

// Kind says what a flush asks of a shard.
type Kind uint8

// The kinds of a flush.
const (
	// Data carries partials and rows.
	Data Kind = iota
	// Advance moves the combined watermark only: a partition became idle or
	// ended, or the clock moved it.
	Advance
	// Tick fires the processing-time triggers that are due at Now.
	Tick
	// Finish fires what is outstanding: the input has ended.
	Finish
	// Barrier ends an epoch: the shard hands over what has changed since the
	// last one.
	Barrier
	// Look lets somebody see the shard between two flushes.
	Look
)

// Partials are partial aggregates by (pane, key): entry i of Table has the
// accumulators in slot Slots[i].
type Partials struct {
	Table keytab.Table
	Slots []uint32
	Comp  *aggregate.Composite
}

// Clear empties the partials and keeps their memory.
func (p *Partials) Clear() {
	p.Table.Clear()
	p.Slots = p.Slots[:0]
	p.Comp.Clear()
}

// Rows are single events of one batch, in their order, that cross by
// themselves: positions in the query's selection.
type Rows struct {
	Batch *Shared
	At    []int32
}

// Selection is the events of a batch that pass a query's filter, in their
// order, with their encoded grouping keys.
type Selection struct {
	// Index is the rows of the batch, Hash the hashes of their keys.
	Index []int32
	Hash  []uint64
	// Keys holds the keys back to back, KeyEnd where each ends.
	Keys   []byte
	KeyEnd []uint32
}

// Key is the key at position i.
func (s *Selection) Key(i int) []byte {
	var from uint32
	if i > 0 {
		from = s.KeyEnd[i-1]
	}
	return s.Keys[from:s.KeyEnd[i]:s.KeyEnd[i]]
}

// Reset empties the selection and keeps its memory.
func (s *Selection) Reset() {
	s.Index, s.Hash, s.Keys, s.KeyEnd = s.Index[:0], s.Hash[:0], s.Keys[:0], s.KeyEnd[:0]
}

// Shared is a decoded batch that several shards read. The last one to release
// it gives it back.
type Shared struct {
	event.Batch
	// Selections are by query.
	Selections []Selection
	// Met is the watermark of its partition that each event meets, After the
	// one that the last event leaves.
	Met   []int64
	After int64
	// IDs are the hashes of the events' ids, nil without deduplication.
	IDs []epoch.ID

	refs    refs
	recycle func(*Shared)
}

// Exchange takes flushes to shards.
type Exchange interface {
	// Send hands a flush to a shard, waiting while the shard is behind.
	Send(ctx context.Context, shard int, f *Flush) error
}
