package aggregate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

func TestTopKOrder(t *testing.T) {
	s := event.Text
	in := []event.Value{s("b"), s("a"), {}, s("b"), s("a"), s("c"), event.Float(2), event.Float(2), event.Bool(true), event.Int(1<<60 + 1), s(`q"`)}
	tests := []struct {
		k    int
		want string
	}{
		{1, `[{"value":2,"count":2}]`},
		{3, `[{"value":2,"count":2},{"value":"a","count":2},{"value":"b","count":2}]`},
		{1000, `[{"value":2,"count":2},{"value":"a","count":2},{"value":"b","count":2},` +
			`{"value":1152921504606846977,"count":1},{"value":"c","count":1},{"value":"q\"","count":1},{"value":true,"count":1}]`},
	}
	for _, test := range tests {
		got := one(t, in, TopK("x", test.k))[0]
		if got.Kind != event.Composite || got.Str != test.want {
			t.Errorf("top %d = %s, want %s", test.k, got.Str, test.want)
		}
	}
	if got := one(t, nil, TopK("x", 3))[0]; got != (event.Value{}) {
		t.Errorf("top 3 of nothing = %s, want null", text(got))
	}
}

// zipf is n values of a skewed distribution over many, and their counts.
func zipf(seed uint64, n int) ([]event.Value, map[float64]int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	in := make([]event.Value, n)
	counts := map[float64]int{}
	for i := range in {
		v := math.Floor(math.Pow(1-rng.Float64(), -2))
		counts[v]++
		in[i] = event.Float(v)
	}
	return in, counts
}

// TestTopKBounds: with far more values than counters, no count is too low, none
// is too high by more than the floor, what has no counter occurs at most as
// often as the floor, and that is at most rows/keep.
func TestTopKBounds(t *testing.T) {
	const n = 60000
	in, counts := zipf(5, n)
	c := composite(t, []Spec{TopK("x", 20)}, on(TopK("x", 20)))
	b, cols := table(in)
	whole := c.Alloc()
	c.Update(into(b, whole, 0, n), cols)
	parts := make([]uint32, 9)
	for i := range parts {
		parts[i] = c.Alloc()
		c.Update(into(b, parts[i], n*i/9, n*(i+1)/9), cols)
	}
	// In pairs, then one after the other.
	c.Merge([]uint32{parts[1], parts[3]}, c, []uint32{parts[2], parts[4]})
	for _, i := range []int{1, 3, 5, 6, 7, 8} {
		c.Merge(parts[:1], c, parts[i:i+1])
	}
	if len(counts) < 4*256 {
		t.Fatalf("only %d different values: nothing is cut", len(counts))
	}
	for name, slot := range map[string]uint32{"one pass": whole, "merged": parts[0]} {
		checkCounters(t, name, c.states[0].(*topState), slot, counts, n)
	}
}

func checkCounters(t *testing.T, name string, s *topState, slot uint32, counts map[float64]int, n int) {
	t.Helper()
	p := s.slab.at(slot)
	if p.floor == 0 || p.floor > uint64(n/s.keep) {
		t.Errorf("%s: floor %d", name, p.floor)
	}
	seen := map[float64]bool{}
	for _, e := range s.used(p) {
		v := math.Float64frombits(e.payload)
		seen[v] = true
		if k := uint64(counts[v]); e.count < k || e.count > k+p.floor {
			t.Errorf("%s: %v counted %d times, occurs %d times; floor %d", name, v, e.count, k, p.floor)
		}
		if k := uint64(counts[v]); e.certain() > k {
			t.Errorf("%s: %v is certain to occur %d times, but occurs %d times", name, v, e.certain(), k)
		}
	}
	for v, k := range counts {
		if !seen[v] && uint64(k) > p.floor {
			t.Errorf("%s: %v occurs %d times and has no counter; floor %d", name, v, k, p.floor)
		}
	}
}

// TestTopKNeverCountsTooMuch: a frequent value among tens of thousands of rare
// ones is found with its count, and no rare one is given the floor as its own.
func TestTopKNeverCountsTooMuch(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 15))
	var in []event.Value
	for range 2000 {
		in = append(in, event.Text("often"))
	}
	for i := range 60_000 {
		in = append(in, event.Int(int64(i%20_000)))
	}
	rng.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
	got := one(t, in, TopK("x", 3))[0].Str
	var top []struct {
		Value any
		Count int
	}
	if err := json.Unmarshal([]byte(got), &top); err != nil {
		t.Fatal(err)
	}
	if len(top) != 3 || top[0].Value != "often" || top[0].Count < 1900 || top[0].Count > 2000 || top[1].Count > 3 || top[2].Count > 3 {
		t.Errorf("top 3 of 2,000 and of 20,000 with 3 each: %s", got)
	}
}

// TestTopKShares: two top-k of one column keep enough for the larger k.
func TestTopKShares(t *testing.T) {
	var in []event.Value
	rows := make([]refRow, 1500)
	for i := range rows {
		rows[i].arg = event.Float(float64(i * 7 % 1200))
		in = append(in, rows[i].arg)
	}
	specs := []Spec{TopK("x", 1), TopK("x", 100)}
	for i, got := range one(t, in, specs...) {
		if want := reference(specs[i], rows, 0); got != want {
			t.Errorf("%s = %s\nwant %s", specs[i], got.Str, want.Str)
		}
	}
}

// TestTopKIsExactWhileItFits: to 256 values and far beyond, in any split.
func TestTopKIsExactWhileItFits(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	in := make([]event.Value, 4000)
	rows := make([]refRow, len(in))
	for i := range in {
		in[i] = event.Text("tenant-" + text(event.Int(int64(rng.IntN(30)*rng.IntN(17)))))
		rows[i].arg = in[i]
	}
	spec := TopK("x", 25)
	want := reference(spec, rows, 0)
	c := composite(t, []Spec{spec}, on(spec))
	b, cols := table(in)
	all := into(b, 0, 0, len(in))
	for i := range all.Slot {
		all.Slot[i] = uint32(rng.IntN(5))
	}
	for range 5 {
		c.Alloc()
	}
	c.Update(all, cols)
	for _, i := range []uint32{3, 1, 4, 2} {
		c.Merge([]uint32{0}, c, []uint32{i})
	}
	if got := c.Values(nil, 0, Window{})[0]; got != want {
		t.Errorf("got  %s\nwant %s", got.Str, want.Str)
	}
}

// TestTopKReleasesText: what cuts drop is used again.
func TestTopKReleasesText(t *testing.T) {
	c := composite(t, []Spec{TopK("x", 1)}, on(TopK("x", 1)))
	in := make([]event.Value, 5000)
	for i := range in {
		in[i] = event.Text("a value of some length " + text(event.Int(int64(i+1e6))))
	}
	b, cols := table(in)
	slot := c.Alloc()
	c.Update(into(b, slot, 0, len(in)), cols)
	if held := c.Bytes(); held > 400_000 {
		t.Errorf("%d bytes held for at most 1,000 counters", held)
	}
	before := c.Bytes()
	for range 10 {
		c.Free(slot)
		slot = c.Alloc()
		c.Update(into(b, slot, 0, len(in)), cols)
	}
	if after := c.Bytes(); after > before+before/10 {
		t.Errorf("%d bytes held after reuse, %d before", after, before)
	}
}
