package engine

import (
	"testing"

	"github.com/llm-optimizer/processor/event"
)

// A session of centuries is longer than the differences that int64 holds.
func TestSecondsOfWindows(t *testing.T) {
	for _, c := range []struct {
		start, end int64
		want       float64
	}{
		{0, 60e9, 60},
		{-60e9, 1, 60.000000001},
		{-8_500_000_000e9, 6_053_600_000e9, 14_553_600_000},
		{event.MinTime + 1, event.MaxTime - 1, 18446744073.709553},
		{event.MinTime, event.MaxTime, 0},
	} {
		if got := seconds(c.start, c.end); got != c.want {
			t.Errorf("from %d to %d there are %v seconds, want %v", c.start, c.end, got, c.want)
		}
	}
}
