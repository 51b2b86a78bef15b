package engine

import (
	"context"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
)

// runClock does what the wall clock asks for: the ticks of processing-time
// triggers, and closing windows while all partitions are idle. It stops with
// ctx, but not within a flush: that is for all shards or the run has failed.
func (r *Runner) runClock(ctx, hard context.Context) {
	const resolution = 20 * time.Millisecond
	ticks := newTickers(r)
	var idle idleClock
	t := time.NewTimer(resolution)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		if due := ticks.due(now); due != nil {
			r.sendAll(hard, exchange.Flush{Kind: exchange.Tick, Due: due})
		}
		if r.cfg.CloseWhenIdle {
			idle.step(hard, r, now)
		}
		t.Reset(min(resolution, ticks.wait(now)))
	}
}

// tickers knows when each query's `every` is due: at wall-clock multiples.
type tickers struct {
	every []time.Duration
	next  []time.Time
}

func newTickers(r *Runner) *tickers {
	t := &tickers{}
	now := time.Now()
	for _, q := range r.cfg.Plan.Queries {
		d := q.Def.Trigger.Every
		t.every = append(t.every, d)
		t.next = append(t.next, nextMultiple(now, d))
	}
	return t
}

// nextMultiple is the first multiple of d since 1970 after now.
func nextMultiple(now time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	ns := now.UnixNano()
	return time.Unix(0, ns-ns%int64(d)+int64(d))
}

// due says which queries tick now; nil for none.
func (t *tickers) due(now time.Time) []bool {
	var due []bool
	for i, d := range t.every {
		if d <= 0 || now.Before(t.next[i]) {
			continue
		}
		if due == nil {
			due = make([]bool, len(t.every))
		}
		due[i] = true
		t.next[i] = nextMultiple(now, d)
	}
	return due
}

// wait is how long it is until the next tick.
func (t *tickers) wait(now time.Time) time.Duration {
	wait := time.Hour
	for i, d := range t.every {
		if d > 0 {
			wait = min(wait, max(t.next[i].Sub(now), time.Millisecond))
		}
	}
	return wait
}

// idleClock moves the combined watermark at the pace of the wall clock while
// all partitions are idle, no further than the end of the last open window.
type idleClock struct {
	since time.Time
	from  int64
}

func (c *idleClock) step(hard context.Context, r *Runner, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Paused() || !r.tracker.AllIdle() || r.tracker.Combined() == event.MinTime {
		c.since = time.Time{}
		return
	}
	if c.since.IsZero() {
		c.since, c.from = now, r.tracker.Combined()
	}
	last := event.MinTime
	for _, s := range r.shards {
		last = max(last, s.lastEnd.Load())
	}
	to := min(event.AddSat(c.from, int64(now.Sub(c.since))), last)
	if to > r.tracker.Combined() {
		r.tracker.Push(to)
		r.sendLocked(hard, exchange.Flush{Kind: exchange.Advance})
	}
}
