package engine

import (
	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/watermark"
	"github.com/llm-optimizer/processor/window"
)

// combiner is the combine side of one source partition: it gives every event
// the watermark it meets, decides which windows the event joins, and folds
// events into partials by (query, key, pane). Batches come in the order of the
// partition; one goroutine at a time works on it.
type combiner struct {
	shards  int
	wm      watermark.Bounded
	dedup   *dedup // nil without deduplication
	queries []combineQuery
	// held are, by shard, the batches whose rows cross alone.
	held       [][]*exchange.Shared
	everyEvent bool
	// What the partition puts out by itself until the next flush: late events
	// and dead letters, sideBytes of them, and its part of the ledgers.
	late      []result.LateEvent
	dead      []result.DeadLetter
	sideBytes int
	counts    []epoch.Counts
}

// combineQuery is one query's part of a combiner.
type combineQuery struct {
	plan     *plan.Query
	counts   *epoch.Counts
	pool     *partialsPool
	assigner *window.Aligned
	pane     window.Pane
	inPane   bool
	// firesAt is the watermark at which the first window of the pane fires,
	// diesAt that at which its last one is past the lateness.
	firesAt, diesAt int64

	partials []*exchange.Partials // by shard; nil without any
	rows     [][]exchange.Rows    // by shard, one for each batch
	cols     []*event.Column
	slots    [][]uint32 // by shard: scratch of one batch
	index    [][]int32
	alone    [][]int32 // by shard: positions of the batch's rows that cross alone

	payoff payoff
}

func newCombiner(p *plan.Plan, bound watermark.Bounded, shards int, everyEvent bool, pools []*partialsPool) *combiner {
	c := &combiner{
		shards: shards, wm: bound, everyEvent: everyEvent,
		queries: make([]combineQuery, len(p.Queries)), held: make([][]*exchange.Shared, shards),
		counts: make([]epoch.Counts, len(p.Queries)),
	}
	for i, q := range p.Queries {
		cq := &c.queries[i]
		*cq = combineQuery{
			plan: q, counts: &c.counts[i], pool: pools[i], pane: noPane,
			partials: make([]*exchange.Partials, shards), rows: make([][]exchange.Rows, shards),
			cols: make([]*event.Column, len(q.Inputs)), slots: make([][]uint32, shards),
			index: make([][]int32, shards), alone: make([][]int32, shards),
			payoff: payoff{off: everyEvent || !q.Combines(), never: everyEvent || !q.Combines()},
		}
		if q.Aligned != nil {
			cq.assigner = q.Aligned.Clone()
		}
	}
	return c
}

// add takes the next batch of the partition, after meet, and holds it for the
// shards that get rows of it.
func (c *combiner) add(b *exchange.Shared) {
	for i := range c.queries {
		q := &c.queries[i]
		sel := &b.Selections[i]
		switch {
		case q.assigner == nil:
			q.cross(sel)
		default:
			c.assign(q, sel, b)
		}
	}
	for s := range c.shards {
		c.hold(s, b)
	}
}

// account adds a chunk's ledger and the dead letters it gave.
func (c *combiner) account(counts []epoch.Counts, dead []result.DeadLetter) {
	for i := range counts {
		c.counts[i].Add(counts[i])
	}
	for i := range dead {
		c.sideBytes += len(dead[i].Raw)
	}
	c.dead = append(c.dead, dead...)
}

// hold keeps a batch for a shard if rows of it cross alone. With every_event
// the shard must see all rows, to know the watermark after each.
func (c *combiner) hold(s int, b *exchange.Shared) {
	held := false
	for i := range c.queries {
		q := &c.queries[i]
		if len(q.alone[s]) == 0 && !c.everyEvent {
			continue
		}
		q.rows[s] = append(q.rows[s], exchange.Rows{Batch: b, At: append([]int32(nil), q.alone[s]...)})
		q.alone[s] = q.alone[s][:0]
		held = true
	}
	if held {
		b.Retain(1)
		c.held[s] = append(c.held[s], b)
	}
}

// cross sends every row alone: which session it joins is for the merge side.
func (q *combineQuery) cross(sel *exchange.Selection) {
	for i, h := range sel.Hash {
		s := keytab.Shard(h, len(q.alone))
		q.alone[s] = append(q.alone[s], int32(i))
	}
}

// assign folds the rows whose windows are all open by the partition's own
// watermark into partials, lets those cross alone that are corrections, and
// puts out those that are late.
func (c *combiner) assign(q *combineQuery, sel *exchange.Selection, b *exchange.Shared) {
	fold := !q.payoff.off
	late, unwindowed := int64(0), int64(0)
	for i, row := range sel.Index {
		t, met := b.Time[row], b.Met[row]
		if t < q.pane.Start || t >= q.pane.End {
			q.enter(t)
		}
		if met >= q.firesAt || !fold {
			switch {
			case !q.inPane:
				unwindowed++
			case met >= q.diesAt:
				late++
				c.putOutLate(q.plan, b, row)
			default:
				s := keytab.Shard(sel.Hash[i], c.shards)
				q.alone[s] = append(q.alone[s], int32(i))
			}
			continue
		}
		s := 0
		if c.shards > 1 {
			s = keytab.Shard(sel.Hash[i], c.shards)
		}
		p := q.partials[s]
		if p == nil {
			p = q.pool.get()
			q.partials[s] = p
		}
		n, isNew := p.Table.Put(sel.Hash[i], q.pane.Start, sel.Key(i))
		if isNew {
			p.Slots = append(p.Slots, p.Comp.Alloc())
		}
		q.slots[s] = append(q.slots[s], p.Slots[n])
		q.index[s] = append(q.index[s], row)
	}
	q.counts.Unwindowed += unwindowed
	q.counts.InWindows += int64(len(sel.Index)) - late - unwindowed
	if fold {
		q.update(b)
	}
}

// putOutLate puts a row out as late for a query.
func (c *combiner) putOutLate(q *plan.Query, b *exchange.Shared, row int32) {
	c.late = append(c.late, lateEvent(q, b, row, b.Met[row]))
	c.sideBytes += len(c.late[len(c.late)-1].Event)
	c.counts[q.Info.Index].Late++
}

// enter makes the pane of event time t the present one. In a gap between
// windows firesAt is the least watermark, so that rows take the slow path.
func (q *combineQuery) enter(t int64) {
	pane, ok := q.assigner.Pane(t)
	q.pane, q.inPane = pane, ok
	if !ok {
		// The gap ends where the next window starts; only t itself is sure
		// to lie in it.
		q.pane.Start, q.pane.End = t, t+1
		q.firesAt = event.MinTime
		return
	}
	q.firesAt = closesAt(q.assigner.Window(pane.First).End)
	q.diesAt = diesAt(q.assigner.Window(pane.Last).End, q.plan.Lateness)
}

func (q *combineQuery) update(b *exchange.Shared) {
	for i, col := range q.plan.Inputs {
		q.cols[i] = &b.Columns[col]
	}
	for s, slots := range q.slots {
		if len(slots) == 0 {
			continue
		}
		q.partials[s].Comp.Update(aggregate.Rows{Slot: slots, Index: q.index[s], Batch: &b.Batch}, q.cols)
		q.payoff.in += len(slots)
		q.slots[s], q.index[s] = slots[:0], q.index[s][:0]
	}
}

// take hands over what shard s gets of this flush.
func (c *combiner) take(s int, f *exchange.Flush) {
	f.Held = c.held[s]
	c.held[s] = nil
	for i := range c.queries {
		q := &c.queries[i]
		f.Partials = append(f.Partials, q.partials[s])
		if p := q.partials[s]; p != nil {
			q.payoff.out += p.Table.Len()
			q.partials[s] = nil
		}
		f.Rows = append(f.Rows, q.rows[s])
		q.rows[s] = nil
	}
	if s == 0 {
		f.Late, f.Dead = c.late, c.dead
		c.late, c.dead, c.sideBytes = nil, nil, 0
	}
}

// flushed ends a flush: all shards have been handed their parts.
func (c *combiner) flushed() {
	clear(c.counts)
	for i := range c.queries {
		c.queries[i].payoff.settle()
	}
}

// size is how many partials and how many batches wait for the next flush.
func (c *combiner) size() (partials, batches int) {
	n := 0
	for i := range c.queries {
		for _, p := range c.queries[i].partials {
			if p != nil {
				n += p.Table.Len()
			}
		}
	}
	for _, h := range c.held {
		batches = max(batches, len(h))
	}
	return n, batches
}

// payoff measures whether combining reduces what crosses the exchange. With
// almost as many partials as events, rows cross alone; now and then it is
// tried again.
type payoff struct {
	in, out int
	off     bool
	never   bool
	flushes int
}

func (p *payoff) settle() {
	const (
		least = 512 // events before a verdict
		retry = 256 // flushes until the next try
		ratio = 2   // events to a partial
	)
	if p.never {
		return
	}
	if p.off {
		if p.flushes++; p.flushes >= retry {
			*p = payoff{}
		}
		return
	}
	if p.in >= least {
		*p = payoff{off: p.in < ratio*p.out}
	}
}
