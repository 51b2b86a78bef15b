package aggregate

import (
	"encoding/binary"
)

// The encoding is n; then, up to rawMax, the values in order; else min, max,
// the zeros and the two sides, negative first. A side is
// the number of its buckets in use, and of each the distance from the one before
// it and the count.
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
	n := 0
	for range s.all(b) {
		n++
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	before := int32(bucketIndexMin - 1)
	for index, count := range s.all(b) {
		dst = binary.AppendUvarint(dst, uint64(index-before))
		dst = binary.AppendUvarint(dst, count)
		before = index
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
	index := int64(bucketIndexMin - 1)
	for n := d.count(2); n > 0; n-- {
		step, count := d.uvarint(), d.uvarint()
		if step == 0 || step > bucketIndexMax-bucketIndexMin || index+int64(step) > bucketIndexMax || count == 0 {
			d.fail("buckets are out of order, empty or impossible")
		}
		take(count)
		if d.err != nil {
			return
		}
		index += int64(step)
		s.add(b, int32(index), count)
	}
}

// The least and the greatest index that a magnitude can have.
const (
	bucketIndexMin = -35768
	bucketIndexMax = 35838
)
