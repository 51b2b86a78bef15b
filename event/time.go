package event

import (
	"math"
	"time"
)

// Event times are int64 nanoseconds since 1970-01-01T00:00:00Z; times before
// are negative. MinTime stands for "before everything" (no watermark yet, the
// start of a global window), MaxTime for "after everything".
const (
	MinTime int64 = math.MinInt64
	MaxTime int64 = math.MaxInt64
)

// AppendTime appends t as RFC 3339 in UTC with as many fraction digits as
// needed: 1970-01-01T00:00:00.1Z.
func AppendTime(dst []byte, t int64) []byte {
	sec, nano := t/1e9, t%1e9
	if nano < 0 {
		sec, nano = sec-1, nano+1e9
	}
	return time.Unix(sec, nano).UTC().AppendFormat(dst, time.RFC3339Nano)
}

// AddSat returns a+b, or the nearest end of int64 where that overflows.
func AddSat(a, b int64) int64 {
	c := a + b
	if (c > a) == (b > 0) {
		return c
	}
	if b < 0 {
		return MinTime
	}
	if b == 0 {
		return a
	}
	return MaxTime
}
