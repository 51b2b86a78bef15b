package engine

import (
	"sync/atomic"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
)

// shard is the merge side of all queries for the keys it owns. It is a pure
// state machine: step takes a flush and gives what is to be emitted to take,
// which returns an empty batch to go on with. One goroutine feeds it.
type shard struct {
	mergers    []merger
	everyEvent bool
	out        writer
	// limits are by query; nil without any. sized says that one is of bytes.
	limits []*limiter
	sized  bool

	// Published for others to read.
	lastEnd   atomic.Int64 // the end of the last open window
	openCount atomic.Int64
	stateSize atomic.Int64
}

func newShard(p *plan.Plan, ledgers []*ledger, limits Limits, everyEvent bool) *shard {
	s := &shard{everyEvent: everyEvent, sized: limits.Memory > 0, out: writer{batch: &result.Batch{}}}
	s.lastEnd.Store(event.MinTime)
	for i, q := range p.Queries {
		lim := newLimiter(limits, len(q.Keys), s.stateSize.Load)
		s.limits = append(s.limits, lim)
		m := newMergeQuery(q, &s.out, lim, ledgers[i])
		switch {
		case q.Aligned == nil:
			s.mergers = append(s.mergers, newSessions(m))
		case q.SharesPanes():
			s.mergers = append(s.mergers, newPanes(m))
		default:
			s.mergers = append(s.mergers, newWindows(m))
		}
	}
	return s
}

// step applies a flush; what fires goes to take.
func (s *shard) step(f *exchange.Flush) error {
	s.out.now = f.Now
	switch f.Kind {
	case exchange.Data:
		for q, p := range f.Partials {
			if p != nil && p.Table.Len() > 0 {
				s.mergers[q].partials(p)
			}
		}
		if s.everyEvent {
			s.eachEvent(f)
		} else {
			s.eachQuery(f)
		}
		s.advance(f.Combined)
	case exchange.Advance:
		s.advance(f.Combined)
	case exchange.Tick:
		for q, m := range s.mergers {
			if f.Due[q] {
				m.tick()
			}
		}
	case exchange.Finish:
		for _, m := range s.mergers {
			m.finish()
		}
	}
	s.out.flush()
	s.publish(f.Kind)
	return s.limitError()
}

// eachQuery lets one query after the other see the rows of a flush.
func (s *shard) eachQuery(f *exchange.Flush) {
	for q, rows := range f.Rows {
		m := s.mergers[q]
		for _, r := range rows {
			m.rows(r, 0, len(r.At), f.Others)
		}
		m.unbind()
		m.correct()
	}
}

// eachEvent lets all queries see one event after the other, and the watermark
// it leaves, so that rows and their order depend on the input alone.
func (s *shard) eachEvent(f *exchange.Flush) {
	batches := 0
	for _, rows := range f.Rows {
		batches = max(batches, len(rows))
	}
	at := make([]int, len(s.mergers))
	for n := range batches {
		clear(at)
		b := f.Rows[0][n].Batch
		for row := range b.N {
			for q, m := range s.mergers {
				r := f.Rows[q][n]
				if at[q] < len(r.At) && b.Selections[q].Index[r.At[at[q]]] == int32(row) {
					m.rows(r, at[q], at[q]+1, f.Others)
					m.correct()
					at[q]++
				}
			}
			after := b.After
			if row+1 < b.N {
				after = b.Met[row+1]
			}
			s.advance(min(after, f.Others))
		}
		for _, m := range s.mergers {
			m.unbind()
		}
	}
}

func (s *shard) advance(c int64) {
	for _, m := range s.mergers {
		m.advance(c)
	}
}

// publish makes figures visible that others read while the shard runs.
func (s *shard) publish(k exchange.Kind) {
	open := 0
	for _, m := range s.mergers {
		open += m.open()
	}
	s.openCount.Store(int64(open))
	if s.sized {
		size := 0
		for _, m := range s.mergers {
			size += m.bytes()
		}
		s.stateSize.Store(int64(size))
	}
	if k == exchange.Data {
		return // the rest costs a walk over all windows, and is asked for when idle
	}
	last := event.MinTime
	for _, m := range s.mergers {
		last = max(last, m.lastEnd())
	}
	s.lastEnd.Store(last)
}

func (s *shard) limitError() error {
	for _, l := range s.limits {
		if l != nil && l.err != nil {
			return l.err
		}
	}
	return nil
}
