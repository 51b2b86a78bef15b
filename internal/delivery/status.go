package delivery

import (
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// Status is how far a lane's sink has got.
type Status struct {
	Lane
	// Rows counts what the sink took.
	Rows int64
	// Epoch is the last epoch that the sink holds, Behind how many epochs with
	// rows wait for it; 0 with state in memory. Queued counts batches.
	Epoch  uint64
	Behind int
	Queued int
	Failed bool
	// Blocks says that reading waits until the sink takes rows.
	Blocks bool
}

// Status says of each lane how far it has got.
func (d *Delivery) Status() []Status {
	all := make([]Status, len(d.lanes))
	for i, l := range d.lanes {
		all[i] = Status{Lane: l.Lane, Rows: l.rows.Load(), Queued: len(l.queue), Failed: l.failed.Load()}
		all[i].Blocks = len(l.queue) == cap(l.queue)
	}
	if d.book == nil {
		return all
	}
	b := d.book
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.Limit > 0 && b.bytes() >= b.Limit
	for i, l := range d.lanes {
		s := &all[i]
		s.Epoch, s.Queued = l.follower.held, len(l.follower.early)
		for _, e := range b.entries {
			if e.Epoch > l.follower.held {
				s.Behind++
			}
		}
		// The oldest rows are those of the slowest sinks.
		s.Blocks = full && b.entries[0].Epoch > l.follower.held
	}
	return all
}

// Waited is for how long the stream has waited for sinks that are behind, so far.
func (d *Delivery) Waited() time.Duration { return d.waited.Total() }

// Delivered is what a sink has taken at once.
type Delivered struct {
	Sink string
	Rows int
	Took time.Duration
	// Fired is how long ago the last of the results was made, negative without
	// one; Ended how long ago, by event time, the newest of their on-time windows
	// ended, negative without one.
	Fired, Ended time.Duration
}

// tally is what a lane has written since it last told of it.
type tally struct {
	rows int
	// emitted and ended are of the last result, and of the last that is on
	// time; 0 without one.
	emitted, ended int64
}

func (t *tally) add(b *result.Batch) {
	t.rows += b.Len()
	if n := len(b.Results); n > 0 {
		t.emitted = b.Results[n-1].EmittedAt
	}
	for i := len(b.Results) - 1; i >= 0; i-- {
		if r := &b.Results[i]; r.Timing == result.OnTime && r.End != event.MaxTime {
			t.ended = max(t.ended, r.End)
			return
		}
	}
}

// told tells of what a lane has delivered since it began to write.
func (d *Delivery) told(l *lane, began time.Time) {
	t := l.tally
	l.tally = tally{}
	l.rows.Add(int64(t.rows))
	if d.Delivered == nil || t.rows == 0 {
		return
	}
	now := time.Now()
	done := Delivered{Sink: l.Name, Rows: t.rows, Took: now.Sub(began), Fired: -1, Ended: -1}
	if t.emitted != 0 {
		done.Fired = max(0, time.Duration(now.UnixNano()-t.emitted)) // the clock may have been set back
	}
	if t.ended != 0 {
		done.Ended = time.Duration(now.UnixNano() - t.ended)
	}
	d.Delivered(done)
}
