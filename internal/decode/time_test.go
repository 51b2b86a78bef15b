package decode

import (
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

func ns(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixNano()
}

func TestRFC3339(t *testing.T) {
	good := []struct {
		text string
		want int64
	}{
		{"1970-01-01T00:00:00Z", 0},
		{"2026-01-01T00:00:00.5Z", ns("2026-01-01T00:00:00.5Z")},
		{"2026-01-01T23:59:59.123456789Z", ns("2026-01-01T23:59:59.123456789Z")},
		{"2026-01-01T23:59:59.1234567899999Z", ns("2026-01-01T23:59:59.123456789Z")},
		{"2026-01-01T23:59:59.12345678Z", ns("2026-01-01T23:59:59.12345678Z")},
		{"2026-01-01T00:00:00.000000000000Z", ns("2026-01-01T00:00:00Z")},
		{"1969-12-31T23:59:59.25Z", -750_000_000},
		{"1900-03-01T12:00:00Z", ns("1900-03-01T12:00:00Z")},
		{"2024-02-29T00:00:00Z", ns("2024-02-29T00:00:00Z")},
		{"2000-02-29T00:00:00Z", ns("2000-02-29T00:00:00Z")},
		{"2026-01-01T05:30:00.7+05:30", ns("2026-01-01T00:00:00.7Z")},
		{"2025-12-31T16:00:00-08:00", ns("2026-01-01T00:00:00Z")},
		{"2026-01-01T00:00:00-00:00", ns("2026-01-01T00:00:00Z")},
		{"2026-01-01T23:59:00+23:59", ns("2026-01-01T00:00:00Z")},
		{"2026-01-01t00:00:00z", ns("2026-01-01T00:00:00Z")},
		{"2026-01-01 00:00:00Z", ns("2026-01-01T00:00:00Z")},
		{"1677-09-21T00:12:43.145224192Z", math.MinInt64},
		{"2262-04-11T23:47:16.854775807Z", math.MaxInt64},
		{"2262-04-12T23:46:16.854775807+23:59", math.MaxInt64},
		{`2026-01-01T00:00:00\u005a`, ns("2026-01-01T00:00:00Z")},
	}
	opt := Options{Format: "json", TimePath: []string{"t"}, TimeFormat: "rfc3339"}
	for _, tt := range good {
		d := mustNew(t, fields("t"), opt)
		line := `{"t":"` + tt.text + `"}` + "\n"
		// Three times: the date is unknown, then remembered.
		b := decodeLines(d, line+line+line)
		if b.N != 3 || b.Time[0] != tt.want || b.Time[1] != tt.want || b.Time[2] != tt.want {
			t.Errorf("%s: %v, want %d; dead %+v", tt.text, b.Time, tt.want, b.Dead)
		}
	}
	bad := []string{"", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.5", "2026-01-01T00:00:00,5Z",
		"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:0xZ", "2026-01-01T00-00:00Z",
		"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60", "2026-01-01T00:00:00+0000", "2026-01-01T00:00:00+00:00Z", "2026-01-01T00:00:00ZZ",
		"2026-01-01T00:00:00.1x345678Z", "2026-01-01T00:00:00x5Z", "2026/01/01T00:00:00Z", "2026-01-01X00:00:00Z", " 2026-01-01T00:00:00Z", "+026-01-01T00:00:00Z",
		"2026-01-01T00:00:00.123456789", "2026-01-01T1:00:00Z", "2026-01-01T00:00:00.12é45678Z", "2026-01-01T00:0é00Z", "2026-01-01T00;00:00Z", "2026-01-01T00:00;00Z", "2026-01-01T00:00900Z", "2026-01-01T:0:00:00Z", "1767225600"}
	for _, text := range bad {
		d := mustNew(t, fields("t"), opt)
		b := decodeLines(d, `{"t":"2026-01-01T00:00:00Z"}`+"\n"+`{"t":"`+text+`"}`)
		if b.N != 1 || len(b.Dead) != 1 || b.Dead[0].Reason != "time" || !strings.Contains(b.Dead[0].Err, "no time in the format rfc3339") {
			t.Errorf("%s: rows %d, dead %+v", text, b.N, b.Dead)
		}
	}
	for _, text := range []string{"1677-09-21T00:12:43.145224191Z", "2262-04-11T23:47:16.854775808Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
		"1677-09-21T00:12:42Z", "2262-04-11T23:47:17Z"} {
		line := `{"t":"` + text + `"}` + "\n"
		b := decodeLines(mustNew(t, fields("t"), opt), line+line)
		if len(b.Dead) != 2 || b.Dead[1].Reason != "time" || !strings.Contains(b.Dead[1].Err, "beyond what int64 nanoseconds hold") {
			t.Errorf("%s: rows %d, dead %+v", text, b.N, b.Dead)
		}
	}
	for _, value := range []string{"1767225600", "true", "{}", "[1]"} {
		b := decodeLines(mustNew(t, fields("t"), opt), `{"t":`+value+`}`)
		if len(b.Dead) != 1 || b.Dead[0].Reason != "time" {
			t.Errorf("%s: rows %d, dead %+v", value, b.N, b.Dead)
		}
	}
}

// strict is RFC 3339 as time.Parse takes it, which takes more than this.
var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// compareTime holds s against time.Parse, once with the date unknown and once
// with it remembered.
func compareTime(t interface{ Fatalf(string, ...any) }, s string) {
	large := strings.NewReplacer("t", "T", "z", "Z", " ", "T").Replace(s) // which time.Parse insists on
	want, err := time.Parse(time.RFC3339Nano, large)
	valid := err == nil && strict.MatchString(large)
	low, top := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	status := timeRead
	if !valid {
		status = timeMalformed
	} else if want.Before(low) || want.After(top) {
		status = timeOutOfRange
	}
	var c dateCache
	for range 2 {
		got, ok := c.read([]byte(s))
		gotStatus := timeRead
		if !ok {
			got, gotStatus = c.readAny([]byte(s))
		}
		if gotStatus != status || status == timeRead && got != want.UnixNano() {
			t.Fatalf("%q: status %d time %d, want %d %v (%v)", s, gotStatus, got, status, want, err)
		}
	}
}

func FuzzRFC3339(f *testing.F) {
	for _, s := range []string{"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "1969-02-29T23:59:59.999999999+05:30", "2262-04-11T23:47:16.854775807Z",
		"1677-09-21T00:12:43.145224192Z", "0000-01-01T00:00:00-23:59", "2026-01-01 00:00:00z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00,5Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { compareTime(t, s) })
}

func TestRFC3339Property(t *testing.T) {
	almost := rapid.StringMatching(`(19|20|00|99|16|22)\d\d-[01]\d-[0-3]\d[Tt ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,12})?([Zz]|[+-][0-2]\d:[0-6]\d)`)
	rapid.Check(t, func(rt *rapid.T) { compareTime(rt, almost.Draw(rt, "time")) })
	zones := []*time.Location{time.UTC, time.FixedZone("", 5*3600+1800), time.FixedZone("", -8*3600)}
	rapid.Check(t, func(rt *rapid.T) {
		at := time.Unix(0, rapid.Int64().Draw(rt, "ns")).In(rapid.SampledFrom(zones).Draw(rt, "zone"))
		compareTime(rt, at.Format(time.RFC3339Nano))
	})
}

// Every day between the ends of int64 nanoseconds is where package time has it.
func TestDays(t *testing.T) {
	at := time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)
	for want := at.Unix() / 86400; at.Year() < 2300; at, want = at.AddDate(0, 0, 1), want+1 {
		y, m, day := at.Date()
		if got := daysSince1970(y, int(m), day); got != want {
			t.Fatalf("%v is day %d, want %d", at, got, want)
		}
		if last := at.AddDate(0, 0, 1).Day() == 1; last != (day == daysIn(y, int(m))) {
			t.Fatalf("the last day of the month of %v is %d", at, daysIn(y, int(m)))
		}
	}
}

func TestUnix(t *testing.T) {
	tests := []struct {
		format, value string
		want          int64
		reason        string
	}{
		{"unix_s", "1767225600", 1767225600e9, ""},
		{"unix_s", "1767225600.5", 17672256005e8, ""},
		{"unix_s", "1767225600.123456789", 1767225600123456789, ""},
		{"unix_s", "1767225600.1234567899", 1767225600123456789, ""},
		{"unix_s", "1.7672256e9", 1767225600e9, ""},
		{"unix_s", "17672256000e-1", 1767225600e9, ""},
		{"unix_s", "-0.5", -5e8, ""},
		{"unix_s", "-0.0000000001", -1, ""},
		{"unix_s", "-1.0000000001", -1e9 - 1, ""},
		{"unix_s", "-1.0000000000", -1e9, ""},
		{"unix_s", "0", 0, ""}, {"unix_s", "-0", 0, ""}, {"unix_s", "0e99", 0, ""},
		{"unix_s", "9223372036.854775807", math.MaxInt64, ""},
		{"unix_s", "9223372036.854775808", 0, "time"},
		{"unix_s", "-9223372036.854775808", math.MinInt64, ""},
		{"unix_s", "-9223372036.8547758081", 0, "time"},
		{"unix_s", "9223372037", 0, "time"},
		{"unix_s", "1e400", 0, "time"}, {"unix_s", "1e99999999999999999999", 0, "time"}, {"unix_s", "1e-99999999999999999999", 0, ""},
		{"unix_s", "123456789012345678901234567890", 0, "time"},
		{"unix_ms", "1767225600123", 1767225600123e6, ""},
		{"unix_ms", "1767225600123.25", 1767225600123250000, ""},
		{"unix_ms", `"1767225600123"`, 1767225600123e6, ""},
		{"unix_ms", `"1767225600123.25"`, 1767225600123250000, ""},
		{"unix_ms", `"\u0031767225600123"`, 1767225600123e6, ""},
		{"unix_ms", `"-1"`, -1e6, ""},
		{"unix_ms", `""`, 0, "time"}, {"unix_ms", `" 1"`, 0, "time"}, {"unix_ms", `"1 "`, 0, "time"}, {"unix_ms", `"01"`, 0, "time"}, {"unix_ms", `"1x"`, 0, "time"},
		{"unix_ms", `"1\n"`, 0, "time"}, {"unix_ms", `"é"`, 0, "time"}, {"unix_ms", `"0x10"`, 0, "time"}, {"unix_ms", `"2026-01-01T00:00:00Z"`, 0, "time"},
		{"unix_ms", `"9223372036855"`, 0, "time"}, {"unix_ms", "true", 0, "time"}, {"unix_ms", "[1]", 0, "time"}, {"unix_ms", "null", 0, "no_time"},
		{"unix_us", "1767225600123456", 1767225600123456e3, ""},
		{"unix_ns", "1767225600123456789", 1767225600123456789, ""},
		{"unix_ns", "9223372036854775807", math.MaxInt64, ""},
		{"unix_ns", "-9223372036854775808", math.MinInt64, ""},
		{"unix_ns", "-9223372036854775809", 0, "time"},
		{"unix_ns", "9223372036854775807.9", math.MaxInt64, ""},
		{"unix_ns", "18446744073709551616", 0, "time"},
		{"unix_ns", "18446744073709551620e-1", 1844674407370955162, ""},
	}
	for _, tt := range tests {
		d := mustNew(t, &event.Schema{}, Options{Format: "json", TimePath: []string{"at", "ts"}, TimeFormat: tt.format})
		b := decodeLines(d, `{"at":{"ts":`+tt.value+`}}`)
		switch {
		case tt.reason != "":
			if len(b.Dead) != 1 || b.Dead[0].Reason != tt.reason || !strings.HasPrefix(b.Dead[0].Err, "at.ts is ") {
				t.Errorf("%s %s: times %v, dead %+v, want %s", tt.format, tt.value, b.Time, b.Dead, tt.reason)
			}
		case b.N != 1 || b.Time[0] != tt.want:
			t.Errorf("%s %s: times %v, dead %+v, want %d", tt.format, tt.value, b.Time, b.Dead, tt.want)
		}
	}
}

func TestUnixProperty(t *testing.T) {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,12})?([eE][-+]?[0-9]{1,2})?`)
	rapid.Check(t, func(rt *rapid.T) {
		lit := number.Draw(rt, "number")
		unit := rapid.SampledFrom([]int{0, 3, 6, 9}).Draw(rt, "unit")
		got, status := readUnix([]byte(lit), unit)
		want, reason := refUnix(lit, unit)
		if (status == timeRead) != (reason == "") || status == timeRead && got != want {
			rt.Fatalf("%s * 10^%d = %d (%d), want %d %s", lit, unit, got, status, want, reason)
		}
	})
}

// The wall clock is asked once a batch, and the sum does not wrap.
func TestFuture(t *testing.T) {
	calls := 0
	opt := unixT
	opt.MaxFuture, opt.Now = time.Hour, func() int64 { calls++; return math.MaxInt64 - 5 }
	d := mustNew(t, fields("a"), opt)
	b := decodeLines(d, `{"t":1}`+"\n"+`{"t":`+strconv.FormatInt(math.MaxInt64, 10)+`}`)
	if calls != 1 || b.N != 2 {
		t.Errorf("%d calls, %d rows, dead %+v", calls, b.N, b.Dead)
	}
	opt.Now = func() int64 { return 100 }
	end := strconv.FormatInt(100+int64(time.Hour), 10)
	b = decodeLines(mustNew(t, fields("a"), opt), `{"t":`+end+`}`+"\n"+`{"t":`+end+`0}`)
	if b.N != 1 || len(b.Dead) != 1 || b.Dead[0].Reason != "future" {
		t.Errorf("%d rows, dead %+v", b.N, b.Dead)
	}
}

func benchTimes(b *testing.B, text func(i int) string, read func(s []byte) bool) {
	var times [1024][]byte
	for i := range times {
		times[i] = []byte(text(i))
	}
	b.ReportAllocs()
	for i := range b.N {
		if !read(times[i%len(times)]) {
			b.Fatalf("%s was not read", times[i%len(times)])
		}
	}
}

func BenchmarkTime(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	same := func(int) string {
		return time.Unix(1767225600+r.Int64N(86400), r.Int64N(1000)*1e6).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	other := func(int) string {
		return time.Unix(r.Int64N(1767225600), r.Int64N(1e9)).UTC().Format(time.RFC3339Nano)
	}
	var c dateCache
	rfc := func(s []byte) bool {
		if _, ok := c.read(s); ok {
			return true
		}
		_, status := c.readAny(s)
		return status == timeRead
	}
	b.Run("same-day", func(b *testing.B) { benchTimes(b, same, rfc) })
	b.Run("any-day", func(b *testing.B) { benchTimes(b, other, rfc) })
	b.Run("time.Parse", func(b *testing.B) {
		benchTimes(b, same, func(s []byte) bool { _, err := time.Parse(time.RFC3339Nano, string(s)); return err == nil })
	})
	unix := func(s []byte) bool { _, status := readUnix(s, 6); return status == timeRead }
	b.Run("unix_ms", func(b *testing.B) {
		benchTimes(b, func(int) string { return strconv.FormatInt(1767225600000+r.Int64N(1e9), 10) }, unix)
	})
}
