package event

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func wantTime(t int64) string {
	return time.Unix(0, t).UTC().Format(time.RFC3339Nano)
}

func TestAppendTime(t *testing.T) {
	times := []int64{0, 1, -1, 1e8, 1e9, -1e9, MinTime, MaxTime, MinTime + 1, 86400e9, 86400e9 - 1}
	for y := 1678; y < 2262; y++ {
		for _, md := range [][2]int{{1, 1}, {2, 28}, {2, 29}, {3, 1}, {12, 31}} {
			at := time.Date(y, time.Month(md[0]), md[1], 23, 59, 59, 120_000_000, time.UTC)
			times = append(times, at.UnixNano(), at.UnixNano()+880_000_000)
		}
	}
	for _, at := range times {
		if got := string(AppendTime(nil, at)); got != wantTime(at) {
			t.Fatalf("AppendTime(%d) = %s, want %s", at, got, wantTime(at))
		}
	}
}

func TestAppendTimeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64().Draw(t, "t")
		if rapid.Bool().Draw(t, "millis") {
			at -= at % 1e6
		}
		if got := string(AppendTime([]byte("x"), at)); got != "x"+wantTime(at) {
			t.Fatalf("AppendTime(%d) = %s, want x%s", at, got, wantTime(at))
		}
	})
}

func BenchmarkAppendTime(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 64)
	for i := 0; b.Loop(); i++ {
		buf = AppendTime(buf[:0], 1767225600e9+int64(i)*60e9)
	}
}
