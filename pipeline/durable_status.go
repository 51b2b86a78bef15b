package pipeline

import (
	"context"
	"sync"
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
	// checkpointing is held by whoever makes, drops or lists checkpoints.
	checkpointing sync.Mutex
}

func (v *vitals) committed(cut time.Time, e EpochDone) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cut, v.last = cut, e
}

// status is the state as it is told to others.
func (d *durable) status(out *delivery.Delivery) *StateStatus {
	v := &d.vitals
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

// storeBytes is what the store takes, -1 if nobody knows.
func (d *durable) storeBytes() int64 {
	d.vitals.use.RLock()
	defer d.vitals.use.RUnlock()
	if s, ok := d.db.(state.Sized); ok && !d.vitals.closed {
		return s.Bytes()
	}
	return -1
}

// makeCheckpoint makes one, counts it and tells of it.
func (d *durable) makeCheckpoint(ctx context.Context, cp state.Checkpointer) (string, error) {
	v := &d.vitals
	v.checkpointing.Lock()
	defer v.checkpointing.Unlock()
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
	d.vitals.checkpointing.Lock()
	defer d.vitals.checkpointing.Unlock()
	return d.spec.Store.Checkpoints(ctx)
}
