package decode

import (
	"fmt"
	"math"

	"github.com/llm-optimizer/processor/event"
)

// timeUnits maps the time formats to how many digits lie between their unit
// and a nanosecond.
var timeUnits = map[string]int{"rfc3339": -1, "unix_s": 9, "unix_ms": 6, "unix_us": 3, "unix_ns": 0}

// timeStatus says what became of the event time.
type timeStatus uint8

const (
	timeMissing timeStatus = iota
	timeRead
	timeMalformed
	timeOutOfRange
)

// readTime reads the event time from the value b[start:end].
func (d *Decoder) readTime(b []byte, start, end int, kind event.Kind) {
	d.found.timeAt = d.ref(start, end)
	switch {
	case kind == event.Null:
		d.found.timeStatus = timeMissing
	case d.unit < 0 && kind == event.String:
		d.found.time, d.found.timeStatus = d.readDate(b[start+1 : end-1])
	case d.unit >= 0 && kind == event.Number:
		d.found.time, d.found.timeStatus = readUnix(b[start:end], d.unit)
	case d.unit >= 0 && kind == event.String:
		d.found.time, d.found.timeStatus = d.readUnixText(b[start+1 : end-1])
	default:
		d.found.timeStatus = timeMalformed
	}
}

// readDate reads the text of an RFC 3339 time as it stands in a record.
func (d *Decoder) readDate(text []byte) (int64, timeStatus) {
	if t, ok := d.date.read(text); ok {
		return t, timeRead
	}
	d.scratch = unescape(d.scratch[:0], text)
	return d.date.readAny(d.scratch)
}

// readUnixText reads a unix time in a string.
func (d *Decoder) readUnixText(text []byte) (int64, timeStatus) {
	d.scratch = unescape(d.scratch[:0], text)
	return d.readUnixLiteral()
}

// readUnixLiteral reads the unix time whose text is in scratch.
func (d *Decoder) readUnixLiteral() (int64, timeStatus) {
	n := len(d.scratch)
	d.scratch = append(d.scratch, make([]byte, padding)...)
	lit := d.scratch[:n]
	defer func() { d.scratch = lit }()
	var s scan
	if s.skipNumber(d.scratch, 0) != len(lit) {
		return 0, timeMalformed
	}
	return readUnix(lit, d.unit)
}

// timeProblem says why the record has no usable time.
func (d *Decoder) timeProblem() (reason, text string) {
	field, format := pathText(d.opt.TimePath), d.opt.TimeFormat
	if d.found.ownTime {
		field, format = "time", "rfc3339"
	}
	if d.found.timeStatus == timeMissing {
		return "no_time", field + " is missing or null, so the event has no time"
	}
	at := d.batch.Bytes(d.found.timeAt)
	if d.opt.TimeAttribute > 0 {
		at = d.scratch
	}
	lit := string(excerpt(at))
	switch d.found.timeStatus {
	case timeMalformed:
		return "time", fmt.Sprintf("%s is %s, which is no time in the format %s", field, lit, format)
	case timeOutOfRange:
		return "time", fmt.Sprintf("%s is %s, beyond what int64 nanoseconds hold (1677-09-21 to 2262-04-11)", field, lit)
	}
	return "future", fmt.Sprintf("%s is %s, more than %s in the future", field, lit, d.opt.MaxFuture)
}

// maxExcerpt bounds what a message quotes of a record.
const maxExcerpt = 64

func excerpt(b []byte) []byte {
	if len(b) <= maxExcerpt {
		return b
	}
	return append(append([]byte(nil), b[:maxExcerpt]...), "..."...)
}

// nanoseconds joins seconds since 1970 and nanoseconds in [0, 1e9).
func nanoseconds(sec, nano int64) (int64, timeStatus) {
	if sec < 0 {
		sec, nano = sec+1, nano-1e9 // so that the product never leaves int64 before the sum does
	}
	if sec > maxSecond || sec < -maxSecond {
		return 0, timeOutOfRange
	}
	t := sec * 1e9
	if nano > 0 && t > math.MaxInt64-nano || nano < 0 && t < math.MinInt64-nano {
		return 0, timeOutOfRange
	}
	return t + nano, timeRead
}

// maxSecond is how many whole seconds an int64 of nanoseconds holds.
const maxSecond = math.MaxInt64 / 1_000_000_000
