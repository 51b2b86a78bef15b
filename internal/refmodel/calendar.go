package refmodel

import (
	"fmt"
	"math/big"
	"time"
	_ "time/tzdata" // the zones are those of the binary, not of the machine

	"github.com/llm-optimizer/processor/window"
)

// calendar assigns a time to the day, week or month of a zone.
func calendar(unit window.Unit, zone string) (func(int64) ([]bounds, bool), error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("calendar windows: %w", err)
	}
	starts := map[time.Time]int64{}
	start := func(first time.Time, after time.Time) (int64, bool) {
		u, ok := starts[first]
		if !ok {
			u, ok = firstInstant(loc, first, after)
			if ok {
				starts[first] = u
			}
		}
		return u, ok
	}
	return func(t int64) ([]bounds, bool) {
		// The periods around t, so that one is certain to begin at or before
		// t and one after it, also where a zone skipped a day.
		var b bounds // in seconds
		ended := false
		period := periodOf(unit, time.Unix(0, t).In(loc))
		for n := -2; n <= 2; n++ {
			from, to := step(unit, period, n), step(unit, period, n+1)
			u, ok := start(from, to)
			switch {
			case !ok:
			case !time.Unix(u, 0).After(time.Unix(0, t)):
				b.start = u
			case !ended:
				b.end, ended = u, true
			}
		}
		begin, end := seconds(b.start), seconds(b.end)
		if !isTime(begin) || !isTime(end) {
			return nil, false
		}
		return []bounds{{begin.Int64(), end.Int64()}}, true
	}, nil
}

func seconds(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)) }

// periodOf is the first date of the period of a local time, as midnight UTC.
func periodOf(unit window.Unit, local time.Time) time.Time {
	y, m, d := local.Date()
	switch unit {
	case window.Month:
		d = 1
	case window.Week:
		// "Weeks start on Monday."
		d -= (int(local.Weekday()) + 6) % 7
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func step(unit window.Unit, first time.Time, n int) time.Time {
	switch unit {
	case window.Month:
		return first.AddDate(0, n, 0)
	case window.Week:
		return first.AddDate(0, 0, 7*n)
	default:
		return first.AddDate(0, 0, n)
	}
}

// firstInstant: "a period starts at the first instant whose local date lies in
// it". It walks from well before in quarters of an hour, then in seconds, as
// no zone ever changed in less. It is in seconds since 1970. A period that the zone skipped has none.
func firstInstant(loc *time.Location, from, to time.Time) (int64, bool) {
	inside := func(u int64) bool {
		y, m, d := time.Unix(u, 0).In(loc).Date()
		date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		return !date.Before(from) && date.Before(to)
	}
	const quarter = 15 * 60
	begin := from.Unix() - 30*3600
	for u := begin; u < from.Unix()+60*3600; u += quarter {
		if !inside(u) {
			continue
		}
		for v := u - quarter + 1; ; v++ {
			if inside(v) {
				return v, true
			}
		}
	}
	return 0, false
}
