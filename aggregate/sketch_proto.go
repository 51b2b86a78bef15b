package aggregate

import (
	"encoding/binary"
	"math"
)

// The messages of DDSketch's protobuf, written by hand: they are few, and the
// order and the form of their fields are fixed here.
//
//	DDSketch     { mapping = 1; positiveValues = 2; negativeValues = 3; double zeroCount = 4 }
//	IndexMapping { double gamma = 1; double indexOffset = 2; Interpolation interpolation = 3 }
//	Store        { map<sint32, double> binCounts = 1; repeated double contiguousBinCounts = 2; sint32 contiguousBinIndexOffset = 3 }
const (
	wireVarint = 0
	wireFixed  = 1
	wireBytes  = 2

	interpolationCubic = 3
)

func appendTag(dst []byte, field, wire byte) []byte { return append(dst, field<<3|wire) }

func appendDouble(dst []byte, field byte, f float64) []byte {
	return appendFloat(appendTag(dst, field, wireFixed), f)
}

func appendSint32(dst []byte, field byte, v int32) []byte {
	return binary.AppendVarint(appendTag(dst, field, wireVarint), int64(v))
}

// appendProto appends the sketch of a slot as a DDSketch message.
func (s *sketchState) appendProto(dst []byte, slot uint32) []byte {
	p := s.slab.at(slot)
	dst = appendTag(dst, 1, wireBytes)
	dst = append(dst, 9+2)
	dst = appendDouble(dst, 1, gamma)
	dst = append(appendTag(dst, 3, wireVarint), interpolationCubic)
	if p.n <= rawMax {
		return s.appendRawProto(dst, p)
	}
	dst = s.buckets.appendProto(dst, 2, &p.pos)
	dst = s.buckets.appendProto(dst, 3, &p.neg)
	return appendZeroCount(dst, p.zeros)
}

func appendZeroCount(dst []byte, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return appendDouble(dst, 4, float64(n))
}

// appendProto appends a side as a Store with contiguous counts.
func (s *bucketStore) appendProto(dst []byte, field byte, b *side) []byte {
	lo, hi := s.used(b)
	if lo > hi {
		return dst
	}
	n := int(hi-lo+1) * 8
	var buf [16]byte
	offset := appendSint32(buf[:0], 3, lo)
	size := 1 + uvarintLen(n) + n + len(offset)
	dst = binary.AppendUvarint(appendTag(dst, field, wireBytes), uint64(size))
	dst = binary.AppendUvarint(appendTag(dst, 2, wireBytes), uint64(n))
	for i := lo; i <= hi; i++ {
		dst = appendFloat(dst, float64(s.count(b, int(i-b.lo))))
	}
	return append(dst, offset...)
}

// appendRawProto sorts raw values into buckets on the way. They may lie far
// apart, so the stores are sparse.
func (s *sketchState) appendRawProto(dst []byte, p *sketch) []byte {
	values := s.values(p)
	sortFloats(values)
	neg, pos := 0, len(values)
	for neg < len(values) && values[neg] <= -minIndexable {
		neg++
	}
	for pos > neg && values[pos-1] >= minIndexable {
		pos--
	}
	dst = appendSparse(dst, 2, values[pos:])
	dst = appendSparse(dst, 3, values[:neg])
	return appendZeroCount(dst, uint64(pos-neg))
}

// appendSparse appends sorted values of one sign as a Store with one entry a
// bucket.
func appendSparse(dst []byte, field byte, values []float64) []byte {
	var buf [rawMax * 24]byte
	store := buf[:0]
	for i := 0; i < len(values); {
		index, n := bucketOf(math.Abs(values[i])), 0
		for i < len(values) && bucketOf(math.Abs(values[i])) == index {
			i++
			n++
		}
		var entry [24]byte
		e := appendDouble(appendSint32(entry[:0], 1, index), 2, float64(n))
		store = append(appendTag(store, 1, wireBytes), byte(len(e)))
		store = append(store, e...)
	}
	if len(store) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(appendTag(dst, field, wireBytes), uint64(len(store)))
	return append(dst, store...)
}

func uvarintLen(n int) int {
	var buf [binary.MaxVarintLen64]byte
	return binary.PutUvarint(buf[:], uint64(n))
}
