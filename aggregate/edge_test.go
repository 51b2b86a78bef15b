package aggregate

import (
	"testing"

	"github.com/llm-optimizer/processor/event"
)

func TestFirstAndLastOrder(t *testing.T) {
	s := event.Text
	tests := []struct {
		name         string
		time, offset []int64
		in           []event.Value
		first, last  event.Value
	}{
		{"by time", []int64{5, 3, 9, 4}, []int64{0, 1, 2, 3}, []event.Value{s("a"), s("bb"), s("ccc"), s("")}, s("bb"), s("ccc")},
		{"then by offset", []int64{5, 5, 5}, []int64{11, 10, 12}, numbers(1, 2, 3), numbers(2)[0], numbers(3)[0]},
		{"then by value", []int64{5, 5, 5}, []int64{7, 7, 7}, []event.Value{s("m"), s("a"), s("b")}, s("a"), s("m")},
		{"nulls are skipped", []int64{1, 2, 3}, []int64{0, 1, 2}, []event.Value{{}, event.Bool(true), {}}, event.Bool(true), event.Bool(true)},
		{"integers keep their digits", []int64{1, 2}, []int64{0, 1}, []event.Value{event.Int(1<<62 + 1), event.Int(1<<62 + 3)}, event.Int(1<<62 + 1), event.Int(1<<62 + 3)},
		{"before 1970", []int64{-5, -7}, []int64{0, 1}, numbers(1, 2), numbers(2)[0], numbers(1)[0]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := composite(t, []Spec{First("x"), Last("x")}, on(First("x"), Last("x")))
			b, cols := table(test.in)
			b.Time, b.Offset = test.time, test.offset
			slot := c.Alloc()
			c.Update(into(b, slot, 0, len(test.in)), cols)
			got := c.Values(nil, slot, Window{})
			if got[0] != test.first || got[1] != test.last {
				t.Errorf("first %s, last %s; want %s, %s", text(got[0]), text(got[1]), text(test.first), text(test.last))
			}
		})
	}
}

// TestFirstAndLastTiesOfRows: rows of two partitions that reach a slot one by
// one leave the same value in either order, and the one that a merge leaves.
func TestFirstAndLastTiesOfRows(t *testing.T) {
	values := []event.Value{event.Bool(true), event.Float(2), event.Float(3), event.Text("x"), event.Text("y"), event.Int(1<<60 + 1)}
	for _, a := range values {
		for _, b := range values {
			c := composite(t, []Spec{First("x"), Last("x")}, on(First("x"), Last("x")))
			batch, cols := table([]event.Value{a, b})
			batch.Time, batch.Offset = []int64{4, 4}, []int64{9, 9}
			slot := c.Alloc()
			c.Update(into(batch, slot, 0, 2), cols)
			got := c.Values(nil, slot, Window{})
			if want := mergedEdges(t, a, b); got[0] != want[0] || got[1] != want[1] {
				t.Errorf("%s, then %s give %v, merged %v", text(a), text(b), got, want)
			}
		}
	}
}

// TestFirstAndLastTiesOfMerges: rows of two partitions may have one time and
// offset. Then the value decides, whichever is merged into which.
func TestFirstAndLastTiesOfMerges(t *testing.T) {
	values := []event.Value{event.Bool(true), event.Float(2), event.Float(3), event.Text("x"), event.Text("y"), event.Int(1<<60 + 1)}
	for _, a := range values {
		for _, b := range values {
			if l, r := mergedEdges(t, a, b), mergedEdges(t, b, a); l != r {
				t.Errorf("%s with %s gives %v, the other way %v", text(a), text(b), l, r)
			}
		}
	}
}

func mergedEdges(t *testing.T, a, b event.Value) [2]event.Value {
	c := composite(t, []Spec{First("x"), Last("x")}, on(First("x"), Last("x")))
	batch, cols := table([]event.Value{a, b})
	batch.Time, batch.Offset = []int64{4, 4}, []int64{9, 9}
	l, r := c.Alloc(), c.Alloc()
	c.Update(Rows{Slot: []uint32{l, r}, Index: []int32{0, 1}, Batch: batch}, cols)
	c.Merge([]uint32{l}, c, []uint32{r})
	got := c.Values(nil, l, Window{})
	return [2]event.Value{got[0], got[1]}
}
