package pipeline

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/state"
)

// vitals is what others may see of durable state while it is used.
type vitals struct {
	mu   sync.Mutex
	last EpochDone
	// cut is when the last epoch was, of this run or an earlier one.
	cut time.Time
	// checkpoint is the newest of this run.
	checkpoint     string
	checkpointed   time.Time
	made, failures int64
	// recovered is the epoch that the run began with, in took.
	recovered uint64
	took      time.Duration

	// use is held to read while the store is used from outside, and to write
	// when it is closed.
	use    sync.RWMutex
	closed bool
	// size is what the store took when that was last asked.
	size atomic.Int64
	// checkpointing is full while somebody makes, drops or lists checkpoints.
	checkpointing chan struct{}
	// closing ends, by end, when the store is about to be closed: nobody who
	// uses it from outside may keep the process from ending.
	closing context.Context
	end     context.CancelFunc
}

func newVitals() *vitals {
	v := &vitals{checkpointing: make(chan struct{}, 1)}
	v.size.Store(-1)
	v.closing, v.end = context.WithCancel(context.Background())
	return v
}

// turn waits until nobody else has to do with checkpoints; done gives the turn
// to the next.
func (v *vitals) turn(ctx context.Context) (done func(), err error) {
	select {
	case v.checkpointing <- struct{}{}:
		return func() { <-v.checkpointing }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another checkpoint to be made: %w", context.Cause(ctx))
	case <-v.closing.Done():
		return nil, ErrNotRunning
	}
}

func (v *vitals) committed(cut time.Time, e EpochDone) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cut, v.last = cut, e
}

// status is the state as it is told to others.
func (d *durable) status(out *delivery.Delivery) *StateStatus {
	v := d.vitals
	bytes := d.storeBytes()
	v.mu.Lock()
	defer v.mu.Unlock()
	return &StateStatus{
		Store: d.spec.Store.String(), Epoch: d.newest.Load(), EpochTime: v.cut.UTC(),
		EpochSeconds: v.last.Took.Seconds(), StallSeconds: v.last.Stall.Seconds(),
		EpochChanges: int64(v.last.Changes), EpochBytes: v.last.Bytes,
		OutboxBytes: out.Waiting(), OutboxLimit: d.outboxLimit, StoreBytes: bytes,
		Checkpoint: v.checkpoint, CheckpointTime: moment(v.checkpointed), Checkpoints: v.made, CheckpointFailures: v.failures,
		Recovered: v.recovered, RecoverySeconds: v.took.Seconds(),
	}
}

// storeBytes is what the store takes, -1 if nobody knows. It does not wait for a
// store that is being closed.
func (d *durable) storeBytes() int64 {
	v := d.vitals
	if !v.use.TryRLock() {
		return v.size.Load()
	}
	defer v.use.RUnlock()
	s, ok := d.db.(state.Sized)
	if !ok || v.closed {
		return -1
	}
	v.size.Store(s.Bytes())
	return v.size.Load()
}

// makeCheckpoint makes one, counts it and tells of it.
func (d *durable) makeCheckpoint(ctx context.Context, cp state.Checkpointer) (string, error) {
	v := d.vitals
	done, err := v.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(v.closing, func() { cancel(ErrNotRunning) })()
	v.use.RLock()
	defer v.use.RUnlock()
	if v.closed {
		return "", ErrNotRunning
	}
	began := time.Now()
	ctx, span := d.traceCheckpoint(ctx)
	name, err := checkpoint(ctx, d.spec.Store, cp, began, d.spec.Retain)
	endSpan(span, err)
	if err != nil && ctx.Err() != nil {
		return "", err
	}
	v.mu.Lock()
	if err != nil {
		v.failures++
	} else {
		v.made++
		v.checkpoint, v.checkpointed = name, time.Now()
	}
	v.mu.Unlock()
	if d.observer.Checkpoint != nil {
		d.observer.Checkpoint(CheckpointDone{Name: name, Took: time.Since(began), Err: err})
	}
	return name, err
}

// CheckpointNow makes a checkpoint and returns its name.
func (p *Pipeline) CheckpointNow(ctx context.Context) (string, error) {
	if p.spec.State.Store == nil {
		return "", fmt.Errorf("the state is in memory (state.backend): %w", ErrNoCheckpoints)
	}
	_, _, d := p.at()
	if d == nil || p.run.over.Load() {
		return "", ErrNotRunning
	}
	cp, ok := d.db.(state.Checkpointer)
	if !ok {
		return "", ErrNoCheckpoints
	}
	return d.makeCheckpoint(ctx, cp)
}

// Checkpoints lists the retained checkpoints, oldest first; none with state in
// memory.
func (p *Pipeline) Checkpoints(ctx context.Context) ([]string, error) {
	_, _, d := p.at()
	if d == nil {
		return nil, nil
	}
	done, err := d.vitals.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.spec.Store.Checkpoints(ctx)
}
