package window

import (
	"math"
	"math/big"
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

// A time can be assigned exactly when the bounds of its windows are between the
// ends of int64, and then they are right.
func TestNothingWrapsAtTheEndsOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int64{3, 50, int64(MaxLength)}).Draw(t, "most")
		size := rapid.Int64Range(1, most).Draw(t, "size")
		slide := rapid.Int64Range(max(1, size/1000), most).Draw(t, "slide")
		offset := rapid.Int64Range(-most, most).Draw(t, "offset")
		a, err := NewAligned(Sliding(time.Duration(size), time.Duration(slide)).WithOffset(time.Duration(offset)))
		if err != nil {
			t.Fatal(err)
		}
		off := rapid.Int64Range(0, 2*most).Draw(t, "off")
		at := rapid.SampledFrom([]int64{math.MinInt64 + off, math.MaxInt64 - off}).Draw(t, "t")
		starts, fits := startsOf(at, size, slide, offset)
		if got := a.Fits(at); got != fits {
			t.Fatalf("Fits(%d) = %v", at, got)
		}
		if first, last := a.Range(); at >= first && at <= last && !fits {
			t.Fatalf("%d is in the range from %d to %d", at, first, last)
		}
		if !fits {
			return
		}
		pane, ok := a.Pane(at)
		if ok != (len(starts) > 0) {
			t.Fatalf("Pane(%d) says %v, there are %d windows", at, ok, len(starts))
		}
		if !ok {
			return
		}
		if at < pane.Start || at >= pane.End || pane.Last-pane.First+1 != int64(len(starts)) {
			t.Fatalf("%d is in pane %+v, of %d windows", at, pane, len(starts))
		}
		for i, start := range starts {
			w := pane.Last - int64(i)
			if iv := a.Window(w); iv.Start != start || iv.End != start+size {
				t.Fatalf("window %d of %d is [%d, %d), it starts at %d", w, at, iv.Start, iv.End, start)
			}
			if got, ok := a.StartingAt(start); !ok || got != w {
				t.Fatalf("at %d starts window %d, %v, not %d", start, got, ok, w)
			}
		}
		if last := a.LastWindow(pane.Index + a.PanesPerWindow()/2); a.Shares() && (last < pane.Last || a.Window(last).End < a.Window(pane.Last).End) {
			t.Fatalf("the last window %d after pane %+v does not fit", last, pane)
		}
	})
}

// startsOf lists the windows that hold a time, the last first, or says that
// their bounds do not fit.
func startsOf(t, size, slide, offset int64) (starts []int64, fits bool) {
	k := new(big.Int).Div(new(big.Int).Sub(big.NewInt(t), big.NewInt(offset)), big.NewInt(slide))
	start := k.Add(k.Mul(k, big.NewInt(slide)), big.NewInt(offset))
	for {
		end := new(big.Int).Add(start, big.NewInt(size))
		if end.Cmp(big.NewInt(t)) <= 0 {
			return starts, true
		}
		if start.Cmp(big.NewInt(math.MinInt64)) <= 0 || end.Cmp(big.NewInt(math.MaxInt64)) >= 0 {
			return nil, false
		}
		starts = append(starts, start.Int64())
		start = new(big.Int).Sub(start, big.NewInt(slide))
	}
}

func TestCalendarAtTheEndsOfTime(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		at   string
		fits bool
	}{
		{Calendar(Day, "UTC"), "2262-04-10T23:59:59.999999999Z", true},
		{Calendar(Day, "UTC"), "2262-04-11T00:00:00Z", false},
		{Calendar(Day, "Asia/Kolkata"), "2262-04-11T18:29:59Z", true},
		{Calendar(Day, "Asia/Kolkata"), "2262-04-11T18:30:00Z", false},
		{Calendar(Day, "UTC"), "1677-09-22T00:00:00Z", true},
		{Calendar(Day, "UTC"), "1677-09-21T23:59:59Z", false},
		{Calendar(Week, "UTC"), "2262-04-06T23:59:59Z", true},
		{Calendar(Week, "UTC"), "2262-04-07T00:00:00Z", false},
		{Calendar(Month, "UTC"), "2262-03-31T23:59:59Z", true},
		{Calendar(Month, "UTC"), "2262-04-01T00:00:00Z", false},
		{Calendar(Month, "UTC"), "1677-10-01T00:00:00Z", true},
		{Calendar(Month, "UTC"), "1677-09-30T23:59:59Z", false},
		{Tumbling(time.Second), "2262-04-11T23:47:15Z", true},
		{Tumbling(time.Second), "2262-04-11T23:47:16Z", false},
		{Tumbling(time.Second), "1677-09-21T00:12:44.5Z", true},
		{Tumbling(time.Second), "1677-09-21T00:12:43.5Z", false},
		{Tumbling(MaxLength), "2100-01-01T00:00:00Z", true},
	} {
		a, err := NewAligned(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		n := at.UnixNano()
		if got := a.Fits(n); got != c.fits {
			t.Errorf("%+v: Fits(%s) = %v", c.spec, c.at, got)
		}
		if pane, _ := a.Pane(n); c.fits && (n < pane.Start || n >= pane.End) {
			t.Errorf("%+v: %s is in pane %+v", c.spec, c.at, pane)
		}
	}
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
			if i, ok := a.Clone().StartingAt(at); ok && (a.Window(i).Start != at || a.Window(i).End < at) {
				t.Errorf("%+v: window %d starts at %d, not at %d", s, i, a.Window(i).Start, at)
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
