// Package statetest proves that a state.Store and its Backend keep their
// contract. A store of your own passes with a few lines:
//
//	func TestMyStore(t *testing.T) {
//		statetest.Run(t, func(t *testing.T) state.Store {
//			return &mine.Store{Path: t.TempDir()}
//		})
//	}
//
// Faulty wraps any store so that an Apply of your choice fails.
package statetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/llm-optimizer/processor/state"
)

// Open returns a store of its own that does not exist yet: it shares nothing
// with those returned before. What it needs is released by t.Cleanup.
type Open func(t *testing.T) state.Store

// Run checks a store. Those checks that need a backend to be a
// state.Checkpointer are skipped where it is none.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.check(&room{T: t, store: open(t)}) })
	}
}

var checks = []struct {
	name  string
	check func(*room)
}{
	{"several batches are one Apply", checkSeveral},
	{"operations take effect in their order", checkOrder},
	{"an Apply of nothing", checkNothing},
	{"batches are used again", checkReuse},
	{"delete range", checkDeleteRange},
	{"a large batch", checkLargeBatch},
	{"a large value", checkLargeValue},
	{"a context that has ended", checkContext},
	{"a context that ends within a scan", checkScanContext},
	{"get", checkGet},
	{"binary keys", checkBinaryKeys},
	{"bounds of a scan", checkBounds},
	{"an error ends a scan", checkScanError},
	{"scan and get beside apply", checkBeside},
	{"a scan that an apply overtakes", checkOvertaken},
	{"close and open again", checkReopen},
	{"one instance at a time", checkInUse},
	{"view", checkView},
	{"reset", checkReset},
	{"checkpoints", checkCheckpoints},
	{"a checkpoint does not change", checkFrozen},
	{"a checkpoint beside apply", checkCheckpointBeside},
	{"drop", checkDrop},
	{"restore", checkRestore},
	{"restore without a store", checkRestoreAnew},
	{"restore of nothing", checkRestoreUnknown},
	{"random operations", checkRandom},
}

// room is where one check works: a store that is new.
type room struct {
	*testing.T
	store state.Store
}

// opened is a backend that is closed when the check ends, if not before.
type opened struct {
	state.Backend
	r      *room
	closed bool
}

func (r *room) open() *opened {
	r.Helper()
	b, err := r.store.Open(r.Context())
	return r.opened(b, err)
}

func (r *room) view(checkpoint string) *opened {
	r.Helper()
	b, err := r.store.View(r.Context(), checkpoint)
	return r.opened(b, err)
}

func (r *room) opened(b state.Backend, err error) *opened {
	r.Helper()
	if err != nil {
		r.Fatalf("open: %v", err)
	}
	o := &opened{Backend: b, r: r}
	r.Cleanup(func() {
		if !o.closed {
			_ = b.Close()
		}
	})
	return o
}

func (o *opened) close() {
	o.r.Helper()
	o.closed = true
	if err := o.Close(); err != nil {
		o.r.Fatalf("close: %v", err)
	}
}

// apply makes one batch of operations take effect.
func (o *opened) apply(ops ...state.Op) {
	o.r.Helper()
	if err := o.Apply(o.r.Context(), batchOf(ops...)); err != nil {
		o.r.Fatalf("apply: %v", err)
	}
}

// holds compares everything that is there.
func (o *opened) holds(want ...string) {
	o.r.Helper()
	o.rangeHolds(nil, nil, want...)
}

// rangeHolds compares the keys of a range and their values, which want lists
// as "key=value".
func (o *opened) rangeHolds(from, to []byte, want ...string) {
	o.r.Helper()
	got, err := listed(o.r.Context(), o, from, to)
	if err != nil {
		o.r.Fatalf("scan: %v", err)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		o.r.Errorf("from %q to %q the store holds %q, want %q", from, to, got, want)
	}
}

// listed returns the keys of a range and their values as "key=value".
func listed(ctx context.Context, b state.Backend, from, to []byte) (list []string, err error) {
	err = b.Scan(ctx, from, to, func(key, value []byte) error {
		list = append(list, string(key)+"="+string(value))
		return nil
	})
	return list, err
}

// is fails the check unless err wraps want.
func (r *room) is(what string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Errorf("%s: the error is %v, want one that wraps %q", what, err, want)
	}
}

func batchOf(ops ...state.Op) *state.Batch {
	b := new(state.Batch)
	for _, op := range ops {
		switch op.Kind {
		case state.Set:
			b.Set(op.Key, op.Value)
		case state.Delete:
			b.Delete(op.Key)
		case state.DeleteRange:
			b.DeleteRange(op.Key, op.Value)
		}
	}
	return b
}

func set(key, value string) state.Op {
	return state.Op{Kind: state.Set, Key: []byte(key), Value: []byte(value)}
}

func remove(key string) state.Op { return state.Op{Kind: state.Delete, Key: []byte(key)} }

func removeRange(from, to string) state.Op {
	return state.Op{Kind: state.DeleteRange, Key: []byte(from), Value: []byte(to)}
}
