package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// doubtful is a sink with transactions some of which end unclearly: what they
// held is there, or is not.
type doubtful struct {
	recorder
	// fails says of a transaction whether it ends unclearly, and whether it has
	// been taken all the same.
	fails func(n int) (unclear, taken bool)

	commits, asked int
	pending, held  []string
	mark           uint64
}

func (s *doubtful) Write(_ context.Context, b *result.Batch) error {
	for i := range b.Results {
		s.pending = append(s.pending, string(b.Results[i].AppendJSON(nil, false)))
	}
	return nil
}

func (s *doubtful) Resume(_ context.Context, m sink.Mark, newest uint64, _ bool) (uint64, error) {
	s.asked++
	s.pending = nil
	if s.mark > newest {
		return 0, fmt.Errorf("at %d, newest is %d", s.mark, newest)
	}
	return max(s.mark, m.Epoch), nil
}

func (s *doubtful) Commit(_ context.Context, m sink.Mark) ([]byte, error) {
	s.commits++
	unclear, taken := s.fails(s.commits)
	if !unclear || taken {
		s.held, s.mark = append(s.held, s.pending...), m.Epoch
	}
	s.pending = nil
	if unclear {
		return nil, fmt.Errorf("commit %d: %w", s.commits, sink.ErrUnclear)
	}
	return []byte{}, nil
}

// After an unclear end the sink is asked, and gets what it lacks: each row is
// there once, in order.
func TestUnclearEndsAreClarified(t *testing.T) {
	for _, what := range []string{"taken", "not taken", "either"} {
		t.Run(what, func(t *testing.T) {
			s := &doubtful{fails: func(n int) (bool, bool) {
				return n%4 != 0, what == "taken" || what == "either" && n%2 == 0
			}}
			stored := map[uint64]*result.Batch{}
			o := Outbox{Incarnation: [16]byte{1}, Places: map[string]epoch.Place{"0": {Sink: "0", Token: []byte{}}}}
			o.Read = func(_ context.Context, n uint64, fn func(*result.Batch) error) error { return fn(stored[n]) }
			d := resumed(t, o, s)
			var want []string
			spare := New(nil, nil)
			for n := range uint64(20) {
				b := one(d, n)
				stored[n+1] = one(spare, n)
				want = append(want, string(b.Results[0].AppendJSON(nil, false)))
				d.Committed(n+1, []*result.Batch{b}, 100)
			}
			closeDelivery(t, d)
			if !slices.Equal(s.held, want) {
				t.Errorf("it holds %d rows, not %d:\n%v", len(s.held), len(want), s.held)
			}
			if s.asked < 2 {
				t.Error("nothing was unclear: that proves nothing")
			}
			if _, through := d.Places(); through != 20 {
				t.Errorf("the rows up to epoch %d can go, not all", through)
			}
		})
	}
}

// A sink that cannot tell ends the run, with both reasons.
func TestUnclearEndThatStaysSo(t *testing.T) {
	s := &doubtful{fails: func(int) (bool, bool) { return true, true }}
	failed := make(chan error, 1)
	d := New([]Lane{{Kind: Results, Config: sink.Config{Name: "0", Sink: &lost{s}}}}, func(err error) { failed <- err })
	ctx := context.Background()
	o := Outbox{Incarnation: [16]byte{1}, Places: map[string]epoch.Place{"0": {Sink: "0", Token: []byte{}}}}
	if err := errors.Join(d.Open(ctx), d.Resume(ctx, o), d.Start(ctx)); err != nil {
		t.Fatal(err)
	}
	d.Run(ctx)
	d.Committed(1, []*result.Batch{one(d, 1)}, 100)
	err := <-failed
	if !errors.Is(err, sink.ErrUnclear) || !errors.Is(err, errLost) {
		t.Errorf("the run ends with %v", err)
	}
	_ = d.Close(ctx) // the sink is broken
}

var errLost = errors.New("its mark is lost")

// lost cannot tell, the second time that it is asked.
type lost struct{ *doubtful }

func (s *lost) Resume(ctx context.Context, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	if s.asked > 0 {
		return 0, errLost
	}
	return s.doubtful.Resume(ctx, m, newest, redeliver)
}
