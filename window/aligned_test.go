package window

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// specs draws tumbling and sliding windows of a few nanoseconds, so that every
// boundary is met.
func specs(t *rapid.T) Spec {
	size := time.Duration(rapid.Int64Range(1, 40).Draw(t, "size"))
	offset := time.Duration(rapid.Int64Range(-50, 50).Draw(t, "offset"))
	if rapid.Bool().Draw(t, "tumbling") {
		return Tumbling(size).WithOffset(offset)
	}
	slide := time.Duration(rapid.Int64Range(1, 50).Draw(t, "slide"))
	return Sliding(size, slide).WithOffset(offset)
}

// bruteWindows lists the windows [start, start+size) that hold t.
func bruteWindows(s Spec, t int64) []Interval {
	slide := int64(s.Slide)
	if s.Kind == KindTumbling {
		slide = int64(s.Size)
	}
	var out []Interval
	for start := int64(s.Offset) - 400*slide; start <= t; start += slide {
		if start <= t && t < start+int64(s.Size) {
			out = append(out, Interval{start, start + int64(s.Size)})
		}
	}
	return out
}

func TestPaneNamesTheWindowsThatHoldAnEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := specs(t)
		a, err := NewAligned(s)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.Int64Range(-300, 300).Draw(t, "t")
		pane, ok := a.Pane(at)
		var got []Interval
		if ok {
			for w := pane.First; w <= pane.Last; w++ {
				got = append(got, a.Window(w))
			}
			if at < pane.Start || at >= pane.End {
				t.Fatalf("%d is not in its pane [%d, %d)", at, pane.Start, pane.End)
			}
		}
		if want := bruteWindows(s, at); !slices.Equal(got, want) {
			t.Fatalf("%+v at %d: windows %v, want %v", s, at, got, want)
		}
		if int64(len(got)) > a.WindowsPerEvent() {
			t.Fatalf("%d windows hold %d, WindowsPerEvent says %d", len(got), at, a.WindowsPerEvent())
		}
		if !ok {
			return
		}
		for i := pane.Start; i < pane.End; i++ {
			if p, _ := a.Pane(i); p != pane {
				t.Fatalf("pane of %d is %+v, of %d %+v: a window boundary cuts it", i, p, at, pane)
			}
		}
		if a.LastWindow(pane.Index) != pane.Last {
			t.Fatalf("LastWindow(%d) = %d, want %d", pane.Index, a.LastWindow(pane.Index), pane.Last)
		}
	})
}

func TestPanesOfAWindowCoverIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := NewAligned(specs(t))
		if err != nil {
			t.Fatal(err)
		}
		w := rapid.Int64Range(-20, 20).Draw(t, "window")
		iv := a.Window(w)
		first, last := a.Panes(w)
		var indexes []int64
		for at := iv.Start; at < iv.End; at++ {
			p, ok := a.Pane(at)
			if !ok {
				t.Fatalf("%d of window [%d, %d) has no pane", at, iv.Start, iv.End)
			}
			if len(indexes) == 0 || indexes[len(indexes)-1] != p.Index {
				indexes = append(indexes, p.Index)
			}
		}
		if indexes[0] != first || indexes[len(indexes)-1] != last {
			t.Fatalf("panes %v, Panes says %d to %d", indexes, first, last)
		}
		if int64(len(indexes)) != a.PanesPerWindow() {
			t.Fatalf("%d panes, PanesPerWindow says %d", len(indexes), a.PanesPerWindow())
		}
		for i, index := range indexes {
			if index != first+int64(i) {
				t.Fatalf("panes %v are not numbered in a row", indexes)
			}
		}
	})
}

func TestNothingWrapsAtTheEndsOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := time.Duration(rapid.Int64Range(1, int64(MaxLength)).Draw(t, "size"))
		slide := time.Duration(rapid.Int64Range(max(1, int64(size)/1000), int64(MaxLength)).Draw(t, "slide"))
		offset := time.Duration(rapid.Int64Range(-int64(MaxLength), int64(MaxLength)).Draw(t, "offset"))
		a, err := NewAligned(Sliding(size, slide).WithOffset(offset))
		if err != nil {
			t.Fatal(err)
		}
		first, last := a.Range()
		for _, at := range []int64{first, last} {
			pane, ok := a.Pane(at)
			if !ok {
				continue
			}
			for _, w := range []int64{pane.First, pane.Last} {
				if iv := a.Window(w); iv.Start > at || iv.End <= at || iv.End-iv.Start != int64(size) {
					t.Fatalf("window %d of %d is [%d, %d)", w, at, iv.Start, iv.End)
				}
			}
		}
	})
}

func TestGlobalWindowHoldsAllTime(t *testing.T) {
	a, err := NewAligned(Global())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		pane, ok := a.Pane(at)
		if !ok || pane.First != 0 || pane.Last != 0 {
			t.Errorf("pane of %d is %+v, %v", at, pane, ok)
		}
	}
	if iv := a.Window(0); iv.Start != math.MinInt64 || iv.End != math.MaxInt64 || !a.Global() {
		t.Errorf("the global window is %+v", iv)
	}
	if first, last := a.Panes(0); first != 0 || last != 0 || a.Shares() || a.PanesPerWindow() != 1 {
		t.Errorf("the global window has panes %d to %d", first, last)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		ok   bool
	}{
		{Tumbling(time.Minute), true},
		{Tumbling(0), false},
		{Tumbling(-time.Second), false},
		{Tumbling(MaxLength + 1), false},
		{Tumbling(time.Minute).WithOffset(-time.Second), true},
		{Tumbling(time.Minute).WithOffset(-MaxLength - 1), false},
		{Sliding(time.Hour, time.Second), true},
		{Sliding(time.Hour, 0), false},
		{Sliding(24*time.Hour, time.Millisecond), false},
		{Sliding(time.Second, time.Hour), true},
		{Session(time.Second), true},
		{Session(0), false},
		{Calendar(Day, "Europe/Berlin"), true},
		{Calendar(Week, "UTC"), true},
		{Calendar("year", "UTC"), false},
		{Calendar(Day, "Mars/Olympus"), false},
		{Calendar(Day, "Local"), false},
		{Global(), true},
		{Spec{}, false},
	} {
		if err := c.spec.Validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.spec, err)
		}
		if _, err := NewAligned(c.spec); (err == nil) != (c.ok && c.spec.Kind != KindSession) {
			t.Errorf("NewAligned(%+v): %v", c.spec, err)
		}
	}
}

func TestNames(t *testing.T) {
	if got := KindCalendar.String() + " " + Accumulating.String() + " " + Discarding.String(); got != "calendar accumulating discarding" {
		t.Error(got)
	}
}

// anySpec draws windows of every kind but sessions, of nanoseconds or of
// lengths as people use them, in any zone.
func anySpec(t *rapid.T) Spec {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return specs(t)
	case 1:
		size := time.Duration(rapid.Int64Range(1, int64(400*24*time.Hour)).Draw(t, "long size"))
		slide := time.Duration(rapid.Int64Range(max(1, int64(size)/1000), int64(size)*3).Draw(t, "long slide"))
		offset := time.Duration(rapid.Int64Range(-int64(size), int64(size)*2).Draw(t, "long offset"))
		return rapid.SampledFrom([]Spec{Tumbling(size), Sliding(size, slide)}).Draw(t, "long").WithOffset(offset)
	case 2:
		unit := rapid.SampledFrom([]Unit{Day, Week, Month}).Draw(t, "unit")
		return Calendar(unit, rapid.SampledFrom(zones).Draw(t, "zone"))
	default:
		return Global()
	}
}

// A stored window is found again by the time at which it begins, and by no
// other time.
func TestStartingAtIsTheInverseOfWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySpec(t)
		a, err := NewAligned(s)
		if err != nil {
			t.Fatal(err)
		}
		pane, ok := a.Pane(rapid.Int64Range(-2e18, 4e18).Draw(t, "t"))
		if !ok {
			return // in a gap: the windows of other times are met as well
		}
		for i := pane.First; i <= min(pane.Last, pane.First+20); i++ {
			if got, ok := a.Clone().StartingAt(a.Window(i).Start); !ok || got != i {
				t.Fatalf("%+v: window %d starts at %d, but there StartingAt finds %d, %v", s, i, a.Window(i).Start, got, ok)
			}
		}
		start := a.Window(pane.Last).Start
		if other := between(t, a, pane.Last); other != start {
			if i, ok := a.StartingAt(other); ok {
				t.Fatalf("%+v: window %d starts at %d, not at %d", s, i, a.Window(i).Start, other)
			}
		}
	})
}

// between draws a time after the start of a window and before that of the next
// one; without such a time it is the start.
func between(t *rapid.T, a *Aligned, i int64) int64 {
	from, to := a.Window(i).Start, a.Window(i+1).Start
	if a.Global() {
		to = math.MaxInt64
	}
	if to-1 == from {
		return from
	}
	return rapid.Int64Range(from+1, to-1).Draw(t, "no start")
}

// A time that was damaged, or is of other windows, is no start and no hang; the
// windows of the first and the last event are found there, too.
func TestStartingAtTheEndsOfTime(t *testing.T) {
	for _, s := range []Spec{
		Tumbling(7), Tumbling(8).WithOffset(3), Sliding(1000, 3).WithOffset(-2), Sliding(3, 1000),
		Calendar(Day, "UTC"), Calendar(Week, "Asia/Kolkata"), Calendar(Month, "America/Havana"), Calendar(Month, "UTC"),
	} {
		a, err := NewAligned(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64} {
			if i, ok := a.Clone().StartingAt(at); ok {
				t.Errorf("%+v: window %d starts at %d, where no event can be", s, i, at)
			}
		}
		first, last := a.Range()
		for _, at := range []int64{first, last} {
			pane, ok := a.Pane(at)
			if !ok {
				continue
			}
			for _, w := range []int64{pane.First, pane.Last} {
				if i, ok := a.Clone().StartingAt(a.Window(w).Start); !ok || i != w {
					t.Errorf("%+v: window %d of the time %d is not found: %d, %v", s, w, at, i, ok)
				}
			}
		}
	}
	a, err := NewAligned(Global())
	if err != nil {
		t.Fatal(err)
	}
	if i, ok := a.StartingAt(math.MinInt64); !ok || i != 0 {
		t.Errorf("the global window is not found: %d, %v", i, ok)
	}
	if i, ok := a.StartingAt(math.MaxInt64); ok {
		t.Errorf("the global window %d starts at the end of time", i)
	}
}
