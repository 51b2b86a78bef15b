package delivery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a sink that keeps what it is given, and fails where it is told.
type recorder struct {
	mu              sync.Mutex
	rows            []string
	writes          int
	opened, closed  int
	onOpen, onWrite error
	blocked         chan struct{}
}

func (r *recorder) Open(context.Context) error {
	r.opened++
	return r.onOpen
}

func (r *recorder) Write(_ context.Context, b *result.Batch) error {
	if r.blocked != nil {
		<-r.blocked
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	for i := range b.Results {
		r.rows = append(r.rows, b.Results[i].Query.Name)
	}
	for i := range b.Late {
		r.rows = append(r.rows, "late "+b.Late[i].Query)
	}
	for i := range b.Dead {
		r.rows = append(r.rows, "dead "+b.Dead[i].Reason)
	}
	return r.onWrite
}

func (r *recorder) Close(context.Context) error {
	r.closed++
	return nil
}

func laneTo(k Kind, s sink.Sink, queries ...string) Lane {
	return Lane{Kind: k, Config: sink.Config{Name: "test", Sink: s, Queries: queries}}
}

func batch(d *Delivery, queries ...string) *result.Batch {
	b := d.Batch()
	for _, q := range queries {
		b.Results = append(b.Results, result.Result{Query: &result.Query{Name: q}})
	}
	return b
}

// begin opens and starts a delivery without an outbox.
func begin(ctx context.Context, d *Delivery) error {
	if err := d.Open(ctx); err != nil {
		return err
	}
	if err := d.Start(ctx); err != nil {
		return err
	}
	d.Run(ctx)
	return nil
}

func TestEachLaneGetsWhatItIsThereFor(t *testing.T) {
	ctx := context.Background()
	var all, some, late, dead recorder
	d := New([]Lane{laneTo(Results, &all), laneTo(Results, &some, "b"), laneTo(Late, &late), laneTo(Dead, &dead)}, func(err error) { t.Error(err) })
	if err := begin(ctx, d); err != nil {
		t.Fatal(err)
	}
	b := batch(d, "a", "b")
	b.Late = append(b.Late, result.LateEvent{Query: "a"})
	b.Dead = append(b.Dead, result.DeadLetter{Reason: "json"})
	for _, b := range []*result.Batch{b, batch(d, "a"), batch(d)} {
		if err := d.Send(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got  *recorder
		want []string
	}{{&all, []string{"a", "b", "a"}}, {&some, []string{"b"}}, {&late, []string{"late a"}}, {&dead, []string{"dead json"}}} {
		if c.got.writes > len(c.want) {
			t.Errorf("%d writes for %v: some had nothing", c.got.writes, c.want)
		}
		if !slices.Equal(c.got.rows, c.want) || c.got.opened != 1 || c.got.closed != 1 {
			t.Errorf("got %v (opened %d, closed %d), want %v", c.got.rows, c.got.opened, c.got.closed, c.want)
		}
	}
}

func TestBatchesComeBackEmpty(t *testing.T) {
	d := New(nil, nil)
	b := batch(d, "a")
	if err := d.Send(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if b.Len() != 0 || len(b.Slab) != 0 {
		t.Errorf("a batch that nobody wants still has %d rows", b.Len())
	}
}

func TestOpenErrorClosesWhatWasOpened(t *testing.T) {
	var first recorder
	second := recorder{onOpen: errors.New("no such place")}
	d := New([]Lane{laneTo(Results, &first), laneTo(Results, &second)}, nil)
	err := d.Open(context.Background())
	if err == nil || !strings.Contains(err.Error(), "opening sink test: no such place") {
		t.Fatalf("error is %v", err)
	}
	if first.closed != 1 || second.closed != 0 {
		t.Errorf("closed %d and %d times", first.closed, second.closed)
	}
}

func TestAFailedSinkIsToldOnceAndOthersGoOn(t *testing.T) {
	ctx := context.Background()
	broken, whole := recorder{onWrite: errors.New("disk full")}, recorder{}
	var failures []string
	d := New([]Lane{laneTo(Results, &broken), laneTo(Results, &whole)}, func(err error) { failures = append(failures, err.Error()) })
	if err := begin(ctx, d); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := d.Send(ctx, batch(d, "a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(failures, []string{"writing to sink test: disk full"}) {
		t.Errorf("failures %v", failures)
	}
	if len(whole.rows) != 3 {
		t.Errorf("the other sink got %v", whole.rows)
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	slow := recorder{blocked: make(chan struct{})}
	d := New([]Lane{laneTo(Results, &slow)}, nil)
	if err := begin(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	var err error
	for range 2 * queueDepth { // the queue fills, then the context decides
		if err = d.Send(ctx, batch(d, "a")); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("error is %v", err)
	}
	close(slow.blocked)
	if err := d.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// A write to a pipe that nobody reads cannot be interrupted: the others are
// closed, and the run can end.
func TestAStuckSinkIsLeftBehind(t *testing.T) {
	stuck, whole := recorder{blocked: make(chan struct{})}, recorder{}
	d := New([]Lane{laneTo(Results, &stuck), laneTo(Results, &whole)}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	if err := begin(ctx, d); err != nil {
		t.Fatal(err)
	}
	if err := d.Send(ctx, batch(d, "a")); err != nil {
		t.Fatal(err)
	}
	cancel()
	err := d.Close(ctx)
	if err == nil || !strings.Contains(err.Error(), "does not come back") {
		t.Errorf("error is %v", err)
	}
	if stuck.closed != 0 || whole.closed != 1 || len(whole.rows) != 1 {
		t.Errorf("closed %d and %d times, the other has %v", stuck.closed, whole.closed, whole.rows)
	}
	close(stuck.blocked)
	<-d.lanes[0].done
}
