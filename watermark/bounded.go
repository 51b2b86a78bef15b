// Package watermark says how far event time has come: in one partition
// (Bounded) and over all of them (Tracker). It is pure: no goroutine, no
// clock, no lock.
//
// A watermark of w promises that all events up to and including w have come.
// Event times are nanoseconds since 1970; event.MinTime is "no watermark yet".
package watermark

import (
	"time"

	"github.com/llm-optimizer/processor/event"
)

// Bounded generates the watermark of one partition from its events: the
// greatest time so far, less the bound of disorder, less 1 ns (Akidau et al.,
// The Dataflow Model, PVLDB 8, 2015). The zero value has a bound of 0.
type Bounded struct {
	bound   int64
	current int64
	started bool
}

// NewBounded returns a generator that allows events to be bound late.
func NewBounded(bound time.Duration) Bounded { return Bounded{bound: int64(bound)} }

// Current is the watermark, event.MinTime before the first event.
func (g *Bounded) Current() int64 {
	if !g.started {
		return event.MinTime
	}
	return g.current
}

// Observe sets met[i] to the watermark that event i meets, the one left by
// those before it, and moves the watermark on. met is as long as times.
func (g *Bounded) Observe(times, met []int64) {
	w, bound := g.Current(), g.bound
	met = met[:len(times)]
	for i, t := range times {
		met[i] = w
		if c := event.AddSat(event.AddSat(t, -bound), -1); c > w {
			w = c
		}
	}
	g.raise(w)
}

// Raise moves the watermark up to at least w: a partition back from idleness
// goes on from the combined one.
func (g *Bounded) Raise(w int64) {
	if w > g.Current() {
		g.raise(w)
	}
}

func (g *Bounded) raise(w int64) {
	if w > event.MinTime {
		g.current, g.started = w, true
	}
}
