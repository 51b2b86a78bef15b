package aggregate

import (
	"cmp"
	"math"
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// topEntry counts one value.
type topEntry struct {
	hash, count uint64
	// payload is a number's bits; of a string or an Integer the block that
	// holds its key encoding, and the length of that.
	payload uint64
	// over is how much of count may be none of this value's: the floor when
	// it came in. The rest is certain. (It would take a floor of 2^32, and so
	// trillions of rows in a window, to exceed it.)
	over uint32
	kind event.Kind
}

// certain is how often the value surely occurred.
func (e *topEntry) certain() uint64 { return e.count - min(e.count, uint64(e.over)) }

// raise adds a floor: the value may have occurred so often unseen.
func (e *topEntry) raise(floor uint64) {
	e.count += floor
	e.over = uint32(min(uint64(e.over)+floor, math.MaxUint32))
}

const topEntryBytes = 32

// top is the counters of a slot.
//
// It is Space-Saving (Metwally, Agrawal and El Abbadi, ICDT 2005), made cheap
// by working in batches: twice as many counters as promised fill up, then all
// but the highest are dropped at once, and the highest of the dropped becomes
// the floor, with which new values begin. No counter is too low, and none is
// too high by more than the floor, which is at most rows/keep (Agarwal et al.,
// Mergeable Summaries, PODS 2012, show that this survives merging). What is
// ranked and shown is the certain part of a counter, which is never too high.
// As long as the different values fit, counts are exact.
type top struct {
	floor uint64
	// entries is a block of n entries, index one of places in it by hash.
	entries, index uint32
	n              uint32
	class          class
	indexClass     class
}

const topBytes = 32

// scanMax is how many entries are searched one by one, without an index.
const scanMax = 16

// topState keeps the counters of one column, for the largest k asked for.
type topState struct {
	// keep is how many counters survive a cut.
	keep    int
	slab    slab[top]
	entries arena[topEntry]
	index   arena[uint32]
	text    arena[byte]
	hasher  hasher
	// Scratch space of ranked and value.
	ranks []topRank
	keys  []byte
	json  []byte
}

// newTopState makes room for the k most frequent values.
func newTopState(k int) *topState { return &topState{keep: max(10*k, topExact/2)} }

// topExact is how many different values are counted exactly, at least.
const topExact = 1000

func (s *topState) grow(n uint32) { s.slab.grow(n) }

func (s *topState) reset(slot uint32) {
	p := s.slab.at(slot)
	for _, e := range s.used(p) {
		s.dropText(e)
	}
	if p.entries != 0 {
		s.entries.release(p.entries, p.class)
	}
	if p.index != 0 {
		s.index.release(p.index, p.indexClass)
	}
	*p = top{}
}

func (s *topState) clear(n uint32) {
	s.slab.zero(n)
	s.entries.reset()
	s.index.reset()
	s.text.reset()
}

func (s *topState) bytes() int {
	return s.slab.bytes(topBytes) + s.entries.bytes(topEntryBytes) + s.index.bytes(4) + s.text.bytes(1)
}

func (s *topState) update(rows Rows, col *event.Column) {
	for i, row := range rows.Index {
		hash, ok := s.hasher.row(rows.Batch, col, row)
		if !ok {
			continue
		}
		p := s.slab.at(rows.Slot[i])
		if e := s.find(p, hash); e != nil {
			e.count++
			continue
		}
		fresh := topEntry{hash: hash, count: 1, kind: col.Kind[row]}
		fresh.raise(p.floor)
		e := s.insert(p, fresh)
		switch e.kind {
		case event.Number:
			e.payload = math.Float64bits(col.Num[row])
		case event.String, event.Integer:
			e.payload = s.keepText(s.hasher.key)
		}
		s.cut(p)
	}
}

// used is the entries of a slot.
func (s *topState) used(p *top) []topEntry {
	if p.n == 0 {
		return nil
	}
	return s.entries.at(p.entries, int(p.n))
}

// table is the index of a slot: places in entries, plus one.
func (s *topState) table(p *top) []uint32 { return s.index.at(p.index, p.indexClass.size()) }

func (s *topState) find(p *top, hash uint64) *topEntry {
	entries := s.used(p)
	if p.index != 0 {
		if at := s.table(p)[s.place(p, hash)]; at != 0 {
			return &entries[at-1]
		}
		return nil
	}
	for i := range entries {
		if entries[i].hash == hash {
			return &entries[i]
		}
	}
	return nil
}

// place is where a hash is in the index, or where it belongs.
func (s *topState) place(p *top, hash uint64) int {
	table, entries := s.table(p), s.used(p)
	mask := len(table) - 1
	i := int(hash) & mask
	for table[i] != 0 && entries[table[i]-1].hash != hash {
		i = (i + 1) & mask
	}
	return i
}

// insert adds an entry whose hash is new.
func (s *topState) insert(p *top, e topEntry) *topEntry {
	if p.entries == 0 || int(p.n) == p.class.size() {
		c := class(0)
		if p.entries != 0 {
			c = p.class.grown()
		}
		ref := s.entries.alloc(c)
		copy(s.entries.at(ref, int(p.n)), s.used(p))
		if p.entries != 0 {
			s.entries.release(p.entries, p.class)
		}
		p.entries, p.class = ref, c
	}
	p.n++
	entries := s.used(p)
	entries[p.n-1] = e
	if p.n > scanMax && (p.index == 0 || int(p.n)*2 > p.indexClass.size()) {
		s.reindex(p)
	} else if p.index != 0 {
		s.table(p)[s.place(p, e.hash)] = p.n
	}
	return &entries[p.n-1]
}

// reindex builds the index anew, at most half full and with room to grow.
func (s *topState) reindex(p *top) {
	size := 4 * scanMax
	for size < int(p.n)*2 {
		size *= 2
	}
	c := classOf(size)
	if p.index != 0 && p.indexClass == c {
		clear(s.table(p))
	} else {
		if p.index != 0 {
			s.index.release(p.index, p.indexClass)
		}
		p.index, p.indexClass = s.index.alloc(c), c
	}
	table := s.table(p)
	entries := s.used(p)
	for i := range entries {
		table[s.place(p, entries[i].hash)] = uint32(i) + 1
	}
}

// cut drops the lowest counters once there are twice as many as to keep.
func (s *topState) cut(p *top) {
	if int(p.n) <= 2*s.keep {
		return
	}
	entries := s.used(p)
	slices.SortFunc(entries, func(a, b topEntry) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.hash, b.hash))
	})
	p.floor = max(p.floor, entries[s.keep].count)
	for _, e := range entries[s.keep:] {
		s.dropText(e)
	}
	p.n = uint32(s.keep)
	s.reindex(p)
}

func (s *topState) keepText(key []byte) uint64 {
	ref := s.text.alloc(classOf(len(key)))
	copy(s.text.at(ref, len(key)), key)
	return uint64(ref)<<32 | uint64(len(key))
}

// textOf is the key encoding of a string or an Integer.
func (s *topState) textOf(e topEntry) []byte {
	if e.kind != event.String && e.kind != event.Integer {
		return nil
	}
	return s.text.at(uint32(e.payload>>32), int(uint32(e.payload)))
}

// appendKey appends the key encoding of what an entry counts.
func (s *topState) appendKey(dst []byte, e topEntry) []byte {
	if text := s.textOf(e); text != nil {
		return append(dst, text...)
	}
	return event.AppendKeyValue(dst, event.Value{Kind: e.kind, Num: math.Float64frombits(e.payload)})
}

func (s *topState) dropText(e topEntry) {
	if n := len(s.textOf(e)); n > 0 {
		s.text.release(uint32(e.payload>>32), classOf(n))
	}
}

func (s *topState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*topState)
	for i, slot := range src {
		s.mergeOne(s.slab.at(dst[i]), f, f.slab.at(slot))
	}
}

// mergeOne adds counters. A value that one side does not know may have
// occurred there as often as its floor.
func (s *topState) mergeOne(p *top, f *topState, o *top) {
	floor := p.floor
	if o.floor > 0 {
		entries := s.used(p)
		for i := range entries {
			if f.find(o, entries[i].hash) == nil {
				entries[i].raise(o.floor)
			}
		}
	}
	for _, e := range f.used(o) {
		if known := s.find(p, e.hash); known != nil {
			known.count += e.count
			known.over = uint32(min(uint64(known.over)+uint64(e.over), math.MaxUint32))
			continue
		}
		text := f.textOf(e)
		e.raise(floor)
		added := s.insert(p, e)
		if text != nil {
			added.payload = s.keepText(text)
		}
	}
	p.floor = floor + o.floor
	s.cut(p)
}

// topRank is an entry and its key encoding in topState.keys.
type topRank struct {
	entry    int
	from, to int
}

// ranked sorts the entries by what is certain, then key, in scratch space.
func (s *topState) ranked(p *top) []topRank {
	s.ranks, s.keys = s.ranks[:0], s.keys[:0]
	entries := s.used(p)
	for i, e := range entries {
		from := len(s.keys)
		s.keys = s.appendKey(s.keys, e)
		s.ranks = append(s.ranks, topRank{i, from, len(s.keys)})
	}
	slices.SortFunc(s.ranks, func(a, b topRank) int {
		return cmp.Or(
			cmp.Compare(entries[b.entry].certain(), entries[a.entry].certain()),
			slices.Compare(s.keys[a.from:a.to], s.keys[b.from:b.to]),
		)
	})
	return s.ranks
}
