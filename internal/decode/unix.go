package decode

import (
	"math"
)

// readUnix reads a unix time: the JSON number lit times 10^unit nanoseconds,
// by decimal arithmetic, down to the nanosecond at or before it.
func readUnix(lit []byte, unit int) (int64, timeStatus) {
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
