package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

func TestNumericEdges(t *testing.T) {
	null := event.Value{}
	num := func(f float64) event.Value { return event.Value{Kind: event.Number, Num: f} }
	specs := []Spec{
		CountOf("x"), Sum("x"), Avg("x"), Min("x"), Max("x"), Variance("x"), StdDev("x"), VarSamp("x"), StdDevSamp("x"),
		Percentile("x", 50),
	}
	tests := []struct {
		name string
		in   []event.Value
		want []event.Value
	}{
		{"nothing", nil, []event.Value{num(0), null, null, null, null, null, null, null, null, null}},
		{"nulls", make([]event.Value, 3), []event.Value{num(0), null, null, null, null, null, null, null, null, null}},
		{"one", numbers(7), []event.Value{num(1), num(7), num(7), num(7), num(7), num(0), num(0), null, null, num(7)}},
		{"two", numbers(1, 3), []event.Value{num(2), num(4), num(2), num(1), num(3), num(1), num(1), num(2), num(math.Sqrt2), num(2)}},
		{"constant", numbers(0.1, 0.1, 0.1), []event.Value{
			num(3), num(0.30000000000000004), num(0.1), num(0.1), num(0.1), num(0), num(0), num(0), num(0), num(0.1),
		}},
		{"zero", numbers(0, 0), []event.Value{num(2), num(0), num(0), num(0), num(0), num(0), num(0), num(0), num(0), num(0)}},
		{"overflow", numbers(math.MaxFloat64, math.MaxFloat64), []event.Value{
			num(2), null, null, num(math.MaxFloat64), num(math.MaxFloat64), num(0), num(0), num(0), num(0), num(math.MaxFloat64),
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for i, got := range one(t, test.in, specs...) {
				want := test.want[i]
				if test.name == "overflow" && i >= 5 && i <= 8 {
					continue // null or 0: only that nothing breaks
				}
				if !near(got, want, 1e-15) {
					t.Errorf("%s = %s, want %s", specs[i].Name, text(got), text(want))
				}
			}
		})
	}
}

// TestSumIsCompensated runs with and without moments, which add up apart.
// docs/expressions.md says where squares no longer fit.
func TestStdDevOfExtremes(t *testing.T) {
	for scale, want := range map[float64]event.Value{
		1e153: event.Float(1e153), 1e-153: event.Float(1e-153), 1e155: {}, 1e-170: event.Float(0),
	} {
		if got := one(t, numbers(scale, 3*scale), StdDev("x"))[0]; !near(got, want, 1e-9) {
			t.Errorf("stddev at %g is %s, not %s", scale, text(got), text(want))
		}
	}
	if got := one(t, numbers(1.7e308, 1.7e308, -1.7e308), Sum("x"))[0]; got.Kind != event.Null {
		t.Errorf("a sum that has been too large is %s", text(got))
	}
}

func TestSumIsCompensated(t *testing.T) {
	tests := []struct {
		name string
		in   []float64
		want float64
	}{
		{"cancelling", []float64{1, 1e100, 1, -1e100}, 2},
		{"ten tenths", []float64{.1, .1, .1, .1, .1, .1, .1, .1, .1, .1}, 1},
		{"2^53", []float64{1 << 53, 1, 1, -1, 1, -2}, 1 << 53},
		{"odd integers", []float64{1<<53 - 1, 1<<53 - 1, -(1<<53 - 1), 2, -1}, 1 << 53},
	}
	for _, test := range tests {
		for _, specs := range [][]Spec{{Sum("x")}, {Sum("x"), StdDev("x")}} {
			if got := one(t, numbers(test.in...), specs...)[0].Num; got != test.want {
				t.Errorf("%s: sum = %v, want %v", test.name, got, test.want)
			}
		}
		// In pieces of one.
		c := composite(t, []Spec{Sum("x")}, on(Sum("x")))
		b, cols := tableOf(test.in)
		sum := c.Alloc()
		for i := range test.in {
			slot := c.Alloc()
			c.Update(into(b, slot, i, i+1), cols)
			c.Merge([]uint32{sum}, c, []uint32{slot})
		}
		if got := c.Values(nil, sum, Window{})[0].Num; got != test.want {
			t.Errorf("%s merged: sum = %v, want %v", test.name, got, test.want)
		}
	}
}

// spread is the hardest data that stddev promises: a mean of two million
// deviations, and shapes that push a running mean about.
func spread(n int) map[string][]float64 {
	rng := rand.New(rand.NewPCG(11, 12))
	mean := 2e6
	draw := func(f func(i int) float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = f(i)
		}
		return x
	}
	return map[string][]float64{
		"normal":      draw(func(int) float64 { return mean + rng.NormFloat64() }),
		"negative":    draw(func(int) float64 { return -mean*0.3 + rng.NormFloat64()*0.3 }),
		"sorted":      draw(func(i int) float64 { return mean + 3.4*float64(i)/float64(n) }),
		"alternating": draw(func(i int) float64 { return mean + float64(i%2*2) + 1.0/3 }),
		"steps":       draw(func(i int) float64 { return 2e9/3 + float64(i*8/n)*137.7 }),
		"outlier": draw(func(i int) float64 {
			if i == 0 {
				return -1e9
			}
			return 0.1 + rng.Float64()
		}),
		"outlier and constant": draw(func(i int) float64 {
			if i == 0 {
				return -1e9
			}
			return 0.3
		}),
		"outlier last": draw(func(i int) float64 {
			if i == n-1 {
				return 1e12
			}
			return mean + rng.Float64()
		}),
		"epoch times": draw(func(int) float64 { return 1.7e9 + rng.Float64()*1000 }),
	}
}

// TestStdDevKeepsItsDigits compares with 2300 bits, in one pass and through
// merges of lopsided, balanced and chained trees.
func TestStdDevKeepsItsDigits(t *testing.T) {
	const n = 3000
	for name, x := range spread(n) {
		want := math.Sqrt(refVariance(x, n))
		for _, parts := range []int{1, 2, 7, 64, n} {
			t.Run(fmt.Sprint(name, parts), func(t *testing.T) {
				for order := range 3 {
					got := mergedStdDev(t, x, parts, order)
					if !nearFloat(got, want, 2e-15) {
						t.Errorf("order %d: stddev %v, want %v: off by %.1e", order, got, want, math.Abs(got/want-1))
					}
				}
			})
		}
	}
}

// mergedStdDev cuts x into parts and merges them in one of three orders.
func mergedStdDev(t *testing.T, x []float64, parts, order int) float64 {
	c := composite(t, []Spec{StdDev("x")}, on(StdDev("x")))
	b, cols := tableOf(x)
	slots := make([]uint32, parts)
	for i := range slots {
		slots[i] = c.Alloc()
		c.Update(into(b, slots[i], len(x)*i/parts, len(x)*(i+1)/parts), cols)
	}
	for len(slots) > 1 {
		last := len(slots) - 1
		switch order {
		case 0: // one after the other into the first
			c.Merge(slots[:1], c, slots[1:2])
			slots[1] = slots[last]
		case 1: // neighbours, as a tree
			i := last / 2
			c.Merge(slots[i:i+1], c, slots[last:])
		case 2: // the first into the last, which others follow
			c.Merge(slots[last:], c, slots[:1])
			slots[0] = slots[last]
		}
		slots = slots[:last]
	}
	return c.Values(nil, slots[0], Window{})[0].Num
}

func TestDoubleDouble(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := func(name string) float64 { return rapid.Float64Range(-1e9, 1e9).Draw(t, name) }
		a, b := dd{hi: f("a")}.add(dd{hi: f("a2") * 1e-17}), dd{hi: f("b")}.add(dd{hi: f("b2") * 1e-17})
		big := func(d dd) float64 { return d.hi }
		sum := bigFloat(a.hi)
		sum.Add(sum, bigFloat(a.lo)).Add(sum, bigFloat(b.hi)).Add(sum, bigFloat(b.lo))
		got := a.add(b)
		sum.Sub(sum, bigFloat(got.hi)).Sub(sum, bigFloat(got.lo))
		if off, _ := sum.Float64(); math.Abs(off) > 1e-30*(math.Abs(a.hi)+math.Abs(b.hi)) {
			t.Errorf("sum %v off by %v", big(got), off)
		}
		x, y := bigFloat(a.hi), bigFloat(b.hi)
		x.Add(x, bigFloat(a.lo)).Mul(x, y.Add(y, bigFloat(b.lo)))
		got = a.mul(b)
		x.Sub(x, bigFloat(got.hi)).Sub(x, bigFloat(got.lo))
		if off, _ := x.Float64(); math.Abs(off) > 1e-30*math.Abs(a.hi*b.hi) {
			t.Errorf("product %v off by %v", big(got), off)
		}
	})
}
