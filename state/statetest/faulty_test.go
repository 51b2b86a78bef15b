package statetest_test

import (
	"errors"
	"testing"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/state/statetest"
)

// TestFaultyConforms: without a fault the wrapper keeps the contract.
func TestFaultyConforms(t *testing.T) {
	statetest.Run(t, func(*testing.T) state.Store {
		return statetest.NewFaulty(memory.New(), 0, statetest.Before)
	})
}

func TestFaulty(t *testing.T) {
	for _, c := range []struct {
		mode statetest.Mode
		want string // what is there afterwards
	}{{statetest.Before, "1"}, {statetest.After, "2"}} {
		ctx := t.Context()
		s := statetest.NewFaulty(memory.New(), 2, c.mode)
		b, err := s.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(ctx, value("1")); err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(ctx, value("2")); !errors.Is(err, statetest.ErrFault) {
			t.Fatalf("the second Apply says %v", err)
		}
		_, getErr := b.Get(ctx, []byte("k"))
		for what, err := range map[string]error{
			"Apply":      b.Apply(ctx, value("3")),
			"Get":        getErr,
			"Scan":       b.Scan(ctx, nil, nil, func(_, _ []byte) error { return nil }),
			"Checkpoint": b.(state.Checkpointer).Checkpoint(ctx, "c"),
			"Err":        b.(state.Watched).Err(),
		} {
			if !errors.Is(err, statetest.ErrFault) {
				t.Errorf("%s after the fault says %v", what, err)
			}
		}
		<-b.(state.Watched).Failed()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err = s.Open(ctx); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Get(ctx, []byte("k")); string(got) != c.want {
			t.Errorf("after mode %d the store holds %q, %v; want %q", c.mode, got, err, c.want)
		}
		if err := b.Apply(ctx, value("3")); err != nil || s.Applies() != 3 {
			t.Errorf("Apply after the fault: %v; %d were counted", err, s.Applies())
		}
	}
}

func TestBreak(t *testing.T) {
	s := statetest.NewFaulty(memory.New(), 0, statetest.Before)
	s.Break(errors.New("nothing is open"))
	b, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("the disk is gone")
	s.Break(why)
	<-b.(state.Watched).Failed()
	if err := b.Apply(t.Context(), value("1")); !errors.Is(err, why) {
		t.Errorf("Apply says %v", err)
	}
}

func value(v string) *state.Batch {
	b := new(state.Batch)
	b.Set([]byte("k"), []byte(v))
	return b
}
