package engine

import (
	"context"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
)

// Epochs says how state becomes durable, and where an earlier run stopped.
type Epochs struct {
	// Interval is how long an epoch takes at most. One in which windows fire
	// ends at once.
	Interval time.Duration
	// Early lets rows out when they are made; otherwise they go out with
	// their epoch, by way of Commit.
	Early bool
	// Commit makes an epoch durable. One goroutine calls it. It may wait, as
	// for sinks; what shards put out meanwhile is bounded.
	Commit func(context.Context, *Cut) error
	// Due reports whether there is something to record though nothing came.
	Due func() bool

	// Watermark is the combined one of the earlier run, event.MinTime without
	// one, Partitions what it read. Since is by query the greatest event time
	// read before it began, event.MinTime for all of them.
	Watermark  int64
	Partitions []epoch.Partition
	Since      []int64
}

// Cut is what one epoch holds: everything as it was between the same two
// flushes.
type Cut struct {
	Time      time.Time
	Watermark int64
	// Partitions are those that were read since the last cut, Gone the numbers
	// of those that will never be found again.
	Partitions []epoch.Partition
	Gone       []uint32
	// Seen are the ids of events that were read since the last cut.
	Seen []epoch.SeenIDs
	// Counts are the ledgers since the run began.
	Counts []epoch.Counts
	// Changes are what became of windows, by shard. Commit may read them until
	// it returns.
	Changes []*state.Batch
	// Rows are the results, late events and dead letters.
	Rows []Rows
	// Stall is the longest time for which a shard took no flush because of
	// the epoch.
	Stall time.Duration
}

// Rows are a batch of rows of an epoch: encoded as a block when they have gone
// out already or when there are very many, else as they are.
type Rows struct {
	Batch *result.Batch
	Block []byte
	// Results is how many results the block holds.
	Results int
}

// share is one shard's part of a cut.
type share struct {
	shard  int
	counts []epoch.Counts
	rows   []Rows
	stall  time.Duration
}

const (
	// sliceCells is how many cells a shard encodes between two flushes: well
	// under a millisecond, which is what an epoch may stop the stream for. When
	// flushes change more cells than that it is sliceShare times as many as they
	// do: were it fewer, every epoch would take longer than the one before.
	sliceCells = 256
	sliceShare = 2
	// sliceTime is for how long they are encoded at once, about, however many
	// they are: flushes wait for that.
	sliceTime = 2 * time.Millisecond
	// leastGap is how far apart epochs are at least, and gapShare how many
	// times as long as an epoch takes: windows that fire all the time must not
	// make durability the only thing that is done.
	leastGap = 2 * time.Millisecond
	gapShare = 4
	// heldBytes is how much a shard may have put out, about, before it waits
	// for the epoch that is being committed.
	heldBytes = 64 << 20
	// rowBytes is what a row takes, about, beside its raw bytes. Beyond unpackedBytes of an epoch
	// they are encoded at once, to a tenth of that, and sinks get them out of
	// the outbox.
	rowBytes      = 300
	unpackedBytes = 8 << 20
)

// runEpochs cuts and commits epochs until stop is closed, and then one more.
func (r *Runner) runEpochs(hard context.Context, stop <-chan struct{}) {
	e := r.cfg.Epochs
	timer := time.NewTimer(e.Interval)
	defer timer.Stop()
	var last time.Time
	var took time.Duration
	for final := false; !final; {
		select {
		case <-hard.Done():
			return
		case <-stop:
			final = true
		case <-timer.C:
		case <-r.urgent:
			gap := min(max(leastGap, gapShare*took), e.Interval)
			final = sleepUntil(hard, stop, last.Add(gap))
		}
		began := time.Now()
		if r.hasNews() || e.Due() {
			if err := r.epoch(hard); err != nil {
				r.fail(err)
				return
			}
		}
		last = time.Now()
		took = last.Sub(began)
		timer.Reset(e.Interval)
	}
}

// sleepUntil waits for a time and reports whether stop was closed before.
func sleepUntil(ctx context.Context, stop <-chan struct{}, at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return false
	case <-stop:
		return true
	case <-ctx.Done():
		return false
	}
}

// urge asks for an epoch soon: there are rows that wait for it.
func (r *Runner) urge() {
	select {
	case r.urgent <- struct{}{}:
	default:
	}
}

func (r *Runner) hasNews() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.news
}

// epoch cuts one epoch and commits it. Cutting is one step in the order that
// all shards see, so what the cut says of partitions and what shards hand over
// are of the same moment.
func (r *Runner) epoch(hard context.Context) error {
	cut := r.cut(hard)
	for range r.shards {
		select {
		case s := <-r.shares:
			cut.Rows, cut.Stall = append(cut.Rows, s.rows...), max(cut.Stall, s.stall)
			for q := range s.counts {
				cut.Counts[q].Add(s.counts[q])
			}
			if !failpoint.Planted(failpoint.DropDelta) || s.shard > 0 {
				cut.Changes = append(cut.Changes, r.shards[s.shard].keep.cur)
			}
		case <-hard.Done():
			return context.Cause(hard) // no other epoch may take what is left of this one
		}
	}
	if err := r.cfg.Epochs.Commit(hard, cut); err != nil {
		return err
	}
	for i, s := range r.shards {
		s.keep.cur.Reset()
		r.spares[i] = s.keep.cur
		s.resume <- struct{}{}
	}
	return nil
}

// cut takes what belongs to the epoch so far and sends the barrier behind it.
func (r *Runner) cut(hard context.Context) *Cut {
	r.mu.Lock()
	defer r.mu.Unlock()
	cut := &Cut{Time: time.Now(), Watermark: r.tracker.Combined(), Gone: r.gone, Counts: r.ledgers.counts()}
	r.gone = nil
	for _, p := range r.changed {
		cut.Partitions = append(cut.Partitions, p.saved)
		if p.combiner.dedup != nil {
			cut.Seen = append(cut.Seen, p.seen)
			p.seen.IDs = nil
		}
		p.changed = false
		if failpoint.Planted(failpoint.ForgetWatermark) {
			cut.Watermark, cut.Partitions[len(cut.Partitions)-1].Watermark = event.MinTime, event.MinTime
		}
	}
	r.changed = r.changed[:0]
	r.sendLocked(hard, exchange.Flush{Kind: exchange.Barrier})
	r.news = false
	return cut
}

// record notes how far a partition has got, as of the flush that is being
// sent. The runner is locked.
func (r *Runner) record(p *partition) {
	r.news = true
	if r.cfg.Epochs == nil {
		return
	}
	p.saved.Position, p.saved.Token, p.saved.Watermark = p.read, p.token, p.combiner.wm.Current()
	if d := p.combiner.dedup; d != nil {
		ids := d.take(p.saved.ID)
		ids.IDs = append(p.seen.IDs, ids.IDs...)
		p.seen = ids
	}
	if !p.changed {
		p.changed = true
		r.changed = append(r.changed, p)
	}
}

// runShard feeds one shard.
func (r *Runner) runShard(hard context.Context, i int) {
	s := r.shards[i]
	s.out.take = func(b *result.Batch) *result.Batch { return r.take(hard, s, b) }
	in := r.exchange.Receive(i)
	for {
		f, ok := r.nextFlush(hard, i, in)
		switch {
		case !ok:
			return
		case f == nil || hard.Err() != nil:
			continue // nobody waits for the rest
		case f.Kind == exchange.Look:
			f.Look(i)
			continue
		}
		if err := s.step(f); err != nil {
			r.fail(err)
		}
		if f.Kind == exchange.Barrier {
			s.barrier(r.spares[i])
		}
		for q, p := range f.Partials {
			if p != nil {
				r.pools[q].put(p)
			}
		}
		for _, b := range f.Held {
			b.Release()
		}
	}
}

// nextFlush waits for a flush. What an epoch still lacks is encoded meanwhile:
// a slice of it before each flush, and all of it while there is none. It may
// return nil, when there was only that to do.
func (r *Runner) nextFlush(hard context.Context, i int, in <-chan *exchange.Flush) (f *exchange.Flush, ok bool) {
	s := r.shards[i]
	if s.saving && hard.Err() == nil {
		began := time.Now()
		s.saving = s.saveSlice(began)
		s.stall = max(s.stall, time.Since(began))
		if !s.saving {
			r.shares <- share{shard: i, counts: s.cutCounts, rows: s.cutRows, stall: s.stall}
			s.cutRows, s.stall = nil, 0
		}
		select {
		case f, ok = <-in:
			return f, ok
		default:
			return nil, true
		}
	}
	if s.held > heldBytes && s.waiting {
		select {
		case <-s.resume:
			s.waiting = false
		case <-hard.Done():
		}
	}
	f, ok = <-in
	return f, ok
}

// saveSlice encodes a slice of the cells that the epoch lacks, and reports
// whether there are more.
func (s *shard) saveSlice(began time.Time) (more bool) {
	for n := s.keep.slice(); n > 0; n -= sliceCells {
		if !s.save(min(n, sliceCells)) {
			return false
		}
		if time.Since(began) >= sliceTime {
			break
		}
	}
	return true
}

// barrier ends an epoch: what has changed becomes pending, and the rows so far
// belong to it.
func (s *shard) barrier(spare *state.Batch) {
	s.keep.cut(spare)
	s.saving = true
	s.cutCounts, s.cutRows = s.ledgers.counts(), s.rows
	s.rows, s.held = nil, 0
	if !s.waiting {
		s.waiting = true
		return
	}
	<-s.resume // of the epoch before, which nobody has waited for
}

// take counts a batch's results and hands it on: at once, or with its epoch.
func (r *Runner) take(hard context.Context, s *shard, b *result.Batch) *result.Batch {
	for from := 0; from < len(b.Results); {
		q, timing, to := b.Results[from].Query, b.Results[from].Timing, from+1
		for to < len(b.Results) && b.Results[to].Query == q && b.Results[to].Timing == timing {
			to++
		}
		s.ledgers[q.Index].results.Add(int64(to - from))
		s.published[q.Index].rows[timing].Add(int64(to - from))
		from = to
	}
	if r.cfg.Screen(b); b.Len() == 0 {
		return b
	}
	if e := r.cfg.Epochs; e != nil {
		rows := Rows{Batch: b}
		packed := e.Early || s.held > unpackedBytes
		if packed {
			rows = Rows{Block: s.blocks.AppendBlock(nil, b), Results: len(b.Results)}
			s.held += len(rows.Block)
		} else {
			s.held += bytesOf(b)
		}
		s.rows = append(s.rows, rows)
		r.urge()
		switch {
		case !packed:
			return r.cfg.NewBatch()
		case !e.Early:
			return r.cfg.Recycle(b)
		}
	}
	if err := r.cfg.Emit(hard, b); err != nil {
		r.fail(err)
	}
	return r.cfg.NewBatch()
}

// bytesOf is what a batch takes, about.
func bytesOf(b *result.Batch) int {
	n := rowBytes * b.Len()
	for i := range b.Late {
		n += len(b.Late[i].Event)
	}
	for i := range b.Dead {
		n += len(b.Dead[i].Raw)
	}
	return n
}
