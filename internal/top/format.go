package top

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/llm-optimizer/processor/event"
)

// count writes a number with commas.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short writes a number in at most six characters, if it is not negative.
func short(n int64) string {
	if n < 100_000 {
		return count(n)
	}
	f, units := float64(n), []string{"k", "M", "G", "T", "P", "E"}
	unit := ""
	for f >= 999.5 && len(units) > 0 {
		f, unit, units = f/1000, units[0], units[1:]
	}
	return threeDigits(f) + unit
}

// threeDigits writes a number from 1 to 999.
func threeDigits(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	default:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
}

// rate writes how many a second; small ones with a fraction.
func rate(perSecond float64) string {
	switch {
	case math.IsNaN(perSecond):
		return "-"
	case perSecond > 0 && perSecond < 9.95:
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	default:
		return short(int64(math.Round(perSecond)))
	}
}

// Bytes writes a number of bytes for people: 1.5 MiB.
func Bytes(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, unit := float64(n), "B"
	for ; f >= 1000 && len(units) > 0; units = units[1:] {
		f, unit = f/1024, units[0]
	}
	if unit == "B" || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, unit)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// span writes a duration with one or two units.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + span(-max(d, -math.MaxInt64))
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// seconds is span for a number of seconds, which may be anything.
func seconds(s float64) string {
	if math.IsNaN(s) || math.Abs(s) > math.MaxInt64/1e9 {
		return "-"
	}
	return span(time.Duration(s * 1e9))
}

// ago is how long before now something was; another clock may be ahead.
func ago(t, now time.Time) string { return span(max(now.Sub(t), 0)) }

// dateTime writes an event time to the second.
func dateTime(t *time.Time) string {
	switch {
	case t == nil:
		return "-"
	case !t.Before(time.Unix(0, event.MaxTime)):
		return "the end"
	default:
		return t.UTC().Format(time.DateTime)
	}
}

// eventTime is dateTime without the date of now.
func eventTime(t *time.Time, now time.Time) string {
	if s := dateTime(t); t == nil || s == "the end" {
		return s
	}
	return clockTime(*t, now)
}

// clockTime writes when something happened: with the date if that was not on
// the day of now.
func clockTime(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// bounds writes a window, without dates that go without saying.
func bounds(start, end *time.Time, now time.Time) string {
	if start == nil || end == nil {
		return "all time"
	}
	return clockTime(*start, now) + " - " + clockTime(*end, *start)
}
