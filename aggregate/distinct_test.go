package aggregate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

func TestDistinctKeepsTypes(t *testing.T) {
	in := []event.Value{
		event.Float(1), event.Float(1.0), event.Text("1"), event.Bool(true), event.Bool(false), event.Text("true"),
		{}, event.Text(""), event.Float(0), event.Float(math.Copysign(0, -1)),
		event.Int(1<<53 + 1), event.Int(1 << 53), event.Int(1<<53 + 1),
	}
	if got := one(t, in, Distinct("x"))[0]; got != event.Int(9) {
		t.Errorf("%s different values, want 9", text(got))
	}
}

func TestDistinctIsExactToAThousand(t *testing.T) {
	for _, n := range []int{1, listMax, listMax + 1, 48, 49, 96, 97, 768, 769, exactMax} {
		var in []event.Value
		for i := range 3 * n {
			in = append(in, event.Float(float64(i%max(n, 1))*1.5))
		}
		if got := one(t, in, Distinct("x"))[0]; got != event.Int(int64(n)) {
			t.Errorf("%d different values: %s", n, text(got))
		}
	}
	if got := one(t, nil, Distinct("x"))[0]; got.Kind != event.Null {
		t.Errorf("no values: %s, want null as every aggregate of nothing", text(got))
	}
}

// TestDistinctError measures the standard error of the estimate over many
// independent sets; its own spread over 100 sets is about 7 %.
func TestDistinctError(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for _, n := range []int{exactMax + 1, 5000, 40000, 100000} {
		var squares, bias float64
		const sets = 100
		for range sets {
			registers := make([]uint8, hllSize)
			for range n {
				hllAdd(registers, rng.Uint64())
			}
			e := hllEstimate(registers)/float64(n) - 1
			squares += e * e
			bias += e
		}
		if rms := math.Sqrt(squares / sets); rms > 0.0081*1.25 {
			t.Errorf("%d values: standard error %.4f", n, rms)
		}
		if bias /= sets; math.Abs(bias) > 0.003 {
			t.Errorf("%d values: bias %.4f", n, bias)
		}
	}
}

func TestDistinctEstimate(t *testing.T) {
	const n = 30000
	in := make([]event.Value, n)
	for i := range in {
		in[i] = event.Text("user-" + text(event.Int(int64(i*7919))))
	}
	got := one(t, in, Distinct("x"))[0].Num
	if math.Abs(got/n-1) > 4*0.0081 {
		t.Errorf("%v different values, want about %d", got, n)
	}
	if got != math.Trunc(got) {
		t.Errorf("%v is no whole number", got)
	}
}

// TestDistinctDependsOnTheSet: exact and estimated parts in any order give the
// very same state.
func TestDistinctDependsOnTheSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	in := make([]float64, 6000)
	for i := range in {
		in[i] = float64(rng.IntN(2500))
	}
	c := composite(t, []Spec{Distinct("x")}, on(Distinct("x")))
	b, cols := tableOf(in)
	whole := c.Alloc()
	c.Update(into(b, whole, 0, len(in)), cols)
	want := string(c.AppendState(nil, whole)[3:]) // after version and events
	for range 20 {
		parts := []uint32{c.Alloc(), c.Alloc(), c.Alloc(), c.Alloc()}
		cut := []int{0, rng.IntN(50), 50 + rng.IntN(3000), 3050 + rng.IntN(2900), len(in)}
		for i, p := range parts {
			c.Update(into(b, p, cut[i], cut[i+1]), cols)
		}
		rng.Shuffle(4, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for _, p := range parts[1:] {
			c.Merge(parts[:1], c, []uint32{p})
		}
		if got := string(c.AppendState(nil, parts[0])[3:]); got != want {
			t.Fatal("merged parts differ from one pass")
		}
		for _, p := range parts {
			c.Free(p)
		}
	}
}

func TestHyperLogLogEnds(t *testing.T) {
	registers := make([]uint8, hllSize)
	if got := hllEstimate(registers); got != 0 {
		t.Errorf("an empty sketch estimates %v", got)
	}
	hllAdd(registers, 0) // the longest run there is
	if registers[0] != hllMax {
		t.Errorf("register %d, want %d", registers[0], hllMax)
	}
	for i := range registers {
		registers[i] = hllMax
	}
	if got := hllEstimate(registers); !math.IsInf(got, 1) && got < 1e18 {
		t.Errorf("a full sketch estimates %v", got)
	}
}
