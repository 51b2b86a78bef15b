package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// patience bounds every wait; who waits that long hangs.
const patience = 30 * time.Second

// ledger is a durable state as far as delivery knows it, which outlives many
// deliveries, and what holds of it.
type ledger struct {
	t       *rapid.T
	shelves []*shelf
	early   bool
	limit   int64

	incarnation [16]byte
	newest      uint64
	places      map[string]epoch.Place
	// made are the rows of each epoch, in batches; stored says which of them
	// state still has.
	made map[uint64][][]row

	mu     sync.Mutex // guards stored and size
	stored map[uint64]bool
	size   map[uint64]int64

	rows int // made so far
	// waiting are rows of epochs that are not committed: with early delivery
	// they may be out already.
	waiting [][][]row
}

func newLedger(t *rapid.T) *ledger {
	l := &ledger{
		t: t, early: rapid.Bool().Draw(t, "early"), incarnation: [16]byte{7}, places: map[string]epoch.Place{},
		made: map[uint64][][]row{}, stored: map[uint64]bool{}, size: map[uint64]int64{},
		limit: rapid.SampledFrom([]int64{0, 1, 2000, 1 << 30}).Draw(t, "limit"),
	}
	seed := rapid.Uint64().Draw(t, "pace")
	for i, s := range []*shelf{{lane: Results}, {lane: Results, queries: []string{"b"}}, {lane: Late}, {lane: Dead}} {
		if i > 0 && rapid.Bool().Draw(t, "left out") {
			continue
		}
		s.name, s.rng = fmt.Sprint("shelf ", i), rand.New(rand.NewPCG(seed, uint64(i)))
		s.kind = memoryKind(rapid.IntRange(0, 2).Draw(t, "memory"))
		l.shelves = append(l.shelves, s)
	}
	return l
}

// upTo are the rows of the epochs up to one that a shelf is there for.
func (l *ledger) upTo(s *shelf, last uint64) (out []string) {
	for n := uint64(1); n <= last; n++ {
		for _, b := range l.made[n] {
			out = append(out, s.wants(b)...)
		}
	}
	return out
}

// read gives the rows of an epoch that state still has.
func (l *ledger) read(d *Delivery) func(context.Context, uint64, func(*result.Batch) error) error {
	return func(_ context.Context, n uint64, fn func(*result.Batch) error) error {
		l.mu.Lock()
		ok := l.stored[n]
		rows := l.made[n]
		l.mu.Unlock()
		if !ok {
			return fmt.Errorf("epoch %d was read, which is gone", n)
		}
		for _, r := range rows {
			if err := fn(fill(d, r)); err != nil {
				return err
			}
		}
		return nil
	}
}

// apply commits an epoch: what sinks confirmed is recorded, and what all hold
// goes. None of both may be ahead of what is really there.
func (l *ledger) apply(d *Delivery, rows [][]row, bytes int64) {
	places, through := d.Places()
	for _, p := range places {
		l.places[p.Sink] = p
	}
	for _, s := range l.shelves {
		p := l.places[s.name]
		repeats := l.early || s.kind == forgetful
		if err := s.holds(l.upTo(s, p.Epoch), repeats); err != nil {
			l.t.Fatalf("the place of %s is at %d: %v", s.name, p.Epoch, err)
		}
		if err := s.holds(l.upTo(s, through), repeats); err != nil {
			l.t.Fatalf("the rows up to epoch %d go: %v", through, err)
		}
		for n := range l.stored {
			if n <= through && n > p.Epoch {
				l.t.Fatalf("the rows of epoch %d go, and the place of %s is recorded at %d", n, s.name, p.Epoch)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.stored, func(n uint64, _ bool) bool { return n <= through })
	l.newest++
	if l.made[l.newest] = rows; len(rows) > 0 {
		l.stored[l.newest], l.size[l.newest] = true, bytes
	}
}

// outbox is what a new life begins with.
func (l *ledger) outbox(d *Delivery) Outbox {
	o := Outbox{
		Incarnation: l.incarnation, Newest: l.newest, Places: maps.Clone(l.places), Read: l.read(d), Early: l.early, Limit: l.limit,
	}
	for n := uint64(1); n <= l.newest; n++ {
		if l.stored[n] {
			o.Pending = append(o.Pending, Pending{n, l.size[n]})
		}
	}
	return o
}

// life is one delivery on a ledger.
type life struct {
	*ledger
	d      *Delivery
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// begin does what a start does; false says that a shelf broke down in it.
func (l *ledger) begin() (*life, bool) {
	var lanes []Lane
	for _, s := range l.shelves {
		lanes = append(lanes, Lane{Kind: s.lane, Config: sink.Config{Name: s.name, Sink: s.asSink(), Queries: s.queries}})
	}
	x := &life{ledger: l}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	x.d = New(lanes, func(err error) { x.cancel(err) })
	if err := errors.Join(x.d.Open(x.ctx), x.d.Resume(x.ctx, l.outbox(x.d)), x.d.Start(x.ctx)); err != nil {
		l.t.Fatalf("a start is refused: %v", err)
	}
	l.apply(x.d, nil, 0)
	for _, s := range l.shelves {
		s.locked = l.incarnation
	}
	if err := x.d.Mark(x.ctx); err != nil {
		if !errors.Is(err, errShelf) {
			l.t.Fatal(err)
		}
		return x, false
	}
	if x.d.Due() {
		l.apply(x.d, nil, 0)
		x.d.Committed(l.newest, nil, 0)
	}
	x.d.Run(x.ctx)
	return x, true
}

// drawRows makes the rows of a batch.
func (x *life) drawRows() (rows []row) {
	for range rapid.IntRange(1, 4).Draw(x.t, "rows") {
		x.rows++
		rows = append(rows, row{
			Kind(rapid.IntRange(0, 2).Draw(x.t, "lane")), rapid.SampledFrom([]string{"a", "b"}).Draw(x.t, "query"), fmt.Sprint("r", x.rows),
		})
	}
	return rows
}

// produce makes rows of the next epoch, or of the one after that.
func (x *life) produce() {
	ahead := 0
	if x.early {
		ahead = rapid.IntRange(0, 1).Draw(x.t, "ahead")
	}
	if ahead < len(x.waiting)-1 {
		ahead = len(x.waiting) - 1 // rows come in the order of their epochs
	}
	for len(x.waiting) <= ahead {
		x.waiting = append(x.waiting, nil)
	}
	for range rapid.SampledFrom([]int{0, 1, 2, 2, 3 * queueDepth}).Draw(x.t, "batches") {
		rows := x.drawRows()
		x.waiting[ahead] = append(x.waiting[ahead], rows)
		x.emit(rows)
	}
}

func (x *life) emit(rows []row) {
	if !x.early {
		return
	}
	if err := x.d.Send(x.ctx, fill(x.d, rows)); err != nil {
		x.t.Fatal(err)
	}
}

// commit commits the next epoch and reports whether that was possible.
func (x *life) commit() bool {
	if !x.room() {
		return false
	}
	var rows [][]row
	if len(x.waiting) > 0 {
		rows, x.waiting = x.waiting[0], x.waiting[1:]
	}
	if len(rows) == 0 {
		x.apply(x.d, nil, 0)
		x.d.Committed(x.newest, nil, 0)
		return true
	}
	bytes := rapid.SampledFrom([]int64{1, 500, roundBytes, roundBytes / 3}).Draw(x.t, "bytes")
	x.apply(x.d, rows, bytes)
	var batches []*result.Batch
	if !x.early && rapid.IntRange(0, 3).Draw(x.t, "packed") > 0 {
		for _, r := range rows {
			batches = append(batches, fill(x.d, r))
		}
	}
	x.d.Committed(x.newest, batches, bytes)
	return true
}

func (x *life) room() bool {
	ctx, cancel := context.WithTimeoutCause(x.ctx, patience, errors.New("nobody makes room"))
	defer cancel()
	err := x.d.Room(ctx)
	if x.ctx.Err() != nil {
		return false
	}
	if err != nil {
		x.t.Fatal(err)
	}
	if n := x.d.Waiting(); x.limit > 0 && n >= x.limit {
		x.t.Fatalf("there is room with %d bytes of %d", n, x.limit)
	}
	return true
}

// end ends a life: in order, then all is delivered; or by a crash.
func (x *life) end(crash bool) {
	if crash {
		x.cancel(errShelf)
	}
	err := x.d.Close(x.ctx)
	if cause := context.Cause(x.ctx); cause != nil && !errors.Is(cause, errShelf) {
		x.t.Fatal(cause)
	} else if cause == nil {
		if err != nil {
			x.t.Fatal(err)
		}
		x.apply(x.d, nil, 0)
		if len(x.stored) > 0 {
			x.t.Fatalf("all is delivered, and %d epochs are still in the state", len(x.stored))
		}
		return
	}
	x.cancel(nil)
	for _, s := range x.shelves {
		s.crash()
	}
}

func (l *ledger) live(last bool) {
	crash := !last && rapid.Bool().Draw(l.t, "crash")
	for _, s := range l.shelves {
		if !last && rapid.IntRange(0, 2).Draw(l.t, "breaks down") == 0 {
			s.calls, s.after = rapid.IntRange(1, 12).Draw(l.t, "at call"), rapid.Bool().Draw(l.t, "after")
		}
	}
	x, ok := l.begin()
	if !ok {
		for _, s := range l.shelves {
			s.crash()
		}
		x.cancel(nil)
		return
	}
	for _, rows := range l.waiting { // what an earlier life has read and not committed
		for _, r := range rows {
			x.emit(r)
		}
	}
	for ok, n := true, rapid.IntRange(0, 8).Draw(l.t, "epochs"); ok && n > 0; n-- {
		x.produce()
		ok = x.commit()
	}
	for last && len(l.waiting) > 0 {
		x.commit()
	}
	x.end(crash)
	for _, s := range l.shelves {
		if s.err != nil {
			l.t.Fatal(s.err)
		}
		s.calls = 0
	}
}

// Whatever breaks down and whenever, each lane gets the rows of each epoch in
// their order: once, where the sink has marks. The state never records more
// than is so, keeps what some sink lacks, and nothing else.
func TestEachLaneGetsEachEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t)
		for range rapid.IntRange(0, 4).Draw(t, "lives") {
			l.live(false)
		}
		l.live(true)
		for _, s := range l.shelves {
			want := l.upTo(s, l.newest)
			if err := s.holds(want, l.early || s.kind == forgetful); err != nil {
				t.Fatal(err)
			}
			if !l.early && s.kind != forgetful && len(s.rows) != len(want) {
				t.Fatalf("shelf %s has %q, want %q", s.name, s.rows, want)
			}
		}
	})
}
