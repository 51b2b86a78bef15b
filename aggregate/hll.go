package aggregate

import (
	"math"
	"math/bits"
)

// A HyperLogLog is hllSize registers of a byte: each holds the longest run of
// zeros, plus one, in the hashes that fall to it (Flajolet, Fusy, Gandouet,
// Meunier, HyperLogLog, AofA 2007). 2¹⁴ registers give a standard error of
// 1.04/128 = 0.81 %.
const (
	hllPrecision = 14
	hllSize      = 1 << hllPrecision
	// hllMax is the largest value of a register.
	hllMax = 64 - hllPrecision + 1
)

// hllAdd adds a hash.
func hllAdd(registers []uint8, hash uint64) {
	i := hash >> (64 - hllPrecision)
	// The guard bit ends a run of zeros that reaches the end.
	run := uint8(bits.LeadingZeros64(hash<<hllPrecision|1<<(hllPrecision-1))) + 1
	if run > registers[i] {
		registers[i] = run
	}
}

// hllMerge makes dst the sketch of both sets.
func hllMerge(dst, src []uint8) {
	dst = dst[:len(src)]
	for i, r := range src {
		if r > dst[i] {
			dst[i] = r
		}
	}
}

// hllEstimate is the improved estimator of Ertl (New cardinality estimation
// algorithms for HyperLogLog sketches, arXiv 1702.01284, section 2): without
// bias from 0 to beyond 2⁶³, and without tables.
func hllEstimate(registers []uint8) float64 {
	var histogram [hllMax + 1]int
	for _, r := range registers {
		histogram[r]++
	}
	const m = float64(hllSize)
	z := m * hllTau(1-float64(histogram[hllMax])/m)
	for k := hllMax - 1; k >= 1; k-- {
		z = 0.5 * (z + float64(histogram[k]))
	}
	z += m * hllSigma(float64(histogram[0])/m)
	return m * m / (2 * math.Ln2 * z)
}

// hllSigma corrects for registers that were never hit: the sum of
// x^(2^k)·2^(k-1) over k, and x.
func hllSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	sum, weight := x, 1.0
	for {
		x *= x
		before := sum
		sum += x * weight
		weight += weight
		if sum == before {
			return sum
		}
	}
}

// hllTau corrects for registers at their end.
func hllTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	weight, sum := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := sum
		weight *= 0.5
		sum -= (1 - x) * (1 - x) * weight
		if sum == before {
			return sum / 3
		}
	}
}
