package window

import (
	"fmt"
	"time"
	_ "time/tzdata" // time zones must not depend on the machine

	"github.com/llm-optimizer/processor/event"
)

// calendar numbers the days, weeks or months of a zone and finds where they
// begin: at the first instant whose local date lies in the period. It keeps
// the period it met last; it belongs to one goroutine.
type calendar struct {
	unit Unit
	loc  *time.Location

	cached     int64
	from, till int64
}

func newCalendar(unit Unit, zone string) (*calendar, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("loading the time zone %q: %w", zone, err)
	}
	return &calendar{unit: unit, loc: loc, from: 1, till: 0}, nil
}

// index is the number of the period that holds t.
func (c *calendar) index(t int64) int64 {
	if t >= c.from && t < c.till {
		return c.cached
	}
	at := time.Unix(0, t)
	y, m, d := at.In(c.loc).Date()
	i := c.period(y, m, d)
	from, till := c.begin(i), c.begin(i+1)
	// Where clocks go back over midnight a date comes twice; the period
	// begins at the first.
	for ; at.Before(from); i-- {
		from, till = c.begin(i-1), from
	}
	for ; !at.Before(till); i++ {
		from, till = till, c.begin(i+2)
	}
	c.cached, c.from, c.till = i, nanos(from), nanos(till)
	return i
}

// fits reports whether the bounds of the period that holds t are between the
// ends of int64 nanoseconds.
func (c *calendar) fits(t int64) bool {
	i := c.index(t)
	return nanos(c.begin(i)) > event.MinTime && nanos(c.begin(i+1)) < event.MaxTime
}

// nanos is a time in nanoseconds since 1970, or the end of int64 that is nearer.
func nanos(at time.Time) int64 {
	switch {
	case at.Before(time.Unix(0, event.MinTime)):
		return event.MinTime
	case at.After(time.Unix(0, event.MaxTime)):
		return event.MaxTime
	default:
		return at.UnixNano()
	}
}

// period numbers a date's day since 1970, its Monday's week, or its month.
func (c *calendar) period(y int, m time.Month, d int) int64 {
	if c.unit == Month {
		return int64(y)*12 + int64(m) - 1
	}
	day := FloorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 86400)
	if c.unit == Week {
		return FloorDiv(day+3, 7) // 1970-01-01 was a Thursday
	}
	return day
}

// start is the first instant of period i.
func (c *calendar) start(i int64) int64 {
	if c.till > c.from && i == c.cached {
		return c.from
	}
	if c.till > c.from && i == c.cached+1 {
		return c.till
	}
	return nanos(c.begin(i))
}

// begin is the first instant of period i.
func (c *calendar) begin(i int64) time.Time {
	var local time.Time // the period's first midnight, written as if in UTC
	switch c.unit {
	case Month:
		local = time.Date(int(FloorDiv(i, 12)), time.Month(i-FloorDiv(i, 12)*12+1), 1, 0, 0, 0, 0, time.UTC)
	case Week:
		local = time.Unix((i*7-3)*86400, 0).UTC()
	default:
		local = time.Unix(i*86400, 0).UTC()
	}
	return firstInstant(local, c.loc)
}

// firstInstant is the first instant at which clocks in loc show the wall time
// of local or later on that side of a gap. time.Date does not say which of two
// instants it picks when clocks go back, nor when the wall time is skipped.
func firstInstant(local time.Time, loc *time.Location) time.Time {
	const day = 26 * time.Hour // more than any zone is away from UTC
	for t := local.Add(-day); ; {
		_, offset := t.In(loc).Zone()
		at := local.Add(-time.Duration(offset) * time.Second)
		from, till := t.In(loc).ZoneBounds()
		switch {
		case !from.IsZero() && at.Before(from):
			return from // skipped: the clocks jumped over it
		case till.IsZero() || at.Before(till):
			return at
		case till.After(t):
			t = till
		default:
			// Beyond the table of transitions ZoneBounds may give bounds that
			// end where they were asked for, at the turn of a year.
			t = t.Add(time.Hour)
		}
	}
}
