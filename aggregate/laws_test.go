package aggregate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

// lawSpecs is every function, over a numeric column 0, a column 1 of any
// scalar, and a filter and a comparison in column 2.
func lawSpecs() ([]Spec, []Input) {
	var specs []Spec
	var inputs []Input
	add := func(column int, list ...Spec) {
		for _, s := range list {
			for _, where := range []int{-1, 2} {
				if where >= 0 {
					s = s.If("ok")
				}
				s.Name = s.String()
				specs = append(specs, s)
				inputs = append(inputs, Input{column, where})
			}
		}
	}
	add(-1, Count(), Rate())
	add(0, CountOf("x"), Sum("x"), Avg("x"), Min("x"), Max("x"), StdDev("x"), StdDevSamp("x"), Variance("x"), VarSamp("x"),
		Percentile("x", 0), Percentile("x", 50), Percentile("x", 99.9), Percentile("x", 100),
		Distinct("x"), First("x"), TopK("x", 3))
	add(1, CountOf("y"), Distinct("y"), First("y"), Last("y"), TopK("y", 1), TopK("y", 20))
	comparison := CountOf("ok")
	comparison.Boolean = true
	add(2, comparison)
	return specs, inputs
}

// drawNumber draws a number, or a null.
func drawNumber(t *rapid.T) event.Value {
	switch rapid.IntRange(0, 9).Draw(t, "number") {
	case 0:
		return event.Value{}
	case 1, 2, 3:
		return event.Int(rapid.Int64Range(-5, 5).Draw(t, "small"))
	case 4:
		return event.Int(rapid.Int64().Draw(t, "any"))
	default:
		return event.Float(rapid.Float64Range(-1e6, 1e6).Draw(t, "float"))
	}
}

// drawScalar draws any scalar, or a null.
func drawScalar(t *rapid.T) event.Value {
	switch rapid.IntRange(0, 3).Draw(t, "scalar") {
	case 0:
		return drawNumber(t)
	case 1:
		return event.Bool(rapid.Bool().Draw(t, "bool"))
	default:
		return event.Text(rapid.StringMatching(`[0-3a-b]{0,2}`).Draw(t, "text"))
	}
}

// drawRows draws rows with distinct offsets and few distinct times, so that
// arrival never decides: between partials it cannot.
func drawRows(t *rapid.T) []refRow {
	n := rapid.OneOf(rapid.IntRange(0, 6), rapid.IntRange(0, 80)).Draw(t, "rows")
	rows := make([]refRow, n)
	offsets := rapid.Permutation(sequence(n)).Draw(t, "offsets")
	for i := range rows {
		rows[i] = refRow{
			time:   rapid.Int64Range(-2, 2).Draw(t, "time"),
			offset: offsets[i],
			where:  rapid.Bool().Draw(t, "where"),
		}
	}
	return rows
}

func sequence(n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = int64(i)
	}
	return s
}

// drawn is a batch of drawn rows, and what the reference sees of it by column.
type drawn struct {
	batch *event.Batch
	cols  []*event.Column
	rows  []refRow
	args  [3][]event.Value
}

func drawBatch(t *rapid.T) drawn {
	d := drawn{rows: drawRows(t)}
	for _, r := range d.rows {
		d.args[0] = append(d.args[0], drawNumber(t))
		d.args[1] = append(d.args[1], drawScalar(t))
		d.args[2] = append(d.args[2], event.Bool(r.where))
	}
	d.batch, d.cols = table(d.args[0], d.args[1], d.args[2])
	for i, r := range d.rows {
		d.batch.Time[i], d.batch.Offset[i] = r.time, r.offset
	}
	return d
}

// column is the rows with one column as the argument.
func (d drawn) column(c int) []refRow {
	rows := append([]refRow(nil), d.rows...)
	for i := range rows {
		if c >= 0 {
			rows[i].arg = d.args[c][i]
		}
	}
	return rows
}

func TestFunctionsAgreeWithReference(t *testing.T) {
	specs, inputs := lawSpecs()
	rapid.Check(t, func(t *rapid.T) {
		d := drawBatch(t)
		c, err := NewComposite(specs, inputs)
		if err != nil {
			t.Fatal(err)
		}
		slot := c.Alloc()
		c.Update(into(d.batch, slot, 0, d.batch.N), d.cols)
		for i, got := range c.Values(nil, slot, Window{Seconds: 10}) {
			checkAgainstReference(t, specs[i], d.column(inputs[i].Column), got)
		}
	})
}

func checkAgainstReference(t *rapid.T, s Spec, rows []refRow, got event.Value) {
	if s.Func == "percentile" {
		var x []float64
		for _, r := range rows {
			if r.arg.Kind != event.Null && (s.Where == "" || r.where) {
				x = append(x, r.arg.Num)
			}
		}
		if len(x) > rawMax {
			checkBound(t, x, s.Param, got)
			return
		}
	}
	if want := reference(s, rows, 10); !near(got, want, 1e-9) {
		t.Fatalf("%s = %s, want %s", s.Name, text(got), text(want))
	}
}

// TestMergeLaws folds rows in pieces, puts the pieces together in a random
// tree, through encodings now and then, and compares with one pass.
func TestMergeLaws(t *testing.T) {
	specs, inputs := lawSpecs()
	rapid.Check(t, func(t *rapid.T) {
		d := drawBatch(t)
		c, err := NewComposite(specs, inputs)
		if err != nil {
			t.Fatal(err)
		}
		whole := c.Alloc()
		c.Update(into(d.batch, whole, 0, d.batch.N), d.cols)
		other := c.Clone()
		merged := mergeTree(t, other, pieces(t, other, d))
		if a, b := c.Events(whole), other.Events(merged); a != b {
			t.Fatalf("%d events, merged %d", a, b)
		}
		want, got := c.Values(nil, whole, Window{}), other.Values(nil, merged, Window{})
		for i := range specs {
			if !near(got[i], want[i], 1e-9) {
				t.Errorf("%s of merged pieces = %s, of one pass %s", specs[i].Name, text(got[i]), text(want[i]))
			}
		}
	})
}

// pieces adds the rows to a random number of slots, some of which stay empty.
func pieces(t *rapid.T, c *Composite, d drawn) []uint32 {
	slots := make([]uint32, rapid.IntRange(1, 6).Draw(t, "pieces"))
	for i := range slots {
		slots[i] = c.Alloc()
	}
	rows := into(d.batch, 0, 0, d.batch.N)
	for i := range rows.Slot {
		rows.Slot[i] = rapid.SampledFrom(slots).Draw(t, "piece")
	}
	c.Update(rows, d.cols)
	return slots
}

// mergeTree merges slots pairwise until one is left, in c or through a clone.
func mergeTree(t *rapid.T, c *Composite, slots []uint32) uint32 {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "tree"), 0))
	for len(slots) > 1 {
		i := rng.IntN(len(slots))
		slots[0], slots[i] = slots[i], slots[0]
		from, src := c, slots[0]
		if rng.IntN(2) == 0 {
			from = c.Clone()
			src = from.Alloc()
			if err := from.LoadState(src, c.AppendState(nil, slots[0])); err != nil {
				t.Fatalf("load: %v", err)
			}
		}
		dst := slots[1+rng.IntN(len(slots)-1)]
		c.Merge([]uint32{dst}, from, []uint32{src})
		c.Free(slots[0])
		slots = slots[1:]
	}
	return slots[0]
}

// TestMergeOfEmpty is the identity law, from both sides.
func TestMergeOfEmpty(t *testing.T) {
	specs, inputs := lawSpecs()
	rapid.Check(t, func(t *rapid.T) {
		d := drawBatch(t)
		c, _ := NewComposite(specs, inputs)
		full, left, right := c.Alloc(), c.Alloc(), c.Alloc()
		c.Update(into(d.batch, full, 0, d.batch.N), d.cols)
		before := string(c.AppendState(nil, full))
		c.Merge([]uint32{left}, c, []uint32{full})
		c.Merge([]uint32{full}, c, []uint32{right})
		for name, slot := range map[string]uint32{"full+empty": full, "empty+full": left} {
			if after := string(c.AppendState(nil, slot)); after != before {
				t.Errorf("%s differs from full", name)
			}
		}
	})
}

// TestReuse gives slots back and uses them again, all at once or one by one:
// what they held must not shine through.
func TestReuse(t *testing.T) {
	specs, inputs := lawSpecs()
	rapid.Check(t, func(t *rapid.T) {
		c, _ := NewComposite(specs, inputs)
		empty := c.Alloc()
		want := fmt.Sprint(c.Values(nil, empty, Window{Seconds: 1}))
		live := map[uint32]string{}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			d := drawBatch(t)
			slot := c.Alloc()
			if _, used := live[slot]; used {
				t.Fatalf("slot %d was handed out twice", slot)
			}
			if got := fmt.Sprint(c.Values(nil, slot, Window{Seconds: 1})); got != want || c.Events(slot) != 0 {
				t.Fatalf("a new slot is not empty: %s", got)
			}
			c.Update(into(d.batch, slot, 0, d.batch.N), d.cols)
			live[slot] = string(c.AppendState(nil, slot))
			switch rapid.IntRange(0, 5).Draw(t, "then") {
			case 0:
				c.Clear()
				clear(live)
			case 1, 2:
				for s := range live {
					c.Free(s)
					delete(live, s)
					break
				}
			}
			for s, enc := range live {
				if string(c.AppendState(nil, s)) != enc {
					t.Fatalf("slot %d changed", s)
				}
			}
		}
	})
}
