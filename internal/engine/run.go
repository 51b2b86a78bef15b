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

	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/internal/waits"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
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
	// OnNullKey is told once of each field of a query's key that is null for
	// most events; it may be nil.
	OnNullKey func(query int, n Nulls)
	// Since is source.Traits.Since. Epochs have it in their queries.
	Since int64
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
	// OnDead is called for records that did not decode or were refused, by one
	// goroutine at a time per partition, and returns those to put out. An
	// error ends the run.
	OnDead func([]result.DeadLetter) ([]result.DeadLetter, error)
	// Screen takes rows that no sink wants out of a batch.
	Screen func(*result.Batch)
	// Emit takes a batch of rows, waiting while sinks are behind. NewBatch
	// gives the next one to fill.
	Emit     func(context.Context, *result.Batch) error
	NewBatch func() *result.Batch
	// Recycle empties a batch that nobody was given.
	Recycle func(*result.Batch) *result.Batch
	// Epochs makes state durable; nil keeps it in memory.
	Epochs *Epochs
	// Processed is told how long a batch took from the source through the
	// combiner; it may be nil.
	Processed func(events int, took time.Duration)
	// Trace makes spans of batches; nil makes none.
	Trace *Tracing
}

// Runner runs a plan once.
type Runner struct {
	cfg Config
	// ledgers count what the combine side decides, as of the last flush of
	// each partition. They are written under mu.
	ledgers  ledgers
	shards   []*shard
	exchange *exchange.Local
	pools    []*partialsPool
	work     chan *work

	events, dead atomic.Int64
	ended        atomic.Bool
	// combined is the tracker's, movedAt when it moved last.
	combined, movedAt              atomic.Int64
	waitedWorkers, waitedAlignment waits.Sum
	roster                         roster
	pause                          pause

	// mu orders flushes: the tracker and the sends to all shards are one
	// step, so that every shard sees one order.
	mu      sync.Mutex
	tracker watermark.Tracker
	moved   *sync.Cond // the tracker has moved: paused pumps look again
	// What the next epoch has to record; unknown are partitions of an earlier
	// run that have not been found yet.
	news    bool
	changed []*partition
	gone    []uint32
	unknown []epoch.Partition
	nextID  uint32

	urgent chan struct{}
	shares chan share
	// spares are, by shard, an empty batch for the next epoch.
	spares []*state.Batch

	// nulls are by query, in the order of its checks.
	nulls [][]nullCount
	// dedups are of partitions that were read before, by their number in state,
	// until they are found again. Guarded by mu.
	dedups map[uint32]*dedup

	cancel context.CancelCauseFunc
	// over is closed, under mu, when shards take nothing any more.
	over chan struct{}
}

// New returns a Runner.
func New(cfg Config) *Runner {
	r := &Runner{
		cfg: cfg, work: make(chan *work, 2*cfg.Workers), ledgers: make(ledgers, len(cfg.Plan.Queries)),
		urgent: make(chan struct{}, 1), over: make(chan struct{}),
	}
	r.moved = sync.NewCond(&r.mu)
	// One shard keeps rows in the order of events, and counts keys exactly.
	shards := cfg.Workers
	if cfg.EveryEvent || cfg.Limits.Any() {
		shards = 1
	}
	for _, q := range cfg.Plan.Queries {
		r.pools = append(r.pools, &partialsPool{proto: q.Composite})
		r.nulls = append(r.nulls, make([]nullCount, len(q.Checks)))
	}
	st := beginning(cfg.Plan)
	for i := range st.since {
		if cfg.Since != 0 {
			st.since[i] = cfg.Since - 1
		}
	}
	if e := cfg.Epochs; e != nil {
		st = start{watermark: e.Watermark, since: e.Since}
		r.resumeFrom(e)
	}
	r.combined.Store(st.watermark)
	for range shards {
		var keep *keeper
		if cfg.Epochs != nil {
			keep = newKeeper()
			r.spares = append(r.spares, &state.Batch{})
		}
		r.shards = append(r.shards, newShard(cfg.Plan, cfg.Limits, cfg.EveryEvent, st, keep))
	}
	const depth = 4 // flushes in flight to a shard
	r.exchange = exchange.NewLocal(shards, depth)
	r.shares = make(chan share, shards)
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
	r.movedAt.Store(time.Now().UnixNano())

	var shards, workers, clock, epochs sync.WaitGroup
	for i := range r.shards {
		shards.Go(func() { r.runShard(hard, i) })
	}
	for range r.cfg.Workers {
		workers.Go(func() { r.runWorker(hard) })
	}
	clockCtx, stopClock := context.WithCancel(hard)
	clock.Go(func() { r.runClock(clockCtx, hard) })
	stopEpochs := make(chan struct{})
	if r.cfg.Epochs != nil {
		epochs.Go(func() { r.runEpochs(hard, stopEpochs) })
	}

	ended := r.readAll(ctx, hard, parts)
	close(r.work)
	workers.Wait()
	stopClock()
	clock.Wait()
	if ended && hard.Err() == nil {
		r.ended.Store(true)
		r.sendAll(hard, exchange.Flush{Kind: exchange.Finish})
	}
	close(stopEpochs)
	epochs.Wait()
	r.closeExchange()
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
	prep := newPreparer(r.cfg.Plan, r.cfg.Decoder, r.cfg.Operators)
	handle := func(p *partition, w *work) { r.handle(hard, p, w) }
	for w := range r.work {
		if hard.Err() == nil {
			var err error
			if w.dead, err = prep.prepare(&w.chunk, &w.part.origin, w.batch); err != nil {
				r.fail(err)
			}
			w.counts = append(w.counts[:0], prep.counts...)
			w.keepNulls(prep)
			w.refused = append(w.refused[:0], prep.refused...)
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
		p.activated(from)
		p.combiner.wm.Raise(from)
	}
	if w.span != nil {
		r.cfg.Trace.combined(p, w)
	}
	r.events.Add(int64(w.batch.N))
	r.dead.Add(int64(len(w.batch.Dead)))
	r.countNulls(w)
	dead := p.combiner.meet(w.batch, w.counts, w.refused, w.dead)
	if w.dead = nil; len(dead) > 0 {
		var err error
		if dead, err = r.cfg.OnDead(dead); err != nil {
			r.fail(err)
			return
		}
	}
	p.combiner.account(w.counts, dead)
	p.read = w.batch.Next
	if w.chunk.Token != nil {
		p.token = w.chunk.Token
	}
	p.events += int64(w.batch.N)
	for _, t := range w.batch.Time[:w.batch.N] {
		p.newest = max(p.newest, t)
	}
	events, came := w.batch.N, w.came
	w.batch.Retain(1)
	p.combiner.add(w.batch)
	w.batch.Release()
	p.unflushed = true
	if r.cfg.Processed != nil {
		r.cfg.Processed(events, time.Since(came))
	}
	const (
		manyPartials = 1 << 11
		manyBytes    = 1 << 20
	)
	partials, batches := p.combiner.size()
	if r.cfg.EveryEvent || time.Since(p.lastFlush) >= r.cfg.Interval ||
		partials >= manyPartials || batches >= cap(p.free)/2 || p.combiner.sideBytes >= manyBytes {
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
	if len(p.spans) > 0 {
		defer p.endSpans() // after the lock is given back
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w := c.wm.Current()
	others := r.tracker.Advance(p.id, w)
	r.moveTime()
	p.publish()
	for q := range c.counts {
		r.ledgers[q].add(&c.counts[q])
	}
	r.record(p)
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

// retire takes a partition out of the combined watermark.
func (r *Runner) retire(hard context.Context, p *partition, s watermark.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracker.Retire(p.id, s)
	r.roster.retire(p, s)
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
	r.moveTime()
	r.news = true
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

// moveTime publishes the combined watermark. The runner is locked.
func (r *Runner) moveTime() {
	if c := r.tracker.Combined(); c != r.combined.Load() {
		r.combined.Store(c)
		r.movedAt.Store(time.Now().UnixNano())
	}
}

// Counts returns a query's ledger since the run began.
func (r *Runner) Counts(query int) epoch.Counts {
	c := r.ledgers[query].counts()
	for _, s := range r.shards {
		c.Add(s.ledgers[query].counts())
	}
	return c
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
