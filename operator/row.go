package operator

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/event"
)

// Row is one event of a batch as a function of this package sees it. It is
// valid during the call. Fields go by their number in the list that the
// operator was made with, from 0; a number beyond it panics like an index
// beyond a slice.
type Row struct {
	view *view
	at   int
}

// view is the columns of an operator's fields in the batch at hand.
type view struct {
	batch *event.Batch
	cols  []*event.Column
}

// bind points the view at a batch.
func (v *view) bind(b *event.Batch, columns []int) {
	v.batch, v.cols = b, v.cols[:0]
	for _, c := range columns {
		v.cols = append(v.cols, &b.Columns[c])
	}
}

// Time is the event's time, in UTC.
func (r Row) Time() time.Time { return time.Unix(0, r.view.batch.Time[r.at]).UTC() }

// Offset is the event's position in its partition.
func (r Row) Offset() int64 { return r.view.batch.Offset[r.at] }

// Raw is the record as it came. It must not be changed, and is valid during
// the call.
func (r Row) Raw() []byte { return r.view.batch.Bytes(r.view.batch.Raw[r.at]) }

// Kind is the kind of a field's value. A missing field is event.Null.
func (r Row) Kind(field int) event.Kind { return r.view.cols[field].Kind[r.at] }

// IsNull reports whether a field is null or missing.
func (r Row) IsNull(field int) bool { return r.Kind(field) == event.Null }

// Float is a number, NaN when the field holds none: a comparison with it is
// false, and setting a field to what is computed from it makes that null.
// Integers beyond 2^53 are rounded.
func (r Row) Float(field int) float64 {
	c := r.view.cols[field]
	if !c.Kind[r.at].IsNumber() {
		return math.NaN()
	}
	return c.Num[r.at]
}

// Bytes is the text of a string, nil when the field holds none. It must not be
// changed, and is valid during the call. To compare, write
// string(r.Bytes(0)) == "x": it costs no allocation.
func (r Row) Bytes(field int) []byte {
	c := r.view.cols[field]
	if c.Kind[r.at] != event.String {
		return nil
	}
	return r.view.batch.Bytes(c.Str[r.at])
}

// Text is the text of a string, copied, and empty when the field holds none.
func (r Row) Text(field int) string { return string(r.Bytes(field)) }

// Bool reports whether a field is true.
func (r Row) Bool(field int) bool { return r.Kind(field) == event.True }

// Value is a field's value, its text copied.
func (r Row) Value(field int) event.Value {
	return r.view.batch.Value(r.view.cols[field], r.at)
}

// SetNull makes a field null.
func (r Row) SetNull(field int) { r.put(field, event.Null, 0, event.Ref{}) }

// SetFloat makes a field a number. NaN and the infinities become null.
func (r Row) SetFloat(field int, f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.SetNull(field)
		return
	}
	r.put(field, event.Number, f, event.Ref{})
}

// SetBool makes a field true or false.
func (r Row) SetBool(field int, is bool) {
	kind := event.False
	if is {
		kind = event.True
	}
	r.put(field, kind, 0, event.Ref{})
}

// SetText makes a field a string. What is no valid UTF-8 in it is replaced by
// U+FFFD.
func (r Row) SetText(field int, s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	r.putText(field, event.String, 0, s)
}

// Set makes a field the value, as event.Float, Int, Text, Bool and JSONValue
// make it.
func (r Row) Set(field int, v event.Value) {
	switch v.Kind {
	case event.Number:
		r.SetFloat(field, v.Num)
	case event.String:
		r.SetText(field, v.Str)
	case event.Integer, event.Composite:
		r.putText(field, v.Kind, v.Num, v.Str)
	default:
		r.put(field, v.Kind, 0, event.Ref{})
	}
}

// putText stores a value with text. A batch that is full makes it Invalid:
// dead for the queries that compute on it.
func (r Row) putText(field int, kind event.Kind, num float64, s string) {
	b := r.view.batch
	from := len(b.Extra)
	if len(s) > event.MaxBatchBytes-from {
		r.put(field, event.Invalid, 0, event.Ref{})
		return
	}
	b.Extra = append(b.Extra, s...)
	r.put(field, kind, num, b.ExtraFrom(from))
}

func (r Row) put(field int, kind event.Kind, num float64, text event.Ref) {
	c := r.view.cols[field]
	c.Kind[r.at], c.Num[r.at], c.Str[r.at] = kind, num, text
}
