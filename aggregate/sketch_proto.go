package aggregate

import (
	"encoding/binary"
	"math"
	"slices"
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
	dst = append(appendTag(dst, 1, wireBytes), 9+2)
	dst = appendDouble(dst, 1, gamma)
	dst = append(appendTag(dst, 3, wireVarint), interpolationCubic)
	if p.n <= rawMax {
		return s.appendRawProto(dst, p)
	}
	s.found = s.buckets.list(s.found[:0], &p.pos)
	dst = s.appendStore(dst, 2)
	s.found = s.buckets.list(s.found[:0], &p.neg)
	dst = s.appendStore(dst, 3)
	return appendZeroCount(dst, p.zeros)
}

func appendZeroCount(dst []byte, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return appendDouble(dst, 4, float64(n))
}

// appendRawProto sorts raw values into buckets on the way.
func (s *sketchState) appendRawProto(dst []byte, p *sketch) []byte {
	values := s.values(p)
	sortFloats(values)
	i, j := 0, len(values)
	for i < len(values) && values[i] <= -minIndexable {
		i++
	}
	for j > i && values[j-1] >= minIndexable {
		j--
	}
	slices.Reverse(values[:i]) // by magnitude; the order means nothing
	s.found = rawBuckets(s.found[:0], values[j:])
	dst = s.appendStore(dst, 2)
	s.found = rawBuckets(s.found[:0], values[:i])
	dst = s.appendStore(dst, 3)
	return appendZeroCount(dst, uint64(j-i))
}

// bucket is a bucket in use and its count.
type bucket struct {
	index int32
	count uint64
}

// rawBuckets appends the buckets of values, which are sorted by magnitude.
func rawBuckets(dst []bucket, values []float64) []bucket {
	for _, v := range values {
		index := bucketOf(math.Abs(v))
		if n := len(dst); n > 0 && dst[n-1].index == index {
			dst[n-1].count++
			continue
		}
		dst = append(dst, bucket{index, 1})
	}
	return dst
}

// list appends the buckets of a side.
func (s *bucketStore) list(dst []bucket, b *side) []bucket {
	for index, n := range s.all(b) {
		dst = append(dst, bucket{index, n})
	}
	return dst
}

// appendStore appends the buckets in s.found as a Store: contiguous, or sparse
// where that is shorter.
func (s *sketchState) appendStore(dst []byte, field byte) []byte {
	if len(s.found) == 0 {
		return dst
	}
	span := int(s.found[len(s.found)-1].index-s.found[0].index) + 1
	if span <= 2*len(s.found) {
		s.store = appendContiguous(s.store[:0], s.found, span)
	} else {
		s.store = appendSparse(s.store[:0], s.found)
	}
	dst = binary.AppendUvarint(appendTag(dst, field, wireBytes), uint64(len(s.store)))
	return append(dst, s.store...)
}

func appendContiguous(dst []byte, found []bucket, span int) []byte {
	next := found[0].index
	dst = appendSint32(dst, 3, next)
	dst = binary.AppendUvarint(appendTag(dst, 2, wireBytes), uint64(span)*8)
	for _, b := range found {
		for ; next < b.index; next++ {
			dst = appendFloat(dst, 0)
		}
		dst = appendFloat(dst, float64(b.count))
		next++
	}
	return dst
}

func appendSparse(dst []byte, found []bucket) []byte {
	for _, b := range found {
		size := 1 + varintLen(b.index) + 9
		dst = append(appendTag(dst, 1, wireBytes), byte(size))
		dst = appendDouble(appendSint32(dst, 1, b.index), 2, float64(b.count))
	}
	return dst
}

func varintLen(v int32) int {
	var buf [binary.MaxVarintLen64]byte
	return binary.PutVarint(buf[:], int64(v))
}
