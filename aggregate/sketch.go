package aggregate

import (
	"math"

	"github.com/llm-optimizer/processor/event"
)

// rawMax is how many values a sketch keeps as they are. Up to there
// percentiles are exact, and the many windows with a handful of values stay
// small.
const rawMax = 24

// sketch answers percentiles. Up to rawMax values it keeps them; from then on
// it counts them in the buckets of bucketOf: a DDSketch. Which of the two, and
// every count, depends on the values alone, never on their order.
type sketch struct {
	n uint64
	// zeros counts magnitudes below minIndexable, once there are buckets.
	zeros    uint64
	min, max float64
	// pos and neg are the buckets by magnitude. Before there are any,
	// pos.leaves and pos.class are the block of the values.
	pos, neg side
}

const sketchBytes = 64

// sketchState keeps the sketches of one column, for all its percentiles.
type sketchState struct {
	slab    slab[sketch]
	raw     arena[float64]
	buckets bucketStore
	// Scratch space of appendProto.
	found []bucket
	store []byte
}

func (s *sketchState) grow(n uint32) { s.slab.grow(n) }

func (s *sketchState) reset(slot uint32) {
	p := s.slab.at(slot)
	s.drop(p)
	*p = sketch{}
}

func (s *sketchState) clear(n uint32) {
	s.slab.zero(n)
	s.raw.reset()
	s.buckets.reset()
}

func (s *sketchState) bytes() int {
	return s.slab.bytes(sketchBytes) + s.raw.bytes(8) + s.buckets.bytes(4)
}

// update spells the common case out, a positive value whose bucket is there:
// as calls it costs twice as much.
func (s *sketchState) update(rows Rows, col *event.Column) {
	pages, chunks := s.slab.pages, s.buckets.chunks
	slots, kinds, nums := rows.Slot, col.Kind, col.Num
	for i, row := range rows.Index {
		if !kinds[row].IsNumber() {
			continue
		}
		v := nums[row]
		slot := slots[i]
		p := &pages[slot>>pageShift][slot&pageMask]
		if p.n > rawMax && v >= minIndexable {
			index := bucketOf(v)
			if at := uint32(index>>leafShift - p.pos.lo); at < uint32(p.pos.width) {
				dir := p.pos.leaves
				leaf := chunks[dir>>chunkUnitShift][dir&chunkUnitMask<<unitShift+at]
				count := &chunks[leaf>>chunkUnitShift][leaf&chunkUnitMask<<unitShift+uint32(index)&leafMask]
				if leaf != 0 && *count != math.MaxUint32 {
					*count++
					p.n++
					if v < p.min {
						p.min = v
					}
					if v > p.max {
						p.max = v
					}
					continue
				}
			}
		}
		s.add(p, v)
		chunks = s.buckets.chunks
	}
}

// add adds a value in whatever form the sketch has.
func (s *sketchState) add(p *sketch, v float64) {
	if p.n < rawMax {
		s.addRaw(p, v)
		return
	}
	if p.n == rawMax {
		s.bucketize(p)
	}
	s.addBucket(p, v)
}

func (s *sketchState) addRaw(p *sketch, v float64) {
	n := int(p.n)
	if p.pos.leaves == 0 || n == p.pos.class.size() {
		c := class(0)
		if n > 0 {
			c = p.pos.class.grown()
		}
		ref := s.raw.alloc(c)
		if n > 0 {
			copy(s.raw.at(ref, n), s.raw.at(p.pos.leaves, n))
			s.raw.release(p.pos.leaves, p.pos.class)
		}
		p.pos.leaves, p.pos.class = ref, c
	}
	s.raw.at(p.pos.leaves, n+1)[n] = v
	p.span(v)
	p.n++
}

// span widens min and max before v is counted.
func (p *sketch) span(v float64) {
	if p.n == 0 || v < p.min {
		p.min = v
	}
	if p.n == 0 || v > p.max {
		p.max = v
	}
}

func (s *sketchState) addBucket(p *sketch, v float64) {
	switch {
	case v >= minIndexable:
		s.buckets.add(&p.pos, bucketOf(v), 1)
	case v <= -minIndexable:
		s.buckets.add(&p.neg, bucketOf(-v), 1)
	default:
		p.zeros++
	}
	p.span(v)
	p.n++
}

// bucketize turns raw values into buckets. The caller adds more at once, so
// that n says which form it is.
func (s *sketchState) bucketize(p *sketch) {
	var buf [rawMax]float64
	values := buf[:copy(buf[:], s.values(p))]
	s.drop(p)
	*p = sketch{}
	for _, v := range values {
		s.addBucket(p, v)
	}
}

// values is the raw values.
func (s *sketchState) values(p *sketch) []float64 {
	if p.n == 0 {
		return nil
	}
	return s.raw.at(p.pos.leaves, int(p.n))
}

// drop releases what the sketch holds outside its slot.
func (s *sketchState) drop(p *sketch) {
	if p.n > rawMax {
		s.buckets.drop(&p.pos)
		s.buckets.drop(&p.neg)
	} else if p.pos.leaves != 0 {
		s.raw.release(p.pos.leaves, p.pos.class)
	}
}

func (s *sketchState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*sketchState)
	for i, slot := range src {
		s.mergeOne(s.slab.at(dst[i]), f, f.slab.at(slot))
	}
}

func (s *sketchState) mergeOne(p *sketch, f *sketchState, o *sketch) {
	if o.n <= rawMax {
		for _, v := range f.values(o) {
			s.add(p, v)
		}
		return
	}
	if p.n <= rawMax {
		s.bucketize(p)
	}
	s.buckets.merge(&p.pos, &f.buckets, &o.pos)
	s.buckets.merge(&p.neg, &f.buckets, &o.neg)
	p.span(o.min)
	if o.max > p.max {
		p.max = o.max
	}
	p.zeros += o.zeros
	p.n += o.n
}

func (s *sketchState) value(o *output, slot uint32, _ Window) event.Value {
	p := s.slab.at(slot)
	if p.n == 0 {
		return event.Value{}
	}
	return event.Float(s.percentile(p, o.param))
}

// percentile interpolates between the values at the ranks next to q(n-1)/100.
func (s *sketchState) percentile(p *sketch, q float64) float64 {
	rank := q * float64(p.n-1) / 100
	below := math.Floor(rank)
	lo, hi := s.neighbours(p, uint64(below))
	if part := rank - below; lo < hi && part > 0 {
		return min(max(lo*(1-part)+hi*part, lo), hi)
	}
	return lo
}

// neighbours is the values of a rank and of the next one, as far as there is
// one.
func (s *sketchState) neighbours(p *sketch, rank uint64) (lo, hi float64) {
	next := min(rank+1, p.n-1)
	if p.n <= rawMax {
		values := s.values(p)
		sortFloats(values) // their order means nothing
		return values[rank], values[next]
	}
	lo, more := s.ranked(p, rank)
	if more || next == rank {
		return lo, lo
	}
	hi, _ = s.ranked(p, next)
	return lo, hi
}

// ranked is the value of a rank, and whether the next rank's is the same.
func (s *sketchState) ranked(p *sketch, rank uint64) (v float64, more bool) {
	switch rank {
	case 0:
		return p.min, false
	case p.n - 1:
		return p.max, false
	}
	i, rest, ok := s.buckets.seek(&p.neg, rank, true)
	if ok {
		return p.clamp(-bucketValue(i)), rest > 0
	}
	if rank = rest; rank < p.zeros {
		return p.clamp(0), rank+1 < p.zeros
	}
	i, rest, _ = s.buckets.seek(&p.pos, rank-p.zeros, false)
	return p.clamp(bucketValue(i)), rest > 0
}

func (p *sketch) clamp(v float64) float64 { return min(max(v, p.min), p.max) }

// sortFloats sorts a few values, which are often in order already.
func sortFloats(v []float64) {
	for i := 1; i < len(v); i++ {
		for j := i; j > 0 && v[j] < v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
}
