package aggregate

import "math/bits"

// maxBuckets bounds the width of a side of a sketch. It spans 35 powers of ten.
// Beyond that the lowest magnitudes share the lowest bucket, as DDSketch's
// collapsing stores do: which they are depends on the highest magnitude alone,
// so the order of values and merges still does not matter.
const maxBuckets = 4096

// side is one sign of a sketch: counts of the buckets lo to lo+width-1. The
// zero side is empty.
type side struct {
	ref uint32
	// high is a block of the same size that holds the upper halves of the
	// counts, once one has passed 32 bits; before, 0.
	high  uint32
	lo    int32
	width uint16
	class class
}

// bucketStore is where the sides of all slots keep their counts.
type bucketStore struct{ arena[uint32] }

// low returns the lower halves of the counts, and highOf the upper ones or nil.
func (s *bucketStore) low(b *side) []uint32 {
	if b.width == 0 {
		return nil
	}
	return s.at(b.ref, int(b.width))
}

func (s *bucketStore) highOf(b *side) []uint32 {
	if b.high == 0 {
		return nil
	}
	return s.at(b.high, int(b.width))
}

// count is the count of the i-th bucket.
func (s *bucketStore) count(b *side, i int) uint64 {
	n := uint64(s.low(b)[i])
	if b.high != 0 {
		n |= uint64(s.highOf(b)[i]) << 32
	}
	return n
}

// add adds n to the i-th bucket.
func (s *bucketStore) add(b *side, i int, n uint64) {
	low := s.low(b)
	sum, carry := bits.Add32(low[i], uint32(n), 0)
	low[i] = sum
	if up := uint32(n>>32) + carry; up != 0 {
		if b.high == 0 {
			b.high = s.alloc(b.class)
		}
		s.highOf(b)[i] += up
	}
}

// addAt adds n to the bucket of an index, which is made if need be.
func (s *bucketStore) addAt(b *side, index int32, n uint64) {
	if uint32(index-b.lo) >= uint32(b.width) {
		s.cover(b, index, index)
		index = max(index, b.lo)
	}
	s.add(b, int(index-b.lo), n)
}

// used is the range of indexes whose counts are not 0; lo > hi when all are.
func (s *bucketStore) used(b *side) (lo, hi int32) {
	i, j := 0, int(b.width)-1
	for i <= j && s.count(b, i) == 0 {
		i++
	}
	for j >= i && s.count(b, j) == 0 {
		j--
	}
	return b.lo + int32(i), b.lo + int32(j)
}

// cover makes room for the buckets lo to hi. Where that is too wide, the lowest
// ones are left out, and what the side holds there moves to its lowest bucket.
func (s *bucketStore) cover(b *side, lo, hi int32) {
	if lo >= b.lo && hi < b.lo+int32(b.width) {
		return
	}
	oldLo, oldHi := s.used(b)
	down := lo < oldLo
	if oldLo <= oldHi {
		lo, hi = min(lo, oldLo), max(hi, oldHi)
	}
	lo = max(lo, hi-maxBuckets+1)
	if lo >= b.lo && hi < b.lo+int32(b.width) {
		return
	}
	c := classOf(int(hi - lo + 1))
	grown := side{ref: s.alloc(c), width: uint16(min(c.size(), maxBuckets)), class: c, lo: lo}
	if down {
		// Room is left where the range has just grown.
		grown.lo = hi - int32(grown.width) + 1
	}
	for i := oldLo; i <= oldHi; i++ {
		s.add(&grown, int(max(i, lo)-grown.lo), s.count(b, int(i-b.lo)))
	}
	s.drop(b)
	*b = grown
}

// merge adds the counts of a side of from.
func (s *bucketStore) merge(b *side, from *bucketStore, other *side) {
	lo, hi := from.used(other)
	if lo > hi {
		return
	}
	s.cover(b, lo, hi)
	start := max(lo, b.lo)
	for i := lo; i < start; i++ {
		s.add(b, int(start-b.lo), from.count(other, int(i-other.lo)))
	}
	if b.high == 0 && other.high == 0 {
		s.mergeLow(b, from, other, start, hi)
		return
	}
	for i := start; i <= hi; i++ {
		s.add(b, int(i-b.lo), from.count(other, int(i-other.lo)))
	}
}

// mergeLow adds counts below 2³² until one of them overflows, if ever.
func (s *bucketStore) mergeLow(b *side, from *bucketStore, other *side, start, hi int32) {
	dst := s.low(b)[start-b.lo:]
	src := from.low(other)[start-other.lo : hi-other.lo+1]
	dst = dst[:len(src)]
	for i, n := range src {
		sum := dst[i] + n
		if sum < n {
			s.add(b, i+int(start-b.lo), uint64(n))
			continue
		}
		dst[i] = sum
	}
}

// seek finds the bucket that holds the value of a rank among those of the
// side, from its lowest bucket up or from its highest down. It returns the
// bucket and the rank inside it, or -1 and the rank beyond the side.
func (s *bucketStore) seek(b *side, rank uint64, down bool) (int, uint64) {
	low, high := s.low(b), s.highOf(b)
	for j := range low {
		i := j
		if down {
			i = len(low) - 1 - j
		}
		n := uint64(low[i])
		if high != nil {
			n |= uint64(high[i]) << 32
		}
		if rank < n {
			return i, rank
		}
		rank -= n
	}
	return -1, rank
}

// drop releases what a side holds and empties it.
func (s *bucketStore) drop(b *side) {
	if b.width > 0 {
		s.release(b.ref, b.class)
	}
	if b.high != 0 {
		s.release(b.high, b.class)
	}
	*b = side{}
}
