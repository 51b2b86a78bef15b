package window

import (
	"fmt"
	"math"
	"time"

	"github.com/llm-optimizer/processor/event"
)

// Interval is a half-open run of event time, [Start, End).
type Interval struct{ Start, End int64 }

// Pane is the largest interval that no window boundary cuts, and the numbers
// of the windows that hold it: First to Last, both included.
type Pane struct {
	Index       int64
	Start, End  int64
	First, Last int64
}

// Aligned assigns events to windows whose bounds are the same for all keys:
// every kind but sessions. Windows and panes are numbered in the order of time.
//
// Panes are those of Li et al., No Pane, No Gain (SIGMOD Record 34, 2005). The
// windows of an uneven sliding window are cut twice a slide.
type Aligned struct {
	spec        Spec
	size, slide int64
	offset      int64
	rest        int64 // size mod slide
	per         int64 // size div slide
	minT, maxT  int64 // event times whose windows fit for certain
	last        int64 // the last window that fits
	cal         *calendar
}

// MaxLength bounds window sizes, slides, gaps and offsets: 100 years, so that
// the sum of two of them and of any event time of our days fits into int64
// nanoseconds.
const MaxLength = 36500 * 24 * time.Hour

// MaxWindowsPerEvent bounds how many sliding windows hold one event.
const MaxWindowsPerEvent = 100_000

// NewAligned returns the assigner of a spec that is not a session. It fails
// when the spec does not describe one.
func NewAligned(s Spec) (*Aligned, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	a := &Aligned{spec: s, size: int64(s.Size), slide: int64(s.Slide), offset: int64(s.Offset)}
	switch s.Kind {
	case KindSession:
		return nil, fmt.Errorf("session windows are not aligned")
	case KindGlobal:
		a.minT, a.maxT = math.MinInt64, math.MaxInt64
		return a, nil
	case KindCalendar:
		c, err := newCalendar(s.Unit, s.Zone)
		if err != nil {
			return nil, err
		}
		const twoMonths = 62 * 24 * int64(time.Hour)
		a.cal, a.minT, a.maxT = c, math.MinInt64+twoMonths, math.MaxInt64-twoMonths
		return a, nil
	case KindTumbling:
		a.slide = a.size
	}
	a.rest, a.per = a.size%a.slide, a.size/a.slide
	a.offset -= FloorDiv(a.offset, a.slide) * a.slide // the same starts, from 0 up
	a.minT, a.maxT = math.MinInt64+a.size, math.MaxInt64-1-a.size
	a.last = FloorDiv(math.MaxInt64-1-a.size-a.offset, a.slide)
	return a, nil
}

// Clone returns an assigner for another goroutine.
func (a *Aligned) Clone() *Aligned {
	c := *a
	if a.cal != nil {
		cal := *a.cal
		c.cal = &cal
	}
	return &c
}

// Validate says what is wrong with a spec, or nil.
func (s Spec) Validate() error {
	switch s.Kind {
	case KindTumbling:
		if s.Size <= 0 {
			return fmt.Errorf("tumbling size is %v, it must be positive", s.Size)
		}
	case KindSliding:
		if s.Size <= 0 || s.Slide <= 0 {
			return fmt.Errorf("sliding size is %v and slide %v, both must be positive", s.Size, s.Slide)
		}
		if s.Size/s.Slide > MaxWindowsPerEvent {
			return fmt.Errorf("sliding size %v by %v puts each event into %d windows, at most %d are allowed", s.Size, s.Slide, s.Size/s.Slide, MaxWindowsPerEvent)
		}
	case KindSession:
		if s.Gap <= 0 {
			return fmt.Errorf("session gap is %v, it must be positive", s.Gap)
		}
	case KindCalendar:
		if s.Unit != Day && s.Unit != Week && s.Unit != Month {
			return fmt.Errorf("calendar unit is %q, it must be day, week or month", s.Unit)
		}
		if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
			return fmt.Errorf("calendar timezone %q is not known, it must be an IANA name such as Europe/Berlin", s.Zone)
		}
	case KindGlobal:
	default:
		return fmt.Errorf("no window is given: choose tumbling, sliding, session, calendar or global")
	}
	if max(s.Size, s.Slide, s.Gap, s.Offset, -s.Offset) > MaxLength {
		return fmt.Errorf("windows are limited to %d days", MaxLength/(24*time.Hour))
	}
	return nil
}

// Global reports whether there is one window for all time, which only the end
// of the input closes.
func (a *Aligned) Global() bool { return a.spec.Kind == KindGlobal }

// Shares reports whether several windows share a pane.
func (a *Aligned) Shares() bool {
	return a.spec.Kind == KindSliding && a.slide < a.size
}

// PanesPerWindow is how many panes a window is made of.
func (a *Aligned) PanesPerWindow() int64 {
	if !a.Shares() {
		return 1
	}
	if a.rest == 0 {
		return a.per
	}
	return 2*a.per + 1
}

// WindowsPerEvent is the greatest number of windows that hold one event.
func (a *Aligned) WindowsPerEvent() int64 {
	if !a.Shares() {
		return 1
	}
	if a.rest == 0 {
		return a.per
	}
	return a.per + 1
}

// Range is the first and the last event time whose windows fit for certain, so
// that most batches need not be looked at: Fits decides on the others.
func (a *Aligned) Range() (first, last int64) { return a.minT, a.maxT }

// Fits reports whether t can be assigned: whether the bounds of all its windows
// lie between the ends of int64 nanoseconds, which stand for no bound.
func (a *Aligned) Fits(t int64) bool {
	switch {
	case t >= a.minT && t <= a.maxT:
		return true
	case a.cal != nil:
		return a.cal.fits(t)
	}
	_, within := a.at(t)
	if within >= a.size {
		return true // in a gap, in no window
	}
	before := within + (a.size-1-within)/a.slide*a.slide // since the first window's start
	after := a.size - within                             // until the last window's end
	return t > math.MinInt64+before && t < math.MaxInt64-after
}

// at is the number of the slide that holds t, and how far t is into it. The
// start of the slide may not fit into int64.
func (a *Aligned) at(t int64) (k, within int64) {
	k = FloorDiv(t, a.slide)
	if within = t - k*a.slide - a.offset; within < 0 {
		return k - 1, within + a.slide
	}
	return k, within
}

// Pane returns the pane of an event time that Fits, or false when t lies
// in the gap between two sliding windows.
func (a *Aligned) Pane(t int64) (Pane, bool) {
	switch {
	case a.spec.Kind == KindGlobal:
		return Pane{Start: event.MinTime, End: event.MaxTime}, true
	case a.cal != nil:
		i := a.cal.index(t)
		return Pane{Index: i, Start: a.cal.start(i), End: a.cal.start(i + 1), First: i, Last: i}, true
	}
	k, within := a.at(t)
	start := t - within
	switch {
	case a.slide >= a.size:
		return Pane{Index: k, Start: start, End: start + a.size, First: k, Last: k}, within < a.size
	case a.rest == 0:
		return Pane{Index: k, Start: start, End: start + a.slide, First: k + 1 - a.per, Last: k}, true
	case within < a.rest:
		return Pane{Index: 2 * k, Start: start, End: start + a.rest, First: k - a.per, Last: k}, true
	default:
		return Pane{Index: 2*k + 1, Start: start + a.rest, End: start + a.slide, First: k + 1 - a.per, Last: k}, true
	}
}

// Window returns the bounds of window i.
func (a *Aligned) Window(i int64) Interval {
	switch {
	case a.spec.Kind == KindGlobal:
		return Interval{event.MinTime, event.MaxTime}
	case a.cal != nil:
		return Interval{a.cal.start(i), a.cal.start(i + 1)}
	}
	start := i*a.slide + a.offset
	return Interval{start, start + a.size}
}

// StartingAt returns the window that starts at a time, or false when none does
// that an event can be in.
func (a *Aligned) StartingAt(start int64) (i int64, ok bool) {
	switch {
	case a.spec.Kind == KindGlobal:
	case a.cal != nil && a.cal.fits(start):
		i = a.cal.index(start)
	case a.cal == nil && start > math.MinInt64 && start < math.MaxInt64-a.size:
		i, _ = a.at(start)
	default:
		return 0, false // what follows would overflow
	}
	return i, a.Window(i).Start == start
}

// Panes returns the first and the last pane of window i.
func (a *Aligned) Panes(i int64) (first, last int64) {
	switch {
	case !a.Shares():
		return i, i
	case a.rest == 0:
		return i, i + a.per - 1
	default:
		return 2 * i, 2 * (i + a.per)
	}
}

// LastWindow is the number of the last window that holds a pane, of those whose
// bounds fit.
func (a *Aligned) LastWindow(pane int64) int64 {
	switch {
	case !a.Shares():
		return pane
	case a.rest != 0:
		pane = FloorDiv(pane, 2) // two panes a slide
	}
	return min(pane, a.last)
}

// FloorDiv divides towards minus infinity; b is positive.
func FloorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
