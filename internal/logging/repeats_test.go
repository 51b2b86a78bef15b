package logging

import (
	"log/slog"
	"testing"
	"time"
)

// What is remembered is bounded, however many lines come and whatever is in
// them.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	c := &repeats{plain: slog.DiscardHandler, seen: map[message]*tally{}}
	now := time.Now()
	for i := range 3 * lots {
		for _, text := range []string{"one", "another"} {
			r := slog.NewRecord(now, slog.LevelError, text, 0)
			r.AddAttrs(slog.Int("i", i))
			c.judge(slog.DiscardHandler, 0, &r)
		}
	}
	if len(c.seen) != 2 {
		t.Fatalf("%d messages are remembered", len(c.seen))
	}
	for m, tally := range c.seen {
		if len(tally.said) != lots || tally.held.lines != 2*lots {
			t.Errorf("%s: %d lines are remembered, %d held back", m.text, len(tally.said), tally.held.lines)
		}
	}
}
