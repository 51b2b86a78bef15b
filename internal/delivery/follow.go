package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// follow writes the outbox to one lane until it is closed and all is written.
func (d *Delivery) follow(ctx context.Context, l *lane) {
	defer close(l.done)
	defer context.AfterFunc(ctx, d.book.wake)()
	for {
		early, entries := d.nextRows(ctx, l)
		if len(early)+len(entries) == 0 {
			return
		}
		in, done := d.trace.begin(ctx, l, entries)
		err := d.writeRows(in, l, early, entries)
		done(err)
		d.finish(l, entries, err == nil)
		if errors.Is(err, sink.ErrUnclear) && !d.book.Early {
			err = d.clarify(in, l, err)
		}
		if err != nil {
			d.fail(l, err)
			d.abandon(l)
			return
		}
	}
}

// clarify asks a sink what it holds after an error that leaves that open, and
// lets its lane go on from there. Of rows that were sent early the mark says
// nothing, so it is for the others.
func (d *Delivery) clarify(ctx context.Context, l *lane, cause error) error {
	b, f := d.book, &l.follower
	b.mu.Lock()
	known, newest := sink.Mark{Incarnation: b.Incarnation, Epoch: f.held, Token: f.token}, b.Newest
	b.mu.Unlock()
	m, ok := l.Sink.(sink.Marker)
	if !ok {
		return cause
	}
	held, err := heldBy(ctx, m, known, newest, false)
	if err != nil {
		return fmt.Errorf("%w; and to find out: %w", cause, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f.moved = f.moved || held > f.held
	f.reached, f.held = held, held
	d.trimLocked()
	b.moved.Broadcast()
	return nil
}

// nextRows waits for something to write; it gives nothing when there will be
// no more.
func (d *Delivery) nextRows(ctx context.Context, l *lane) ([]*shared, []*entry) {
	b, f := d.book, &l.follower
	b.mu.Lock()
	defer b.mu.Unlock()
	for ctx.Err() == nil {
		entries := b.after(f.reached)
		early := f.early
		f.early = nil
		if len(early)+len(entries) > 0 {
			return early, entries
		}
		if b.closed {
			return nil, nil
		}
		b.moved.Wait()
	}
	return nil, nil
}

// after takes the next entries after an epoch to read them.
func (b *book) after(reached uint64) (entries []*entry) {
	size := int64(0)
	for _, e := range b.entries {
		if e.Epoch <= reached {
			continue
		}
		if size >= roundBytes {
			break
		}
		size += e.Bytes
		e.readers++
		entries = append(entries, e)
	}
	return entries
}

// writeRows writes what is there and then has the sink confirm it.
func (d *Delivery) writeRows(ctx context.Context, l *lane, early []*shared, entries []*entry) (err error) {
	began, wrote := time.Now(), len(early) > 0
	defer func() {
		if err != nil {
			l.tally = tally{} // what of it is there is for the sink's mark to say
		}
		d.told(l, began)
	}()
	for _, s := range early {
		if err == nil {
			err = l.write(ctx, s.batch)
		}
		d.release(s)
	}
	for _, e := range entries {
		if err != nil {
			return err
		}
		var some bool
		some, err = d.writeEntry(ctx, l, e)
		wrote = wrote || some
	}
	if err != nil || len(entries) == 0 {
		return err
	}
	return d.confirm(ctx, l, entries[len(entries)-1].Epoch, wrote)
}

// writeEntry writes one epoch's rows, from memory or from state, and reports
// whether there were any for the lane.
func (d *Delivery) writeEntry(ctx context.Context, l *lane, e *entry) (wrote bool, err error) {
	write := func(b *result.Batch) error {
		if !l.wants(b) {
			return nil
		}
		wrote = true
		failpoint.At("sink/before-write")
		defer failpoint.At("sink/after-write")
		return l.write(ctx, b)
	}
	switch {
	case len(e.sent) > 0 && e.sent[l.index]:
		return true, nil // the rows went out early
	case e.batches == nil:
		err = d.book.Read(ctx, e.Epoch, write)
	default:
		for _, b := range e.batches {
			if err = write(b); err != nil {
				break
			}
		}
	}
	return wrote, err
}

// confirm notes that a sink holds everything up to an epoch.
func (d *Delivery) confirm(ctx context.Context, l *lane, n uint64, wrote bool) error {
	b, f := d.book, &l.follower
	token := f.token
	if m, ok := l.Sink.(sink.Marker); ok && wrote {
		var err error
		failpoint.At("sink/before-commit")
		if token, err = m.Commit(ctx, b.mark(n)); err != nil {
			return err
		}
		failpoint.At("sink/after-commit")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f.held, f.token, f.moved = n, token, true
	return nil
}

// finish gives the entries back and drops those that all lanes hold.
func (d *Delivery) finish(l *lane, entries []*entry, ok bool) {
	b := d.book
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		e.readers--
		if ok {
			l.follower.reached = e.Epoch
		}
	}
	d.trimLocked()
	d.shedLocked()
	b.moved.Broadcast()
}

// abandon gives back what a broken lane will not write.
func (d *Delivery) abandon(l *lane) {
	d.book.mu.Lock()
	defer d.book.mu.Unlock()
	for _, s := range l.follower.early {
		d.release(s)
	}
	l.follower.early = nil
}
