package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/state"
)

// backend is the store while it is open.
type backend struct {
	reader
	store  *Store
	lock   io.Closer
	relief <-chan struct{} // background work has come to an end
	stall  seldom

	// commits has the goroutine of an Apply whose context has ended before it.
	commits sync.WaitGroup
	making  sync.Mutex // of a checkpoint
	written bool       // the manifest, by this process; making guards it

	// What tidy is told by Apply.
	applied chan struct{}
	deleted atomic.Bool
	stop    context.CancelFunc
	tidied  sync.WaitGroup
}

func (s *Store) backend(d *database, lock io.Closer, relief <-chan struct{}) *backend {
	ctx, stop := context.WithCancel(d.ctx)
	b := &backend{
		reader: reader{database: d}, store: s, lock: lock, relief: relief, stall: seldom{log: s.log()},
		applied: make(chan struct{}, 1), stop: stop,
	}
	if s.Idle >= 0 {
		b.tidied.Go(func() { b.tidy(ctx) })
	}
	return b
}

// Apply commits the batches as one and waits until they are synced. A context
// that ends meanwhile ends the wait, and the backend is failed: whether the
// commit took place is found out by opening the store again.
func (b *backend) Apply(ctx context.Context, batches ...*state.Batch) error {
	if err := b.apply(ctx, batches); err != nil {
		return fmt.Errorf("apply to the state in %s: %w", b.store.Path, err)
	}
	return nil
}

func (b *backend) apply(ctx context.Context, batches []*state.Batch) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := b.room(ctx); err != nil {
		return err
	}
	batch, deletes, err := b.batch(batches)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	b.commits.Go(func() {
		defer close(done)
		b.commit(batch)
	})
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		default:
			b.fail(fmt.Errorf("a commit was given up: %w", ctx.Err()))
		}
	}
	if err := b.Err(); err != nil {
		return err
	}
	b.note(deletes)
	return nil
}

// commit commits a batch; if that goes wrong it is the backend's failure.
func (b *backend) commit(batch *pdb.Batch) {
	defer func() {
		if r := recover(); r != nil {
			b.fail(panicked(r))
		}
	}()
	how := pdb.Sync
	if failpoint.Planted(failpoint.SkipSync) {
		how = pdb.NoSync
	}
	if err := b.db.Apply(batch, how); err != nil {
		b.fail(err)
		return
	}
	if err := batch.Close(); err != nil {
		b.fail(err)
	}
}

// maxBatch is below what one batch of Pebble can hold.
const maxBatch = 3 << 30

// batch makes one batch of Pebble's out of ours.
func (b *backend) batch(batches []*state.Batch) (batch *pdb.Batch, deletes bool, err error) {
	const header, perOp = 12, 11 // the kind and two lengths
	size := header
	for _, part := range batches {
		size += part.Size() + perOp*part.Len()
	}
	if size > maxBatch {
		return nil, false, fmt.Errorf("%d bytes at once are more than the %d that fit: shorten the epoch (state.epoch)", size, maxBatch)
	}
	batch = b.db.NewBatchWithSize(size)
	for _, part := range batches {
		for op := range part.All() {
			deletes = deletes || op.Kind != state.Set
			if err := add(batch, op); err != nil {
				return nil, false, err
			}
		}
	}
	return batch, deletes, nil
}

func add(batch *pdb.Batch, op state.Op) error {
	switch {
	case op.Kind == state.Set:
		return batch.Set(op.Key, op.Value, nil)
	case op.Kind == state.Delete:
		return batch.Delete(op.Key, nil)
	case bytes.Compare(op.Key, op.Value) < 0:
		return batch.DeleteRange(op.Key, op.Value, nil)
	}
	return nil
}

// Bytes is what the store takes on the disk, without checkpoints.
func (b *backend) Bytes() int64 { return int64(b.db.Metrics().DiskSpaceUsage()) }

// maxSublevels is how far compactions may lag behind. It is far more than
// where Pebble begins to hurry: reads are rare here.
const maxSublevels = 40

// room waits until the background work has caught up enough for another
// commit.
func (b *backend) room(ctx context.Context) error {
	for {
		m := b.db.Metrics()
		limit := 4 * uint64(orDefault(b.store.MemtableBytes, DefaultMemtableBytes))
		if m.MemTable.Size < limit && m.Levels[0].Sublevels < maxSublevels {
			return nil
		}
		b.stall.warn("commits wait for the disk", "memory_bytes", m.MemTable.Size, "sublevels", m.Levels[0].Sublevels)
		select {
		case <-b.relief:
		case <-b.Failed():
			return b.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// patience is how long Close waits for a commit that was given up.
const patience = 10 * time.Second

// Close writes what is only in the log to where it is found without it, so
// that nothing depends on the log's end, and closes the store.
func (b *backend) Close() error {
	if !b.end() {
		return nil
	}
	b.stop()
	if b.Err() != nil {
		b.giveUp() // nothing waits for it to get better
	}
	b.tidied.Wait()
	if !b.committed() {
		// Closing would wait for it. The lock is kept with the files.
		return fmt.Errorf("close the state in %s: the disk does not answer: %w", b.store.Path, b.Err())
	}
	if b.Err() == nil {
		if err := b.flush(context.Background()); err != nil {
			b.store.log().Warn("the state is closed with a log to replay", "error", err)
		}
	}
	failed := b.Err() != nil
	err := b.close()
	if failed {
		err = nil // it is known, and the disk is as it was then
	}
	if err = errors.Join(err, b.lock.Close()); err != nil {
		return fmt.Errorf("close the state in %s: %w", b.store.Path, err)
	}
	return nil
}

// committed waits for a commit that was given up, but not for ever.
func (b *backend) committed() bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.commits.Wait()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// reader is a database that Get and Scan read, and that is closed when they
// have come to their end.
type reader struct {
	*database
	mu    sync.Mutex
	ended bool
	uses  sync.WaitGroup
}

// enter begins a use of the database, which leave ends.
func (r *reader) enter(ctx context.Context) (leave func(), err error) {
	if err := errors.Join(ctx.Err(), r.Err()); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil, os.ErrClosed
	}
	r.uses.Add(1)
	return r.uses.Done, nil
}

// end lets nobody enter any more and waits for those who have. It is false if
// that was done before.
func (r *reader) end() bool {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return false
	}
	r.ended = true
	r.mu.Unlock()
	r.uses.Wait()
	return true
}

// Get returns a copy of the value of a key.
func (r *reader) Get(ctx context.Context, key []byte) ([]byte, error) {
	leave, err := r.enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("get from the state in %s: %w", r.dir, err)
	}
	defer leave()
	value, closer, err := r.db.Get(key)
	if errors.Is(err, pdb.ErrNotFound) {
		return nil, fmt.Errorf("get key %x from the state in %s: %w", key, r.dir, state.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("get key %x from the state in %s: %w", key, r.dir, explain(err))
	}
	value = append(make([]byte, 0, len(value)), value...)
	return value, closer.Close()
}

// Scan goes through the keys as they are when it begins.
func (r *reader) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	leave, err := r.enter(ctx)
	if err != nil {
		return fmt.Errorf("scan the state in %s: %w", r.dir, err)
	}
	defer leave()
	if to != nil && bytes.Compare(from, to) >= 0 {
		return nil
	}
	if len(from) == 0 {
		from = nil // which Pebble does not take for a key
	}
	iter, err := r.db.NewIterWithContext(ctx, &pdb.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("scan the state in %s: %w", r.dir, explain(err))
	}
	scanErr, fnErr := scan(ctx, iter, fn)
	err = iter.Close() // says what scan says, or something later
	switch {
	case fnErr != nil:
		return fnErr
	case scanErr == nil:
		scanErr = err
	}
	if scanErr != nil {
		return fmt.Errorf("scan the state in %s: %w", r.dir, explain(scanErr))
	}
	return nil
}

// scan tells the errors of the function, which are passed on as they are, from
// its own.
func scan(ctx context.Context, iter *pdb.Iterator, fn func(key, value []byte) error) (err, fnErr error) {
	const between = 256 // keys
	n := 0
	for ok := iter.First(); ok; ok = iter.Next() {
		if n++; n%between == 0 && ctx.Err() != nil {
			return ctx.Err(), nil
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return err, nil
		}
		if err := fn(iter.Key(), value); err != nil {
			return nil, err
		}
	}
	return iter.Error(), nil
}
