package event

import "math"

// Event times are int64 nanoseconds since 1970-01-01T00:00:00Z; times before
// are negative. MinTime stands for "before everything" (no watermark yet, the
// start of a global window), MaxTime for "after everything".
const (
	MinTime int64 = math.MinInt64
	MaxTime int64 = math.MaxInt64
)

const (
	nanosPerSecond = int64(1e9)
	nanosPerDay    = 86400 * nanosPerSecond
)

// AppendTime appends t as RFC 3339 in UTC with as many fraction digits as
// needed: 1970-01-01T00:00:00.1Z. Every int64 lies in the years 1677 to 2262,
// so the year always has four digits. It is written by hand because results
// carry two to four times each, and time.AppendFormat costs more than the
// rest of a small row.
func AppendTime(dst []byte, t int64) []byte {
	day, nano := t/nanosPerDay, t%nanosPerDay
	if nano < 0 {
		day, nano = day-1, nano+nanosPerDay
	}
	year, month, dom := civil(day)
	sec := uint32(nano / nanosPerSecond)
	frac := int(nano % nanosPerSecond)
	text := [20]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: 'Z'}
	put2(text[0:2], year/100)
	put2(text[2:4], year%100)
	put2(text[5:7], month)
	put2(text[8:10], dom)
	put2(text[11:13], sec/3600)
	put2(text[14:16], sec/60%60)
	put2(text[17:19], sec%60)
	if frac == 0 {
		return append(dst, text[:]...)
	}
	return append(appendFraction(append(dst, text[:19]...), frac), 'Z')
}

// put2 writes a number below 100 as two digits.
func put2(dst []byte, n uint32) {
	dst[0], dst[1] = byte('0'+n/10), byte('0'+n%10)
}

// appendFraction appends nanoseconds, not 0, as a decimal fraction without
// trailing zeros.
func appendFraction(dst []byte, nano int) []byte {
	digits := 9
	for nano%10 == 0 {
		nano, digits = nano/10, digits-1
	}
	var buf [10]byte
	for i := digits; i > 0; i-- {
		buf[i] = byte('0' + nano%10)
		nano /= 10
	}
	buf[0] = '.'
	return append(dst, buf[:digits+1]...)
}

// civil returns the date of a day counted from 1970-01-01 in the proleptic
// Gregorian calendar. Counting years from March puts the leap day last, so
// that the month follows from the day of the year by one linear formula (the
// idea of Zeller's congruence).
func civil(day int64) (year, month, dom uint32) {
	const (
		daysPer400Years = 146097
		marchOfYear0    = 719468 // days from 0000-03-01 to 1970-01-01
	)
	d := uint32(day + marchOfYear0) // positive for every int64 nanosecond
	era := d / daysPer400Years
	d %= daysPer400Years
	yoe := (d - d/1460 + d/36524 - d/146096) / 365
	doy := d - (365*yoe + yoe/4 - yoe/100)
	m := (5*doy + 2) / 153 // 0 is March
	dom = doy - (153*m+2)/5 + 1
	year = era*400 + yoe
	if m < 10 {
		return year, m + 3, dom
	}
	return year + 1, m - 9, dom
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
