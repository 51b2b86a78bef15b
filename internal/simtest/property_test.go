package simtest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
)

// With one partition and every_event, every row, its number and its order are
// a pure function of the input.
func TestEveryEventIsExact(t *testing.T) {
	checkExact(t, shape{partitions: 1, limited: true})
}

// Sessions that fire, grow, merge and are withdrawn, with every boundary met.
func TestSessionsAreExact(t *testing.T) {
	checkExact(t, shape{partitions: 1, onlySessions: true, limited: true})
}

// Windows that share panes are counted as if each had its own events.
func TestLimitsOfPanesAreExact(t *testing.T) {
	checkExact(t, shape{partitions: 1, onlyPanes: true, limited: true})
}

// Near the ends of int64 nanoseconds rows are right, never wrapped.
func TestEndsOfTimeAreExact(t *testing.T) {
	checkExact(t, shape{partitions: 1, extreme: true})
}

func checkExact(t *testing.T, s shape) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, s)
		var first []string
		for range 2 {
			s := drawSetting(t, pipeline.EveryEvent)
			run, out := p.run(t, s), p.model(t, s.topic)
			d := compareRows(out.Rows, run.Rows)
			_, more := stories(&p, run.Rows)
			d = append(d, more...)
			d = append(d, compareLateEvents(out.Late, run.Late)...)
			d = append(d, compareLedgers(out.Ledgers, run)...)
			d = append(d, compareDead(&p, out, run)...)
			if got := headers(run.Rows); first == nil {
				first = got
			} else if !slices.Equal(first, got) {
				d.add("another order than with the first setting:\n%q\nfirst\n%q", got, first)
			}
			d.report(t, p, s)
		}
	})
}

// With periodic firings the number of corrections is free, the last is not.
func TestPeriodicEndsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, shape{partitions: 1})
		if rapid.IntRange(0, 4).Draw(t, "ticks") == 0 {
			p.queries[0].Trigger.Every = time.Millisecond
		}
		s := drawSetting(t, pipeline.Periodic)
		checkFinal(t, &p, s)
	})
}

// With several partitions, what the windows hold in the end, what is late and
// the ledger depend on each partition's order alone.
func TestPartitionsEndTheSame(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape shape
	}{
		{"windows without sessions", shape{everyWindowFires: true, noSessions: true}},
		{"sessions within a partition", shape{everyWindowFires: true, ownSessionKeys: true}},
		{"sessions over partitions within the bound", shape{everyWindowFires: true, withinBound: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c.shape.partitions = rapid.IntRange(2, 4).Draw(t, "partitions")
				p := drawProgram(t, c.shape)
				s := drawSetting(t, rapid.SampledFrom([]pipeline.Emit{pipeline.Periodic, pipeline.EveryEvent}).Draw(t, "emit"))
				s.maxOpen = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "open")
				checkFinal(t, &p, s)
			})
		})
	}
}

func checkFinal(t *rapid.T, p *program, s setting) {
	run, out := p.run(t, s), p.model(t, s.topic)
	d := compareFinal(p, out, run.Rows, len(p.feeds) > 1)
	d = append(d, compareLateEvents(out.Late, run.Late)...)
	d = append(d, compareLedgers(out.Ledgers, run)...)
	d = append(d, compareDead(p, out, run)...)
	d.report(t, p, s)
}

// The model itself does not depend on how partitions interleave.
func TestModelIgnoresInterleaving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sh := rapid.SampledFrom([]shape{{noSessions: true}, {ownSessionKeys: true}, {withinBound: true}}).Draw(t, "shape")
		sh.partitions = 3
		p := drawProgram(t, sh)
		one, other := p.model(t, false), p.interleaved(t)
		var d differences
		for _, q := range p.queries {
			want, got := modelWindows(q, one), modelWindows(q, other)
			for name, w := range want {
				if got[name].Events != w.Events {
					d.add("%s holds %d events, not %d", name, got[name].Events, w.Events)
				}
			}
			if len(want) != len(got) {
				d.add("%s: %d windows, not %d", q.Name, len(got), len(want))
			}
		}
		if !slices.Equal(one.Ledgers, other.Ledgers) {
			d.add("ledgers are %+v, not %+v", other.Ledgers, one.Ledgers)
		}
		d.report(t, p)
	})
}

// keepWithinBound sets the bound so that the worst event is just within it. An
// event at the bound meets the watermark that closes the session it touches.
func (p *program) keepWithinBound() {
	p.bound = 0
	for _, f := range p.feeds {
		newest := event.MinTime
		for _, r := range f {
			if r.blank || r.event.Bad {
				continue
			}
			newest = max(newest, r.event.Time)
			p.bound = max(p.bound, time.Duration(newest-r.event.Time)+1)
		}
	}
}
