package operator

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

// batchOf makes a batch whose decoded columns hold the rows' values. Time and
// offset of row i are i seconds and 10·i.
func batchOf(columns int, rows ...[]event.Value) *event.Batch {
	s := &event.Schema{Computed: 1}
	for i := range columns {
		s.Fields = append(s.Fields, event.Field{Path: []string{fmt.Sprint("f", i)}, Numeric: true, Text: true})
	}
	b := &event.Batch{}
	b.Reset(s, &event.Origin{Path: "test"})
	for i, values := range rows {
		raw := fmt.Sprintf("row %d", i)
		b.Raw = append(b.Raw, event.Ref{Off: uint32(len(b.Data)), Len: uint32(len(raw))})
		b.Data = append(b.Data, raw...)
		b.Time, b.Offset = append(b.Time, int64(i)*1e9), append(b.Offset, int64(i)*10)
		for c, v := range values {
			col := &b.Columns[c]
			col.Kind, col.Num = append(col.Kind, v.Kind), append(col.Num, v.Num)
			col.Str = append(col.Str, b.AddExtra([]byte(v.Str)))
		}
	}
	b.N = len(rows)
	return b
}

// numbers is a batch of one column.
func numbers(n ...float64) *event.Batch {
	var rows [][]event.Value
	for _, f := range n {
		rows = append(rows, []event.Value{event.Float(f)})
	}
	return batchOf(1, rows...)
}

// apply binds the operators to columns of their own and applies clones of them,
// as a worker does.
func apply(t testing.TB, b *event.Batch, o Operator, columns ...int) {
	t.Helper()
	if err := o.Bind(columns); err != nil {
		t.Fatal(err)
	}
	if err := o.Clone().Apply(b); err != nil {
		t.Fatal(err)
	}
}

// show is the rows of a batch: time in seconds, offset, raw, dropped, values.
func show(b *event.Batch) []string {
	var out []string
	for row := range b.N {
		s := fmt.Sprintf("%d@%d %s", b.Time[row]/1e9, b.Offset[row], b.Bytes(b.Raw[row]))
		if dropped(b, row) {
			s += " dropped"
		}
		for c := range b.Schema.Fields {
			s += " " + string(b.Value(&b.Columns[c], row).AppendJSON(nil))
		}
		out = append(out, s)
	}
	return out
}

func check(t *testing.T, b *event.Batch, want ...string) {
	t.Helper()
	if got := show(b); !slices.Equal(got, want) {
		t.Errorf("rows are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFilterKeepsRowsAndDropsTheRest(t *testing.T) {
	b := numbers(1, 2, 3)
	apply(t, b, Filter([]string{"n"}, func(r Row) bool { return r.Float(0) != 2 }), 0)
	check(t, b, "0@0 row 0 1", "1@10 row 1 dropped 2", "2@20 row 2 3")
	apply(t, b, Filter([]string{"n"}, func(r Row) bool {
		if r.Float(0) == 2 {
			t.Error("a row that is filtered out is seen again")
		}
		return r.Float(0) < 3
	}), 0)
	check(t, b, "0@0 row 0 1", "1@10 row 1 dropped 2", "2@20 row 2 dropped 3")
}

// A filter that keeps all leaves no marks, so that nothing looks at them.
func TestFilterThatKeepsAllMakesNoMarks(t *testing.T) {
	b := numbers(1, 2)
	apply(t, b, Filter(nil, func(Row) bool { return true }))
	if len(b.Drop) != 0 {
		t.Errorf("there are marks: %v", b.Drop)
	}
}

// The memory of marks is used again: those of the batch before must be gone.
func TestMarksAreClearedForTheNextBatch(t *testing.T) {
	b := numbers(1, 1, 1)
	apply(t, b, Filter([]string{"n"}, func(Row) bool { return false }), 0)
	b.Reset(b.Schema, b.Origin)
	if len(b.Drop) != 0 {
		t.Fatalf("an empty batch has marks: %v", b.Drop)
	}
	*b = event.Batch{Drop: b.Drop, Schema: b.Schema, N: 3, Time: []int64{1, 2, 3}, Columns: b.Columns}
	drop(b, 1)
	if !slices.Equal(b.Drop, []bool{false, true, false}) {
		t.Errorf("marks are %v", b.Drop)
	}
}

func TestMapChangesRowsThatAreNotDropped(t *testing.T) {
	b := numbers(1, 2)
	drop(b, 1)
	apply(t, b, Map([]string{"n"}, func(r Row) { r.SetFloat(0, r.Float(0)*10) }), 0)
	check(t, b, "0@0 row 0 10", "1@10 row 1 dropped 2")
}

// Fields go by their place in the operator's list, whatever their columns.
func TestFieldsAreBoundToColumns(t *testing.T) {
	b := batchOf(3, []event.Value{event.Text("a"), event.Text("b"), event.Text("c")})
	apply(t, b, Map([]string{"x", "y"}, func(r Row) {
		if r.Text(0) != "c" || r.Text(1) != "a" {
			t.Errorf("fields are %q and %q", r.Text(0), r.Text(1))
		}
		r.SetText(1, "A")
	}), 2, 0)
	check(t, b, `0@0 row 0 "A" "b" "c"`)
}

func TestKeyBySetsAField(t *testing.T) {
	b := batchOf(2, []event.Value{event.Float(7), {}}, []event.Value{event.Text("x"), event.Float(1)})
	o := KeyBy("parity", []string{"n"}, func(r Row) event.Value {
		if r.IsNull(0) || !r.Kind(0).IsNumber() {
			return event.Value{}
		}
		return event.Bool(math.Mod(r.Float(0), 2) == 1)
	})
	if want := []string{"n", "parity"}; !slices.Equal(o.Needs(), want) {
		t.Errorf("KeyBy needs %v, want %v", o.Needs(), want)
	}
	apply(t, b, o, 0, 1)
	check(t, b, `0@0 row 0 7 true`, `1@10 row 1 "x" null`)
}

func TestFlatMapCopiesRows(t *testing.T) {
	b := batchOf(2,
		[]event.Value{event.Text("a,b"), event.Float(1)},
		[]event.Value{event.Text(""), event.Float(2)},
		[]event.Value{event.Text("c"), event.Float(3)})
	b.Columns[1].Str = b.Columns[1].Str[:0] // a column that nobody reads as text
	apply(t, b, FlatMap([]string{"tags"}, func(in Row, emit func() Row) {
		for tag := range strings.SplitSeq(in.Text(0), ",") {
			if tag != "" {
				emit().SetText(0, tag)
			}
		}
	}), 0)
	check(t, b, `0@0 row 0 "a" 1`, `0@0 row 0 "b" 1`, `1@10 row 1 dropped "" 2`, `2@20 row 2 "c" 3`)
	for i, c := range b.Columns {
		if n := len(c.Kind); i < 2 && n != b.N || i == 2 && n != 0 {
			t.Errorf("column %d has %d rows of %d", i, n, b.N)
		}
	}
}

func TestFlatMapLeavesDroppedRowsAlone(t *testing.T) {
	b := numbers(1, 2)
	drop(b, 0)
	apply(t, b, FlatMap([]string{"n"}, func(in Row, emit func() Row) {
		if in.Float(0) != 2 {
			t.Error("a row that is filtered out is expanded")
		}
		emit()
		emit()
	}), 0)
	check(t, b, "0@0 row 0 dropped 1", "1@10 row 1 2", "1@10 row 1 2")
}

func TestFlatMapOfNothing(t *testing.T) {
	b := numbers()
	apply(t, b, FlatMap([]string{"n"}, func(Row, func() Row) {}), 0)
	check(t, b)
}

// Whatever is emitted, the rows are those of the events in their order, and an
// event without rows stays as a dropped one.
func TestFlatMapProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		copies := rapid.SliceOf(rapid.IntRange(0, 4)).Draw(t, "copies")
		var rows [][]event.Value
		for i, n := range copies {
			rows = append(rows, []event.Value{event.Float(float64(n)), event.Text(fmt.Sprint("t", i))})
		}
		b := batchOf(2, rows...)
		var want []string
		for i, n := range copies {
			at := fmt.Sprintf("%d@%d row %d", i, i*10, i)
			if n == 0 {
				want = append(want, fmt.Sprintf(`%s dropped 0 "t%d"`, at, i))
			}
			for k := range n {
				want = append(want, fmt.Sprintf(`%s %d "t%d"`, at, 100+k, i))
			}
		}
		o := FlatMap([]string{"n"}, func(in Row, emit func() Row) {
			for k := range int(in.Float(0)) {
				emit().SetFloat(0, float64(100+k))
			}
		})
		if err := o.Bind([]int{0}); err != nil {
			t.Fatal(err)
		}
		if err := o.Apply(b); err != nil {
			t.Fatal(err)
		}
		if got := show(b); !slices.Equal(got, want) {
			t.Fatalf("rows are %q, want %q", got, want)
		}
	})
}

func TestRowReads(t *testing.T) {
	big := event.Int(math.MaxInt64)
	b := batchOf(6, []event.Value{{}, event.Float(1.5), event.Text("é"), event.Bool(true), big, event.JSONValue(`{"a":1}`)})
	apply(t, b, Map([]string{"a", "b", "c", "d", "e", "f"}, func(r Row) {
		for i, want := range []string{"null", "1.5", `"é"`, "true", "9223372036854775807", `{"a":1}`} {
			if got := string(r.Value(i).AppendJSON(nil)); got != want {
				t.Errorf("value %d is %s, want %s", i, got, want)
			}
		}
		for i, want := range []float64{math.NaN(), 1.5, math.NaN(), math.NaN(), math.MaxInt64, math.NaN()} {
			if got := r.Float(i); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
				t.Errorf("number %d is %v, want %v", i, got, want)
			}
		}
		for i, want := range []string{"", "", "é", "", "", ""} {
			if got := r.Text(i); got != want {
				t.Errorf("text %d is %q, want %q", i, got, want)
			}
		}
		if !r.IsNull(0) || r.IsNull(1) || !r.Bool(3) || r.Bool(1) {
			t.Error("null or boolean is wrong")
		}
		if !r.Time().Equal(time.Unix(0, 0)) || r.Time().Location() != time.UTC || r.Offset() != 0 || string(r.Raw()) != "row 0" {
			t.Errorf("time %v, offset %d, raw %q", r.Time(), r.Offset(), r.Raw())
		}
	}), 0, 1, 2, 3, 4, 5)
}

// What is set is read back, in place of whatever was there.
func TestRowSets(t *testing.T) {
	for want, set := range map[string]func(Row){
		"null":                       func(r Row) { r.SetNull(0) },
		"2.5":                        func(r Row) { r.SetFloat(0, 2.5) },
		"true":                       func(r Row) { r.SetBool(0, true) },
		"false":                      func(r Row) { r.SetBool(0, false) },
		`"x"`:                        func(r Row) { r.SetText(0, "x") },
		`""`:                         func(r Row) { r.SetText(0, "") },
		"\"a\uFFFDb\"":               func(r Row) { r.SetText(0, "a\xffb") },
		"3":                          func(r Row) { r.Set(0, event.Int(3)) },
		"-9223372036854775807":       func(r Row) { r.Set(0, event.Int(-math.MaxInt64)) },
		`"y"`:                        func(r Row) { r.Set(0, event.Text("y")) },
		`[1]`:                        func(r Row) { r.Set(0, event.JSONValue("[1]")) },
		"true ":                      func(r Row) { r.Set(0, event.Bool(true)) },
		"null ":                      func(r Row) { r.Set(0, event.Value{}) },
		"null for NaN":               func(r Row) { r.SetFloat(0, math.NaN()) },
		"null for infinity":          func(r Row) { r.Set(0, event.Value{Kind: event.Number, Num: math.Inf(1)}) },
		"null for arithmetic with x": func(r Row) { r.SetFloat(0, r.Float(0)+1) },
	} {
		b := batchOf(2, []event.Value{event.Text("before"), event.Text("beside")})
		apply(t, b, Map([]string{"a"}, set), 0)
		want, _, _ = strings.Cut(want, " ")
		check(t, b, "0@0 row 0 "+want+` "beside"`)
	}
}

// A batch without room for a text gives an invalid value, never a wrong one.
func TestFullBatchMakesTextInvalid(t *testing.T) {
	b := numbers(1)
	v := view{}
	v.bind(b, []int{0})
	b.Extra = make([]byte, event.MaxBatchBytes-1, event.MaxBatchBytes+1) // never touched, so no memory is used
	Row{&v, 0}.SetText(0, "x")
	if b.Columns[0].Kind[0] != event.String {
		t.Error("the last byte was not used")
	}
	Row{&v, 0}.SetText(0, "y")
	if b.Columns[0].Kind[0] != event.Invalid {
		t.Error("a text beyond the room of a batch was stored")
	}
}

func TestBindErrors(t *testing.T) {
	noFilter, noMap, noKey, noFlat := Filter([]string{"a"}, nil), Map([]string{"a"}, nil), KeyBy("k", nil, nil), FlatMap(nil, nil)
	for _, c := range []struct {
		o       Operator
		columns []int
		want    string
	}{
		{noFilter, []int{0}, `filter of fields ["a"] has no function`},
		{noMap, []int{0}, `map of fields ["a"] has no function`},
		{noKey, []int{0}, `key by of fields ["k"] has no function`},
		{noFlat, nil, `flat map of fields [] has no function`},
		{Filter([]string{"a", "b"}, func(Row) bool { return true }), []int{0}, "bound to 1 columns"},
		{Map([]string{"a", "b"}, func(Row) {}), []int{0, -1}, "cannot reach the field b"},
	} {
		if err := c.o.Bind(c.columns); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want %q in it", err, c.want)
		}
	}
}

// Clones work at once on batches of their own.
func TestClonesAreIndependent(t *testing.T) {
	for _, o := range []Operator{
		Filter([]string{"n"}, func(r Row) bool { return r.Float(0) > 1 }),
		Map([]string{"n"}, func(r Row) { r.SetFloat(0, -r.Float(0)) }),
		FlatMap([]string{"n"}, func(_ Row, emit func() Row) { emit(); emit() }),
		KeyBy("k", []string{"n"}, func(r Row) event.Value { return r.Value(0) }),
	} {
		if err := o.Bind([]int{0, 0}[:len(o.Needs())]); err != nil {
			t.Fatal(err)
		}
		want := numbers(1, 2, 3)
		if err := o.Clone().Apply(want); err != nil {
			t.Fatal(err)
		}
		done := make(chan []string)
		for range 4 {
			go func() {
				c := o.Clone()
				var last *event.Batch
				for range 100 {
					last = numbers(1, 2, 3)
					if err := c.Apply(last); err != nil {
						t.Error(err)
					}
				}
				done <- show(last)
			}()
		}
		for range 4 {
			if got := <-done; !slices.Equal(got, show(want)) {
				t.Errorf("a clone gives %q, want %q", got, show(want))
			}
		}
	}
}

func TestWarmOperatorsDoNotAllocate(t *testing.T) {
	for name, o := range map[string]Operator{
		"filter": Filter([]string{"n"}, func(r Row) bool { return r.Float(0) != 2 }),
		"filter by text": Filter([]string{"n"}, func(r Row) bool {
			return string(r.Bytes(0)) != "x"
		}),
		"map":      Map([]string{"n"}, func(r Row) { r.SetFloat(0, r.Float(0)+1) }),
		"flat map": FlatMap([]string{"n"}, func(_ Row, emit func() Row) { emit().SetFloat(0, 1) }),
	} {
		b := numbers(1, 2, 3, 2)
		if err := o.Bind([]int{0}); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			b.Drop = b.Drop[:0]
			if err := o.Apply(b); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times a batch", name, n)
		}
	}
}

const benchRows = 1024

func benchmark(b *testing.B, o Operator) {
	b.Helper()
	b.ReportAllocs()
	values := make([]float64, benchRows)
	for i := range values {
		values[i] = float64(i)
	}
	batch := numbers(values...)
	if err := o.Bind([]int{0}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		batch.Drop = batch.Drop[:0]
		if err := o.Apply(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/event")
}

func BenchmarkFilter(b *testing.B) {
	benchmark(b, Filter([]string{"n"}, func(r Row) bool { return r.Float(0) < 512 }))
}

func BenchmarkMap(b *testing.B) {
	benchmark(b, Map([]string{"n"}, func(r Row) { r.SetFloat(0, r.Float(0)*2) }))
}

func BenchmarkFlatMap(b *testing.B) {
	benchmark(b, FlatMap([]string{"n"}, func(_ Row, emit func() Row) { emit().SetFloat(0, 1) }))
}
