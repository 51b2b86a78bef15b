package aggregate

import (
	"math"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

// table makes a batch whose columns hold the given values, row i at time i and
// offset i.
func table(columns ...[]event.Value) (*event.Batch, []*event.Column) {
	b := &event.Batch{N: len(columns[0])}
	for i := range b.N {
		b.Time = append(b.Time, int64(i))
		b.Offset = append(b.Offset, int64(i))
	}
	b.Columns = make([]event.Column, len(columns))
	cols := make([]*event.Column, len(columns))
	for i, values := range columns {
		c := &b.Columns[i]
		for _, v := range values {
			c.Kind = append(c.Kind, v.Kind)
			c.Num = append(c.Num, v.Num)
			c.Str = append(c.Str, b.AddExtra([]byte(v.Str)))
		}
		cols[i] = c
	}
	return b, cols
}

func numbers(values ...float64) []event.Value {
	out := make([]event.Value, len(values))
	for i, v := range values {
		out[i] = event.Value{Kind: event.Number, Num: v}
	}
	return out
}

// into makes Rows that put rows from to to-1 into one slot.
func into(b *event.Batch, slot uint32, from, to int) Rows {
	r := Rows{Batch: b}
	for i := from; i < to; i++ {
		r.Slot = append(r.Slot, slot)
		r.Index = append(r.Index, int32(i))
	}
	return r
}

func composite(t testing.TB, specs []Spec, inputs []Input) *Composite {
	t.Helper()
	c, err := NewComposite(specs, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// on is one column for all specs that take an argument.
func on(specs ...Spec) []Input {
	inputs := make([]Input, len(specs))
	for i, s := range specs {
		inputs[i] = Input{Column: -1, Where: -1}
		if s.Arg != "" {
			inputs[i].Column = 0
		}
		if s.Where != "" {
			inputs[i].Where = 1
		}
	}
	return inputs
}

// one computes specs over one column of values, in one slot.
func one(t testing.TB, values []event.Value, specs ...Spec) []event.Value {
	t.Helper()
	c := composite(t, specs, on(specs...))
	slot := c.Alloc()
	b, cols := table(values)
	c.Update(into(b, slot, 0, len(values)), cols)
	return c.Values(nil, slot, Window{Seconds: 60})
}

// near reports whether two values agree within a relative error.
func near(a, b event.Value, rel float64) bool {
	if a.Kind == event.Number && b.Kind == event.Number {
		return nearFloat(a.Num, b.Num, rel)
	}
	return a == b
}

func nearFloat(a, b, rel float64) bool {
	return a == b || math.Abs(a-b) <= rel*max(math.Abs(a), math.Abs(b))
}

func text(v event.Value) string { return string(v.AppendJSON(nil)) }
