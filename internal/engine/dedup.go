package engine

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
)

// periods is into how many parts a horizon is cut: ids go a whole part at a
// time.
const periods = 16

// dedup knows the ids of one partition that later events may repeat: each until
// the partition's watermark passes the event's time plus the horizon. An event
// older than that cannot be told from a repeated one, and is late.
//
// Ids are known by 128 bits of hash: of ten million, two are taken for one with
// a probability of 10^-25.
type dedup struct {
	plan *plan.Dedup
	// seen has the time of the event that brought an id.
	seen map[epoch.ID]int64
	// byPeriod are the ids by the period of their events, oldest first, so that
	// those too old are found. before is the first period that is still needed.
	byPeriod []periodIDs
	before   int64
	width    int64

	// durable says that fresh, the ids since the last flush, are wanted.
	durable bool
	fresh   []epoch.Seen

	fates []fate // scratch: of a batch's rows
}

type periodIDs struct {
	number int64
	ids    []epoch.Seen
}

// fate is what deduplication makes of an event.
type fate uint8

const (
	unique fate = iota
	duplicate
	tooOld
)

func newDedup(p *plan.Dedup, durable bool) *dedup {
	return &dedup{
		plan: p, durable: durable, seen: map[epoch.ID]int64{}, before: event.MinTime, width: max(p.Horizon/periods, 1),
	}
}

// passed reports whether a watermark has passed an event's time plus the
// horizon. No watermark is event.MinTime, which an event may have, too.
func (d *dedup) passed(t, watermark int64) bool {
	return watermark > event.MinTime && watermark >= closesAt(event.AddSat(t, d.plan.Horizon))
}

// judge says what an event is that meets a watermark, and keeps its id.
func (d *dedup) judge(id epoch.ID, t, met int64) fate {
	if d.passed(t, met) {
		return tooOld
	}
	if id == (epoch.ID{}) {
		return unique
	}
	if first, ok := d.seen[id]; ok && !d.passed(first, met) {
		return duplicate
	}
	d.keep(epoch.Seen{ID: id, Time: t})
	if d.durable {
		d.fresh = append(d.fresh, epoch.Seen{ID: id, Time: t})
	}
	return unique
}

// keep notes an id.
func (d *dedup) keep(s epoch.Seen) {
	d.seen[s.ID] = s.Time
	number := epoch.Period(s.Time, d.width)
	i, found := slices.BinarySearchFunc(d.byPeriod, number, func(p periodIDs, n int64) int { return cmp.Compare(p.number, n) })
	if !found {
		d.byPeriod = slices.Insert(d.byPeriod, i, periodIDs{number: number})
	}
	d.byPeriod[i].ids = append(d.byPeriod[i].ids, s)
}

// forget lets go of the periods that a watermark has passed.
func (d *dedup) forget(watermark int64) {
	for len(d.byPeriod) > 0 && d.passed(lastOf(d.byPeriod[0].number, d.width), watermark) {
		for _, s := range d.byPeriod[0].ids {
			if d.seen[s.ID] == s.Time {
				delete(d.seen, s.ID)
			}
		}
		d.before = d.byPeriod[0].number + 1
		d.byPeriod = slices.Delete(d.byPeriod, 0, 1)
	}
}

// lastOf is the last time in a period, which begins within int64 if it ends
// there, or the other way round.
func lastOf(number, width int64) int64 {
	if number < 0 {
		return (number+1)*width - 1
	}
	return event.AddSat(number*width, width-1)
}

// RestoreSeen puts ids of a partition back that an earlier run has seen, before
// Run.
func (r *Runner) RestoreSeen(partition uint32, ids []epoch.Seen) {
	d := r.dedups[partition]
	if d == nil {
		d = newDedup(r.cfg.Plan.Dedup, true)
		if r.dedups == nil {
			r.dedups = map[uint32]*dedup{}
		}
		r.dedups[partition] = d
	}
	for _, s := range ids {
		d.keep(s)
	}
}

// dedupOf is the deduplication of a partition, nil if there is none.
func (r *Runner) dedupOf(partition uint32) *dedup {
	if r.cfg.Plan.Dedup == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.dedups[partition]
	if d == nil {
		return newDedup(r.cfg.Plan.Dedup, r.cfg.Epochs != nil)
	}
	delete(r.dedups, partition)
	return d
}

// take returns what an epoch has to keep of the events since the last one.
func (d *dedup) take(partition uint32) epoch.SeenIDs {
	ids := epoch.SeenIDs{Partition: partition, Definition: d.plan.Definition, Width: d.width, Before: d.before, IDs: d.fresh}
	d.fresh = nil
	return ids
}

// hashIDs hashes the ids of a batch. An event whose id is null, or no scalar,
// has none.
func (p *preparer) hashIDs(b *exchange.Shared) {
	b.IDs = b.IDs[:0]
	if p.plan.Dedup == nil {
		return
	}
	const another = 0x9e3779b97f4a7c15 // any seed but 0
	col := &b.Columns[p.plan.Dedup.Column]
	for row := range b.N {
		var id epoch.ID
		if k := col.Kind[row]; k != event.Null && k.IsScalar() {
			p.key = b.AppendKey(p.key[:0], col, row)
			binary.BigEndian.PutUint64(id[:8], xxhash.Sum64(p.key))
			p.digest.ResetWithSeed(another)
			_, _ = p.digest.Write(p.key) // it never fails
			binary.BigEndian.PutUint64(id[8:], p.digest.Sum64())
		}
		b.IDs = append(b.IDs, id)
	}
}

// meet gives every event of the next batch the watermark it meets. With
// deduplication it takes duplicates out, and puts those out as late that are too
// old to be told from one. counts is the batch's ledger; dead are its dead
// letters, of which those of duplicates are taken out.
func (c *combiner) meet(b *exchange.Shared, counts []epoch.Counts, refused []refusal, dead []result.DeadLetter) []result.DeadLetter {
	if cap(b.Met) < b.N {
		b.Met = make([]int64, 2*b.N)
	}
	b.Met = b.Met[:b.N]
	if c.dedup == nil {
		c.wm.Observe(b.Time[:b.N], b.Met)
		b.After = c.wm.Current()
		return dead
	}
	duplicates, odd := c.judge(b)
	b.After = c.wm.Current()
	c.dedup.forget(b.After)
	if !odd {
		return dead
	}
	dead = c.dedup.spare(b, counts, refused, dead)
	for q := range c.queries {
		taken := c.takeOut(q, b)
		counts[q].Filtered -= duplicates - taken
		counts[q].Duplicate += duplicates
	}
	return dead
}

// judge decides the fate of every event of a batch, in their order. Duplicates
// do not move the watermark.
func (c *combiner) judge(b *exchange.Shared) (duplicates int64, odd bool) {
	d := c.dedup
	d.fates = d.fates[:0]
	for row, t := range b.Time[:b.N] {
		met := c.wm.Current()
		f := d.judge(b.IDs[row], t, met)
		d.fates = append(d.fates, f)
		b.Met[row] = met
		if f == duplicate {
			duplicates++
		} else {
			c.wm.Observe(b.Time[row:row+1], b.Met[row:row+1])
		}
		odd = odd || f != unique
	}
	return duplicates, odd
}

// spare takes the dead letters of duplicates out. The first ones are of records
// that did not decode, each of the others is of a row that queries refused.
func (d *dedup) spare(b *exchange.Shared, counts []epoch.Counts, refused []refusal, dead []result.DeadLetter) []result.DeadLetter {
	kept := dead[:len(b.Dead)]
	for i, next := 0, len(b.Dead); i < len(refused); next++ {
		row := refused[i].row
		isDuplicate := d.fates[row] == duplicate
		for ; i < len(refused) && refused[i].row == row; i++ {
			if isDuplicate {
				// The caller counts it among the filtered, less all duplicates.
				counts[refused[i].query].Dead--
				counts[refused[i].query].Filtered++
			}
		}
		if !isDuplicate {
			kept = append(kept, dead[next])
		}
	}
	clear(dead[len(kept):])
	return kept
}

// takeOut takes what is not unique out of a query's selection, counts and puts
// out what is too old, and returns how many duplicates there were.
func (c *combiner) takeOut(q int, b *exchange.Shared) (duplicates int64) {
	sel := &b.Selections[q]
	n, keys, from := 0, 0, uint32(0)
	for i, row := range sel.Index {
		key := sel.Keys[from:sel.KeyEnd[i]]
		from = sel.KeyEnd[i]
		switch c.dedup.fates[row] {
		case duplicate:
			duplicates++
			continue
		case tooOld:
			c.putOutLate(c.queries[q].plan, b, row)
			continue
		}
		keys += copy(sel.Keys[keys:], key)
		sel.Index[n], sel.Hash[n], sel.KeyEnd[n] = row, sel.Hash[i], uint32(keys)
		n++
	}
	sel.Index, sel.Hash, sel.KeyEnd, sel.Keys = sel.Index[:n], sel.Hash[:n], sel.KeyEnd[:n], sel.Keys[:keys]
	return duplicates
}
