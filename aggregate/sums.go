package aggregate

import (
	"encoding/binary"

	"github.com/llm-optimizer/processor/event"
)

// sums is what count, sum and avg need. What adding loses is added up in comp
// (Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher
// Summen, ZAMM 54, 1974), so that integers stay exact to 2^53 and beyond.
type sums struct {
	n         int64
	sum, comp float64
}

const sumsBytes = 24

// sumsState keeps sums. Queries that also ask for min, max, stddev or variance
// of the column use momentsState instead.
type sumsState struct{ slab slab[sums] }

func (s *sumsState) grow(n uint32)     { s.slab.grow(n) }
func (s *sumsState) reset(slot uint32) { *s.slab.at(slot) = sums{} }
func (s *sumsState) clear(n uint32)    { s.slab.zero(n) }
func (s *sumsState) bytes() int        { return s.slab.bytes(sumsBytes) }

func (s *sumsState) update(rows Rows, col *event.Column) {
	pages := s.slab.pages
	slots, kinds, nums := rows.Slot, col.Kind, col.Num
	for i, row := range rows.Index {
		if !kinds[row].IsNumber() {
			continue
		}
		slot := slots[i]
		p := &pages[slot>>pageShift][slot&pageMask]
		t := twoSum(p.sum, nums[row])
		p.n++
		p.sum = t.hi
		p.comp += t.lo
	}
}

func (s *sumsState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*sumsState)
	for i, slot := range src {
		a, b := s.slab.at(dst[i]), f.slab.at(slot)
		t := twoSum(a.sum, b.sum)
		a.n += b.n
		a.sum = t.hi
		a.comp += t.lo + b.comp
	}
}

// The encoding is n, and for n > 0 the sum and what it lost.
func (s *sumsState) append(dst []byte, slot uint32) []byte {
	p := s.slab.at(slot)
	dst = binary.AppendUvarint(dst, uint64(p.n))
	if p.n == 0 {
		return dst
	}
	return appendFloat(appendFloat(dst, p.sum), p.comp)
}

func (s *sumsState) load(slot uint32, d *decoder) {
	p := s.slab.at(slot)
	if p.n = d.positive(); p.n > 0 {
		p.sum, p.comp = d.float(), d.float()
	}
}

func (s *sumsState) value(o *output, slot uint32, _ Window) event.Value {
	p := s.slab.at(slot)
	return sumValue(o, p.n, p.sum+p.comp)
}

// sumValue answers count, sum and avg.
func sumValue(o *output, n int64, sum float64) event.Value {
	switch {
	case o.fn == fnCount:
		return event.Int(n)
	case n == 0:
		return event.Value{}
	case o.fn == fnAvg:
		return event.Float(sum / float64(n))
	default:
		return event.Float(sum)
	}
}
