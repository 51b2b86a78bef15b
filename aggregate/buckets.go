package aggregate

import (
	"iter"
	"math/bits"
)

// Counts lie in leaves of leafSize neighbouring buckets, which are made when a
// value first falls into them: values far apart cost no more than values close
// together, and no bucket ever has to be given up. A float64 has some 72,000
// buckets, which bounds a sketch at 300 kB a sign; a stream of latencies needs
// one or two.
const (
	leafShift = 5
	leafSize  = 1 << leafShift
	leafMask  = leafSize - 1
	leafClass = class(5)
)

// side is one sign of a sketch: a directory of the leaves lo to lo+width-1.
// The zero side is empty.
type side struct {
	// leaves is the block of the directory: refs of leaves, or 0.
	leaves uint32
	// high is a directory of leaves that hold the upper halves of counts that
	// have passed 32 bits; 0 before there are any.
	high  uint32
	lo    int32
	width uint16
	class class
}

// bucketStore is where the sides of all slots keep their counts.
type bucketStore struct{ arena[uint32] }

// directory is the refs of a side's leaves.
func (s *bucketStore) directory(b *side) []uint32 { return s.dir(b.leaves, b) }

func (s *bucketStore) dir(ref uint32, b *side) []uint32 {
	if ref == 0 {
		return nil
	}
	return s.at(ref, int(b.width))
}

// leaf is the counts behind an entry of a directory, or nil.
func (s *bucketStore) leaf(dir []uint32, i int) []uint32 {
	if dir == nil || dir[i] == 0 {
		return nil
	}
	return s.at(dir[i], leafSize)
}

// grown is leaf, made if there is none.
func (s *bucketStore) grown(dir []uint32, i int) []uint32 {
	if dir[i] == 0 {
		dir[i] = s.alloc(leafClass)
	}
	return s.at(dir[i], leafSize)
}

// wide is a count put together from its halves.
func wide(low, high []uint32, i int) uint64 {
	n := uint64(low[i])
	if high != nil {
		n |= uint64(high[i]) << 32
	}
	return n
}

// count is the count of a bucket.
func (s *bucketStore) count(b *side, index int32) uint64 {
	i := int(index>>leafShift - b.lo)
	if i < 0 || i >= int(b.width) {
		return 0
	}
	low := s.leaf(s.directory(b), i)
	if low == nil {
		return 0
	}
	return wide(low, s.leaf(s.dir(b.high, b), i), int(index&leafMask))
}

// add adds n to a bucket.
func (s *bucketStore) add(b *side, index int32, n uint64) {
	i := s.cover(b, index>>leafShift, index>>leafShift)
	s.addTo(b, i, int(index&leafMask), n)
}

// addTo adds n to a bucket by its leaf and its place there.
func (s *bucketStore) addTo(b *side, leaf, at int, n uint64) {
	low := s.grown(s.directory(b), leaf)
	sum, carry := bits.Add32(low[at], uint32(n), 0)
	low[at] = sum
	up := uint32(n>>32) + carry
	if up == 0 {
		return
	}
	if b.high == 0 {
		b.high = s.alloc(b.class)
	}
	s.grown(s.dir(b.high, b), leaf)[at] += up
}

// cover makes the directory reach from leaf lo to leaf hi, and returns the
// place of lo in it.
func (s *bucketStore) cover(b *side, lo, hi int32) int {
	end := b.lo + int32(b.width)
	if lo >= b.lo && hi < end {
		return int(lo - b.lo)
	}
	from, to := lo, hi
	if b.width > 0 {
		from, to = min(lo, b.lo), max(hi, end-1)
	}
	grown := side{lo: from, class: classOf(int(to - from + 1))}
	grown.width = uint16(grown.class.size())
	if b.width > 0 && lo < b.lo {
		grown.lo = to - int32(grown.width) + 1 // room is left where it grows
	}
	grown.leaves = s.move(b.leaves, b, &grown)
	grown.high = s.move(b.high, b, &grown)
	if grown.leaves == 0 {
		grown.leaves = s.alloc(grown.class)
	}
	*b = grown
	return int(lo - b.lo)
}

// move copies a directory of b, if there is one, to a new one of grown.
func (s *bucketStore) move(ref uint32, b, grown *side) uint32 {
	if ref == 0 {
		return 0
	}
	moved := s.alloc(grown.class)
	copy(s.dir(moved, grown)[b.lo-grown.lo:], s.dir(ref, b))
	s.release(ref, b.class)
	return moved
}

// merge adds the counts of a side of from.
func (s *bucketStore) merge(b *side, from *bucketStore, other *side) {
	lows, highs := from.directory(other), from.dir(other.high, other)
	for i := range lows {
		low := from.leaf(lows, i)
		if low == nil {
			continue
		}
		leaf := other.lo + int32(i)
		at := s.cover(b, leaf, leaf)
		if highs == nil && s.addLeaf(s.grown(s.directory(b), at), low) {
			continue
		}
		high := from.leaf(highs, i)
		for j := range low {
			s.addTo(b, at, j, wide(low, high, j))
		}
	}
}

// addLeaf adds counts below 2³² and reports whether no sum was too large. If
// one would be, it changes nothing.
func (s *bucketStore) addLeaf(dst, src []uint32) bool {
	dst = dst[:len(src)]
	over := uint32(0)
	for i, n := range src {
		_, carry := bits.Add32(dst[i], n, 0)
		over |= carry
	}
	if over != 0 {
		return false
	}
	for i, n := range src {
		dst[i] += n
	}
	return true
}

// seek finds the bucket that holds the value of a rank among those of the
// side, from its lowest bucket up or from its highest down. It also returns how
// many values with higher ranks share the bucket. Without such a bucket, rest
// is the rank beyond the side.
func (s *bucketStore) seek(b *side, rank uint64, down bool) (index int32, rest uint64, ok bool) {
	lows, highs := s.directory(b), s.dir(b.high, b)
	flip := 0
	if down {
		flip = leafSize - 1
	}
	for k := range lows {
		i := k
		if down {
			i = len(lows) - 1 - k
		}
		low := s.leaf(lows, i)
		if low == nil {
			continue
		}
		high := s.leaf(highs, i)
		for j := range leafSize {
			n := wide(low, high, j^flip)
			if rank < n {
				return (b.lo+int32(i))<<leafShift + int32(j^flip), n - rank - 1, true
			}
			rank -= n
		}
	}
	return 0, rank, false
}

// all ranges over the buckets whose counts are not 0, in order.
func (s *bucketStore) all(b *side) iter.Seq2[int32, uint64] {
	return func(yield func(int32, uint64) bool) {
		lows, highs := s.directory(b), s.dir(b.high, b)
		for i := range lows {
			low, high := s.leaf(lows, i), s.leaf(highs, i)
			for j := range low {
				if n := wide(low, high, j); n > 0 && !yield((b.lo+int32(i))<<leafShift+int32(j), n) {
					return
				}
			}
		}
	}
}

// drop releases what a side holds and empties it.
func (s *bucketStore) drop(b *side) {
	for _, ref := range [...]uint32{b.leaves, b.high} {
		for _, leaf := range s.dir(ref, b) {
			if leaf != 0 {
				s.release(leaf, leafClass)
			}
		}
		if ref != 0 {
			s.release(ref, b.class)
		}
	}
	*b = side{}
}
