package engine

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTimersPopInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h timers[int]
		var want []timer[int]
		for i, at := range rapid.SliceOfN(rapid.Int64Range(0, 20), 0, 60).Draw(t, "at") {
			x := timer[int]{at: at, seq: int64(i), what: i}
			h.push(x)
			want = append(want, x)
			if rapid.IntRange(0, 3).Draw(t, "pop") == 0 {
				slices.SortFunc(want, byTime)
				if got := h.pop(); got != want[0] {
					t.Fatalf("popped %+v, want %+v", got, want[0])
				}
				want = want[1:]
			}
		}
		slices.SortFunc(want, byTime)
		for _, w := range want {
			if got := h.pop(); got != w {
				t.Fatalf("popped %+v, want %+v", got, w)
			}
		}
	})
}

func byTime(a, b timer[int]) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) }

func TestPayoffTurnsCombiningOffAndTriesAgain(t *testing.T) {
	var p payoff
	p.in, p.out = 1000, 900
	p.settle()
	if !p.off {
		t.Fatal("900 partials of 1000 events were worth it")
	}
	for range 255 {
		p.settle()
	}
	if !p.off {
		t.Fatal("tried again too soon")
	}
	p.settle()
	if p.off {
		t.Fatal("never tried again")
	}
	p.in, p.out = 1000, 60
	p.settle()
	if p.off {
		t.Fatal("60 partials of 1000 events were not worth it")
	}
}
