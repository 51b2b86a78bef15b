package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
)

// slow is a store whose checkpoints are never done.
type slow struct {
	state.Store
	begun chan struct{}
}

func (s *slow) Open(ctx context.Context) (state.Backend, error) {
	b, err := s.Store.Open(ctx)
	if err != nil {
		return nil, err
	}
	return slowBackend{b, s.begun}, nil
}

type slowBackend struct {
	state.Backend
	begun chan struct{}
}

func (b slowBackend) Bytes() int64 { return 7 }

func (b slowBackend) Checkpoint(ctx context.Context, _ string) error {
	close(b.begun)
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestACheckpointThatTakesForEver keeps neither those who ask waiting for longer
// than they want to, nor the pipeline from ending.
func TestACheckpointThatTakesForEver(t *testing.T) {
	a, store := newTap("a"), &slow{memory.New(), make(chan struct{})}
	made := make(chan error, 1)
	watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) {
		s.State.Store, s.State.Retain = store, 1
	}, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		a.say(at(3))
		go func() {
			_, err := p.CheckpointNow(context.WithoutCancel(t.Context()))
			made <- err
		}()
		<-store.begun
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Checkpoints(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waiting for another checkpoint") {
			t.Errorf("while one is made the list is %v", err)
		}
		if s := p.Status().State; s.StoreBytes != 7 || s.Checkpoints != 0 {
			t.Errorf("the state is %+v", s)
		}
	})
	if err := <-made; !errors.Is(err, pipeline.ErrNotRunning) {
		t.Errorf("when the run has ended the checkpoint is %v", err)
	}
}
