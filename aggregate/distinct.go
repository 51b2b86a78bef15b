package aggregate

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/llm-optimizer/processor/event"
)

const (
	// exactMax is how many different values are counted exactly.
	exactMax = 1000
	// listMax is how many hashes are searched one by one, before a table.
	listMax = 24
	// minTable is the least size of a table, a power of two.
	minTable = 64
)

// distinct is a set of hashes: a list to listMax, an open table to exactMax,
// then a HyperLogLog. Which of them depends on the set alone.
type distinct struct {
	// n is the number of hashes, exactMax+1 once they are no longer kept.
	n     uint32
	ref   uint32
	class class
}

const distinctBytes = 12

// distinctState keeps a distinct a slot.
type distinctState struct {
	slab      slab[distinct]
	hashes    arena[uint64]
	registers arena[uint8]
	hasher    hasher
	// sorted is scratch for encoding.
	sorted []uint64
}

func (s *distinctState) grow(n uint32) { s.slab.grow(n) }

func (s *distinctState) reset(slot uint32) {
	p := s.slab.at(slot)
	switch {
	case p.n > exactMax:
		s.registers.release(p.ref, p.class)
	case p.ref != 0:
		s.hashes.release(p.ref, p.class)
	}
	*p = distinct{}
}

func (s *distinctState) clear(n uint32) {
	s.slab.zero(n)
	s.hashes.reset()
	s.registers.reset()
}

func (s *distinctState) bytes() int {
	return s.slab.bytes(distinctBytes) + s.hashes.bytes(8) + s.registers.bytes(1)
}

func (s *distinctState) update(rows Rows, col *event.Column) {
	for i, row := range rows.Index {
		if hash, ok := s.hasher.row(rows.Batch, col, row); ok {
			s.add(s.slab.at(rows.Slot[i]), hash)
		}
	}
}

// block is the list, with what it has room for, or the table.
func (s *distinctState) block(p *distinct) []uint64 {
	if p.ref == 0 {
		return nil
	}
	return s.hashes.at(p.ref, p.class.size())
}

func (s *distinctState) hll(p *distinct) []uint8 { return s.registers.at(p.ref, hllSize) }

func (s *distinctState) add(p *distinct, hash uint64) {
	if p.n > exactMax {
		hllAdd(s.hll(p), hash)
		return
	}
	block := s.block(p)
	at := int(p.n)
	if len(block) > listMax {
		at = find(block, hash)
		if block[at] == hash {
			return
		}
	} else if slices.Contains(block[:p.n], hash) {
		return
	}
	if p.n == exactMax {
		s.estimate(p)
		hllAdd(s.hll(p), hash)
		return
	}
	if s.enlarge(p) {
		s.add(p, hash)
		return
	}
	block[at] = hash
	p.n++
}

// find is the place of a hash in a table, or the free place where it belongs.
// The table's length is a power of two.
func find(table []uint64, hash uint64) int {
	mask := len(table) - 1
	i := int(hash) & mask
	for table[i] != 0 && table[i] != hash {
		i = (i + 1) & mask
	}
	return i
}

// enlarge makes room for one more hash and reports whether places changed.
// Lists are filled, tables to three quarters.
func (s *distinctState) enlarge(p *distinct) bool {
	size, want := len(s.block(p)), int(p.n)+1
	room := size
	if size > listMax {
		room = size / 4 * 3
	}
	if want <= room {
		return false
	}
	switch {
	case want > listMax:
		s.rehash(p, classOf(max(minTable, 2*size)))
	case size > 0:
		s.rehash(p, p.class.grown())
	default:
		s.rehash(p, 0)
	}
	return true
}

// rehash moves the hashes to a block of another class: a list when it has at
// most listMax places, else a table.
func (s *distinctState) rehash(p *distinct, c class) {
	ref := s.hashes.alloc(c)
	to := s.hashes.at(ref, c.size())
	k := 0
	for _, hash := range s.block(p) {
		switch {
		case hash == 0:
		case c.size() <= listMax:
			to[k] = hash
			k++
		default:
			to[find(to, hash)] = hash
		}
	}
	if p.ref != 0 {
		s.hashes.release(p.ref, p.class)
	}
	p.ref, p.class = ref, c
}

// estimate turns the set into a HyperLogLog.
func (s *distinctState) estimate(p *distinct) {
	c := classOf(hllSize)
	ref := s.registers.alloc(c)
	registers := s.registers.at(ref, hllSize)
	for _, hash := range s.block(p) {
		if hash != 0 {
			hllAdd(registers, hash)
		}
	}
	if p.ref != 0 {
		s.hashes.release(p.ref, p.class)
	}
	*p = distinct{n: exactMax + 1, ref: ref, class: c}
}

func (s *distinctState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*distinctState)
	for i, slot := range src {
		s.mergeOne(s.slab.at(dst[i]), f, f.slab.at(slot))
	}
}

func (s *distinctState) mergeOne(p *distinct, f *distinctState, o *distinct) {
	if o.n > exactMax {
		if p.n <= exactMax {
			s.estimate(p)
		}
		hllMerge(s.hll(p), f.hll(o))
		return
	}
	for _, hash := range f.block(o) {
		if hash != 0 {
			s.add(p, hash)
		}
	}
}

// The encoding is n and the hashes in order, or exactMax+1 and the registers.
func (s *distinctState) append(dst []byte, slot uint32) []byte {
	p := s.slab.at(slot)
	dst = binary.AppendUvarint(dst, uint64(p.n))
	if p.n > exactMax {
		return append(dst, s.hll(p)...)
	}
	s.sorted = s.sorted[:0]
	for _, hash := range s.block(p) {
		if hash != 0 {
			s.sorted = append(s.sorted, hash)
		}
	}
	slices.Sort(s.sorted)
	for _, hash := range s.sorted {
		dst = appendUint64(dst, hash)
	}
	return dst
}

func (s *distinctState) load(slot uint32, d *decoder) {
	p := s.slab.at(slot)
	n := d.uvarint()
	if n > exactMax+1 {
		d.fail("%d hashes are more than are ever kept", n)
		return
	}
	if n > exactMax {
		s.loadRegisters(p, d.bytes(hllSize), d)
		return
	}
	for before := uint64(0); n > 0 && d.err == nil; n-- {
		hash := d.uint64()
		if hash <= before {
			d.fail("hashes are out of order")
			return
		}
		s.add(p, hash)
		before = hash
	}
}

func (s *distinctState) loadRegisters(p *distinct, registers []uint8, d *decoder) {
	if d.err != nil {
		return
	}
	if slices.Max(registers) > hllMax {
		d.fail("a register is above %d", hllMax)
		return
	}
	s.estimate(p)
	copy(s.hll(p), registers)
}

func (s *distinctState) value(_ *output, slot uint32, _ Window) event.Value {
	p := s.slab.at(slot)
	switch {
	case p.n == 0:
		return event.Value{} // an aggregate of nothing
	case p.n > exactMax:
		return event.Int(int64(math.Round(hllEstimate(s.hll(p)))))
	}
	return event.Int(int64(p.n))
}
