package refmodel

import (
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/window"
)

func TestSliding(t *testing.T) {
	for _, c := range []struct {
		t                   int64
		size, slide, offset time.Duration
		want                []bounds
	}{
		{7, 10, 10, 0, []bounds{{0, 10}}},
		{-1, 10, 10, 0, []bounds{{-10, 0}}},
		{7, 7, 3, 0, []bounds{{6, 13}, {3, 10}}},
		{-15, 7, 3, 0, []bounds{{-15, -8}, {-18, -11}, {-21, -14}}},
		{9, 4, 10, 0, nil},
		{9, 4, 10, -2, []bounds{{8, 12}}},
		{event.MaxTime - 8, 10, 10, 0, []bounds{{event.MaxTime - 17, event.MaxTime - 7}}},
		{event.MinTime + 8, 10, 10, 0, []bounds{{event.MinTime + 8, event.MinTime + 18}}},
		{event.MaxTime, 4, 10, 0, nil}, // in a gap
	} {
		got, ok := sliding(c.t, c.size, c.slide, c.offset)
		if !ok {
			t.Errorf("%+v: does not fit", c)
		}
		if len(got) != len(c.want) {
			t.Errorf("%+v: %v", c, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%+v: %v", c, got)
			}
		}
	}
}

func TestWindowsThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		t           int64
		size, slide time.Duration
	}{
		{event.MaxTime, 10, 10}, {event.MaxTime - 7, 10, 10}, {event.MinTime + 7, 10, 10}, {event.MinTime, 10, 10},
		{event.MaxTime - 8, 20, 10}, {event.MinTime + 8, 20, 10},
	} {
		if got, ok := sliding(c.t, c.size, c.slide, 0); ok {
			t.Errorf("%+v: %v", c, got)
		}
	}
	assign, err := calendar(window.Day, "UTC")
	if err != nil {
		t.Fatal(err)
	}
	// The last whole day is the 10th of April 2262, the first the 22nd of September 1677.
	const day = 24 * int64(time.Hour)
	last, first := event.MaxTime/day*day, event.MinTime/day*day
	for at, want := range map[int64]bool{last: false, last - 1: true, first: true, first - 1: false, event.MinTime: false, event.MaxTime: false} {
		if got, ok := assign(at); ok != want {
			t.Errorf("%d: %v, %v", at, got, ok)
		}
	}
}

func TestCalendar(t *testing.T) {
	for _, c := range []struct {
		unit                 window.Unit
		zone, at, start, end string
	}{
		{window.Day, "UTC", "1969-12-31T23:59:59Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"},
		{window.Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{window.Day, "Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		// The clocks went from midnight to one o'clock.
		{window.Day, "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		// The clocks went from midnight back to eleven: the day before is long.
		{window.Day, "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"},
		// They went back a minute after midnight: the new day had begun.
		{window.Day, "America/St_Johns", "2006-10-29T02:45:00Z", "2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z"},
		// The 30th of December 2011 did not take place.
		{window.Day, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{window.Day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		{window.Week, "UTC", "2026-01-04T23:59:59Z", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z"},
		{window.Month, "Asia/Kathmandu", "2024-02-29T18:14:59Z", "2024-01-31T18:15:00Z", "2024-02-29T18:15:00Z"},
	} {
		assign, err := calendar(c.unit, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		parse := func(s string) int64 {
			at, err := time.Parse(time.RFC3339, s)
			if err != nil {
				t.Fatal(err)
			}
			return at.UnixNano()
		}
		got, _ := assign(parse(c.at))
		if want := (bounds{parse(c.start), parse(c.end)}); len(got) != 1 || got[0] != want {
			t.Errorf("%s of %s in %s: %v to %v, not %s to %s", c.unit, c.at, c.zone,
				time.Unix(0, got[0].start).UTC(), time.Unix(0, got[0].end).UTC(), c.start, c.end)
		}
	}
}
