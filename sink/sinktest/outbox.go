package sinktest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Outbox is what a durable state holds for a sink, and delivers it as a
// pipeline does. It outlives the runs.
//
// A sink that is new gets a Commit after Start and before the first Write, and
// that mark is in the state before the rows of an epoch go out: what is in a
// sink without a mark is never ours.
type Outbox struct {
	// Epochs are those of all runs together; their numbers begin at 1.
	Epochs []Epoch

	// place is the mark that state knows, newest the last epoch that state has
	// committed.
	place  sink.Mark
	newest uint64
}

// Epoch is the rows of one commit of a state.
type Epoch struct {
	Rows []*result.Batch
	// Commit has the sink commit after the rows.
	Commit bool
	// Record has the state remember what Commit returned, before the next
	// epoch; without it a later mark is.
	Record bool
}

// incarnation of the state.
var incarnation = [16]byte{'s', 'i', 'n', 'k', 't', 'e', 's', 't'}

// All is what the sink holds when it holds everything.
func (o *Outbox) All() (h Held) {
	for i := range o.Epochs {
		for _, b := range o.Epochs[i].Rows {
			h.IDs = append(h.IDs, ids(b)...)
			h.Late += len(b.Late)
			h.Dead += len(b.Dead)
		}
	}
	return h
}

// Run is one run of a pipeline: it resumes the sink, writes what it lacks and
// all epochs that are new, and closes it. next is called before each call of
// the sink; its error ends the run at once, and the sink is not closed.
func (o *Outbox) Run(ctx context.Context, s sink.Marker, next func() error) error {
	r := &run{Outbox: o, ctx: ctx, sink: s, next: next}
	r.call("open", func() error { return s.Open(ctx) })
	held := r.resume()
	if starter, ok := s.(sink.Starter); ok {
		r.call("start", func() error { return starter.Start(ctx) })
	}
	if o.place.Token == nil {
		r.commit(o.place.Epoch)
		r.record()
	}
	for n := held + 1; n <= uint64(len(o.Epochs)) && r.err == nil; n++ {
		r.epoch(n)
	}
	r.commit(uint64(len(o.Epochs)))
	r.call("close", func() error { return s.Close(ctx) })
	r.record()
	return r.err
}

// run is a Run under way. After the first error its calls do nothing.
type run struct {
	*Outbox
	ctx  context.Context
	sink sink.Marker
	next func() error
	// marked is the last mark, which state may not know yet.
	marked sink.Mark
	err    error
}

func (r *run) call(what string, f func() error) {
	if r.err != nil {
		return
	}
	if r.err = r.next(); r.err != nil {
		return
	}
	if err := f(); err != nil {
		r.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (r *run) resume() (held uint64) {
	r.call("resume", func() (err error) {
		m := r.place
		m.Incarnation, m.Token = incarnation, bytes.Clone(m.Token)
		if held, err = r.sink.Resume(r.ctx, m, r.newest, false); err != nil {
			return err
		}
		if held < m.Epoch || held > r.newest {
			return fmt.Errorf("the sink says that it holds epoch %d, after a mark at %d, of %d epochs", held, m.Epoch, r.newest)
		}
		return nil
	})
	return held
}

// epoch commits an epoch to state and delivers it.
func (r *run) epoch(n uint64) {
	e := &r.Epochs[n-1]
	r.newest = max(r.newest, n)
	for _, b := range e.Rows {
		r.call(fmt.Sprintf("write to epoch %d", n), func() error { return r.sink.Write(r.ctx, b) })
	}
	if e.Commit {
		r.commit(n)
	}
	if e.Record {
		r.record()
	}
}

func (r *run) commit(n uint64) {
	r.call(fmt.Sprintf("commit epoch %d", n), func() error {
		token, err := r.sink.Commit(r.ctx, sink.Mark{Incarnation: incarnation, Epoch: n})
		if err == nil && token == nil {
			err = fmt.Errorf("the token is nil, which means that the sink is new")
		}
		r.marked = sink.Mark{Epoch: n, Token: token}
		return err
	})
}

// record makes state know the last mark.
func (r *run) record() {
	if r.err == nil && r.marked.Token != nil {
		r.place = sink.Mark{Epoch: r.marked.Epoch, Token: bytes.Clone(r.marked.Token)}
	}
}
