package decode

import (
	"math"
	"math/bits"
)

// readUnix reads a unix time: the JSON number lit times 10^unit nanoseconds,
// by decimal arithmetic, down to the nanosecond at or before it.
func readUnix(lit []byte, unit int) (int64, timeStatus) {
	if len(lit) < maxDigits {
		if n, whole := digitsOnly(lit); whole {
			if hi, lo := bits.Mul64(n, uintPow10[unit]); hi == 0 && lo <= math.MaxInt64 {
				return int64(lo), timeRead
			}
		}
	}
	abs, exact, ok := scaled(lit, unit)
	if !ok {
		return 0, timeOutOfRange
	}
	if lit[0] != '-' {
		if abs > math.MaxInt64 {
			return 0, timeOutOfRange
		}
		return int64(abs), timeRead
	}
	if abs > 1<<63 || abs == 1<<63 && !exact {
		return 0, timeOutOfRange
	}
	t := int64(-abs) // wraps to the least int64 where it should
	if !exact {
		t--
	}
	return t, timeRead
}

// digitsOnly reads a literal of fewer than maxDigits bytes that has no sign,
// point or exponent, as nearly all times.
func digitsOnly(lit []byte) (n uint64, ok bool) {
	for _, c := range lit {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, true
}
