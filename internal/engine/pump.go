package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/watermark"
)

// readAll pumps all partitions, also those that appear while running, and
// reports whether the input has ended; otherwise ctx has.
func (r *Runner) readAll(ctx, hard context.Context, parts []source.Partition) (ended bool) {
	soft, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(hard, cancel)()
	// Paused pumps look at soft: they must be woken after it has ended.
	defer context.AfterFunc(soft, r.wake)()
	maxOpen := r.cfg.Source.Traits().MaxOpen
	if maxOpen <= 0 {
		maxOpen = len(parts) + 1<<20
	}
	// All partitions of the start count before any is read.
	known := make([]*partition, len(parts))
	saved, err := r.recognize(soft, parts)
	if err != nil && soft.Err() == nil {
		r.fail(err)
		return false
	}
	for i, sp := range parts {
		if soft.Err() != nil {
			return false
		}
		p, err := r.register(soft, sp, saved[i], min(len(parts), maxOpen), i >= maxOpen)
		if soft.Err() != nil {
			return false // stopped while looking at the files' beginnings
		}
		if err != nil {
			r.fail(err)
			return false
		}
		known[i] = p
	}
	var pumps sync.WaitGroup
	turn := make(chan struct{}, maxOpen)
	start := func(p *partition) {
		select {
		case turn <- struct{}{}:
		case <-soft.Done():
			return
		}
		pumps.Go(func() {
			defer func() { <-turn }()
			if err := r.pump(soft, hard, p); err != nil {
				r.fail(err)
			}
		})
	}
	pumps.Go(func() { r.discover(soft, start) })
	for i, p := range known {
		known[i] = nil // an ended partition's memory is not held by the list
		start(p)
	}
	pumps.Wait()
	return soft.Err() == nil
}

// register makes a partition count in the watermark. One that waits for its
// turn counts with its first event.
// saved is what an earlier run has read of it.
func (r *Runner) register(ctx context.Context, sp source.Partition, saved epoch.Partition, total int, waits bool) (*partition, error) {
	p := &partition{
		part: sp, origin: sp.Origin(), ready: map[uint64]*work{}, saved: saved, read: saved.Position, token: saved.Token,
		combiner: newCombiner(r.cfg.Plan, watermark.NewBounded(r.cfg.Bound), len(r.shards), r.cfg.EveryEvent, r.pools),
	}
	p.newest = event.MinTime
	p.combiner.wm.Raise(saved.Watermark)
	p.combiner.dedup = r.dedupOf(saved.ID)
	const atLeast = 4 // so that reading, preparing and combining overlap
	chunks := max(atLeast, (2*r.cfg.Workers+4+total-1)/total)
	p.free = make(chan *work, chunks)
	isNew, first := saved.Watermark == event.MinTime, event.MinTime
	if waits && isNew {
		var err error
		if first, err = r.firstWatermark(ctx, sp); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	status := watermark.Active
	if waits {
		status = watermark.Waiting
	}
	if waits && isNew {
		p.id = r.tracker.AddWaiting(first)
	} else {
		p.id = r.tracker.AddResumed(saved.Watermark, status)
	}
	r.roster.add(p, status, r.tracker.Watermark(p.id))
	return p, nil
}

// firstWatermark is what the first event of a partition that is not open yet
// will leave.
func (r *Runner) firstWatermark(ctx context.Context, sp source.Partition) (int64, error) {
	peeker, ok := sp.(source.Peeker)
	if !ok {
		return event.MinTime, nil
	}
	var c source.Chunk
	if err := peeker.Peek(ctx, &c); errors.Is(err, io.EOF) {
		return event.MaxTime, nil
	} else if err != nil {
		origin := sp.Origin()
		return 0, fmt.Errorf("looking at the beginning of %s: %w", originName(&origin), err)
	}
	var b event.Batch
	origin := sp.Origin()
	b.Reset(r.cfg.Plan.Schema, &origin)
	b.Data = c.Data
	r.cfg.Decoder.Clone().Decode(&c, &b)
	if b.N == 0 {
		return event.MinTime, nil
	}
	g := watermark.NewBounded(r.cfg.Bound)
	g.Observe(b.Time[:1], make([]int64, 1))
	return g.Current(), nil
}

// discover starts partitions that appear while running.
func (r *Runner) discover(soft context.Context, start func(*partition)) {
	for {
		parts, err := r.cfg.Source.Discover(soft)
		if errors.Is(err, io.EOF) || soft.Err() != nil {
			return
		}
		if err != nil {
			r.fail(fmt.Errorf("looking for new partitions: %w", err))
			return
		}
		saved, err := r.recognize(soft, parts)
		if err != nil {
			r.fail(err)
			return
		}
		for i, sp := range parts {
			p, err := r.register(soft, sp, saved[i], len(parts), false)
			if err != nil {
				r.fail(err)
				return
			}
			start(p)
		}
	}
}

// pump reads one partition to its end.
func (r *Runner) pump(soft, hard context.Context, p *partition) error {
	if err := p.part.Open(soft, p.read); soft.Err() != nil {
		return p.part.Close() // stopped before it began
	} else if err != nil {
		return fmt.Errorf("opening %s: %w", originName(&p.origin), err)
	}
	r.mu.Lock()
	from := r.tracker.Activate(p.id)
	p.combiner.wm.Raise(from)
	r.mu.Unlock()
	p.activated(from)
	end := stopMark
	for range cap(p.free) {
		w := &work{part: p}
		w.empty()
		p.free <- w
	}
	for {
		w, err := r.read(soft, hard, p)
		if err == nil {
			r.cfg.Trace.begin(w)
			r.submit(hard, w)
			continue
		}
		if soft.Err() != nil {
			break // a signal beats the end of the input
		}
		if errors.Is(err, io.EOF) {
			end = endMark
			break
		}
		return errors.Join(fmt.Errorf("reading %s: %w", originName(&p.origin), err), p.part.Close())
	}
	r.mark(hard, p, end)
	if err := p.part.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", originName(&p.origin), err)
	}
	return nil
}

// read returns the partition's next chunk. While there is none it lets what is
// combined go out after the interval, and after the idle timeout the partition
// no longer holds the others back.
func (r *Runner) read(soft, hard context.Context, p *partition) (*work, error) {
	r.waitTurn(soft, hard, p)
	w, err := r.freeWork(soft, hard, p)
	if err != nil {
		return nil, err
	}
	w.chunk.Reset()
	w.mark = noMark
	if wait := r.cfg.Interval; wait > 0 {
		if came, err := readWithin(soft, p, w, wait); came {
			return w, err
		}
		r.mark(hard, p, flushMark)
	}
	asked := time.Now()
	for wait := r.cfg.IdleTimeout; wait > 0; {
		if came, err := readWithin(soft, p, w, wait); came {
			return w, err
		}
		if wait = r.cfg.IdleTimeout - quietFor(p, asked, time.Now()); wait <= 0 {
			r.mark(hard, p, idleMark)
		}
	}
	p.shrink(w)
	err = p.part.Read(soft, &w.chunk)
	w.came = time.Now()
	return w, err
}

// readWithin reads the next chunk, unless none comes for a while.
func readWithin(soft context.Context, p *partition, w *work, wait time.Duration) (came bool, err error) {
	ctx, cancel := context.WithTimeout(soft, wait)
	defer cancel()
	err = p.part.Read(ctx, &w.chunk)
	w.came = time.Now()
	return err == nil || soft.Err() != nil || !errors.Is(err, context.DeadlineExceeded), err
}

// quietFor is for how long the source has been asked while it was known to have
// nothing.
func quietFor(p *partition, asked, now time.Time) time.Duration {
	since := asked
	if q, ok := p.part.(source.Quieter); ok {
		if since = q.Quiet(); since.IsZero() {
			return 0
		}
		if since.Before(asked) {
			since = asked
		}
	}
	return now.Sub(since)
}

// freeWork returns a work item to fill. When all are in use, batches that wait
// for the next flush are flushed, so that the shards give them back.
func (r *Runner) freeWork(soft, hard context.Context, p *partition) (*work, error) {
	select {
	case w := <-p.free:
		return w, nil
	default:
	}
	r.mark(hard, p, releaseMark)
	defer r.waitedWorkers.Begin().End()
	select {
	case w := <-p.free:
		return w, nil
	case <-soft.Done():
		return nil, soft.Err()
	}
}

// waitTurn keeps a partition from reading while the pipeline is paused, and one
// that is too far ahead of the slowest.
func (r *Runner) waitTurn(soft, hard context.Context, p *partition) {
	ahead := func() bool {
		is := r.tracker.Watermark(p.id) > event.AddSat(r.tracker.Slowest(), int64(r.cfg.MaxDrift))
		p.progress.ahead.Store(is)
		return is
	}
	flushed := false
	flush := func() {
		if !flushed {
			flushed = true
			r.mark(hard, p, flushMark) // nobody else would flush it while it pauses
		}
	}
	for soft.Err() == nil {
		if resumed := r.pause.wait(); resumed != nil {
			flush()
			select {
			case <-resumed:
			case <-soft.Done():
			}
			continue
		}
		if r.cfg.MaxDrift == 0 || !r.locked(ahead) {
			return
		}
		flush()
		r.waitBehind(soft, ahead)
	}
}

// locked asks while nothing is flushed.
func (r *Runner) locked(ask func() bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ask()
}

// waitBehind waits until the slowest partition has caught up.
func (r *Runner) waitBehind(soft context.Context, ahead func() bool) {
	defer r.waitedAlignment.Begin().End()
	r.mu.Lock()
	defer r.mu.Unlock()
	for soft.Err() == nil && ahead() {
		r.moved.Wait()
	}
}

// submit hands a chunk to the workers.
func (r *Runner) submit(hard context.Context, w *work) {
	w.seq = w.part.seq
	w.part.seq++
	select {
	case r.work <- w:
	case <-hard.Done():
	}
}

// mark puts a mark into the partition's order.
func (r *Runner) mark(hard context.Context, p *partition, m mark) {
	w := &work{mark: m, part: p, seq: p.seq}
	p.seq++
	p.deliver(w, func(p *partition, w *work) { r.handle(hard, p, w) })
}
