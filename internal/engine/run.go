// Package engine turns records into results. Read it in the order of the flow:
// prepare.go (a chunk becomes columns, selections and keys), combine.go (rows
// become partials), shard.go and the mergers windows.go, panes.go, sessions.go
// (partials become windows, windows fire), run.go (goroutines and time).
//
// All but run.go, pump.go and partition.go is pure: no goroutine, channel,
// clock or lock.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/watermark"
)

// Config is what a Runner runs.
type Config struct {
	Plan      *plan.Plan
	Source    source.Source
	Decoder   *decode.Decoder
	Operators []operator.Operator
	// Workers is how many goroutines prepare and combine.
	Workers int
	// Bound is the out-of-orderness bound.
	Bound time.Duration
	// EveryEvent fires after each event, else at most every Interval.
	EveryEvent bool
	Interval   time.Duration
	// IdleTimeout makes a quiet partition idle; 0 is never. CloseWhenIdle
	// moves the watermark by the clock while all are.
	IdleTimeout   time.Duration
	CloseWhenIdle bool
	// MaxDrift is how far a partition may be ahead of the slowest; 0 is off.
	MaxDrift time.Duration
	Limits   Limits
	// OnDead is called for undecodable records, by one goroutine at a time
	// per partition. An error ends the run.
	OnDead func(context.Context, []result.DeadLetter) error
	// Emit takes a batch of results and late events, waiting while sinks are
	// behind. NewBatch gives the next one to fill.
	Emit     func(context.Context, *result.Batch) error
	NewBatch func() *result.Batch
}

// Counters is a snapshot of one query's ledger.
type Counters struct {
	Read, InWindows, Late, Dead, Filtered, Unwindowed, Overflow, Results int64
}

// Runner runs a plan once.
type Runner struct {
	cfg      Config
	ledgers  []*ledger
	shards   []*shard
	exchange *exchange.Local
	pools    []*partialsPool
	work     chan *work

	events, dead atomic.Int64
	ended        atomic.Bool
	combined     atomic.Int64

	// mu orders flushes: the tracker and the sends to all shards are one
	// step, so that every shard sees one order.
	mu      sync.Mutex
	tracker watermark.Tracker
	moved   *sync.Cond // the tracker has moved: paused pumps look again

	cancel context.CancelCauseFunc
}

// New returns a Runner.
func New(cfg Config) *Runner {
	r := &Runner{cfg: cfg, work: make(chan *work, 2*cfg.Workers)}
	r.moved = sync.NewCond(&r.mu)
	r.combined.Store(event.MinTime)
	// One shard keeps rows in the order of events, and counts keys exactly.
	shards := cfg.Workers
	if cfg.EveryEvent || cfg.Limits.Any() {
		shards = 1
	}
	for _, q := range cfg.Plan.Queries {
		r.ledgers = append(r.ledgers, &ledger{})
		r.pools = append(r.pools, &partialsPool{proto: q.Composite})
	}
	for range shards {
		r.shards = append(r.shards, newShard(cfg.Plan, r.ledgers, cfg.Limits, cfg.EveryEvent))
	}
	const depth = 4 // flushes in flight to a shard
	r.exchange = exchange.NewLocal(shards, depth)
	return r
}

// errFinished ends the clock when the work is done.
var errFinished = errors.New("finished")

// Open opens the source and returns its partitions, which Run reads.
func (r *Runner) Open(ctx context.Context) ([]source.Partition, error) {
	parts, err := r.cfg.Source.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the source: %w", err)
	}
	return parts, nil
}

// Close closes the source. Run does so too.
func (r *Runner) Close() error {
	if err := r.cfg.Source.Close(); err != nil {
		return fmt.Errorf("closing the source: %w", err)
	}
	return nil
}

// Run reads the partitions to their end, or until ctx ends; then what was read
// is combined and emitted, and open windows stay unfired. hard ends everything
// at once.
func (r *Runner) Run(ctx, hard context.Context, parts []source.Partition) error {
	hard, r.cancel = context.WithCancelCause(hard)
	defer r.cancel(errFinished)

	var shards, workers, clock sync.WaitGroup
	for i := range r.shards {
		shards.Go(func() { r.runShard(hard, i) })
	}
	for range r.cfg.Workers {
		workers.Go(func() { r.runWorker(hard) })
	}
	clockCtx, stopClock := context.WithCancel(hard)
	clock.Go(func() { r.runClock(clockCtx) })

	ended := r.readAll(ctx, hard, parts)
	close(r.work)
	workers.Wait()
	stopClock()
	clock.Wait()
	if ended && hard.Err() == nil {
		r.ended.Store(true)
		r.sendAll(hard, exchange.Flush{Kind: exchange.Finish})
	}
	r.exchange.Close()
	shards.Wait()
	err, cerr := context.Cause(hard), r.Close()
	if err == nil {
		err = cerr
	}
	return err
}

func (r *Runner) fail(err error) { r.cancel(err) }

func (r *Runner) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved.Broadcast()
}

// runWorker prepares chunks of any partition.
func (r *Runner) runWorker(hard context.Context) {
	prep := newPreparer(r.cfg.Plan, r.cfg.Decoder, r.cfg.Operators, r.ledgers)
	handle := func(p *partition, w *work) { r.handle(hard, p, w) }
	for w := range r.work {
		if hard.Err() == nil {
			var err error
			if w.dead, err = prep.prepare(&w.chunk, &w.part.origin, w.batch); err != nil {
				r.fail(err)
			}
		}
		w.part.deliver(w, handle)
	}
}

// handle is the ordered part of a partition's work.
func (r *Runner) handle(hard context.Context, p *partition, w *work) {
	if hard.Err() != nil {
		return
	}
	switch w.mark {
	case noMark:
		r.combine(hard, p, w)
	case flushMark, stopMark:
		r.flush(hard, p)
	case releaseMark:
		if _, batches := p.combiner.size(); batches > 0 {
			r.flush(hard, p)
		}
	case idleMark:
		r.flush(hard, p)
		p.idle = true
		r.retire(hard, p, watermark.Idle)
	case endMark:
		r.flush(hard, p)
		r.retire(hard, p, watermark.Ended)
	}
}

// combine folds one batch of a partition and flushes if it is time to.
func (r *Runner) combine(hard context.Context, p *partition, w *work) {
	if p.idle {
		p.idle = false
		r.mu.Lock()
		from := r.tracker.Activate(p.id)
		r.mu.Unlock()
		p.combiner.wm.Raise(from)
	}
	r.events.Add(int64(w.batch.N))
	r.dead.Add(int64(len(w.batch.Dead)))
	if len(w.dead) > 0 {
		if err := r.cfg.OnDead(hard, w.dead); err != nil {
			r.fail(err)
			return
		}
		w.dead = nil
	}
	w.batch.Retain(1)
	p.combiner.add(w.batch)
	w.batch.Release()
	p.unflushed = true
	const manyPartials = 1 << 11
	partials, batches := p.combiner.size()
	if r.cfg.EveryEvent || time.Since(p.lastFlush) >= r.cfg.Interval ||
		partials >= manyPartials || batches >= cap(p.free)/2 {
		r.flush(hard, p)
	}
}

// flush hands what a partition has combined to all shards, with its watermark.
func (r *Runner) flush(hard context.Context, p *partition) {
	if !p.unflushed {
		return
	}
	p.unflushed = false
	p.lastFlush = time.Now()
	c := p.combiner
	r.emitLate(hard, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	w := c.wm.Current()
	others := r.tracker.Advance(p.id, w)
	r.combined.Store(r.tracker.Combined())
	for s := range r.shards {
		f := &exchange.Flush{
			Kind: exchange.Data, Others: others,
			Combined: r.tracker.Combined(), Now: p.lastFlush.UnixNano(),
		}
		c.take(s, f)
		r.send(hard, s, f)
	}
	c.flushed()
	r.moved.Broadcast()
}

func (r *Runner) emitLate(hard context.Context, c *combiner) {
	if len(c.late) == 0 {
		return
	}
	b := r.cfg.NewBatch()
	b.Late = append(b.Late, c.late...)
	c.late = c.late[:0]
	if err := r.cfg.Emit(hard, b); err != nil {
		r.fail(err)
	}
}

// retire takes a partition out of the combined watermark.
func (r *Runner) retire(hard context.Context, p *partition, s watermark.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracker.Retire(p.id, s)
	r.sendLocked(hard, exchange.Flush{Kind: exchange.Advance})
	r.moved.Broadcast()
}

// sendAll sends a flush without data to every shard.
func (r *Runner) sendAll(hard context.Context, f exchange.Flush) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendLocked(hard, f)
}

func (r *Runner) sendLocked(hard context.Context, f exchange.Flush) {
	f.Combined, f.Now = r.tracker.Combined(), time.Now().UnixNano()
	r.combined.Store(f.Combined)
	for s := range r.shards {
		one := f
		r.send(hard, s, &one)
	}
}

func (r *Runner) send(hard context.Context, s int, f *exchange.Flush) {
	if err := r.exchange.Send(hard, s, f); err != nil {
		r.fail(err)
	}
}

// runShard feeds one shard.
func (r *Runner) runShard(hard context.Context, i int) {
	s := r.shards[i]
	s.out.take = func(b *result.Batch) *result.Batch { return r.emit(hard, b) }
	for f := range r.exchange.Receive(i) {
		if hard.Err() != nil {
			continue // nobody waits for the rest
		}
		if err := s.step(f); err != nil {
			r.fail(err)
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

// emit counts a batch's results and hands it on.
func (r *Runner) emit(hard context.Context, b *result.Batch) *result.Batch {
	for from := 0; from < len(b.Results); {
		q, to := b.Results[from].Query, from+1
		for to < len(b.Results) && b.Results[to].Query == q {
			to++
		}
		r.ledgers[q.Index].Results.Add(int64(to - from))
		from = to
	}
	if err := r.cfg.Emit(hard, b); err != nil {
		r.fail(err)
	}
	return r.cfg.NewBatch()
}

// Counters returns a query's ledger so far.
func (r *Runner) Counters(query int) Counters {
	l := r.ledgers[query]
	return Counters{
		Read: l.Read.Load(), InWindows: l.InWindows.Load(), Late: l.Late.Load(), Dead: l.Dead.Load(),
		Filtered: l.Filtered.Load(), Unwindowed: l.Unwindowed.Load(), Overflow: l.Overflow.Load(), Results: l.Results.Load(),
	}
}

// Events is the number of decoded events so far.
func (r *Runner) Events() int64 { return r.events.Load() }

// Dead is the number of records that could not be decoded.
func (r *Runner) Dead() int64 { return r.dead.Load() }

// Ended reports whether the input has ended, and all its windows fired.
func (r *Runner) Ended() bool { return r.ended.Load() }

// Watermark is the combined watermark.
func (r *Runner) Watermark() int64 { return r.combined.Load() }

// OpenWindows is the number of open windows, counted for each key.
func (r *Runner) OpenWindows() int64 {
	n := int64(0)
	for _, s := range r.shards {
		n += s.openCount.Load()
	}
	return n
}
