package aggregate

import (
	"encoding/binary"
	"math"

	"github.com/llm-optimizer/processor/event"
)

// moments is what every numeric function but percentiles needs, in one cache
// line.
//
// Squares are added up about shift, the first value, which takes the common
// part of the values out: with a mean of two million standard deviations a
// running mean in one float64 is already wrong by 1e-10 of a deviation, and
// merging means squares that. Every rounding error of the subtraction, the
// square and the sums is kept (see dd), so neither the order of merges nor an
// outlying shift costs digits. Moving squares to another shift follows Chan,
// Golub and LeVeque, Algorithms for Computing the Sample Variance, The American
// Statistician 37, 1983.
type moments struct {
	n         int64
	sum, comp float64
	// shift is the first value of the slot, or of one merged into it.
	shift float64
	// sq+sqComp is the sum of (x-shift)².
	sq, sqComp float64
	min, max   float64
}

const momentsBytes = 64

type momentsState struct{ slab slab[moments] }

func (s *momentsState) grow(n uint32)     { s.slab.grow(n) }
func (s *momentsState) reset(slot uint32) { *s.slab.at(slot) = moments{} }
func (s *momentsState) clear(n uint32)    { s.slab.zero(n) }
func (s *momentsState) bytes() int        { return s.slab.bytes(momentsBytes) }

func (s *momentsState) update(rows Rows, col *event.Column) {
	pages := s.slab.pages
	slots, kinds, nums := rows.Slot, col.Kind, col.Num
	for i, row := range rows.Index {
		if !kinds[row].IsNumber() {
			continue
		}
		x := nums[row]
		slot := slots[i]
		p := &pages[slot>>pageShift][slot&pageMask]
		if p.n == 0 {
			*p = moments{n: 1, sum: x, shift: x, min: x, max: x}
			continue
		}
		p.n++
		if x < p.min {
			p.min = x
		}
		if x > p.max {
			p.max = x
		}
		t := twoSum(p.sum, x)
		p.sum = t.hi
		p.comp += t.lo
		d := twoSum(x, -p.shift)
		q := twoMul(d.hi, d.hi)
		t = twoSum(p.sq, q.hi)
		p.sq = t.hi
		p.sqComp += t.lo + (q.lo + 2*d.hi*d.lo)
	}
}

func (s *momentsState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*momentsState)
	for i, slot := range src {
		s.slab.at(dst[i]).merge(f.slab.at(slot))
	}
}

func (p *moments) merge(b *moments) {
	if b.n == 0 {
		return
	}
	if p.n == 0 {
		*p = *b
		return
	}
	sq := b.squaresAbout(p.shift).add(twoSum(p.sq, p.sqComp))
	p.sq, p.sqComp = sq.hi, sq.lo
	t := twoSum(p.sum, b.sum)
	p.sum = t.hi
	p.comp += t.lo + b.comp
	p.n += b.n
	p.min = min(p.min, b.min)
	p.max = max(p.max, b.max)
}

// deviations is the sum of x-shift.
func (p *moments) deviations() dd {
	return twoSum(p.sum, p.comp).add(twoMul(float64(p.n), p.shift).neg())
}

// squaresAbout is the sum of (x-shift)² for another shift.
func (p *moments) squaresAbout(shift float64) dd {
	sq := twoSum(p.sq, p.sqComp)
	if shift == p.shift {
		return sq
	}
	by := twoSum(p.shift, -shift)
	cross := by.mul(p.deviations()).scale(2)
	return sq.add(cross).add(by.mul(by).scale(float64(p.n)))
}

// variance divides the squares about the mean by by, which is n or n-1.
func (p *moments) variance(by int64) float64 {
	n := float64(p.n)
	d := p.deviations()
	// n²·variance: the difference is taken before any division rounds.
	v := twoSum(p.sq, p.sqComp).scale(n).add(d.mul(d).neg()).value()
	if v < 0 {
		return 0
	}
	return v / n / float64(by)
}

// The encoding is n, and for n > 0 the other fields as they stand.
func (s *momentsState) append(dst []byte, slot uint32) []byte {
	p := s.slab.at(slot)
	dst = binary.AppendUvarint(dst, uint64(p.n))
	if p.n == 0 {
		return dst
	}
	for _, f := range [...]float64{p.sum, p.comp, p.shift, p.sq, p.sqComp, p.min, p.max} {
		dst = appendFloat(dst, f)
	}
	return dst
}

func (s *momentsState) load(slot uint32, d *decoder) {
	p := s.slab.at(slot)
	if p.n = d.positive(); p.n == 0 {
		return
	}
	p.sum, p.comp, p.shift = d.float(), d.float(), d.finite()
	p.sq, p.sqComp = d.float(), d.float()
	p.min, p.max = d.finite(), d.finite()
}

func (s *momentsState) value(o *output, slot uint32, _ Window) event.Value {
	p := s.slab.at(slot)
	if p.n == 0 && o.fn != fnCount {
		return event.Value{}
	}
	switch o.fn {
	case fnMin:
		return event.Float(p.min)
	case fnMax:
		return event.Float(p.max)
	case fnVariance:
		return event.Float(p.variance(p.n))
	case fnStdDev:
		return event.Float(math.Sqrt(p.variance(p.n)))
	case fnVarSamp, fnStdDevSamp:
		return p.sampled(o.fn)
	default:
		return sumValue(o, p.n, p.sum+p.comp)
	}
}

func (p *moments) sampled(fn function) event.Value {
	if p.n < 2 {
		return event.Value{}
	}
	v := p.variance(p.n - 1)
	if fn == fnStdDevSamp {
		v = math.Sqrt(v)
	}
	return event.Float(v)
}
