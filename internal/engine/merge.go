package engine

import (
	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// merger is the merge side of one query in one shard: it holds windows and
// decides when they fire. Time moves only through advance.
type merger interface {
	// partials merges what a partition combined.
	partials(p *exchange.Partials)
	// rows adds the events at positions At[from:to], one by one. Each meets the
	// watermark of its partition, lifted no further than others.
	rows(r exchange.Rows, from, to int, others int64)
	// unbind ends the use of the batch that rows came from.
	unbind()
	// advance moves the combined watermark to c: windows fire and die.
	advance(c int64)
	// correct fires the corrections that are pending.
	correct()
	// tick fires what the processing-time trigger asks for.
	tick()
	// finish fires what is outstanding at the end of the input.
	finish()
	// lastEnd is the end of the last open window, event.MinTime without one.
	lastEnd() int64
	// open is the number of open windows (of one key each).
	open() int
	// liveKeys is the keys of the fullest window; of sessions, all keys.
	liveKeys() int
	// bytes is the memory held, roughly.
	bytes() int
	// groups tells fn of the open windows, by their bounds.
	groups(fn func(Group))
	// look adds open windows of one key to what is looked for.
	look(l *lookup)

	// save encodes up to n of the cells that the epoch at hand still lacks,
	// and returns how many of the n are left.
	save(n int) int
	// restore puts back what an earlier run has saved.
	restore(e *stored) error
}

// mergeQuery is what the mergers have in common.
type mergeQuery struct {
	plan  *plan.Query
	comp  *aggregate.Composite
	cols  []*event.Column // scratch: the inputs of the batch at hand
	names []string        // what stands before each value of a key's JSON
	out   *writer
	limit *limiter
	// now is the combined watermark as far as this query has seen it.
	now int64
	// ledger counts what only the merge side can decide.
	ledger *ledger
	// over is set when a limit has put something into the overflow group.
	over bool
	// since is the greatest event time read before the query began.
	since int64

	// keep is nil with state in memory; changed are the buckets of which it
	// lacks something.
	keep    *keeper
	changed changes

	// pending are rows whose accumulators are chosen but not yet updated.
	pending aggregate.Rows
}

func newMergeQuery(q *plan.Query, s *shard, lim *limiter) mergeQuery {
	m := mergeQuery{
		plan: q, comp: q.Composite.Clone(), out: &s.out, limit: lim, ledger: &s.ledgers[q.Info.Index],
		now: s.start.watermark, since: s.start.since[q.Info.Index], keep: s.keep,
		cols: make([]*event.Column, len(q.Inputs)),
	}
	for i, k := range q.Def.Key {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		m.names = append(m.names, string(event.AppendString([]byte(sep), k.Name))+":")
	}
	return m
}

// bind makes the batch of rows the one that pending updates read.
func (m *mergeQuery) bind(b *exchange.Shared) {
	if m.pending.Batch == &b.Batch {
		return
	}
	m.flush()
	m.pending.Batch = &b.Batch
	for i, c := range m.plan.Inputs {
		m.cols[i] = &b.Columns[c]
	}
}

// add puts a row into an accumulator, some time before the next flush.
func (m *mergeQuery) add(slot uint32, row int32) {
	m.pending.Slot = append(m.pending.Slot, slot)
	m.pending.Index = append(m.pending.Index, row)
}

// flush updates the accumulators of pending rows. It comes before anything
// that reads, merges or frees accumulators.
func (m *mergeQuery) flush() {
	if len(m.pending.Slot) > 0 {
		m.comp.Update(m.pending, m.cols)
		m.pending.Slot, m.pending.Index = m.pending.Slot[:0], m.pending.Index[:0]
	}
}

// unbind ends the use of a batch.
func (m *mergeQuery) unbind() {
	m.flush()
	m.pending.Batch = nil
}

// partial reports whether a window that starts at start began before the query
// began to read. A session reaches back to events it would have touched.
func (m *mergeQuery) partial(start int64) bool {
	return m.since > event.MinTime && start <= event.AddSat(m.since, m.plan.Gap)
}

func (m *mergeQuery) discarding() bool {
	return m.plan.Def.Accumulation == window.Discarding
}

// byEvent is the timing of a firing that an event or the clock causes.
func (m *mergeQuery) byEvent(end int64) result.Timing {
	if m.now >= closesAt(end) {
		return result.Late
	}
	return result.Early
}

// closesAt is the watermark at which a window fires; a global one never does.
func closesAt(end int64) int64 {
	if end == event.MaxTime {
		return end
	}
	return end - 1
}

// diesAt is the watermark at which a window is past the allowed lateness.
func diesAt(end, lateness int64) int64 { return event.AddSat(closesAt(end), lateness) }

func (m *mergeQuery) diesAt(end int64) int64 { return diesAt(end, m.plan.Lateness) }

// correctEach fires the corrections that are pending and returns the emptied
// list of where they are.
func correctEach[T any](m *mergeQuery, dirty []T, correct func(T)) []T {
	if len(dirty) == 0 {
		return dirty
	}
	m.flush()
	for _, d := range dirty {
		correct(d)
	}
	return dirty[:0]
}

// liveBytes is the part of a composite's memory that is in use: what was freed
// stays for reuse, and must not count against a limit for ever.
func (m *mergeQuery) liveBytes() int {
	slots, most := m.comp.InUse()
	if most == 0 {
		return 0
	}
	return int(float64(m.comp.Bytes()) * float64(slots) / float64(most))
}

// admit returns the key under which an event is counted that would open windows
// of its own.
func (m *mergeQuery) admit(hash uint64, key []byte, opens int) (uint64, []byte) {
	hash, key, over := m.limit.admit(m.plan, hash, key, opens)
	m.over = m.over || over
	return hash, key
}

// countOver counts n events as overflow if a limit diverted them.
func (m *mergeQuery) countOver(n int64) {
	if m.over {
		m.ledger.overflow.Add(n)
		m.over = false
	}
}
