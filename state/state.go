// Package state is where a pipeline's durable state lives: the Backend
// interface, and what a batch of changes is. A backend is a plain ordered
// store of keys and values in which one Apply is atomic and durable; what the
// keys mean is not its business.
package state

import (
	"context"
	"errors"
)

// Backend is an open store. Apply is called by one goroutine at a time; Get,
// Scan and Checkpointer.Checkpoint may run beside it and see the store as it
// was before or after an Apply, never between.
type Backend interface {
	// Apply makes all operations of the batches take effect, in their order,
	// or none of them. When it returns nil they are durable: they survive a
	// crash of the process and, where the backend promises that, of the
	// machine. After an error it is unknown whether they took effect, and the
	// backend must not be used any more but for Close.
	Apply(ctx context.Context, batches ...*Batch) error
	// Get returns the value of a key, as a copy, or ErrNotFound.
	Get(ctx context.Context, key []byte) ([]byte, error)
	// Scan calls fn for each key from (inclusive) to (exclusive) in the order
	// of their bytes; a nil to means to the end. The slices are valid until fn
	// returns. An error of fn ends the scan and is returned as it is.
	Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error
	// Close releases the store. What was applied stays.
	Close() error
}

// Checkpointer is a Backend that can copy itself while it is in use.
type Checkpointer interface {
	// Checkpoint keeps a copy of the store as it is after some Apply, under a
	// name that Store.Checkpoints lists. It is atomic: a name that is listed
	// is whole, also after a crash.
	Checkpoint(ctx context.Context, name string) error
}

// Watched is a Backend that may fail between calls, as when a background write
// fails.
type Watched interface {
	// Failed is closed when the backend cannot go on; Err then says why. The
	// process has to end: nothing more can be made durable.
	Failed() <-chan struct{}
	Err() error
}

// Sized is a Backend that knows how large it is.
type Sized interface {
	// Bytes is what the store takes where it lives, about, or -1 while that is
	// not known. It is cheap, does not wait, and may run beside Apply.
	Bytes() int64
}

// Store is a place for the state of one pipeline: what a configuration names,
// before it is open. Its methods are for one goroutine.
type Store interface {
	// Open opens the store to read and write, making it if there is none. A
	// store that another instance has open is ErrInUse, at once or as soon as
	// it is sure.
	Open(ctx context.Context) (Backend, error)
	// View opens the store ("") or a checkpoint of it to read only, also as a
	// copy on another machine: Apply is an error. A store that does not exist
	// is ErrNotFound, and nothing is made; one that is open elsewhere is
	// ErrInUse where it cannot be read meanwhile.
	View(ctx context.Context, checkpoint string) (Backend, error)
	// Checkpoints lists the checkpoints, oldest first.
	Checkpoints(ctx context.Context) ([]string, error)
	// Drop removes a checkpoint.
	Drop(ctx context.Context, checkpoint string) error
	// Restore puts a checkpoint in place of the store, which must not be open.
	// The checkpoint stays. What was there is moved aside, not deleted; aside
	// says where to, "" if there was nothing.
	Restore(ctx context.Context, checkpoint string) (aside string, err error)
	// Reset moves the store aside, not its checkpoints, so that the next Open
	// begins with an empty one. aside is "" if there was none.
	Reset(ctx context.Context) (aside string, err error)
	// String names the store in messages: its directory or address, without
	// secrets.
	String() string
}

// The errors that callers tell apart; backends wrap them with what was
// attempted and on which store.
var (
	// ErrNotFound: there is no such key, checkpoint or store.
	ErrNotFound = errors.New("not found")
	// ErrInUse: another instance has the store open.
	ErrInUse = errors.New("in use by another process")
	// ErrCorrupt: what is stored is damaged.
	ErrCorrupt = errors.New("corrupt")
	// ErrVersion: what is stored was written in a format this program does
	// not read.
	ErrVersion = errors.New("unknown format version")
	// ErrReadOnly: the backend is a View.
	ErrReadOnly = errors.New("opened to read only")
)
