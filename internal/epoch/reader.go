package epoch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// reader reads a payload from its start. The first error sticks, and what is
// read after it is zero. It counts, and does not cut buf, as a pointer that
// moves with every byte would cost more than the reading while the garbage
// collector runs.
type reader struct {
	buf []byte
	at  int
	err error
}

var errShort = errors.New("cut short")

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at = len(r.buf)
}

// left is how many bytes there still are.
func (r *reader) left() int { return len(r.buf) - r.at }

func (r *reader) byte() byte {
	if r.at >= len(r.buf) {
		r.fail(errShort)
		return 0
	}
	b := r.buf[r.at]
	r.at++
	return b
}

// uvarint reads a number. Most have one byte.
func (r *reader) uvarint() uint64 {
	if at := r.at; at < len(r.buf) && r.buf[at] < 0x80 {
		r.at = at + 1
		return uint64(r.buf[at])
	}
	return r.longUvarint()
}

func (r *reader) longUvarint() uint64 {
	v, n := binary.Uvarint(r.buf[r.at:])
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.at += n
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) uint32() uint32 {
	v := r.uvarint()
	if v > math.MaxUint32 {
		r.fail(fmt.Errorf("number %d out of range", v))
		return 0
	}
	return uint32(v)
}

func (r *reader) int32() int32 {
	v := r.varint()
	if v != int64(int32(v)) {
		r.fail(fmt.Errorf("number %d out of range", v))
		return 0
	}
	return int32(v)
}

func (r *reader) uint64() uint64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// take reads n bytes, which stay a part of the payload.
func (r *reader) take(n uint64) []byte {
	if n > uint64(r.left()) {
		r.fail(errShort)
		return nil
	}
	at, end := r.at, r.at+int(n)
	r.at = end
	return r.buf[at:end:end]
}

func (r *reader) string() string { return string(r.take(r.uvarint())) }

// token reads bytes that may be nil, as a copy.
func (r *reader) token() []byte {
	n := r.uvarint()
	if n == 0 {
		return nil
	}
	return append([]byte{}, r.take(n-1)...)
}

// count reads how many things of least bytes each, or more, follow, which
// bounds what is allocated for them.
func (r *reader) count(least int) int {
	n := r.uvarint()
	if n > uint64(r.left()/least) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

func (r *reader) time() time.Time {
	seconds, nanos := r.varint(), r.uvarint()
	if nanos >= 1e9 {
		r.fail(fmt.Errorf("%d nanoseconds in a second", nanos))
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanos)).UTC()
}

// end checks that nothing is left.
func (r *reader) end() error {
	if r.err == nil && r.left() > 0 {
		r.fail(fmt.Errorf("%d bytes too many", r.left()))
	}
	return r.err
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendToken appends bytes that may be nil: the length plus one, or 0.
func appendToken(dst, token []byte) []byte {
	if token == nil {
		return append(dst, 0)
	}
	return append(binary.AppendUvarint(dst, uint64(len(token))+1), token...)
}

// appendClock appends a time of the wall clock, the zero one too.
func appendClock(dst []byte, t time.Time) []byte {
	dst = binary.AppendVarint(dst, t.Unix())
	return binary.AppendUvarint(dst, uint64(t.Nanosecond()))
}
