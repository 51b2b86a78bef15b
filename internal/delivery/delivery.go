// Package delivery takes what the engine emits to the sinks. Each sink has a
// lane of its own: a bounded queue and one goroutine, so that a slow sink does
// not stop the others before its queue is full.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/internal/waits"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Kind is a set of the kinds of rows.
type Kind uint8

// The kinds of rows.
const (
	Results Kind = 1 << iota
	Late
	Dead
)

// Lane is a sink and what it is given.
type Lane struct {
	// Kind are the kinds of rows that it carries.
	Kind Kind
	sink.Config
}

// Delivery fans batches out to lanes.
type Delivery struct {
	lanes []*lane
	pool  sync.Pool
	// failed is told the first error of each lane.
	failed func(error)
	// book is nil with state in memory: rows then go out as they are made, and
	// are gone with the process.
	book *book
	// Delivered is told what sinks have taken; it may be nil. It is set before
	// Run.
	Delivered func(Delivered)
	waited    waits.Sum
	trace     tracing
}

type lane struct {
	Lane
	queue chan *shared
	done  chan struct{} // closed when the lane's goroutine has ended
	// broken says that the sink has refused a batch, which failed was told.
	broken bool
	// picked is scratch: the results of the lane's queries.
	picked result.Batch
	tally  tally
	rows   atomic.Int64
	failed atomic.Bool
	// picks are how many rows were picked so far.
	picks int
	// index is the lane's number, follower its part in the book.
	index    int
	follower follower
}

// shared is a batch on its way to several lanes.
type shared struct {
	batch *result.Batch
	left  atomic.Int32
}

// queueDepth is how many batches wait for one sink.
const queueDepth = 16

// New returns a Delivery for the lanes. failed is called when a sink refuses a
// batch for good; the lane then drops what follows, as the run is over.
func New(lanes []Lane, failed func(error)) *Delivery {
	d := &Delivery{failed: failed}
	d.pool.New = func() any { return &result.Batch{} }
	for i, l := range lanes {
		d.lanes = append(d.lanes, &lane{Lane: l, index: i, queue: make(chan *shared, queueDepth), done: make(chan struct{})})
	}
	return d
}

// Open opens all sinks. On an error those that were opened are closed again.
func (d *Delivery) Open(ctx context.Context) error {
	for i, l := range d.lanes {
		if err := l.Sink.Open(ctx); err != nil {
			return errors.Join(fmt.Errorf("opening sink %s: %w", l.Name, err), closeAll(ctx, d.lanes[:i]))
		}
	}
	return nil
}

// Start starts the sinks, which may now touch what is there: everything else
// is open.
func (d *Delivery) Start(ctx context.Context) error {
	for _, l := range d.lanes {
		s, ok := l.Sink.(sink.Starter)
		if !ok {
			continue
		}
		if err := s.Start(ctx); err != nil {
			return fmt.Errorf("starting sink %s: %w", l.Name, err)
		}
	}
	return nil
}

// Abort closes the sinks of a delivery that was opened and does not run.
func (d *Delivery) Abort(ctx context.Context) error { return closeAll(ctx, d.lanes) }

// Run starts the lanes. Close ends them.
func (d *Delivery) Run(ctx context.Context) {
	for _, l := range d.lanes {
		if d.book != nil {
			go d.follow(ctx, l)
			continue
		}
		go d.run(ctx, l)
	}
}

func closeAll(ctx context.Context, lanes []*lane) error {
	var err error
	for _, l := range lanes {
		err = errors.Join(err, l.close(ctx))
	}
	return err
}

// Batch returns an empty batch to fill.
func (d *Delivery) Batch() *result.Batch { return d.pool.Get().(*result.Batch) }

// Send hands a batch to the lanes it concerns, waiting while their queues are
// full. The batch is the Delivery's from then on.
func (d *Delivery) Send(ctx context.Context, b *result.Batch) error {
	s := &shared{batch: b}
	s.left.Store(int32(len(d.lanes)) + 1)
	defer d.release(s)
	if d.book != nil {
		d.sendEarly(s)
		return nil
	}
	for _, l := range d.lanes {
		if !l.wants(b) {
			d.release(s)
			continue
		}
		if err := d.enqueue(ctx, l, s); err != nil {
			return err
		}
	}
	return nil
}

// enqueue puts a batch into a lane's queue, waiting while it is full.
func (d *Delivery) enqueue(ctx context.Context, l *lane, s *shared) error {
	select {
	case l.queue <- s:
		return nil
	default:
	}
	defer d.waited.Begin().End()
	select {
	case l.queue <- s:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("handing rows to sink %s: %w", l.Name, context.Cause(ctx))
	}
}

// wants reports whether a batch has rows for the lane.
func (l *lane) wants(b *result.Batch) bool {
	switch {
	case l.Kind&Late != 0 && len(b.Late) > 0, l.Kind&Dead != 0 && len(b.Dead) > 0:
		return true
	case l.Kind&Results == 0:
		return false
	default:
		return slices.ContainsFunc(b.Results, func(r result.Result) bool { return l.Takes(r.Query.Name) })
	}
}

// release takes the batch back when the last lane is done with it.
func (d *Delivery) release(s *shared) {
	if s.left.Add(-1) == 0 {
		d.recycle(s.batch)
	}
}

// recycle empties a batch and keeps it for Batch.
func (d *Delivery) recycle(b *result.Batch) { d.pool.Put(d.Empty(b)) }

// Empty lets go of all rows of a batch, and returns it.
func (d *Delivery) Empty(b *result.Batch) *result.Batch {
	clear(b.Results) // lets go of texts and values
	clear(b.Late)
	clear(b.Dead)
	clear(b.Slab)
	b.Slab = b.Slab[:0]
	b.Results, b.Late, b.Dead = b.Results[:0], b.Late[:0], b.Dead[:0]
	return b
}

// lastWrite is how long Close waits for a sink's Write after its context has
// ended: a sink that is in order needs far less for what is queued.
const lastWrite = time.Second

// Close delivers what is queued, closes all sinks, and waits for both. Nothing
// may be sent afterwards. A sink whose Write does not come back although ctx
// has ended, as a write to a pipe that nobody reads, is left behind unclosed.
func (d *Delivery) Close(ctx context.Context) error {
	for _, l := range d.lanes {
		close(l.queue)
	}
	var err error
	if d.book != nil {
		d.closeBook()
	}
	for _, l := range d.lanes {
		if l.wait(ctx) {
			err = errors.Join(err, l.close(ctx))
			continue
		}
		err = errors.Join(err, fmt.Errorf("sink %s does not come back from writing: its last rows may be missing", l.Name))
	}
	return err
}

// wait waits for the lane's goroutine and reports whether it has ended.
func (l *lane) wait(ctx context.Context) bool {
	select {
	case <-l.done:
		return true
	case <-ctx.Done():
	}
	t := time.NewTimer(lastWrite)
	defer t.Stop()
	select {
	case <-l.done:
		return true
	case <-t.C:
		return false
	}
}

// close closes the sink. What that says of one that is broken has been told,
// and so has what has ended the context.
func (l *lane) close(ctx context.Context) error {
	err := l.Sink.Close(ctx)
	if err == nil || l.broken || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return fmt.Errorf("closing sink %s: %w", l.Name, err)
}

// run writes one lane's batches.
func (d *Delivery) run(ctx context.Context, l *lane) {
	defer close(l.done)
	for s := range l.queue {
		if !l.broken {
			began := time.Now()
			in, done := d.trace.begin(ctx, l, nil)
			err := l.write(in, s.batch)
			done(err)
			if err != nil {
				d.fail(l, err)
			}
			d.told(l, began)
		}
		d.release(s)
	}
}

// write gives a sink its part of a batch.
func (l *lane) write(ctx context.Context, b *result.Batch) error {
	picked := l.pick(b)
	err := l.Sink.Write(ctx, picked)
	if err == nil {
		l.tally.add(picked)
	}
	return err
}

// fail notes that a sink has refused rows for good.
func (d *Delivery) fail(l *lane, err error) {
	l.broken = true
	l.failed.Store(true)
	d.failed(fmt.Errorf("writing to sink %s: %w", l.Name, err))
}

// pick is the part of a batch that a lane is there for.
func (l *lane) pick(b *result.Batch) *result.Batch {
	p := &l.picked
	*p = result.Batch{}
	if l.Kind&Late != 0 {
		p.Late = b.Late
	}
	if l.Kind&Dead != 0 {
		p.Dead = b.Dead
	}
	switch {
	case l.Kind&Results == 0:
	case len(l.Queries) == 0:
		p.Results = b.Results
	default:
		for i := range b.Results {
			if l.Takes(b.Results[i].Query.Name) {
				p.Results = append(p.Results, b.Results[i])
			}
		}
	}
	l.picks += p.Len()
	return p
}
