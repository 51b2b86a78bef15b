package refmodel

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"

	"github.com/llm-optimizer/processor/event"
)

// Want is a value as far as it is promised: exactly, within a bracket, or as
// the most frequent values.
type Want struct {
	value event.Value
	// ties are what else a first or last may be when events of one time came
	// from several partitions.
	ties    []event.Value
	bracket bool
	lo, hi  float64
	// top are the counts behind a top-k.
	top map[string]int
	k   int
}

func exactly(v event.Value) Want { return Want{value: v} }

// Between is a Want that any number within 1 % of lo to hi satisfies.
func Between(lo, hi float64) Want { return Want{bracket: true, lo: lo, hi: hi} }

// Exactly is a Want of one value; numbers may differ by 1e-9 of their size.
func Exactly(v event.Value) Want { return exactly(v) }

// String says what is wanted.
func (w Want) String() string {
	switch {
	case w.bracket:
		return fmt.Sprintf("within 1 %% of [%v, %v]", w.lo, w.hi)
	case w.top != nil:
		return fmt.Sprintf("the %d most frequent of %v", w.k, w.top)
	default:
		return string(w.value.AppendJSON(nil))
	}
}

// Allows says whether got is as promised. With anyTie a first or last may be
// that of any event of the same time.
func (w Want) Allows(got event.Value, anyTie bool) bool {
	switch {
	case w.bracket:
		return got.Kind.IsNumber() && within(got.Num, w.lo, w.hi)
	case w.top != nil:
		return w.allowsTop(got)
	case same(w.value, got):
		return true
	}
	for _, v := range w.ties {
		if anyTie && same(v, got) {
			return true
		}
	}
	return false
}

func within(x, lo, hi float64) bool {
	return lo-0.01*math.Abs(lo)-1e-9 <= x && x <= hi+0.01*math.Abs(hi)+1e-9
}

// same: sums and moments agree "within 1e-9 relative"; all else is exact.
func same(a, b event.Value) bool {
	if a.Kind == event.Number && b.Kind == event.Number {
		return math.Abs(a.Num-b.Num) <= max(1e-9*max(math.Abs(a.Num), math.Abs(b.Num)), 1e-12)
	}
	return a.Kind == b.Kind && Identity(a) == Identity(b)
}

// allowsTop wants true counts, the greatest first; which of several values
// with one count are shown is free.
func (w Want) allowsTop(got event.Value) bool {
	var entries []struct {
		Value json.RawMessage `json:"value"`
		Count int             `json:"count"`
	}
	if json.Unmarshal([]byte(got.Str), &entries) != nil {
		return false
	}
	var counts []int
	for _, n := range w.top {
		counts = append(counts, n)
	}
	sort.Sort(sort.Reverse(sort.IntSlice(counts)))
	counts = counts[:min(len(counts), w.k)]
	if len(entries) != len(counts) {
		return false
	}
	seen := map[string]bool{}
	for i, e := range entries {
		v, err := ParseValue(e.Value)
		id := Identity(v)
		if err != nil || seen[id] || w.top[id] != e.Count || counts[i] != e.Count {
			return false
		}
		seen[id] = true
	}
	return true
}

// Number is the number that is wanted, if one is and exactly.
func (w Want) Number() (float64, bool) {
	return w.value.Num, !w.bracket && w.top == nil && w.value.Kind.IsNumber()
}
