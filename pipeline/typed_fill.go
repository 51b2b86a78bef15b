package pipeline

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/event"
)

// filler is a chunk of a typed source: it turns values into the columns of a
// batch, without an allocation once it is warm.
type filler[T any] struct {
	src    *Typed[T]
	home   *sync.Pool
	fn     func(*event.Batch) error // fill, made a function once
	events []T
	first  int64 // the position of events[0]

	schema *event.Schema
	fields []int  // by column: the field, or -1
	cells  []cell // by field: the values of the event at hand
}

// cell is the value of a field.
type cell struct {
	kind event.Kind
	num  float64
	str  event.Ref
	// text is a string that the JSON holds only with escapes, so that it needs
	// a place of its own.
	text string
}

func newFiller[T any](s *Typed[T], home *sync.Pool) *filler[T] {
	f := &filler[T]{src: s, home: home, cells: make([]cell, len(s.fields))}
	f.fn = f.fill
	return f
}

// fill makes rows of the values and gives the filler back.
func (f *filler[T]) fill(b *event.Batch) error {
	if f.schema != b.Schema {
		f.match(b.Schema)
	}
	latest := event.MaxTime
	if f.src.live && f.src.maxFuture > 0 {
		latest = event.AddSat(time.Now().UnixNano(), int64(f.src.maxFuture))
	}
	for i := range f.events {
		f.add(b, f.events[i], f.first+int64(i), latest)
	}
	clear(f.events) // lets go of what the values point at
	f.events = f.events[:0]
	f.home.Put(f)
	return nil
}

// match finds the field of each column.
func (f *filler[T]) match(s *event.Schema) {
	f.schema, f.fields = s, f.fields[:0]
	for _, want := range s.Fields {
		f.fields = append(f.fields, slices.IndexFunc(f.src.layout.paths, func(path []string) bool {
			return slices.Equal(path, want.Path)
		}))
	}
}

// trouble is why a value is a dead letter.
type trouble struct{ reason, text string }

// add makes a row of a value, or a dead letter.
func (f *filler[T]) add(b *event.Batch, e T, offset, latest int64) {
	from := len(b.Extra)
	t, bad := eventTime(f.src.at(e), latest, f.src.maxFuture)
	if wrong := f.raw(b, e); bad.reason == "" {
		bad = wrong
	}
	raw := b.ExtraFrom(from)
	f.texts(b)
	if len(b.Extra) > event.MaxBatchBytes {
		b.Extra, raw = b.Extra[:from], event.Ref{}
		bad = trouble{"too_large", "the texts of the event do not fit into a batch"}
	}
	if bad.reason != "" {
		b.Dead = append(b.Dead, event.Dead{Raw: raw, Offset: offset, Reason: bad.reason, Err: bad.text})
		return
	}
	b.N++
	b.Time, b.Raw, b.Offset = append(b.Time, t), append(b.Raw, raw), append(b.Offset, offset)
	for i, field := range f.fields {
		var v cell
		if field >= 0 {
			v = f.cells[field]
		}
		c, want := &b.Columns[i], &b.Schema.Fields[i]
		c.Kind = append(c.Kind, v.kind)
		if want.Numeric {
			c.Num = append(c.Num, v.num)
		}
		if want.Text {
			c.Str = append(c.Str, v.str)
		}
	}
}

// raw appends the JSON of a value and notes the cells of its fields.
func (f *filler[T]) raw(b *event.Batch, e T) (bad trouble) {
	l := &f.src.layout
	for i, field := range l.order {
		b.Extra = append(b.Extra, l.before[i]...)
		wrong := ""
		switch def := &f.src.fields[field]; {
		case def.num != nil:
			wrong = f.number(b, field, def.num(e))
		case def.str != nil:
			wrong = f.text(b, field, def.str(e))
		case def.flag != nil:
			f.value(b, field, event.Bool(def.flag(e)))
		default:
			wrong = f.value(b, field, def.val(e))
		}
		if wrong != "" && bad.reason == "" {
			bad = trouble{wrong, fmt.Sprintf("%s is %s", l.names[field], problemOf[wrong])}
		}
	}
	b.Extra = append(b.Extra, l.after...)
	return bad
}

// problemOf says what is wrong with a field, by the reason of its dead letter.
var problemOf = map[string]string{
	"number": "NaN or infinite; a field that may have no number is declared with Val and null then",
	"utf8":   "not valid UTF-8",
}

func (f *filler[T]) number(b *event.Batch, field int, num float64) (wrong string) {
	f.cells[field] = cell{kind: event.Number, num: num}
	b.Extra = event.AppendFloat(b.Extra, num)
	if math.IsNaN(num) || math.IsInf(num, 0) {
		return "number"
	}
	return ""
}

func (f *filler[T]) text(b *event.Batch, field int, s string) (wrong string) {
	c := cell{kind: event.String}
	from := len(b.Extra)
	b.Extra = event.AppendString(b.Extra, s)
	c.str = b.ExtraFrom(from)
	c.str.Off, c.str.Len = c.str.Off+1, c.str.Len-2 // the quotes
	if int(c.str.Len) != len(s) {
		c.text = s
	}
	f.cells[field] = c
	if !utf8.ValidString(s) {
		return "utf8"
	}
	return ""
}

func (f *filler[T]) value(b *event.Batch, field int, v event.Value) (wrong string) {
	switch v.Kind {
	case event.Number:
		return f.number(b, field, v.Num)
	case event.String:
		return f.text(b, field, v.Str)
	}
	from := len(b.Extra)
	b.Extra = v.AppendJSON(b.Extra)
	f.cells[field] = cell{kind: v.Kind}
	if v.Kind == event.Integer || v.Kind == event.Composite {
		f.cells[field].num, f.cells[field].str = v.Num, b.ExtraFrom(from)
	}
	return ""
}

// texts gives the strings with escapes a place behind the JSON.
func (f *filler[T]) texts(b *event.Batch) {
	for i := range f.cells {
		if c := &f.cells[i]; c.text != "" {
			from := len(b.Extra)
			b.Extra = append(b.Extra, c.text...)
			c.str = b.ExtraFrom(from)
		}
	}
}

var (
	firstTime = time.Unix(0, math.MinInt64)
	lastTime  = time.Unix(0, math.MaxInt64)
)

// eventTime is t in nanoseconds, unless an event cannot have it.
func eventTime(t time.Time, latest int64, maxFuture time.Duration) (int64, trouble) {
	switch {
	case t.IsZero():
		return 0, trouble{"no_time", "the time is the zero time, so the event has no time"}
	case t.Before(firstTime), t.After(lastTime):
		return 0, trouble{"time", fmt.Sprintf("the time is %s, beyond what int64 nanoseconds hold (1677-09-21 to 2262-04-11)", t.Format(time.RFC3339))}
	case t.UnixNano() > latest:
		return 0, trouble{"future", fmt.Sprintf("the time is %s, more than %s in the future", t.Format(time.RFC3339), maxFuture)}
	}
	return t.UnixNano(), trouble{}
}
