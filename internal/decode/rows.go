package decode

import (
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// rows writes the rows of one batch. It holds the batch's slices itself,
// extended beyond the rows so far and zeroed there (a zero Kind is Null), so
// that a value is stored by index and an absent one costs nothing.
type rows struct {
	batch   *event.Batch
	fields  []event.Field
	cols    []event.Column
	time    []int64
	raw     []event.Ref
	offset  []int64
	row     int // the open row
	room    int // rows the slices have room for
	extraAt int // length of Extra when the row was opened
}

// The room for rows doubles from minRoom; at most maxStep rows are added and
// zeroed at once.
const (
	minRoom = 64
	maxStep = 4096
)

func (r *rows) begin(b *event.Batch, s *event.Schema) {
	r.batch, r.fields = b, s.Fields
	r.cols = append(r.cols[:0], b.Columns[:len(s.Fields)]...)
	r.time, r.raw, r.offset = b.Time, b.Raw, b.Offset
	r.row, r.room = 0, 0
}

// openRow makes room for one more row.
func (r *rows) openRow() {
	if r.row == r.room {
		r.extend()
	}
	r.extraAt = len(r.batch.Extra)
}

func (r *rows) extend() {
	r.room += min(max(r.room, minRoom), maxStep)
	r.time = extended(r.time, r.row, r.room)
	r.raw = extended(r.raw, r.row, r.room)
	r.offset = extended(r.offset, r.row, r.room)
	for i := range r.cols {
		c, f := &r.cols[i], &r.fields[i]
		c.Kind = extended(c.Kind, r.row, r.room)
		if f.Numeric {
			c.Num = extended(c.Num, r.row, r.room)
		}
		if f.Text {
			c.Str = extended(c.Str, r.row, r.room)
		}
	}
}

// extended returns s with length room and zeros from row on.
func extended[T any](s []T, row, room int) []T {
	s = slices.Grow(s[:row], room-row)[:room]
	clear(s[row:])
	return s
}

// closeRow keeps the open row.
func (r *rows) closeRow(t int64, raw event.Ref, offset int64) {
	r.time[r.row], r.raw[r.row], r.offset[r.row] = t, raw, offset
	r.row++
}

// dropRow empties the open row, so that the next record finds it as new.
func (r *rows) dropRow() {
	for i := range r.cols {
		r.setNull(i)
	}
	r.batch.Extra = r.batch.Extra[:r.extraAt]
}

func (r *rows) setNull(col int) {
	c := &r.cols[col]
	c.Kind[r.row] = event.Null
	if len(c.Num) > 0 {
		c.Num[r.row] = 0
	}
	if len(c.Str) > 0 {
		c.Str[r.row] = event.Ref{}
	}
}

// invalidColumn returns the first column whose value in the open row could not
// be held, or -1: a later duplicate of the key may have replaced it.
func (r *rows) invalidColumn() int {
	for i := range r.cols {
		if r.cols[i].Kind[r.row] == event.Invalid {
			return i
		}
	}
	return -1
}

func (r *rows) bury(raw event.Ref, offset int64, reason, text string) {
	r.batch.Dead = append(r.batch.Dead, event.Dead{Raw: raw, Offset: offset, Reason: reason, Err: text})
}

// finish hands the slices back to the batch, as long as its rows.
func (r *rows) finish(next int64) {
	b, n := r.batch, r.row
	b.N, b.Next = n, next
	b.Time, b.Raw, b.Offset = r.time[:n], r.raw[:n], r.offset[:n]
	for i := range r.cols {
		c := &r.cols[i]
		to := &b.Columns[i]
		to.Kind = c.Kind[:n]
		if r.fields[i].Numeric {
			to.Num = c.Num[:n]
		}
		if r.fields[i].Text {
			to.Str = c.Str[:n]
		}
	}
	clear(r.cols)
	r.batch, r.time, r.raw, r.offset = nil, nil, nil, nil
}
