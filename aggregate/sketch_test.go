package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/pb/sketchpb"
	"github.com/DataDog/sketches-go/ddsketch/store"
	"google.golang.org/protobuf/proto"

	"github.com/llm-optimizer/processor/event"
)

var ps = []float64{0, 0.1, 1, 5, 10, 25, 33.3, 50, 66.6, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100}

type fataler interface{ Fatalf(string, ...any) }

// checkBound checks the contract of percentiles.
func checkBound(t fataler, x []float64, p float64, got event.Value) {
	slices.Sort(x)
	lo, hi := refPercentile(x, p)
	if got.Kind != event.Number || !within(got.Num, lo, hi) {
		t.Fatalf("p%v of %d values = %s; the neighbours are %v and %v", p, len(x), text(got), lo, hi)
	}
}

// distributions is data of many shapes, of n values each.
func distributions(n int) map[string][]float64 {
	rng := rand.New(rand.NewPCG(7, 8))
	draw := func(f func(i int) float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = f(i)
		}
		return x
	}
	return map[string][]float64{
		"lognormal": draw(func(int) float64 { return math.Exp(rng.NormFloat64() + 6) }),
		"bimodal": draw(func(i int) float64 {
			if i%3 == 0 {
				return 5000 + rng.NormFloat64()*100
			}
			return 10 + rng.Float64()
		}),
		"pareto":   draw(func(int) float64 { return 1 / math.Pow(1-rng.Float64(), 1/1.1) }),
		"negative": draw(func(int) float64 { return -math.Exp(rng.NormFloat64() * 3) }),
		"zero":     draw(func(int) float64 { return 0 }),
		"constant": draw(func(int) float64 { return 42.4242 }),
		"mixed": draw(func(i int) float64 {
			return [...]float64{0, 1, -1, math.Copysign(0, -1)}[i%4] * math.Exp(rng.NormFloat64()*2)
		}),
		"tiny":       draw(func(int) float64 { return rng.Float64() * 1e-300 }),
		"subnormal":  draw(func(int) float64 { return rng.Float64() * 1e-310 }),
		"huge":       draw(func(int) float64 { return (rng.Float64() - 0.5) * 2 * math.MaxFloat64 }),
		"wide":       draw(func(int) float64 { return math.Pow(10, rng.Float64()*600-300) }),
		"integers":   draw(func(int) float64 { return float64(rng.IntN(50)) }),
		"ascending":  draw(func(i int) float64 { return float64(i) }),
		"descending": draw(func(i int) float64 { return float64(n - i) }),
	}
}

func percentiles() []Spec {
	specs := make([]Spec, len(ps))
	for i, p := range ps {
		specs[i] = Percentile("x", p)
	}
	return specs
}

func TestPercentileBound(t *testing.T) {
	for _, n := range []int{1, 2, 3, rawMax, rawMax + 1, rawMax + 2, 100, 5000} {
		for name, x := range distributions(n) {
			if name == "subnormal" && n > rawMax {
				continue // counted as zero, as documented
			}
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				for i, got := range one(t, numbers(x...), percentiles()...) {
					checkBound(t, slices.Clone(x), ps[i], got)
				}
			})
		}
	}
}

// TestPercentileInterpolates: between distant neighbours the answer lies
// between them, in buckets as among raw values.
func TestPercentileInterpolates(t *testing.T) {
	for _, n := range []int{4, rawMax, 60} {
		x := make([]float64, n)
		for i := range x {
			x[i] = 10
			if i >= n/2 {
				x[i] = 1000
			}
		}
		for _, sign := range []float64{1, -1} {
			for i := range x {
				x[i] = math.Copysign(x[i], sign)
			}
			if got := one(t, numbers(x...), Percentile("x", 50))[0].Num; math.Abs(got-505*sign) > 5.05 {
				t.Errorf("p50 of %d values is %v, want %v within 1 %%", n, got, 505*sign)
			}
		}
	}
}

// TestPercentileMergeIsExact: a sketch is a function of the multiset, so any
// split gives the very same bytes.
func TestPercentileMergeIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	data := distributions(3000)
	for _, name := range []string{"mixed", "lognormal"} {
		data[name+" far"] = append(slices.Clone(data[name]), 1e300, 1e-300, -1e300, -1e-300)
	}
	for name, x := range data {
		b, cols := table(numbers(x...))
		c := composite(t, []Spec{Percentile("x", 50)}, []Input{{0, -1}})
		whole := c.Alloc()
		c.Update(into(b, whole, 0, len(x)), cols)
		want := c.AppendState(nil, whole)
		for range 5 {
			parts := make([]uint32, 7)
			for i := range parts {
				parts[i] = c.Alloc()
			}
			rows := into(b, 0, 0, len(x))
			rng.Shuffle(len(x), func(i, j int) { rows.Index[i], rows.Index[j] = rows.Index[j], rows.Index[i] })
			for i := range rows.Slot {
				rows.Slot[i] = parts[min(rng.IntN(40), 6)]
			}
			c.Update(rows, cols)
			rng.Shuffle(7, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			for _, p := range parts[1:] {
				c.Merge(parts[:1], c, []uint32{p})
			}
			if got := c.AppendState(nil, parts[0]); string(got) != string(want) {
				t.Fatalf("%s: merged parts differ from one pass", name)
			}
		}
	}
}

// bigCounts loads a sketch with counts as a window that lives for years has.
func bigCounts(t *testing.T, c *Composite, zeros, neg, pos uint64) uint32 {
	t.Helper()
	src := composite(t, []Spec{Percentile("x", 50)}, []Input{{0, -1}})
	slot := src.Alloc()
	s := src.states[0].(*sketchState)
	p := s.slab.at(slot)
	*p = sketch{n: zeros + neg + pos, zeros: zeros, min: -2, max: 3}
	s.buckets.add(&p.neg, bucketOf(2), neg)
	s.buckets.add(&p.pos, bucketOf(3), pos)
	loaded := c.Alloc()
	if err := c.LoadState(loaded, src.AppendState(nil, slot)); err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestPercentileCountsDoNotWrap(t *testing.T) {
	c := composite(t, []Spec{Percentile("x", 1), Percentile("x", 50), Percentile("x", 99)}, on(Sum("x"), Sum("x"), Sum("x")))
	a := bigCounts(t, c, 10, math.MaxUint32-1, math.MaxUint32-3)
	b, cols := table(numbers(3, 3, 3, 3, 3, -2, -2, -2))
	c.Update(into(b, a, 0, 8), cols) // carries one by one
	other := bigCounts(t, c, 10, math.MaxUint32, math.MaxUint32)
	c.Merge([]uint32{a}, c, []uint32{other}) // carries in a merge
	again := bigCounts(t, c, 0, 1<<40, math.MaxUint32)
	c.Merge([]uint32{a}, c, []uint32{again})
	s := c.states[0].(*sketchState)
	p := s.slab.at(a)
	const full = math.MaxUint32
	neg, pos := uint64(full-1+3+full+1<<40), uint64(full-3+5+full+full)
	if p.n != neg+pos+20 {
		t.Errorf("n = %d, want %d", p.n, neg+pos+20)
	}
	if got := s.buckets.count(&p.neg, bucketOf(2)); got != neg {
		t.Errorf("negative count %d, want %d", got, neg)
	}
	if got := s.buckets.count(&p.pos, bucketOf(3)); got != pos {
		t.Errorf("positive count %d, want %d", got, pos)
	}
	values := c.Values(nil, a, Window{})
	if !within(values[0].Num, -2, -2) || !within(values[1].Num, -2, -2) || !within(values[2].Num, 3, 3) {
		t.Errorf("percentiles %v", values)
	}
	// The upper halves move along when the side grows, and are released.
	b, cols = table(numbers(1e9, -1e9))
	c.Update(into(b, a, 0, 2), cols)
	if got := s.buckets.count(&p.pos, bucketOf(3)); got != pos {
		t.Errorf("positive count %d after growing, want %d", got, pos)
	}
	c.Free(a)
}

func TestMappingIsDDSketchCubic(t *testing.T) {
	m, err := mapping.NewCubicallyInterpolatedMapping(accuracy)
	if err != nil {
		t.Fatal(err)
	}
	if p := m.ToProto(); !nearFloat(p.Gamma, gamma, 1e-14) || !nearFloat(m.MinIndexableValue(), minIndexable, 1e-12) {
		t.Errorf("gamma %v, least value %v; have %v and %v", p.Gamma, m.MinIndexableValue(), gamma, minIndexable)
	}
	if lo, hi := bucketOf(minIndexable), bucketOf(math.MaxFloat64); lo != bucketIndexMin || hi != bucketIndexMax {
		t.Errorf("buckets %d to %d", lo, hi)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		v := math.Exp((rng.Float64() - 0.5) * 1400)
		if got, want := bucketOf(v), int32(m.Index(v)); got != want {
			t.Fatalf("bucket of %v is %d, the library's %d", v, got, want)
		}
		i := bucketOf(v)
		if got, want := lowerBound(i), m.LowerBound(int(i)); !nearFloat(got, want, 1e-11) {
			t.Fatalf("bucket %d begins at %v, the library's at %v", i, got, want)
		}
		if r := bucketValue(i); math.Abs(r-v) > v*accuracy*(1+1e-9) {
			t.Fatalf("bucket value %v is not within 1 %% of %v", r, v)
		}
	}
}

// TestSketchIsReadByLibrary: the library reads a sketch, and merges it with
// one of its own.
func TestSketchIsReadByLibrary(t *testing.T) {
	for _, n := range []int{0, 1, rawMax, rawMax + 1, 2000} {
		for name, x := range distributions(n) {
			if name == "subnormal" {
				continue
			}
			c := composite(t, []Spec{Sum("x"), Percentile("x", 50)}, on(Sum("x"), Sum("x")))
			slot := c.Alloc()
			b, cols := tableOf(x)
			c.Update(into(b, slot, 0, n), cols)
			sketch := fromProto(t, c.Sketch(nil, 1, slot))
			if got := sketch.GetCount(); got != float64(n) {
				t.Fatalf("%s: the library counts %v of %d values", name, got, n)
			}
			checkLibrary(t, name, sketch, x)
		}
	}
}

func tableOf(x []float64) (*event.Batch, []*event.Column) { return table(numbers(x...)) }

func fromProto(t *testing.T, enc []byte) *ddsketch.DDSketch {
	t.Helper()
	var pb sketchpb.DDSketch
	if err := proto.Unmarshal(enc, &pb); err != nil {
		t.Fatal(err)
	}
	sketch, err := ddsketch.FromProto(&pb)
	if err != nil {
		t.Fatal(err)
	}
	return sketch
}

// checkLibrary compares quantiles with those of a sketch that the library made
// itself, and merges the two.
func checkLibrary(t *testing.T, name string, sketch *ddsketch.DDSketch, x []float64) {
	t.Helper()
	m, _ := mapping.NewCubicallyInterpolatedMapping(accuracy)
	own := ddsketch.NewDDSketch(m, store.NewDenseStore(), store.NewDenseStore())
	for _, v := range x {
		if math.Abs(v) > m.MaxIndexableValue() {
			return
		}
		if err := own.Add(v); err != nil {
			t.Fatal(err)
		}
	}
	if len(x) == 0 {
		return
	}
	for _, q := range []float64{0, 0.5, 0.95, 1} {
		got, _ := sketch.GetValueAtQuantile(q)
		want, _ := own.GetValueAtQuantile(q)
		if !nearFloat(got, want, 1e-9) {
			t.Errorf("%s: quantile %v is %v, of the library's own sketch %v", name, q, got, want)
		}
	}
	if err := own.MergeWith(sketch); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if got := own.GetCount(); got != float64(2*len(x)) {
		t.Errorf("%s: merged count %v", name, got)
	}
}

func TestSketchOfOtherFunctions(t *testing.T) {
	c := composite(t, []Spec{Count(), Sum("x")}, on(Count(), Sum("x")))
	slot := c.Alloc()
	for spec := range 2 {
		if got := c.Sketch(nil, spec, slot); got != nil {
			t.Errorf("sketch of aggregate %d: %x", spec, got)
		}
	}
}
