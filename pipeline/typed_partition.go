package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

const (
	// typedChunk is how many events are handed over at most at once.
	typedChunk = 1024
	// typedLinger is how long a chunk waits for more events. A sender that
	// waits for each to be received would otherwise make chunks of one.
	typedLinger = time.Millisecond
)

// typedPartition is what both kinds of a Typed have in common.
type typedPartition[T any] struct {
	src  *Typed[T]
	next int64 // the position of the next event
	// fillers passes the memory of chunks from workers back to Read.
	fillers sync.Pool
}

// Origin names the source.
func (p *typedPartition[T]) Origin() event.Origin { return event.Origin{Path: p.src.name} }

func (p *typedPartition[T]) open(position int64) error {
	if position != 0 || p.next != 0 {
		return fmt.Errorf("opening a typed source at event %d: what was read once is gone: %w", position, errors.ErrUnsupported)
	}
	return nil
}

func (p *typedPartition[T]) filler() *filler[T] {
	if f, ok := p.fillers.Get().(*filler[T]); ok {
		return f
	}
	return newFiller(p.src, &p.fillers)
}

// give hands the collected events over.
func (p *typedPartition[T]) give(f *filler[T], c *source.Chunk) {
	f.first = p.next
	p.next += int64(len(f.events))
	c.Offset, c.Next, c.Fill = f.first, p.next, f.fn
}

// chanPartition reads a channel.
type chanPartition[T any] struct {
	typedPartition[T]
	linger *time.Timer
	closed bool
}

// Open begins at the first event that arrives.
func (p *chanPartition[T]) Open(_ context.Context, position int64) error {
	p.linger = time.NewTimer(typedLinger)
	return p.open(position)
}

// Close leaves the channel to its sender.
func (p *chanPartition[T]) Close() error {
	p.linger.Stop()
	return nil
}

// Read waits for an event, and a little for more.
func (p *chanPartition[T]) Read(ctx context.Context, c *source.Chunk) error {
	c.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.closed {
		return io.EOF
	}
	f := p.filler()
	select {
	case e, open := <-p.src.events:
		if !open {
			p.closed = true
			break
		}
		f.events = append(f.events, e)
		p.collect(ctx, f)
	case <-ctx.Done():
	}
	if len(f.events) > 0 {
		p.give(f, c)
		return nil
	}
	p.fillers.Put(f)
	if p.closed {
		return io.EOF
	}
	return ctx.Err()
}

// collect receives until the chunk is full or nothing more is to be waited for.
func (p *chanPartition[T]) collect(ctx context.Context, f *filler[T]) {
	p.linger.Reset(typedLinger)
	for len(f.events) < typedChunk {
		var e T
		var open bool
		select {
		case e, open = <-p.src.events:
		default:
			select {
			case e, open = <-p.src.events:
			case <-p.linger.C:
				return
			case <-ctx.Done():
				return
			}
		}
		if !open {
			p.closed = true
			return
		}
		f.events = append(f.events, e)
	}
}

// seqPartition reads a sequence.
type seqPartition[T any] struct {
	typedPartition[T]
	pull func() (T, bool)
	stop func()
	done bool
}

// Open begins at the first value.
func (p *seqPartition[T]) Open(_ context.Context, position int64) error {
	if err := p.open(position); err != nil {
		return err
	}
	p.pull, p.stop = iter.Pull(p.src.seq)
	return nil
}

// Close ends the sequence.
func (p *seqPartition[T]) Close() error {
	if p.stop != nil {
		p.stop()
	}
	return nil
}

// Read takes values until the chunk is full or ctx ends: the sequence may be a
// slow one.
func (p *seqPartition[T]) Read(ctx context.Context, c *source.Chunk) error {
	c.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	f := p.filler()
	for !p.done && len(f.events) < typedChunk && ctx.Err() == nil {
		e, more := p.pull()
		if more {
			f.events = append(f.events, e)
		}
		p.done = !more
	}
	switch {
	case len(f.events) > 0:
		p.give(f, c)
		return nil
	case p.done:
		p.fillers.Put(f)
		return io.EOF
	default:
		p.fillers.Put(f)
		return ctx.Err()
	}
}
