package aggregate

import (
	"encoding/binary"
	"math"
)

// The encoding is n; then, up to rawMax, the values in order; else min, max,
// the zeros and the two sides, negative first. A side is its width, and unless
// that is 0 its lowest index and the counts from there.
func (s *sketchState) append(dst []byte, slot uint32) []byte {
	p := s.slab.at(slot)
	dst = binary.AppendUvarint(dst, p.n)
	if p.n <= rawMax {
		values := s.values(p)
		sortFloats(values)
		for _, v := range values {
			dst = appendFloat(dst, v)
		}
		return dst
	}
	dst = appendFloat(appendFloat(dst, p.min), p.max)
	dst = binary.AppendUvarint(dst, p.zeros)
	return s.buckets.append(s.buckets.append(dst, &p.neg), &p.pos)
}

func (s *bucketStore) append(dst []byte, b *side) []byte {
	lo, hi := s.used(b)
	if lo > hi {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(hi-lo+1))
	dst = binary.AppendVarint(dst, int64(lo))
	for i := lo; i <= hi; i++ {
		dst = binary.AppendUvarint(dst, s.count(b, int(i-b.lo)))
	}
	return dst
}

func (s *sketchState) load(slot uint32, d *decoder) {
	p := s.slab.at(slot)
	n := d.uvarint()
	if n <= rawMax {
		for range n {
			s.add(p, d.finite())
		}
		return
	}
	p.n = n
	p.min, p.max = d.finite(), d.finite()
	if p.min > p.max {
		d.fail("min %v is above max %v", p.min, p.max)
	}
	p.zeros = d.uvarint()
	left := n
	take := func(k uint64) {
		if k > left {
			d.fail("more values in buckets than the %d in all", n)
			return
		}
		left -= k
	}
	take(p.zeros)
	s.buckets.load(&p.neg, d, take)
	s.buckets.load(&p.pos, d, take)
	if left != 0 {
		d.fail("%d values of %d are in no bucket", left, n)
	}
}

// load reads a side; take is told every count.
func (s *bucketStore) load(b *side, d *decoder, take func(uint64)) {
	width := d.count(1)
	if width == 0 {
		return
	}
	lo := d.varint()
	if width > maxBuckets || lo < bucketIndexMin || lo+int64(width) > bucketIndexMax+1 {
		d.fail("buckets %d to %d do not exist", lo, lo+int64(width)-1)
		return
	}
	s.cover(b, int32(lo), int32(lo)+int32(width)-1)
	for i := range width {
		k := d.uvarint()
		take(k)
		if d.err != nil {
			return
		}
		s.add(b, int(lo)-int(b.lo)+i, k)
	}
}

// The least and the greatest index that a magnitude can have.
var (
	bucketIndexMin = int64(bucketOf(minIndexable))
	bucketIndexMax = int64(bucketOf(math.MaxFloat64))
)
