package statetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/state"
)

// writer applies versions 1, 2, 3 … beside what a check does: all keys of a
// version have it as their value, and even and odd versions have other keys
// too, so that a reader who sees two versions at once is found out.
type writer struct {
	version atomic.Uint64
	ended   atomic.Bool
	cancel  context.CancelFunc
	done    sync.WaitGroup
	err     error
}

// versionKeys is how many keys a version has.
const versionKeys = 200

// write starts a writer; it has applied version 1 when it returns.
func write(r *room, b state.Backend, keys int) *writer {
	r.Helper()
	w := new(writer)
	if err := w.apply(r.Context(), b, 1, keys); err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.Context())
	w.cancel = cancel
	w.done.Go(func() {
		defer w.ended.Store(true)
		for v := uint64(2); ctx.Err() == nil && w.err == nil; v++ {
			// The context ends between Applies: within one it would be a failure.
			w.err = w.apply(context.WithoutCancel(ctx), b, v, keys)
		}
	})
	return w
}

func (w *writer) apply(ctx context.Context, b state.Backend, version uint64, keys int) error {
	var drop, fill state.Batch
	drop.DeleteRange([]byte("v"), []byte("w"))
	value := binary.BigEndian.AppendUint64(nil, version)
	for i := range uint64(keys) {
		fill.Set(binary.BigEndian.AppendUint64([]byte("v"), 2*i+version%2), value)
	}
	if err := b.Apply(ctx, &drop, &fill); err != nil {
		return err
	}
	w.version.Store(version)
	return nil
}

// stop waits for the writer and passes on what went wrong with it.
func (w *writer) stop(r *room) {
	r.Helper()
	w.cancel()
	w.done.Wait()
	if w.err != nil {
		r.Fatalf("apply: %v", w.err)
	}
}

// goesOnTo reports whether a version is still to come.
func (w *writer) goesOnTo(version uint64) bool {
	return w.version.Load() < version && !w.ended.Load()
}

// wait waits until the writer has applied something more, or for a moment:
// a backend may let an Apply wait for a Scan.
func (w *writer) wait() {
	before := w.version.Load()
	for range 50 {
		if w.version.Load() != before {
			return
		}
		pause(time.Millisecond)
	}
}

func pause(d time.Duration) { <-time.After(d) }

// scanned returns the version that a scan sees, or what is wrong with it.
func scanned(ctx context.Context, b state.Backend, keys int, each func(i int)) (version uint64, err error) {
	n := 0
	err = b.Scan(ctx, []byte("v"), []byte("w"), func(key, value []byte) error {
		v := binary.BigEndian.Uint64(value)
		if n == 0 {
			version = v
		}
		if v != version || binary.BigEndian.Uint64(key[1:]) != 2*uint64(n)+version%2 {
			return fmt.Errorf("key %d of version %d is %x of version %d", n, version, key, v)
		}
		n++
		each(n)
		return nil
	})
	if err == nil && n != keys {
		err = fmt.Errorf("%d keys of version %d, want %d", n, version, keys)
	}
	return version, err
}

func checkBeside(r *room) {
	b := r.open()
	w := write(r, b, versionKeys)
	defer w.stop(r)
	for n := 0; n < 200 || w.goesOnTo(200); n++ {
		before := w.version.Load()
		version, err := scanned(r.Context(), b, versionKeys, func(int) {})
		if after := w.version.Load() + 1; err != nil || version < before || version > after {
			r.Fatalf("between versions %d and %d a scan sees %d, %v", before, after, version, err)
		}
		value, err := b.Get(r.Context(), binary.BigEndian.AppendUint64([]byte("v"), 1))
		if errors.Is(err, state.ErrNotFound) {
			continue // an even version
		}
		if err != nil || binary.BigEndian.Uint64(value)%2 != 1 || binary.BigEndian.Uint64(value) < before {
			r.Fatalf("after version %d Get sees %x, %v", before, value, err)
		}
	}
}

// checkOvertaken lets Applies happen within a scan of more keys than one page
// of most stores.
func checkOvertaken(r *room) {
	const keys = 5000
	b := r.open()
	w := write(r, b, keys)
	defer w.stop(r)
	for range 3 {
		_, err := scanned(r.Context(), b, keys, func(i int) {
			if i%1000 == 1 {
				w.wait()
			}
		})
		if err != nil {
			r.Fatal(err)
		}
	}
}

func checkCheckpointBeside(r *room) {
	b := r.open()
	w := write(r, b, versionKeys)
	defer w.stop(r)
	for i := range 5 {
		before := w.version.Load()
		name := fmt.Sprint(i)
		b.checkpoint(name)
		v := r.view(name)
		version, err := scanned(r.Context(), v, versionKeys, func(int) {})
		if after := w.version.Load() + 1; err != nil || version < before || version > after {
			r.Fatalf("between versions %d and %d a checkpoint holds %d, %v", before, after, version, err)
		}
		v.close()
		w.wait()
	}
}
