package epoch

import (
	"errors"
	"fmt"
	"math"

	"github.com/llm-optimizer/processor/state"
)

// Commit is what an epoch writes beside the windows that have changed.
type Commit struct {
	// Header begins a new state; nil later.
	Header *Header
	// Last is the number of the epoch before, 0 for a new state.
	Last   uint64
	Record Record
	// Partitions are those that have changed, Gone the ids of those that will
	// never be read again.
	Partitions []Partition
	Gone       []uint32
	// Seen are the ids that came, by partition. DropSeen removes all that came
	// before.
	Seen     []SeenIDs
	DropSeen bool
	// Places are those that have changed, GonePlaces the names of sinks that
	// are not there any more.
	Places     []Place
	GonePlaces []string
	// Blocks are the rows of the epoch, as Encoder.AppendBlock makes them.
	Blocks [][]byte
	// KeepFrom is the first epoch whose rows some sink may still need; those
	// before are removed. 0 removes none.
	KeepFrom uint64
	// DropQueries are the hashes of queries whose windows are to go.
	DropQueries []uint64
}

// AppendTo adds the commit to a batch. Windows of queries that are dropped must
// not be in it, nor in one that is applied after it. An error is a mistake of
// the caller; nothing has been added then.
func (c *Commit) AppendTo(b *state.Batch) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("epoch %d: %w", c.Record.Number, err)
	}
	w := writer{batch: b}
	if c.Header != nil {
		w.put(headerKey, encodeHeader(c.Header))
	}
	w.put(recordKey, encodeRecord(&c.Record))
	for i := range c.Partitions {
		w.payload = appendPartition(w.payload[:0], &c.Partitions[i])
		w.put(partitionKey(c.Partitions[i].ID), w.payload)
	}
	for _, id := range c.Gone {
		b.Delete(partitionKey(id))
		b.DeleteRange(seenOf(id))
	}
	if c.DropSeen {
		b.DeleteRange(classRange(classSeen))
	}
	for i := range c.Seen {
		w.putSeen(c.Record.Number, &c.Seen[i])
	}
	for i := range c.Places {
		w.payload = appendPlace(w.payload[:0], &c.Places[i])
		w.put(placeKey(c.Places[i].Sink), w.payload)
	}
	for _, sink := range c.GonePlaces {
		b.Delete(placeKey(sink))
	}
	if c.KeepFrom > 0 {
		b.DeleteRange(OutboxRange(0, c.KeepFrom))
	}
	for _, hash := range c.DropQueries {
		b.DeleteRange(queryRange(hash))
	}
	for i, block := range c.Blocks {
		w.key = appendOutboxKey(w.key[:0], c.Record.Number, uint32(i))
		w.put(w.key, block)
	}
	return nil
}

// check holds the commit against what a state must be.
func (c *Commit) check() error {
	switch {
	case c.Record.Number != c.Last+1:
		return fmt.Errorf("it would follow epoch %d", c.Last)
	case (c.Header != nil) != (c.Last == 0):
		return errors.New("a header belongs to the first epoch and to no other")
	case c.KeepFrom > c.Record.Number:
		return fmt.Errorf("its rows would go at once: only those from epoch %d on are kept", c.KeepFrom)
	case len(c.Blocks) > math.MaxUint32:
		return fmt.Errorf("it has %d blocks of rows", len(c.Blocks))
	}
	for i := range c.Places {
		if p := &c.Places[i]; p.Epoch > c.Record.Number || p.Sink == "" {
			return fmt.Errorf("sink %q cannot be at epoch %d", p.Sink, p.Epoch)
		}
	}
	return nil
}

// writer seals values into a batch.
type writer struct {
	batch               *state.Batch
	key, payload, value []byte
}

func (w *writer) put(key, payload []byte) {
	w.value = Seal(w.value[:0], key, payload)
	w.batch.Set(key, w.value)
}
