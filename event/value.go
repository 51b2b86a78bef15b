package event

import (
	"math"
	"strconv"
)

// Kind says what a value is. Keys keep it: 1, "1" and true are three keys.
type Kind uint8

// The kinds. Null is the zero value and also stands for a missing field.
const (
	Null Kind = iota
	False
	True
	// Number is a JSON number that a float64 holds exactly, or a fraction.
	Number
	// Integer is an integer in the range of int64 or uint64 that no float64
	// holds exactly. Its canonical decimal digits are kept as text.
	Integer
	String
	// Composite is an object or an array: a wrong type wherever a scalar is
	// needed. As a result value its text is JSON.
	Composite
	// Invalid is what computing on a wrong type gives, such as a sum of a
	// number and a string. An event is dead for a query that aggregates or
	// groups by it.
	Invalid
)

var kindNames = [...]string{"null", "bool", "bool", "number", "integer", "string", "object or array", "invalid value"}

// String names the kind as error messages do.
func (k Kind) String() string { return kindNames[k] }

// IsNumber reports whether the kind is Number or Integer.
func (k Kind) IsNumber() bool { return k == Number || k == Integer }

// IsScalar reports whether a key, count, distinct, first or last takes it.
func (k Kind) IsScalar() bool { return k <= String }

// Value is one value by itself, outside a batch. The zero Value is null.
type Value struct {
	Kind Kind
	// Num is the number of a Number, and the nearest float64 of an Integer.
	Num float64
	// Str is the text of a String, the digits of an Integer, the JSON of a
	// Composite.
	Str string
}

// Float returns a Number; NaN and the infinities become null, as results have
// no way to write them.
func Float(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{Kind: Number, Num: f}
}

// Text returns a String.
func Text(s string) Value { return Value{Kind: String, Str: s} }

// Bool returns True or False.
func Bool(b bool) Value {
	if b {
		return Value{Kind: True}
	}
	return Value{Kind: False}
}

// Int returns an integer, exact over all 64 bits.
func Int(i int64) Value {
	f := float64(i)
	if f < 1<<63 && int64(f) == i {
		return Value{Kind: Number, Num: f}
	}
	return Value{Kind: Integer, Num: f, Str: strconv.FormatInt(i, 10)}
}

// JSONValue returns a Composite whose JSON text is raw. The caller vouches
// for its validity.
func JSONValue(raw string) Value { return Value{Kind: Composite, Str: raw} }

// AppendJSON appends the value as JSON. Invalid is written as null.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.Kind {
	case False:
		return append(dst, "false"...)
	case True:
		return append(dst, "true"...)
	case Number:
		return AppendFloat(dst, v.Num)
	case Integer, Composite:
		return append(dst, v.Str...)
	case String:
		return AppendString(dst, v.Str)
	default:
		return append(dst, "null"...)
	}
}

// AppendFloat appends f as a JSON number that reads back as f: integers in the
// range of int64 and uint64 with all their digits, as keys may be ids, others
// with the fewest digits, without an exponent below 1e21. NaN and the
// infinities are written as null.
func AppendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if f == math.Trunc(f) {
		switch {
		case f >= -1<<63 && f < 1<<63:
			return strconv.AppendInt(dst, int64(f), 10)
		case f > 0 && f < 1<<64:
			return strconv.AppendUint(dst, uint64(f), 10)
		}
	}
	format := byte('f')
	if a := math.Abs(f); a < 1e-6 || a >= 1e21 {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a quoted JSON string. Only what JSON demands is
// escaped; s must be valid UTF-8.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
