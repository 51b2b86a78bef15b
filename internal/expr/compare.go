package expr

import (
	"bytes"
	"cmp"
	"math"
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// equalText is x == "literal", or !=.
type equalText struct {
	x    operand
	text string
	not  bool
}

func (f *equalText) keep(b *event.Batch, rows, dst []int32) []int32 {
	c := f.x.load(b, rows)
	dst, k := room(dst, rows)
	kind, str := c.Kind, c.Str
	text, not := f.text, f.not
	for _, r := range rows {
		dst[k] = r
		if kind[r] != event.String {
			continue
		}
		ref := str[r]
		k += bit((int(ref.Len) == len(text) && string(b.Bytes(ref)) == text) != not)
	}
	return dst[:k]
}

// compareText is x < "literal" and the like.
type compareText struct {
	x     operand
	text  []byte
	order order
}

func (f *compareText) keep(b *event.Batch, rows, dst []int32) []int32 {
	c := f.x.load(b, rows)
	dst, k := room(dst, rows)
	for _, r := range rows {
		dst[k] = r
		k += bit(c.Kind[r] == event.String && f.order.has(bytes.Compare(b.Bytes(c.Str[r]), f.text)))
	}
	return dst[:k]
}

// compareNumber is x < number and the like, for numbers below 2^53: an Integer
// is beyond that and its nearest float64 too, so Num decides.
type compareNumber struct {
	x      operand
	number float64
	order  order
}

func (f *compareNumber) keep(b *event.Batch, rows, dst []int32) []int32 {
	c := f.x.load(b, rows)
	dst, k := room(dst, rows)
	kind, num := c.Kind, c.Num
	low, high, outside := f.order.interval(f.number)
	for _, r := range rows {
		dst[k] = r
		v := num[r]
		inside := bit(v >= low) & bit(v <= high)
		k += (inside ^ outside) & bit(kind[r]-event.Number <= event.Integer-event.Number)
	}
	return dst[:k]
}

// interval is where a comparison with v is true: from low to high, or, when
// outside is 1, everywhere else.
func (o order) interval(v float64) (low, high float64, outside int) {
	inf := math.Inf(1)
	switch o {
	case less:
		return -inf, math.Nextafter(v, -inf), 0
	case lessEqual:
		return -inf, v, 0
	case greater:
		return math.Nextafter(v, inf), inf, 0
	case greaterEqual:
		return v, inf, 0
	case equal:
		return v, v, 0
	default:
		return v, v, 1
	}
}

// compare is any comparison of two values.
type compare struct {
	x, y  operand
	order order
}

func (f *compare) keep(b *event.Batch, rows, dst []int32) []int32 {
	x, y := f.x.load(b, rows), f.y.load(b, rows)
	dst, k := room(dst, rows)
	for _, r := range rows {
		dst[k] = r
		k += bit(f.row(b, x, y, r))
	}
	return dst[:k]
}

func (f *compare) row(b *event.Batch, x, y *event.Column, r int32) bool {
	kx, ky := x.Kind[r], y.Kind[r]
	switch {
	case kx == event.Number && ky == event.Number:
		return f.order.has(cmp.Compare(x.Num[r], y.Num[r]))
	case kx.IsNumber() && ky.IsNumber():
		return f.order.has(compareExact(b, x, y, r))
	case kx == event.String && ky == event.String:
		return f.order.has(bytes.Compare(b.Bytes(x.Str[r]), b.Bytes(y.Str[r])))
	case isBool(kx) && isBool(ky):
		return f.order == equal && kx == ky || f.order == notEqual && kx != ky
	default:
		return false
	}
}

func isBool(k event.Kind) bool { return k == event.False || k == event.True }

// has reports whether the outcome of a three-way comparison is in the set.
func (o order) has(outcome int) bool { return o>>(outcome+1)&1 != 0 }

// compareExact compares numbers of which one at least is an Integer. Rounding
// keeps order, so different nearest float64s decide; else the digits do.
func compareExact(b *event.Batch, x, y *event.Column, r int32) int {
	if c := cmp.Compare(x.Num[r], y.Num[r]); c != 0 {
		return c
	}
	var bufX, bufY [32]byte
	return compareDigits(digits(b, x, r, bufX[:0]), digits(b, y, r, bufY[:0]))
}

// digits is the decimal text of an Integer, or of a Number that is equal to
// one when rounded, which is an integer too.
func digits(b *event.Batch, c *event.Column, r int32, buf []byte) []byte {
	if c.Kind[r] == event.Integer {
		return b.Bytes(c.Str[r])
	}
	return strconv.AppendFloat(buf, c.Num[r], 'f', 0, 64)
}

// compareDigits compares canonical decimal integers of one sign.
func compareDigits(x, y []byte) int {
	c := cmp.Compare(len(x), len(y))
	if c == 0 {
		c = bytes.Compare(x, y)
	}
	if x[0] == '-' {
		return -c
	}
	return c
}
