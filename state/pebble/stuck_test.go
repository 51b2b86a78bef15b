package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/llm-optimizer/processor/state"
)

// dam lets the operations of one kind on one kind of file wait until it is
// opened, and then fail if it has an error.
type dam struct {
	kind errorfs.OpKind
	ext  string

	mu   sync.Mutex
	gate chan struct{} // nil is open
	err  error
	wait chan struct{} // gets one for each that waits
}

func newDam(kind errorfs.OpKind, ext string) *dam {
	return &dam{kind: kind, ext: ext, wait: make(chan struct{}, 1000)}
}

func (d *dam) String() string { return "dam" }

func (d *dam) MaybeError(op errorfs.Op) error {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate == nil || op.Kind != d.kind || path.Ext(op.Path) != d.ext {
		return nil
	}
	d.wait <- struct{}{}
	<-gate
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *dam) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate = make(chan struct{})
}

func (d *dam) open(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.gate)
	d.gate, d.err = nil, err
}

// TestContextEndsCommit waits for a disk that does not answer: Apply comes back
// when its context ends, nothing is done with the backend any more, and Close
// waits for the disk.
func TestContextEndsCommit(t *testing.T) {
	mem, d := vfs.NewMem(), newDam(errorfs.OpFileSyncData, ".log")
	s := &Store{Path: "state", FS: errorfs.Wrap(mem, d)}
	b := mustOpen(t, s)
	mustSet(t, b, "k", "v")
	d.close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		var batch state.Batch
		batch.Set([]byte("l"), []byte("w"))
		done <- b.Apply(ctx, &batch)
	}()
	<-d.wait
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Apply says %v", err)
	}
	<-b.Failed()
	if err := b.Apply(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("the next Apply says %v", err)
	}
	go func() { done <- b.Close() }()
	d.open(nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
	b = mustOpen(t, s)
	content, err := contentOf(t.Context(), b)
	if err := closeAfter(b, err); err != nil || !strings.HasPrefix(content, "k=v\n") {
		t.Errorf("the store holds %q, %v", content, err)
	}
}

// TestCommitsWait holds tables back until commits have to wait for them, and
// then lets them through or fail.
func TestCommitsWait(t *testing.T) {
	for _, fault := range []error{nil, syscall.EIO} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			mem, d, log := vfs.NewMem(), newDam(errorfs.OpCreate, ".sst"), newRecords()
			b := mustOpen(t, &Store{Path: "state", FS: errorfs.Wrap(mem, d), MemtableBytes: 64 << 10, Logger: slog.New(log.handler())})
			d.close()
			applied := make(chan error)
			const applies = 50
			go func() {
				for i := range applies {
					var batch state.Batch
					batch.Set(fmt.Appendf(nil, "k%d", i), make([]byte, 20<<10))
					if err := b.Apply(t.Context(), &batch); err != nil {
						applied <- err
						return
					}
				}
				applied <- nil
			}()
			<-d.wait
			eventually(t, func() bool { return log.has("WARN", "commits wait for the disk") })
			d.open(fault)
			if err := <-applied; !errors.Is(err, fault) {
				t.Errorf("the Applies end with %v", err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if log.has("INFO", "") {
				t.Errorf("there is talk:\n%s", log.String())
			}
		})
	}
}

// records are the lines of a log.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func newRecords() *records { return new(records) }

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *records) handler() slog.Handler {
	return slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug})
}

// has reports whether a line of a level has a text.
func (r *records) has(level, text string) bool {
	for line := range strings.Lines(r.String()) {
		if strings.Contains(line, "level="+level+" ") && strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// TestLog: as long as all is well there is nothing above debug.
func TestLog(t *testing.T) {
	log := newRecords()
	storeWith(t, &Store{Path: "state", FS: vfs.NewMem(), Logger: slog.New(log.handler())})
	if !log.has("DEBUG", "pebble: ") || log.has("INFO", "") || log.has("WARN", "") || log.has("ERROR", "") {
		t.Errorf("the log is\n%s", log.String())
	}
}

// TestFullDisk runs out of space, and goes on when there is some.
func TestFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	d := newDam(errorfs.OpFileWrite, ".log")
	s := &Store{Path: "state", FS: errorfs.Wrap(mem, d)}
	b := mustOpen(t, s)
	mustSet(t, b, "k", "v")
	d.close()
	go func() {
		<-d.wait
		d.open(syscall.ENOSPC)
	}()
	var batch state.Batch
	batch.Set([]byte("l"), []byte("w"))
	err := b.Apply(t.Context(), &batch)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full: free space and start again") {
		t.Errorf("Apply says %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	b = mustOpen(t, s)
	mustSet(t, b, "m", "x")
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	holds(t, s, "", "k=v\nm=x\n")
}

// TestUseAfterClose is an error, and a second Close none.
func TestUseAfterClose(t *testing.T) {
	b := mustOpen(t, &Store{Path: "state", FS: vfs.NewMem()})
	mustSet(t, b, "k", "v")
	// A Scan that has begun is waited for.
	closed := make(chan error)
	err := b.Scan(t.Context(), nil, nil, func(_, _ []byte) error {
		go func() { closed <- b.Close() }()
		eventually(t, func() bool {
			_, err := b.Get(t.Context(), []byte("k"))
			return errors.Is(err, os.ErrClosed)
		})
		return nil
	})
	if err := errors.Join(err, <-closed, b.Close()); err != nil {
		t.Error(err)
	}
	_, getErr := b.Get(t.Context(), []byte("k"))
	for _, err := range []error{
		getErr, b.Apply(t.Context()), b.Checkpoint(t.Context(), "c"),
		b.Scan(t.Context(), nil, nil, func(_, _ []byte) error { return nil }),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// TestBackgroundDamage is noticed between calls.
func TestBackgroundDamage(t *testing.T) {
	b := mustOpen(t, &Store{Path: "state", FS: vfs.NewMem()})
	logger{b.store.log(), b.failure}.Fatalf("pebble says: %v", syscall.EIO)
	logger{b.store.log(), b.failure}.Fatalf("and again: %v", syscall.ENOSPC)
	<-b.Failed()
	if err := b.Err(); !errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "pebble says") {
		t.Errorf("Err is %v", err)
	}
	if err := b.Apply(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("Apply says %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
