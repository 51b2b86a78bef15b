package window

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// zones have offsets of half hours, gaps and repeats at midnight, and a day
// that never was.
var zones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "Asia/Kolkata",
	"Pacific/Apia", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Antarctica/Troll",
}

// monday is the date of the week's Monday.
func monday(y int, m time.Month, d int) (int, time.Month, int) {
	t := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	return t.AddDate(0, 0, -(int(t.Weekday())+6)%7).Date()
}

// date is the first date of the period that holds the local date of t.
func date(unit Unit, loc *time.Location, t time.Time) (int, time.Month, int) {
	y, m, d := t.In(loc).Date()
	switch unit {
	case Month:
		d = 1
	case Week:
		y, m, d = monday(y, m, d)
	}
	return y, m, d
}

func TestCalendarBoundsAreFirstInstants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]Unit{Day, Week, Month}).Draw(t, "unit")
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		a, err := NewAligned(Calendar(unit, zone))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(-2_000_000_000, 4_000_000_000).Draw(t, "t"), 0)
		pane, _ := a.Pane(at.UnixNano())
		iv := a.Window(pane.First)
		if pane.First != pane.Last || iv.Start != pane.Start || iv.End != pane.End {
			t.Fatalf("pane %+v, window %+v", pane, iv)
		}
		if at.UnixNano() < iv.Start || at.UnixNano() >= iv.End {
			t.Fatalf("%v is not in [%v, %v)", at.In(loc), time.Unix(0, iv.Start).In(loc), time.Unix(0, iv.End).In(loc))
		}
		// The instant before the start has another date, and no instant of
		// the two days before has the period's.
		start := time.Unix(0, iv.Start)
		y, m, d := date(unit, loc, start)
		for back := time.Nanosecond; back < 50*time.Hour; back += 7 * time.Minute {
			if by, bm, bd := date(unit, loc, start.Add(-back)); by == y && bm == m && bd == d {
				t.Fatalf("%s %s: period starts at %v, but %v before it is in it too", unit, zone, start.In(loc), back)
			}
		}
		// Periods follow each other without gap or overlap.
		if next := a.Window(pane.First + 1); next.Start != iv.End {
			t.Fatalf("period ends at %d, the next starts at %d", iv.End, next.Start)
		}
		if again, _ := a.Clone().Pane(at.UnixNano()); again != pane {
			t.Fatalf("a fresh assigner says %+v, not %+v", again, pane)
		}
	})
}

func TestCalendarKnownDays(t *testing.T) {
	for _, c := range []struct {
		unit           Unit
		zone, at, from string
		hours          float64
	}{
		{Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23},
		{Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25},
		{Day, "UTC", "1969-12-31T23:59:59Z", "1969-12-31T00:00:00Z", 24},
		// Clocks jump from midnight to 1:00: the day starts at 1:00.
		{Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", 23},
		// Clocks go back at 0:01: the day starts at the first 0:00.
		{Day, "America/St_Johns", "2010-11-07T12:00:00Z", "2010-11-07T02:30:00Z", 25},
		// 2011-12-30 never was there.
		{Day, "Pacific/Apia", "2011-12-31T01:00:00Z", "2011-12-30T10:00:00Z", 24},
		{Week, "UTC", "2026-11-23T15:00:00Z", "2026-11-23T00:00:00Z", 168},
		{Week, "UTC", "1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z", 168},
		{Month, "Europe/Berlin", "2026-03-15T00:00:00Z", "2026-02-28T23:00:00Z", 31*24 - 1},
		{Month, "UTC", "1969-02-15T00:00:00Z", "1969-02-01T00:00:00Z", 28 * 24},
	} {
		a, err := NewAligned(Calendar(c.unit, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		at, _ := time.Parse(time.RFC3339, c.at)
		pane, _ := a.Pane(at.UnixNano())
		from := time.Unix(0, pane.Start).UTC().Format(time.RFC3339)
		if hours := time.Duration(pane.End - pane.Start).Hours(); from != c.from || hours != c.hours {
			t.Errorf("%s of %s in %s starts at %s and has %v hours, want %s and %v", c.unit, c.at, c.zone, from, hours, c.from, c.hours)
		}
	}
}
