package aggregate

import (
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

func TestDescribe(t *testing.T) {
	comparison := CountOf("x > 1")
	comparison.Boolean = true
	specs := []Spec{
		Count(), Rate(), CountOf("a"), Sum("a"), Avg("a"), StdDev("a"), Min("a"), Max("a"),
		Percentile("a", 50), Percentile("a", 99.9), Sum("b"), CountOf("b"), CountOf("c"), CountOf("c"),
		Avg("a").If("ok"), Count().If("ok"), Rate().If("ok"), comparison,
		TopK("c", 10), TopK("c", 3), Distinct("c"), First("c"), Last("c"), customSpec("c"), customSpec("c"),
		Sum("a").As("again"),
	}
	columns := map[string]int{"": -1, "a": 0, "b": 1, "c": 2, "x > 1": 3}
	inputs := make([]Input, len(specs))
	for i, s := range specs {
		inputs[i] = Input{columns[s.Arg], -1}
		if s.Where != "" {
			inputs[i].Where = 4
		}
	}
	want := []string{
		"events: count, rate",
		"moments(a): count, sum, avg, stddev, min, max",
		"percentiles(a): p50, p99.9",
		"sums(b): sum, count",
		"counter(c): count",
		"counter(x > 1): count",
		"top_k(c): top 10, top 3",
		"distinct(c): distinct",
		"first(c): first",
		"last(c): last",
		"custom(c): product",
		"custom(c): product",
		"sums(a) where ok: avg",
		"counter() where ok: count, rate",
	}
	c := composite(t, specs, inputs)
	if got := c.Describe(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := composite(t, []Spec{Sum("a")}, on(Sum("a"))).Describe(); !slices.Equal(got, []string{"sums(a): sum"}) {
		t.Errorf("got %q", got)
	}
}

func TestNewCompositeRefuses(t *testing.T) {
	tests := []struct {
		specs  []Spec
		inputs []Input
		want   string
	}{
		{[]Spec{Count()}, nil, "1 aggregates with 0 inputs"},
		{[]Spec{{Name: "x", Func: "mode"}}, []Input{{-1, -1}}, "aggregate x: unknown function"},
		{[]Spec{Sum("a")}, []Input{{-1, -1}}, "column -1 for its argument"},
		{[]Spec{Count()}, []Input{{3, -1}}, "column 3 for its argument"},
		{[]Spec{Count().If("ok")}, []Input{{-1, -1}}, "column -1 for its filter"},
		{[]Spec{Count()}, []Input{{-1, 2}}, "column 2 for its filter"},
	}
	for _, test := range tests {
		if _, err := NewComposite(test.specs, test.inputs); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one that says %q", err, test.want)
		}
	}
}

// TestWrongTypesAreSkipped: they are refused before; here they must do no harm.
func TestWrongTypesAreSkipped(t *testing.T) {
	in := []event.Value{event.JSONValue("{}"), {Kind: event.Invalid}, event.Float(4)}
	all := []Spec{
		CountOf("x"), Sum("x"), StdDev("x"), Percentile("x", 50), Distinct("x"), First("x"), Last("x"), TopK("x", 1), customSpec("x"),
	}
	four := event.Float(4)
	want := []event.Value{
		event.Int(1), four, event.Float(0), four, event.Int(1), four, four, event.JSONValue(`[{"value":4,"count":1}]`), four,
	}
	for i, s := range all {
		if got := one(t, in, s)[0]; got != want[i] {
			t.Errorf("%s = %s, want %s", s, text(got), text(want[i]))
		}
	}
	if got := one(t, append(in, event.Text("a")), Sum("x"), StdDev("x"), Percentile("x", 50)); got[0] != four || got[2] != four {
		t.Errorf("with a string: %v", got)
	}
}

func TestCountOfComparison(t *testing.T) {
	in := []event.Value{event.Bool(true), event.Bool(false), {}, event.Bool(true)}
	comparison := CountOf("x")
	comparison.Boolean = true
	got := one(t, in, comparison, CountOf("x"), Count())
	for i, want := range []int64{2, 3, 4} {
		if got[i] != event.Int(want) {
			t.Errorf("count %d = %s, want %d", i, text(got[i]), want)
		}
	}
}

func TestRate(t *testing.T) {
	b, cols := table(numbers(1, 2, 3))
	c := composite(t, []Spec{Rate()}, on(Rate()))
	slot := c.Alloc()
	for _, w := range []float64{0, 1.5} {
		if w == 0 {
			if got := c.Values(nil, slot, Window{Seconds: 2})[0]; got != event.Float(0) {
				t.Errorf("rate of nothing %s", text(got))
			}
			c.Update(into(b, slot, 0, 3), cols)
		}
		want := event.Value{}
		if w > 0 {
			want = event.Float(2)
		}
		if got := c.Values(nil, slot, Window{Seconds: w})[0]; got != want {
			t.Errorf("rate over %v s = %s, want %s", w, text(got), text(want))
		}
	}
}

// TestManySlots crosses pages, and reuses freed slots.
func TestManySlots(t *testing.T) {
	c := everything(t)
	_, cols, rows := traffic(1000)
	for i := range uint32(1000) {
		if slot := c.Alloc(); slot != i {
			t.Fatalf("slot %d, want %d", slot, i)
		}
	}
	c.Update(rows, cols)
	total := int64(0)
	for i := range uint32(1000) {
		total += c.Events(i)
		if c.Values(nil, i, Window{})[0] != event.Int(c.Events(i)) {
			t.Fatalf("slot %d: count and events differ", i)
		}
	}
	if total != benchRows {
		t.Errorf("%d events, want %d", total, benchRows)
	}
	c.Free(500)
	c.Free(7)
	if a, b, n := c.Alloc(), c.Alloc(), c.Alloc(); a != 7 || b != 500 || n != 1000 {
		t.Errorf("slots %d, %d, %d", a, b, n)
	}
	if c.Events(500) != 0 {
		t.Error("a freed slot still has events")
	}
}

// TestClear empties slots on all pages, and forgets which were free.
func TestClear(t *testing.T) {
	c := everything(t)
	_, cols, rows := traffic(600)
	for range 600 {
		c.Alloc()
	}
	empty := string(c.AppendState(nil, 0))
	for range 2 {
		c.Update(rows, cols)
		c.Free(3)
		c.Clear()
		for i := range uint32(600) {
			if slot := c.Alloc(); slot != i {
				t.Fatalf("slot %d, want %d", slot, i)
			}
			if string(c.AppendState(nil, i)) != empty {
				t.Fatalf("slot %d is not empty", i)
			}
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	c := everything(t)
	_, cols, rows := traffic(50)
	var values []event.Value
	var enc []byte
	other := c.Clone()
	dst, src := make([]uint32, 1), make([]uint32, 1)
	round := func() {
		for range 50 {
			c.Alloc()
		}
		c.Update(rows, cols)
		slot := other.Alloc()
		for i := range uint32(50) {
			dst[0], src[0] = slot, i
			other.Merge(dst, c, src)
		}
		enc = c.AppendState(enc[:0], 0)
		enc = c.Sketch(enc[:0], 11, slot)
		other.Free(slot)
		c.Clear()
	}
	for range 3 {
		round()
	}
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%v allocations a round", n)
	}
	w := w1(t)
	slot := w.Alloc()
	w.Update(into(rows.Batch, slot, 0, benchRows), cols)
	values = w.Values(values, slot, Window{})
	if n := testing.AllocsPerRun(20, func() { values = w.Values(values[:0], slot, Window{}) }); n > 0 {
		t.Errorf("%v allocations for numeric values", n)
	}
}

// TestFreeReleasesMemory: slots that come and go need no more than those that
// stay.
func TestFreeReleasesMemory(t *testing.T) {
	_, cols, rows := traffic(1)
	for _, f := range families {
		c := composite(t, []Spec{f.spec}, []Input{{f.column, -1}})
		fill := func(n int) {
			slot := c.Alloc()
			c.Update(into(rows.Batch, slot, 0, n), cols)
			c.Free(slot)
		}
		fill(benchRows)
		before := c.Bytes()
		for n := range 300 {
			fill(n * 13)
		}
		if after := c.Bytes(); after > before*3/2+20000 {
			t.Errorf("%s: %d bytes after 300 slots, %d after one", f.name, after, before)
		}
	}
}

// TestBytesASlot: many windows of ten events each must stay small.
func TestBytesASlot(t *testing.T) {
	c := everything(t)
	const slots, events = 100_000, 10
	_, cols, rows := traffic(1)
	for range slots {
		c.Alloc()
	}
	part := Rows{Batch: rows.Batch, Slot: make([]uint32, benchRows), Index: rows.Index}
	for i := 0; i < slots*events; i += benchRows {
		for j := range part.Slot {
			part.Slot[j] = uint32(i+j) % slots
		}
		c.Update(part, cols)
	}
	perSlot := c.Bytes() / slots
	t.Logf("%d bytes a slot", perSlot)
	if perSlot > 1200 {
		t.Errorf("%d bytes a slot of %d events, want at most 1200", perSlot, events)
	}
}
