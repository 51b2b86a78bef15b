package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

const benchRows = 4096

// traffic is rows of synthetic LLM events over a number of slots: latency,
// cost, tokens, model.
func traffic(slots int) (*event.Batch, []*event.Column, Rows) {
	rng := rand.New(rand.NewPCG(1, 2))
	var latency, cost, tokens, model []event.Value
	rows := Rows{}
	for i := range benchRows {
		latency = append(latency, event.Float(math.Exp(rng.NormFloat64()*0.6+6.5)))
		cost = append(cost, event.Float(math.Round(rng.ExpFloat64()*1e4)/1e6))
		tokens = append(tokens, event.Float(float64(rng.IntN(8000))))
		model = append(model, event.Text(fmt.Sprintf("model-%d", rng.IntN(40))))
		rows.Slot = append(rows.Slot, uint32(rng.IntN(slots)))
		rows.Index = append(rows.Index, int32(i))
	}
	b, cols := table(latency, cost, tokens, model)
	rows.Batch = b
	return b, cols, rows
}

func w1(t testing.TB) *Composite {
	specs := []Spec{
		Count(), Sum("cost"), Sum("input_tokens"),
		Avg("latency_ms"), Min("latency_ms"), Max("latency_ms"), StdDev("latency_ms"),
		Percentile("latency_ms", 50), Percentile("latency_ms", 95), Percentile("latency_ms", 99),
	}
	inputs := []Input{{-1, -1}, {1, -1}, {2, -1}, {0, -1}, {0, -1}, {0, -1}, {0, -1}, {0, -1}, {0, -1}, {0, -1}}
	return composite(t, specs, inputs)
}

// everything asks for every function of the latency and the model.
func everything(t testing.TB) *Composite {
	specs := []Spec{
		Count(), Rate(), CountOf("latency"), Sum("latency"), Avg("latency"), Min("latency"), Max("latency"),
		StdDev("latency"), StdDevSamp("latency"), Variance("latency"), VarSamp("latency"),
		Percentile("latency", 50), Percentile("latency", 95), Percentile("latency", 99),
		Distinct("model"), First("model"), Last("model"), TopK("model", 3),
	}
	inputs := make([]Input, len(specs))
	for i, s := range specs {
		inputs[i] = Input{Column: -1, Where: -1}
		switch s.Arg {
		case "latency":
			inputs[i].Column = 0
		case "model":
			inputs[i].Column = 3
		}
	}
	return composite(t, specs, inputs)
}

func benchUpdate(b *testing.B, c *Composite, slots int) {
	_, cols, rows := traffic(slots)
	for range slots {
		c.Alloc()
	}
	for range 4 {
		c.Update(rows, cols)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Update(rows, cols)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func BenchmarkComposite(b *testing.B) { benchUpdate(b, w1(b), 60) }

var families = []struct {
	name   string
	spec   Spec
	column int
}{
	{"counter", CountOf("latency"), 0},
	{"sums", Sum("latency"), 0},
	{"moments", StdDev("latency"), 0},
	{"percentile", Percentile("latency", 95), 0},
	{"distinct", Distinct("model"), 3},
	{"distinct_many", Distinct("latency"), 0},
	{"first", First("model"), 3},
	{"last", Last("model"), 3},
	{"top_k", TopK("model", 10), 3},
	{"top_k_many", TopK("latency", 10), 0},
}

func BenchmarkUpdate(b *testing.B) {
	for _, f := range families {
		b.Run(f.name, func(b *testing.B) {
			benchUpdate(b, composite(b, []Spec{f.spec}, []Input{{f.column, -1}}), 60)
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	for _, f := range families {
		b.Run(f.name, func(b *testing.B) {
			c := composite(b, []Spec{f.spec}, []Input{{f.column, -1}})
			_, cols, rows := traffic(2)
			from, to := c.Alloc(), c.Alloc()
			c.Update(rows, cols)
			dst, src := []uint32{to}, []uint32{from}
			c.Merge(dst, c, src)
			b.ReportAllocs()
			for b.Loop() {
				c.Merge(dst, c, src)
			}
		})
	}
}

func BenchmarkValues(b *testing.B) {
	c := w1(b)
	_, cols, rows := traffic(1)
	slot := c.Alloc()
	c.Update(rows, cols)
	var values []event.Value
	b.ReportAllocs()
	for b.Loop() {
		values = c.Values(values[:0], slot, Window{Seconds: 60})
	}
}

func BenchmarkAllocUpdateFree(b *testing.B) {
	c := everything(b)
	_, cols, rows := traffic(1)
	rows.Slot, rows.Index = rows.Slot[:10], rows.Index[:10]
	b.ReportAllocs()
	for b.Loop() {
		slot := c.Alloc()
		for i := range rows.Slot {
			rows.Slot[i] = slot
		}
		c.Update(rows, cols)
		c.Free(slot)
	}
}

func BenchmarkClear(b *testing.B) {
	c := w1(b)
	_, cols, rows := traffic(60)
	b.ReportAllocs()
	for b.Loop() {
		for range 60 {
			c.Alloc()
		}
		c.Update(rows, cols)
		c.Clear()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func BenchmarkState(b *testing.B) {
	c := everything(b)
	_, cols, rows := traffic(1)
	slot, other := c.Alloc(), c.Alloc()
	c.Update(rows, cols)
	enc := c.AppendState(nil, slot)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			enc = c.AppendState(enc[:0], slot)
		}
		b.ReportMetric(float64(len(enc)), "bytes")
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := c.LoadState(other, enc); err != nil {
				b.Fatal(err)
			}
		}
	})
}
