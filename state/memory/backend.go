package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/llm-optimizer/processor/state"
)

// backend is the store while it is open. The store's mutex guards which tree
// is the present one; the trees themselves do not change.
type backend struct{ store *Store }

// root returns the present tree.
func (b *backend) root() (tree, error) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	if b.store.open != b {
		return tree{}, os.ErrClosed
	}
	return b.store.root, nil
}

// Apply makes the batches take effect: readers see the tree before it or the
// one after it.
func (b *backend) Apply(ctx context.Context, batches ...*state.Batch) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("apply to the state in memory: %w", err)
	}
	s := b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != b {
		return fmt.Errorf("apply to the state in memory: %w", os.ErrClosed)
	}
	s.edits++
	e := editOf(s.root, s.edits)
	for _, batch := range batches {
		for op := range batch.All() {
			e.apply(op)
		}
	}
	s.root = e.tree
	return nil
}

func (e *edit) apply(op state.Op) {
	switch op.Kind {
	case state.Set:
		// One piece of memory holds both: they come and go together.
		data := slices.Concat(op.Key, op.Value)
		n := len(op.Key)
		e.set(data[:n:n], data[n:])
	case state.Delete:
		e.remove(op.Key)
	case state.DeleteRange:
		e.removeRange(op.Key, op.Value)
	}
}

// Get returns a copy of the value of a key.
func (b *backend) Get(ctx context.Context, key []byte) ([]byte, error) {
	t, err := b.root()
	if err != nil {
		return nil, fmt.Errorf("get from the state in memory: %w", err)
	}
	return t.copyOf(ctx, key)
}

// Scan goes through the keys as they are when it begins.
func (b *backend) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	t, err := b.root()
	if err != nil {
		return fmt.Errorf("scan the state in memory: %w", err)
	}
	return t.scan(ctx, from, to, fn)
}

// Checkpoint keeps the present tree under a name.
func (b *backend) Checkpoint(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("make checkpoint %q in memory: %w", name, err)
	}
	s := b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open != b:
		return fmt.Errorf("make checkpoint %q in memory: %w", name, os.ErrClosed)
	case name == "":
		return errors.New("make a checkpoint in memory: it needs a name")
	case indexOf(s.checkpoints, name) >= 0:
		return fmt.Errorf("make checkpoint %q in memory: it is there already", name)
	}
	s.checkpoints = append(s.checkpoints, copied{name, s.root})
	return nil
}

// Close lets the store be opened again.
func (b *backend) Close() error {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	if b.store.open == b {
		b.store.open = nil
	}
	return nil
}

// view is a tree to read only.
type view struct{ root tree }

func (v *view) Apply(context.Context, ...*state.Batch) error {
	return fmt.Errorf("apply to the state in memory: %w", state.ErrReadOnly)
}

func (v *view) Get(ctx context.Context, key []byte) ([]byte, error) { return v.root.copyOf(ctx, key) }

func (v *view) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	return v.root.scan(ctx, from, to, fn)
}

func (v *view) Close() error { return nil }

// copyOf returns a copy of the value of a key.
func (t tree) copyOf(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get from the state in memory: %w", err)
	}
	value, found := t.get(key)
	if !found {
		return nil, fmt.Errorf("get key %x from the state in memory: %w", key, state.ErrNotFound)
	}
	return append(make([]byte, 0, len(value)), value...), nil
}

// scan calls fn for the keys in a range. It asks the context once a leaf.
func (t tree) scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	if len(t.leaves) == 0 {
		return ctx.Err()
	}
	for i := t.leafOf(from); i < len(t.leaves); i++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("scan the state in memory: %w", err)
		}
		entries := t.leaves[i].entries
		at, _ := t.leaves[i].find(from)
		for _, e := range entries[at:] {
			if to != nil && bytes.Compare(e.key, to) >= 0 {
				return nil
			}
			if err := fn(e.key, e.value[:len(e.value):len(e.value)]); err != nil {
				return err
			}
		}
	}
	return nil
}
