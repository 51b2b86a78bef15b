package sink

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/event"
)

const (
	nanosPerDay = int64(86400e9)
	// noDay is the day of a window without a beginning.
	noDay = math.MinInt64
)

// day is the number of the UTC day of a time.
func day(t int64) int64 {
	if t == event.MinTime || t == event.MaxTime {
		return noDay
	}
	d := t / nanosPerDay
	if t%nanosPerDay < 0 {
		d--
	}
	return d
}

// window is a window's bounds in UTC: the times of day within a day, the days
// where it lasts whole days, else both.
func window(start, end int64) string {
	if day(start) == noDay || day(end) == noDay {
		return "all time"
	}
	from, to := instant(start), instant(end)
	switch {
	case start%nanosPerDay == 0 && end%nanosPerDay == 0:
		return from[:10] + "–" + to[:10]
	case uint64(end)-uint64(start) <= uint64(nanosPerDay):
		return from[11:] + "–" + to[11:]
	default:
		return from + "–" + to
	}
}

// instant is a time in UTC as people write it: 2006-01-02 15:04:05.
func instant(t int64) string {
	if day(t) == noDay {
		return "none"
	}
	b := event.AppendTime(nil, t)
	b[10] = ' '
	return string(b[:len(b)-1])
}

// value is a value in few characters.
func value(v event.Value) string {
	switch v.Kind {
	case event.Null, event.Invalid:
		return "-"
	case event.Number:
		return number(v.Num)
	case event.String:
		return cell(v.Str)
	default:
		return cell(string(v.AppendJSON(nil)))
	}
}

// units are the letters of a thousand, a million and so on.
const units = "kMGTPE"

// number shows whole numbers below a million exactly, with a comma between
// thousands, and others by four significant digits.
func number(f float64) string {
	a := math.Abs(f)
	switch {
	case a < 1e6 && f == math.Trunc(f):
		return grouped(strconv.FormatInt(int64(f), 10))
	case a < 999.95e3 && a >= 1e-4:
		decimals := max(0, 3-int(math.Floor(math.Log10(a))))
		return grouped(trimmed(strconv.FormatFloat(f, 'f', decimals, 64)))
	case a >= 1e21 || a < 1e-4:
		return strconv.FormatFloat(f, 'g', 4, 64)
	}
	scaled, unit := f/1e6, 1
	for math.Abs(scaled) >= 999.95 && unit < len(units)-1 {
		scaled, unit = scaled/1000, unit+1
	}
	digits := strconv.FormatFloat(scaled, 'f', max(0, 3-int(math.Floor(math.Log10(math.Abs(scaled))))), 64)
	return trimmed(digits) + units[unit:unit+1]
}

// trimmed drops zeros at the end of a fraction.
func trimmed(digits string) string {
	if !strings.Contains(digits, ".") {
		return digits
	}
	return strings.TrimRight(strings.TrimRight(digits, "0"), ".")
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	whole, fraction, _ := strings.Cut(digits, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	if len(whole) > 3 {
		whole = whole[:len(whole)-3] + "," + whole[len(whole)-3:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// cell is text that fits into a column.
func cell(s string) string { return cut(s, maxCell) }

// cut makes text safe for a terminal, where control characters in data could
// do anything, and cuts it at n characters.
func cut(s string, n int) string {
	if len(s) <= n && plain(s) {
		return s
	}
	var b strings.Builder
	count := 0
	for _, r := range s {
		if count++; count > n {
			return b.String()[:lastRune(b.String())] + "…"
		}
		if !unicode.IsPrint(r) {
			r = '·'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// lastRune is where the last character of s begins.
func lastRune(s string) int {
	_, size := utf8.DecodeLastRuneInString(s)
	return len(s) - size
}

// plain reports whether s is printable ASCII.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
