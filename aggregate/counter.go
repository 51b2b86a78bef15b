package aggregate

import (
	"encoding/binary"

	"github.com/llm-optimizer/processor/event"
)

// counterState counts rows: all of them without a column, else those in which
// the column is not null, or true.
type counterState struct {
	slab slab[int64]
	// boolean counts only True.
	boolean bool
}

func (s *counterState) grow(n uint32)     { s.slab.grow(n) }
func (s *counterState) reset(slot uint32) { *s.slab.at(slot) = 0 }
func (s *counterState) clear(n uint32)    { s.slab.zero(n) }
func (s *counterState) bytes() int        { return s.slab.bytes(8) }

func (s *counterState) update(rows Rows, col *event.Column) {
	pages := s.slab.pages
	if col == nil {
		for _, slot := range rows.Slot {
			pages[slot>>pageShift][slot&pageMask]++
		}
		return
	}
	for i, row := range rows.Index {
		k := col.Kind[row]
		if k == event.True || (!s.boolean && k != event.Null && k.IsScalar()) {
			slot := rows.Slot[i]
			pages[slot>>pageShift][slot&pageMask]++
		}
	}
}

func (s *counterState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*counterState)
	for i, slot := range src {
		*s.slab.at(dst[i]) += *f.slab.at(slot)
	}
}

func (s *counterState) append(dst []byte, slot uint32) []byte {
	return binary.AppendUvarint(dst, uint64(*s.slab.at(slot)))
}

func (s *counterState) load(slot uint32, d *decoder) { *s.slab.at(slot) = d.positive() }

func (s *counterState) value(o *output, slot uint32, w Window) event.Value {
	return o.count(*s.slab.at(slot), w)
}
