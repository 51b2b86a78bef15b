package engine

import (
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/state"
)

// keeper is a shard's part in durable state. At a barrier the shard owes the
// epoch all cells that have changed since the last one, as they are then, but
// to encode them at once would stop the stream. So they become pending, and
// are encoded a few at a time between flushes; one that is about to change is
// encoded first. A nil keeper keeps nothing: state in memory.
type keeper struct {
	// side alternates with every barrier. Cells that changed since the last
	// one are marked on this side, pending ones on the other.
	side int
	// cur takes the epoch that is being encoded, next what the one after it
	// begins with: deletions since the barrier.
	cur, next *state.Batch
	// touched counts the cells that have changed since the last slice.
	touched int

	key, value []byte // scratch
}

func newKeeper() *keeper { return &keeper{next: &state.Batch{}} }

// cut begins an epoch. spare is an empty batch.
func (k *keeper) cut(spare *state.Batch) {
	k.side = 1 - k.side
	k.cur, k.next = k.next, spare
	k.touched = 0
}

// slice is how many cells to encode before the next flush.
func (k *keeper) slice() int {
	n := max(sliceCells, sliceShare*k.touched)
	k.touched = 0
	return n
}

// set seals a value and puts it into the epoch that is being encoded. The
// value's payload follows epoch.Begin in k.value; k.key is its key.
func (k *keeper) set() {
	k.value = epoch.End(k.value, k.key, 0)
	k.cur.Set(k.key, k.value)
}

// changedOn are the marks of cells that have changed, by side.
var changedOn = [2]cellFlags{1 << 6, 1 << 7}

// changes lists the buckets that have changed cells, by side.
type changes [2][]*bucket

// touch notes that a cell is about to change. It comes before the change.
func (m *mergeQuery) touch(b *bucket, i int) {
	if m.keep != nil && b.cells[i].flags&changedOn[m.keep.side] == 0 {
		m.change(b, i)
	}
}

func (m *mergeQuery) change(b *bucket, i int) {
	side := m.keep.side
	if b.cells[i].flags&changedOn[1-side] != 0 {
		m.saveCell(b, i)
	}
	b.cells[i].flags |= changedOn[side]
	m.keep.touched++
	if len(b.changed[side]) == 0 {
		m.changed[side] = append(m.changed[side], b)
	}
	b.changed[side] = append(b.changed[side], uint32(i))
}

// saveCell encodes a pending cell into the epoch.
func (m *mergeQuery) saveCell(b *bucket, i int) {
	k, c := m.keep, &b.cells[i]
	c.flags &^= changedOn[1-k.side]
	k.key = epoch.AppendWindowKey(k.key[:0], m.plan.StateHash, b.kind, b.start, b.keys.Key(i))
	k.value = m.appendCell(epoch.Begin(k.value[:0]), c, i)
	k.set()
	b.stored = true
}

// save encodes up to n pending cells and returns how many of the n are left.
func (m *mergeQuery) save(n int) int {
	side := 1 - m.keep.side
	list := m.changed[side]
	for len(list) > 0 && n > 0 {
		b := list[len(list)-1]
		for len(b.changed[side]) > 0 && n > 0 {
			last := len(b.changed[side]) - 1
			i := int(b.changed[side][last])
			b.changed[side] = b.changed[side][:last]
			if b.cells[i].flags&changedOn[side] != 0 {
				m.saveCell(b, i)
				n--
			}
		}
		if len(b.changed[side]) == 0 {
			list = list[:len(list)-1]
		}
	}
	m.changed[side] = list
	return n
}

// dropStored takes a bucket that dies out of durable state, once the epoch
// that is being encoded has what it still owes of it.
func (m *mergeQuery) dropStored(b *bucket) {
	if m.keep == nil {
		return
	}
	side := m.keep.side
	for _, i := range b.changed[1-side] {
		if b.cells[i].flags&changedOn[1-side] != 0 {
			m.saveCell(b, int(i))
		}
	}
	b.changed[0], b.changed[1] = b.changed[0][:0], b.changed[1][:0]
	if b.stored {
		from, to := epoch.WindowRange(m.plan.StateHash, b.kind, b.start)
		m.keep.next.DeleteRange(from, to)
	}
}
