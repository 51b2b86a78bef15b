package engine

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRangesAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ranges
		model := map[int64]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			first := rapid.Int64Range(-20, 60).Draw(t, "first")
			if rapid.IntRange(0, 5).Draw(t, "step") == 0 {
				r.drop(first)
				maps.DeleteFunc(model, func(n int64, _ bool) bool { return n <= first })
			} else {
				last := first + rapid.Int64Range(0, 9).Draw(t, "length")
				var got, want []int64
				r.add(first, last, func(n int64) { got = append(got, n) })
				for n := first; n <= last; n++ {
					if !model[n] {
						want = append(want, n)
						model[n] = true
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("adding %d to %d called for %v, want %v", first, last, got, want)
				}
			}
			var all []int64
			for i, x := range r {
				if x.first > x.last || i > 0 && r[i-1].last >= x.first-1 {
					t.Fatalf("runs are %v", r)
				}
				for n := x.first; n <= x.last; n++ {
					all = append(all, n)
				}
			}
			if !slices.Equal(all, slices.Sorted(maps.Keys(model))) {
				t.Fatalf("holds %v, want %v", all, slices.Sorted(maps.Keys(model)))
			}
		}
	})
}
