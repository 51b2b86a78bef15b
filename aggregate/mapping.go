package aggregate

import "math"

// Magnitudes fall into buckets whose bounds grow by a factor of at most
// 1.01/0.99, so that a bucket's representative is within 1 % of all its values
// (Masson, Rim and Lee, DDSketch, PVLDB 12, 2019). The logarithm is the
// exponent of the float64 plus a cubic in its significand that keeps the widest
// bucket, relative to its place, within that factor: it costs 1 % more buckets
// than the exact logarithm and a fraction of its time. Its base is gamma, which
// makes it the mapping that DDSketch's protobuf calls CUBIC.
//
// The three are constants, rather than computed at start, so that every machine
// has the same buckets: gamma is (1.01/0.99)^(10 ln 2 / 7).
const (
	gamma         = 1.0200022828058628
	bucketsPerOct = 34.9988333022205 // 1 / log2(gamma)
	// minIndexable is the least magnitude with a bucket: the least normal
	// float64 and a bucket's width. What is below counts as zero.
	minIndexable = 2.270024845547751e-308
	// accuracy is the relative error of a bucket's representative.
	accuracy = 0.01
)

// The cubic ((A·s+B)·s+C)·s takes [0, 1) to itself, with slopes at both ends
// that make neighbouring octaves meet smoothly.
const (
	cubicA = 6.0 / 35
	cubicB = -3.0 / 5
	cubicC = 10.0 / 7
)

const (
	significandBits = 52
	significandMask = 1<<significandBits - 1
	oneBits         = 1023 << significandBits
	// indexBias is more than the index of any float64, so that truncation
	// after adding it rounds down.
	indexBias = 1 << 16
)

// bucketOf is the index of the bucket of a positive v, minIndexable or more.
// Conversions keep compilers from fusing products into sums: buckets must be
// the same on every architecture.
func bucketOf(v float64) int32 {
	bits := math.Float64bits(v)
	s := math.Float64frombits(bits&significandMask|oneBits) - 1
	c := float64((float64((float64(cubicA*s)+cubicB)*s) + cubicC) * s)
	log := c + float64(int32(bits>>significandBits)-1023)
	return int32(float64(log*bucketsPerOct)+indexBias) - indexBias
}

// bucketValue is the representative of a bucket.
func bucketValue(index int32) float64 {
	return lowerBound(index) * (1 + accuracy)
}

// lowerBound inverts bucketOf: Newton's method on the cubic, whose slope is
// never below 0.6, so that a few steps reach the last bit.
func lowerBound(index int32) float64 {
	log := float64(index) / bucketsPerOct
	exp := math.Floor(log)
	want := log - exp
	s := want
	for range 6 {
		f := ((cubicA*s+cubicB)*s+cubicC)*s - want
		slope := (3*cubicA*s+2*cubicB)*s + cubicC
		s -= f / slope
	}
	return math.Ldexp(1+s, int(exp))
}
