package aggregate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

var errShort = errors.New("cut short")

// decoder reads an encoding from its start. The first error sticks, and
// everything read after it is zero.
type decoder struct {
	buf []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	d.buf = nil
}

func (d *decoder) short() {
	if d.err == nil {
		d.err = errShort
	}
	d.buf = nil
}

func (d *decoder) byte() byte {
	if len(d.buf) == 0 {
		d.short()
		return 0
	}
	b := d.buf[0]
	d.buf = d.buf[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.short()
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.buf)
	if n <= 0 {
		d.short()
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

// count reads how many things follow, each of which takes size bytes or more.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.buf)/size) {
		d.short()
		return 0
	}
	return int(n)
}

// positive reads a number of rows.
func (d *decoder) positive() int64 {
	n := d.uvarint()
	if n > math.MaxInt64 {
		d.fail("count %d is too large", n)
		return 0
	}
	return int64(n)
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.buf) {
		d.short()
		return nil
	}
	b := d.buf[:n]
	d.buf = d.buf[n:]
	return b
}

func (d *decoder) uint64() uint64 {
	b := d.bytes(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (d *decoder) float() float64 { return math.Float64frombits(d.uint64()) }

// finite reads a float64 that came from an event, which has no NaN and no
// infinities.
func (d *decoder) finite() float64 {
	f := d.float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		d.fail("%v stands where a number should", f)
		return 0
	}
	return f
}

func appendUint64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

func appendFloat(dst []byte, f float64) []byte { return appendUint64(dst, math.Float64bits(f)) }
