package statetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/llm-optimizer/processor/state"
)

// Mode says how an Apply fails.
type Mode uint8

// The ways to fail. A caller cannot tell them apart until it opens the store
// again, as with a machine that loses its power at a commit.
const (
	// Before fails without applying anything.
	Before Mode = iota
	// After applies everything and then fails.
	After
)

// ErrFault is what an Apply that Faulty lets fail returns, wrapped, and every
// call after it.
var ErrFault = errors.New("injected fault")

// Faulty is a store whose backend fails at an Apply of your choice and is
// unusable from then on but for Close, as the contract of state.Backend has
// it. The store that it wraps stays whole: the next Open finds what was really
// applied, and does not fail unless Arm says so again.
//
// Its backends are state.Watched, and closed when the fault strikes. They are
// state.Checkpointer; where the wrapped backend is none, Checkpoint is an
// error. A failure that the wrapped backend finds between calls is seen at the
// next call. Arm, Break and Applies may be called at any time.
type Faulty struct {
	state.Store

	mu      sync.Mutex
	left    int // Applies until the fault strikes; 0 is never
	mode    Mode
	applies int
	open    *faulty
}

// NewFaulty wraps a store: the k-th Apply from now, counted from 1, fails;
// with 0 none does.
func NewFaulty(store state.Store, k int, mode Mode) *Faulty {
	return &Faulty{Store: store, left: k, mode: mode}
}

// Arm lets the k-th Apply from now fail, counted from 1; with 0 none does.
func (f *Faulty) Arm(k int, mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.mode = k, mode
}

// Applies is how many Applies were asked for, those that failed included.
func (f *Faulty) Applies() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applies
}

// Break lets the open backend fail at once, between calls, as a background
// write does. It does nothing where none is open.
func (f *Faulty) Break(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != nil {
		f.open.fail(err)
	}
}

// Open opens the store that is wrapped.
func (f *Faulty) Open(ctx context.Context) (state.Backend, error) {
	b, err := f.Store.Open(ctx)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = &faulty{inner: b, store: f, failed: make(chan struct{})}
	return f.open, nil
}

// next counts an Apply and says whether it is the one to fail, and how.
func (f *Faulty) next() (fails bool, mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applies++
	if f.left > 0 {
		f.left--
		return f.left == 0, f.mode
	}
	return false, f.mode
}

// faulty is a backend of a Faulty. The store's mutex guards err.
type faulty struct {
	inner  state.Backend
	store  *Faulty
	failed chan struct{}
	err    error
}

// fail makes the backend unusable. The caller holds the store's mutex.
func (b *faulty) fail(err error) {
	if b.err == nil {
		b.err = err
		close(b.failed)
	}
}

// Failed is closed when the fault has struck.
func (b *faulty) Failed() <-chan struct{} { return b.failed }

// Err says why the backend failed, nil if it has not.
func (b *faulty) Err() error {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return b.err
}

// Apply applies, unless it is the one to fail.
func (b *faulty) Apply(ctx context.Context, batches ...*state.Batch) error {
	if err := b.Err(); err != nil {
		return err
	}
	fails, mode := b.store.next()
	if !fails {
		return b.inner.Apply(ctx, batches...)
	}
	fault := fmt.Errorf("%w before the apply", ErrFault)
	if mode == After {
		fault = fmt.Errorf("%w after the apply", ErrFault)
		fault = errors.Join(fault, b.inner.Apply(ctx, batches...))
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	b.fail(fault)
	return fault
}

// Get returns the value of a key, unless the fault has struck.
func (b *faulty) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := b.Err(); err != nil {
		return nil, err
	}
	return b.inner.Get(ctx, key)
}

// Scan goes through the keys, unless the fault has struck.
func (b *faulty) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	if err := b.Err(); err != nil {
		return err
	}
	return b.inner.Scan(ctx, from, to, fn)
}

// Checkpoint makes a checkpoint, unless the fault has struck.
func (b *faulty) Checkpoint(ctx context.Context, name string) error {
	if err := b.Err(); err != nil {
		return err
	}
	c, ok := b.inner.(state.Checkpointer)
	if !ok {
		return fmt.Errorf("checkpoint %q: %s makes none", name, b.store)
	}
	return c.Checkpoint(ctx, name)
}

// Close closes the backend that is wrapped.
func (b *faulty) Close() error {
	b.store.mu.Lock()
	if b.store.open == b {
		b.store.open = nil
	}
	b.store.mu.Unlock()
	return b.inner.Close()
}
