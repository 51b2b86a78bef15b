// Package waits adds up for how long something has waited.
package waits

import (
	"sync"
	"time"
)

// Sum is for how long goroutines have waited, all together. Waits that are under
// way count as well: what hangs is seen while it hangs, and the sum does not jump
// when it is over. The zero Sum is ready for use.
type Sum struct {
	mu sync.Mutex
	// origin is when the first wait began; times are durations since then.
	origin time.Time
	over   time.Duration
	// starts adds up when those began that are under way.
	under  int64
	starts time.Duration
}

// Wait is one that is under way.
type Wait struct {
	sum   *Sum
	start time.Duration
}

// Begin begins a wait, which its End ends.
func (s *Sum) Begin() Wait {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.origin.IsZero() {
		s.origin = time.Now()
	}
	w := Wait{s, time.Since(s.origin)}
	s.under++
	s.starts += w.start
	return w
}

// End ends a wait; it is called once.
func (w Wait) End() {
	s := w.sum
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over += time.Since(s.origin) - w.start
	s.under--
	s.starts -= w.start
}

// Total is for how long all have waited so far.
func (s *Sum) Total() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under == 0 {
		return s.over
	}
	return s.over + time.Duration(s.under)*time.Since(s.origin) - s.starts
}
