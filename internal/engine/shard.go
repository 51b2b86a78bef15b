package engine

import (
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
)

// shard is the merge side of all queries for the keys it owns. It is a pure
// state machine: step takes a flush and gives what is to be emitted to take,
// which returns an empty batch to go on with. One goroutine feeds it.
type shard struct {
	mergers []merger
	// hashes name the queries in durable state.
	hashes     []uint64
	everyEvent bool
	out        writer
	// ledgers counts what only the merge side can decide, by query.
	ledgers ledgers
	start   start

	// keep is nil with state in memory. saving says that the epoch at hand
	// lacks cells; cutCounts and cutRows are its other parts.
	keep      *keeper
	saving    bool
	cutCounts []epoch.Counts
	cutRows   []Rows
	// stall is the longest that saving has kept the shard from its flushes.
	stall time.Duration
	// rows were put out since the last barrier, about held bytes of them.
	rows   []Rows
	held   int
	blocks epoch.Encoder
	// resume is told that an epoch is committed, which is waited for from its
	// barrier on.
	resume  chan struct{}
	waiting bool
	// sized says that a limit is of bytes, err which one has been exceeded that
	// stops the pipeline.
	sized bool
	err   error

	// Published for others to read; published is by query.
	published []published
	sizedAt   int64
	lastEnd   atomic.Int64 // the end of the last window that was open when no more data came
	endKnown  bool         // no data has come since lastEnd was looked for
	openCount atomic.Int64
	stateSize atomic.Int64
}

// start is where a shard begins: at the combined watermark of an earlier run,
// and by query with the greatest event time that was read before it.
type start struct {
	watermark int64
	since     []int64
}

// beginning is the start of a run without an earlier one.
func beginning(p *plan.Plan) start {
	st := start{watermark: event.MinTime}
	for range p.Queries {
		st.since = append(st.since, event.MinTime)
	}
	return st
}

// newShard returns an empty shard; keep is nil with state in memory.
func newShard(p *plan.Plan, limits Limits, everyEvent bool, st start, keep *keeper) *shard {
	s := &shard{
		everyEvent: everyEvent, sized: limits.Memory > 0, out: writer{batch: &result.Batch{}},
		ledgers: make(ledgers, len(p.Queries)), keep: keep, start: st, resume: make(chan struct{}, 1),
	}
	s.lastEnd.Store(event.MinTime)
	s.published = make([]published, len(p.Queries))
	for _, q := range p.Queries {
		lim := newLimiter(limits, len(q.Keys), s.stateSize.Load, s.exceed)
		s.hashes = append(s.hashes, q.StateHash)
		m := newMergeQuery(q, s, lim)
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

// exceed stops the shard at a limit: what it would put out from here on holds
// more than the limit allows.
func (s *shard) exceed(err error) {
	if s.err == nil {
		s.err, s.out.stopped = err, true
	}
}

// step applies a flush; what fires goes to take. An error is a limit that has
// been exceeded: no other step may follow.
func (s *shard) step(f *exchange.Flush) error {
	s.out.now = f.Now
	s.out.side(f.Late, f.Dead)
	s.apply(f)
	s.out.flush()
	if s.err == nil {
		s.publish(f.Kind, f.Now)
	}
	return s.err
}

func (s *shard) apply(f *exchange.Flush) {
	switch f.Kind {
	case exchange.Data:
		for q, p := range f.Partials {
			if p != nil && p.Table.Len() > 0 && s.err == nil {
				s.mergers[q].partials(p)
			}
		}
		if s.everyEvent {
			s.eachEvent(f)
		} else {
			s.eachQuery(f)
		}
		if s.err == nil {
			s.advance(f.Combined)
		}
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
}

// save encodes up to n of the cells that the epoch at hand still lacks, and
// reports whether there are more.
func (s *shard) save(n int) (more bool) {
	for _, m := range s.mergers {
		if n = m.save(n); n == 0 {
			return true
		}
	}
	return false
}

// eachQuery lets one query after the other see the rows of a flush.
func (s *shard) eachQuery(f *exchange.Flush) {
	for q, rows := range f.Rows {
		m := s.mergers[q]
		for _, r := range rows {
			if s.err == nil {
				m.rows(r, 0, len(r.At), f.Others)
			}
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
		for row := 0; row < b.N && s.err == nil; row++ {
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
func (s *shard) publish(k exchange.Kind, now int64) {
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
	s.publishSizes(now, k != exchange.Data && k != exchange.Barrier)
	if k == exchange.Data {
		s.endKnown = false
	}
	if k == exchange.Data || k == exchange.Barrier || s.endKnown {
		return // the rest costs a walk over all windows, and is asked for when idle: then once
	}
	s.endKnown = true
	last := event.MinTime
	for _, m := range s.mergers {
		last = max(last, m.lastEnd())
	}
	s.lastEnd.Store(last)
}
