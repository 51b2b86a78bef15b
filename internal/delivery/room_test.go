package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// resumed opens, resumes and runs a delivery of results to sinks that are named
// by their numbers.
func resumed(t *testing.T, o Outbox, sinks ...sink.Sink) *Delivery {
	t.Helper()
	var lanes []Lane
	for i, s := range sinks {
		lanes = append(lanes, Lane{Kind: Results, Config: sink.Config{Name: fmt.Sprint(i), Sink: s}})
	}
	d := New(lanes, func(err error) { t.Error(err) })
	ctx := context.Background()
	if err := errors.Join(d.Open(ctx), d.Resume(ctx, o), d.Start(ctx)); err != nil {
		t.Fatal(err)
	}
	d.Run(ctx)
	return d
}

func newShelf(kind memoryKind) *shelf { return &shelf{kind: kind, rng: rand.New(rand.NewPCG(1, 2))} }

func closeDelivery(t *testing.T, d *Delivery) {
	t.Helper()
	if err := d.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// one makes the one row of an epoch.
func one(d *Delivery, n uint64) *result.Batch {
	return fill(d, []row{{Results, "q", fmt.Sprint("row ", n)}})
}

// Where a sink was dropped, or has its marks for itself, the outbox may be full
// of rows that nobody lacks. Nobody would ever make room.
func TestAFullOutboxThatNobodyLacksHasRoom(t *testing.T) {
	s := newShelf(byMark)
	s.mark = sink.Mark{Incarnation: [16]byte{1}, Epoch: 9}
	d := resumed(t, Outbox{
		Incarnation: [16]byte{1}, Newest: 9, Pending: []Pending{{8, 500}, {9, 500}}, Limit: 1000,
		Places: map[string]epoch.Place{"0": {Sink: "0", Epoch: 5, Token: []byte{}}},
	}, s.asSink())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := d.Room(ctx); err != nil {
		t.Fatal(err)
	}
	places, through := d.Places()
	if through != 9 || len(places) != 1 || places[0].Epoch != 9 {
		t.Errorf("the rows up to %d can go, the places are %+v; want 9, and the place recorded with that", through, places)
	}
	closeDelivery(t, d)
}

// A writer waits while the outbox is full, and no longer.
func TestRoom(t *testing.T) {
	slow := &recorder{blocked: make(chan struct{}, 10)}
	d := resumed(t, Outbox{Limit: 1000}, slow)
	d.Committed(1, []*result.Batch{one(d, 1)}, 1000-2*entryBytes-1)
	if err := d.Room(t.Context()); err != nil {
		t.Fatalf("it is not full: %v", err)
	}
	d.Committed(2, []*result.Batch{one(d, 2)}, 1)
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("enough"))
	if err := d.Room(ended); err == nil || !strings.Contains(err.Error(), "limits.outbox") || !strings.Contains(err.Error(), "enough") {
		t.Fatalf("a full outbox has room: %v", err)
	}
	waited := make(chan error)
	go func() { waited <- d.Room(t.Context()) }()
	slow.blocked <- struct{}{}
	slow.blocked <- struct{}{}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	closeDelivery(t, d)
}

// Very many epochs with next to nothing in each fill the outbox, too: each
// takes memory.
func TestSmallEpochsFillTheOutbox(t *testing.T) {
	slow := &recorder{blocked: make(chan struct{})}
	d := resumed(t, Outbox{}, slow)
	for n := range uint64(1000) {
		d.Committed(n+1, []*result.Batch{one(d, n)}, 1)
	}
	if n := d.Waiting(); n < 1000*entryBytes {
		t.Errorf("1000 epochs count as %d bytes", n)
	}
	close(slow.blocked)
	closeDelivery(t, d)
}

// A sink that was down for long confirms as it goes: a crash must not cost it
// all, and the rows that it has can go.
func TestALaneThatIsFarBehindConfirmsAsItGoes(t *testing.T) {
	s := newShelf(byLength)
	o := Outbox{Newest: 40, Places: map[string]epoch.Place{"0": {Sink: "0", Token: make([]byte, 8)}}}
	for n := range uint64(40) {
		o.Pending = append(o.Pending, Pending{n + 1, roundBytes / 4})
	}
	spare := New(nil, nil)
	o.Read = func(_ context.Context, n uint64, fn func(*result.Batch) error) error { return fn(one(spare, n)) }
	d := resumed(t, o, s.asSink())
	closeDelivery(t, d)
	if s.commits != 10 || s.mark.Epoch != 40 || len(s.rows) != 40 {
		t.Errorf("%d commits of %d rows, the last of epoch %d; want 10, 40, 40", s.commits, len(s.rows), s.mark.Epoch)
	}
}

// Rows that a slow sink lacks are kept in memory up to a bound, and then read
// from the state; the others have theirs.
func TestASlowLaneReadsFromTheState(t *testing.T) {
	slow, quick := &recorder{blocked: make(chan struct{})}, &recorder{}
	read := map[uint64]int{}
	rows, spare := slices.Repeat([]string{"q"}, cachedRows/2), New(nil, nil)
	d := resumed(t, Outbox{Read: func(_ context.Context, n uint64, fn func(*result.Batch) error) error {
		read[n]++ // by the slow lane only
		return fn(batch(spare, rows...))
	}}, slow, quick)
	const epochs = 6
	for n := range uint64(epochs) {
		d.Committed(n+1, []*result.Batch{batch(d, rows...)}, 1)
		waitFor(t, func() bool {
			quick.mu.Lock()
			defer quick.mu.Unlock()
			return len(quick.rows) == int(n+1)*len(rows)
		})
	}
	waitFor(t, func() bool {
		d.book.mu.Lock()
		defer d.book.mu.Unlock()
		return d.book.rows <= cachedRows+len(rows) // one is in the hands of the slow lane
	})
	close(slow.blocked)
	closeDelivery(t, d)
	if len(slow.rows) != epochs*len(rows) || len(read) == 0 || len(read) > epochs-1 {
		t.Errorf("the slow sink has %d rows of %d; read from the state: %v", len(slow.rows), epochs*len(rows), read)
	}
	for n, times := range read {
		if times != 1 {
			t.Errorf("epoch %d was read %d times", n, times)
		}
	}
}

// closing is a sink that closes with an error.
type closing struct {
	*recorder
	err error
}

func (c closing) Close(context.Context) error { return c.err }

// What ended the run is not told again by sinks that are closed because of it;
// what they say of themselves is.
func TestClosingAfterTheEnd(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want string
	}{
		{ended, fmt.Errorf("flush: %w", context.Canceled), ""},
		{ended, errors.New("disk full"), "closing sink test: disk full"},
		{t.Context(), context.Canceled, "closing sink test: context canceled"},
	} {
		d := New([]Lane{laneTo(Results, closing{&recorder{}, c.err})}, nil)
		if err := begin(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(c.ctx); fmt.Sprint(err) != cmp.Or(c.want, "<nil>") {
			t.Errorf("closing ends with %v, want %q", err, c.want)
		}
	}
}

// What is wrong with a sink is told once: not again by its Close. That of
// another one is told.
func TestABrokenSinkIsNotToldAgain(t *testing.T) {
	ctx := context.Background()
	for _, durable := range []bool{false, true} {
		var told []string
		why := errors.New("does not close")
		broken, whole := closing{&recorder{onWrite: errors.New("disk full")}, why}, closing{&recorder{}, why}
		d := New([]Lane{laneTo(Results, broken), {Kind: Results, Config: sink.Config{Name: "other", Sink: whole}}},
			func(err error) { told = append(told, err.Error()) })
		if err := d.Open(ctx); err != nil {
			t.Fatal(err)
		}
		if durable {
			if err := d.Resume(ctx, Outbox{}); err != nil {
				t.Fatal(err)
			}
		}
		d.Run(ctx)
		if durable {
			d.Committed(1, []*result.Batch{batch(d, "q")}, 1)
		} else if err := d.Send(ctx, batch(d, "q")); err != nil {
			t.Fatal(err)
		}
		err := d.Close(ctx)
		if err == nil || err.Error() != "closing sink other: does not close" || !slices.Equal(told, []string{"writing to sink test: disk full"}) {
			t.Errorf("durable %v: the sinks fail with %q, and close with %v", durable, told, err)
		}
	}
}
