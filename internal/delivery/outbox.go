package delivery

import (
	"context"
	"fmt"
	"sync"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Outbox is the rows of committed epochs that some sink does not hold yet, as
// durable state has them. Every lane follows it at its own pace.
type Outbox struct {
	Incarnation [16]byte
	// Newest is the last epoch of the state.
	Newest uint64
	// Places are how far the sinks have got, by name. A sink without one is
	// new: it begins after Newest.
	Places map[string]epoch.Place
	// Pending are the epochs with rows that state still has, oldest first, and
	// their bytes.
	Pending []Pending
	// Read gives the rows of one epoch to fn, batch by batch.
	Read func(ctx context.Context, epoch uint64, fn func(*result.Batch) error) error
	// Redeliver takes sinks over that hold what this state does not know of.
	Redeliver bool
	// Early says that rows are sent before their epoch is committed.
	Early bool
	// Limit is how many bytes may wait for the slowest sink.
	Limit int64
}

// Pending is an epoch whose rows wait in the outbox.
type Pending struct {
	Epoch uint64
	Bytes int64
}

// book is the outbox while the pipeline runs.
type book struct {
	Outbox
	mu      sync.Mutex
	moved   *sync.Cond // something below has changed
	entries []*entry   // oldest first; gone when all lanes hold them
	rows    int        // in memory, of all entries
	closed  bool
	trimmed uint64 // what state was last told that all lanes hold
}

// entry is one epoch of the outbox.
type entry struct {
	Pending
	// batches are its rows; nil when only state has them.
	batches []*result.Batch
	rows    int
	readers int
	// sent says which lanes have been sent the rows early.
	sent []bool
}

// follower is a lane's part in the book, guarded by its mu.
type follower struct {
	name string
	// reached is the last epoch that was written, held the last that the sink
	// has confirmed, with token. moved says that state does not know yet.
	reached, held uint64
	token         []byte
	moved         bool
	// early are batches that wait to be written before their epoch is
	// committed. behind says that there are none: since a batch did not fit the
	// lane writes what the outbox has, and newer rows must not overtake that.
	early  []*shared
	behind bool
	// skipped says that a batch was left to the outbox since the last commit,
	// quiet that none was between the last two: it may be of the epoch that was
	// being committed, or of the one after.
	skipped, quiet bool
}

const (
	// cachedRows is how many rows of committed epochs stay in memory for lanes
	// that are behind; what is beyond they read from state.
	cachedRows = 1 << 16
	// roundBytes is about how much a lane that is behind writes before the sink
	// confirms it: one that has a gigabyte to catch up with must make way for
	// new rows as it goes, and not begin anew after a crash.
	roundBytes = 8 << 20
	// entryBytes is what an epoch of the outbox takes in memory, about, beside
	// its rows: very many small ones count, too.
	entryBytes = 128
)

// Resume makes the delivery follow an outbox. It comes after Open and before
// Start; sinks are asked what they hold.
func (d *Delivery) Resume(ctx context.Context, o Outbox) error {
	b := &book{Outbox: o}
	b.moved = sync.NewCond(&b.mu)
	for _, p := range o.Pending {
		b.entries = append(b.entries, &entry{Pending: p})
	}
	for _, l := range d.lanes {
		f := &l.follower
		p, known := o.Places[l.Name]
		if !known {
			p = epoch.Place{Epoch: o.Newest}
		}
		f.name, f.token, f.held = l.Name, p.Token, p.Epoch
		if m, ok := l.Sink.(sink.Marker); ok {
			held, err := heldBy(ctx, m, sink.Mark{Incarnation: o.Incarnation, Epoch: p.Epoch, Token: p.Token}, o.Newest, o.Redeliver)
			if err != nil {
				return fmt.Errorf("resuming sink %s: %w", l.Name, err)
			}
			f.held = held
			if o.Redeliver {
				f.token = nil // what was taken over is marked anew, also if no row follows
			}
		}
		f.reached, f.moved = f.held, !known || f.held != p.Epoch
		f.behind, f.quiet = true, true // rows of the last run come first
	}
	d.book = b
	d.trimLocked() // nobody else has the book yet
	return nil
}

// heldBy asks a sink how far it has got, and does not believe everything.
func heldBy(ctx context.Context, m sink.Marker, known sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	held, err := m.Resume(ctx, known, newest, redeliver)
	if err == nil && (held < known.Epoch || held > newest) {
		err = fmt.Errorf("it says it holds epoch %d, which is not between %d and %d", held, known.Epoch, newest)
	}
	return held, err
}

// Mark gives sinks that are new or were taken over their first mark. It comes between Start and Run, when
// the state has been committed whose incarnation they are to know: one that a
// crash undid would lock them.
func (d *Delivery) Mark(ctx context.Context) error {
	for _, l := range d.lanes {
		m, ok := l.Sink.(sink.Marker)
		if !ok || l.follower.token != nil {
			continue
		}
		token, err := m.Commit(ctx, d.book.mark(l.follower.held))
		if err != nil {
			return fmt.Errorf("marking sink %s: %w", l.Name, err)
		}
		l.follower.token, l.follower.moved = token, true
	}
	return nil
}

func (b *book) mark(n uint64) sink.Mark { return sink.Mark{Incarnation: b.Incarnation, Epoch: n} }

// Committed tells the lanes of an epoch that is durable. The batches are its
// rows, in order, and the Delivery's from then on; bytes is what they take in
// the outbox. An epoch without rows is only counted.
func (d *Delivery) Committed(n uint64, batches []*result.Batch, bytes int64) {
	b := d.book
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Newest = n
	e := &entry{Pending: Pending{n, bytes}, batches: batches}
	for _, x := range batches {
		e.rows += x.Len()
	}
	for _, l := range d.lanes {
		f := &l.follower
		e.sent = append(e.sent, b.Early && !f.behind)
		f.skipped, f.quiet = false, !f.skipped
	}
	if bytes > 0 {
		b.entries = append(b.entries, e)
		b.rows += e.rows
		d.shedLocked()
	}
	b.moved.Broadcast()
}

// Drop lets go of batches that are delivered from the outbox instead.
func (d *Delivery) Drop(batches []*result.Batch) {
	for _, b := range batches {
		d.recycle(b)
	}
}

// shedLocked lets go of rows in memory beyond what is kept for slow lanes.
func (d *Delivery) shedLocked() {
	b := d.book
	for _, e := range b.entries[:max(len(b.entries)-1, 0)] {
		if b.rows <= cachedRows {
			return
		}
		if e.readers == 0 {
			d.dropLocked(e)
		}
	}
}

// dropLocked lets go of an entry's rows.
func (d *Delivery) dropLocked(e *entry) {
	d.Drop(e.batches)
	d.book.rows -= e.rows
	e.batches, e.rows = nil, 0
}

// sendEarly queues a batch for the lanes before its epoch is committed. A lane
// whose queue is full gets it from the outbox later.
func (d *Delivery) sendEarly(s *shared) {
	b := d.book
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range d.lanes {
		f := &l.follower
		if !l.wants(s.batch) {
			d.release(s)
			continue
		}
		f.behind = len(f.early) >= queueDepth || f.behind && !b.caughtUp(f)
		if f.behind {
			f.skipped = true
			d.release(s)
			continue
		}
		f.early = append(f.early, s)
	}
	b.moved.Broadcast()
}

// caughtUp reports whether a lane has written all that was left to the outbox,
// also of the epochs that are not committed yet.
func (b *book) caughtUp(f *follower) bool {
	last := len(b.entries) - 1
	return f.quiet && !f.skipped && (last < 0 || b.entries[last].Epoch <= f.reached)
}

// Room waits until the outbox has room for more.
func (d *Delivery) Room(ctx context.Context) error {
	b := d.book
	defer context.AfterFunc(ctx, b.wake)()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Limit > 0 && b.bytes() >= b.Limit {
		defer d.waited.Begin().End()
	}
	for b.Limit > 0 && b.bytes() >= b.Limit {
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for room in the outbox (limits.outbox): %w", context.Cause(ctx))
		}
		b.moved.Wait()
	}
	return nil
}

func (b *book) bytes() (n int64) {
	for _, e := range b.entries {
		n += e.Bytes + entryBytes
	}
	return n
}

// Waiting is the bytes of the outbox that some sink does not hold yet.
func (d *Delivery) Waiting() int64 {
	d.book.mu.Lock()
	defer d.book.mu.Unlock()
	return d.book.bytes()
}

func (b *book) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved.Broadcast()
}

// Places returns the places that have moved since they were asked for last,
// and the last epoch that all sinks hold: its rows and those before it need
// not be kept, once these places are recorded.
func (d *Delivery) Places() (moved []epoch.Place, through uint64) {
	b := d.book
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range d.lanes {
		if f := &l.follower; f.moved {
			moved = append(moved, epoch.Place{Sink: f.name, Epoch: f.held, Token: f.token})
			f.moved = false
		}
	}
	b.trimmed = b.through()
	return moved, b.trimmed
}

// Due reports whether Places has something new.
func (d *Delivery) Due() bool {
	b := d.book
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range d.lanes {
		if l.follower.moved {
			return true
		}
	}
	return false
}

// through is the last epoch before the oldest that a lane lacks.
func (b *book) through() uint64 {
	if len(b.entries) == 0 {
		return b.Newest
	}
	return b.entries[0].Epoch - 1
}

// trimLocked drops the entries that all lanes hold.
func (d *Delivery) trimLocked() {
	b := d.book
	least := b.Newest
	for _, l := range d.lanes {
		least = min(least, l.follower.held)
	}
	for len(b.entries) > 0 && b.entries[0].Epoch <= least {
		d.dropLocked(b.entries[0])
		b.entries[0] = nil
		b.entries = b.entries[1:]
	}
}

// closeBook says that nothing more will be committed.
func (d *Delivery) closeBook() {
	d.book.mu.Lock()
	defer d.book.mu.Unlock()
	d.book.closed = true
	d.book.moved.Broadcast()
}
