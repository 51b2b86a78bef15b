package engine

import (
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/keytab"
)

// bucket is one window, or one pane that windows share, with the cells of all
// keys that have events in it. When it dies, all of it goes at once.
type bucket struct {
	index      int64
	start, end int64
	// kind is what durable state calls the cells; 0 if they are not kept.
	kind  epoch.Kind
	keys  keytab.Table
	cells []cell // by the key's number in keys
	// passed is set once the watermark has passed the window's end.
	passed bool
	// stored is set once durable state has had a cell of the bucket.
	stored bool
	// dirty are the cells that wait for a correction, changed those that
	// durable state does not have yet, by the side of the barrier.
	dirty   []uint32
	changed [2][]uint32
	// places are, after restoring, where the cells were in their order.
	places []uint64
}

// cell is one window (or pane) of one key.
type cell struct {
	count  uint64 // events since the last firing by count
	slot   uint32 // in the query's composite
	firing uint32 // the number of the next firing
	flags  cellFlags
}

type cellFlags uint8

const (
	// hasNew: something was added since the last firing.
	hasNew cellFlags = 1 << iota
	// isDirty: the cell is in its bucket's dirty list.
	isDirty
	// firedAtEnd: the end of the input has made the on-time firing. In a later
	// run the watermark makes another only if there is something new.
	firedAtEnd
)

// bucketPool reuses the memory of dead buckets.
type bucketPool struct{ free []*bucket }

func (p *bucketPool) get(kind epoch.Kind, index, start, end int64) *bucket {
	b := &bucket{}
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
	}
	b.kind, b.index, b.start, b.end, b.passed, b.stored = kind, index, start, end, false, false
	return b
}

func (p *bucketPool) put(b *bucket) {
	const keep = 64 // enough for a few queries' worth of open panes
	if len(p.free) >= keep {
		return
	}
	b.keys.Clear()
	b.cells, b.dirty = b.cells[:0], b.dirty[:0]
	b.changed[0], b.changed[1] = b.changed[0][:0], b.changed[1][:0]
	p.free = append(p.free, b)
}
