package pebble

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"runtime/debug"
	"sync"
	"syscall"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/llm-optimizer/processor/state"
)

// explain says what an error of the disk or of Pebble means, and what to do.
func explain(err error) error {
	switch {
	case err == nil, errors.Is(err, state.ErrCorrupt), errors.Is(err, state.ErrVersion):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk is full: free space and start again: %w", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the file system has become read only: look at the machine's log, mend it and start again: %w", err)
	case pdb.IsCorruptionError(err):
		return damaged(err)
	}
	return err
}

// explainOpen does so for an error of opening a database, whose folder is
// there: what the operating system has not refused is in the files.
func explainOpen(err error) error {
	var errno syscall.Errno
	var at *iofs.PathError
	switch explained := explain(err); {
	case explained == nil, errors.Is(explained, state.ErrCorrupt), errors.Is(explained, state.ErrVersion), errors.Is(explained, state.ErrInUse):
		return explained
	case errors.As(err, &errno) && errno != syscall.ENOENT, errors.As(err, &at) && !errors.Is(err, iofs.ErrNotExist):
		return explained
	}
	return damaged(err)
}

func damaged(err error) error {
	return fmt.Errorf("%w: restore a checkpoint with `processor state restore`: %w", state.ErrCorrupt, err)
}

// panicked makes an error of what Pebble has panicked with, often one itself.
func panicked(r any) error {
	if err, ok := r.(error); ok {
		return fmt.Errorf("pebble: %w\n%s", err, debug.Stack())
	}
	return fmt.Errorf("pebble: %v\n%s", r, debug.Stack())
}

// failure is the first thing that went wrong with a database for good. Nothing
// is written after it.
type failure struct {
	ctx     context.Context // ends with the failure; its cause is the error
	cancel  context.CancelCauseFunc
	closing chan struct{} // closed by whoever gives the database up
	once    sync.Once
}

func newFailure() *failure {
	f := &failure{closing: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f
}

// fail records the first failure. It never waits: Pebble calls it with its
// locks held.
func (f *failure) fail(err error) { f.cancel(explain(err)) }

// Failed is closed when nothing can be made durable any more.
func (f *failure) Failed() <-chan struct{} { return f.ctx.Done() }

// Err is the first failure, nil if there is none.
func (f *failure) Err() error { return context.Cause(f.ctx) }

// giveUp lets refused operations end at once.
func (f *failure) giveUp() { f.once.Do(func() { close(f.closing) }) }
