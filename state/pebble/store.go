// Package pebble keeps a pipeline's state on the local disk, in a Pebble
// database: the state backend that survives a crash of the process and of the
// machine.
//
// The folder Store.Path holds
//
//	LOCK               held while the store is open
//	db/                the database
//	checkpoints/NAME/  a checkpoint: a database of its own
//	db.aside-TIME/     what Restore or Reset has moved aside
//
// and, while something is being made or after a crash, folders that the next
// Open finishes or removes: see layout.go.
//
// What Apply has acknowledged is found by the next Open, or the damage is
// named: what Pebble itself takes for the end of a file is checked against
// lengths and checksums of ours (guard.go), and after the first write or sync
// that fails nothing more is written (gate.go).
//
// A checkpoint shares the files of the database that do not change any more.
// It is there for mistakes and for damage to what was written since; a disk
// that spoils a shared file spoils it in both.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/state"
)

// Defaults of a Store.
const (
	DefaultCacheBytes    = 8 << 20
	DefaultMemtableBytes = 16 << 20
	DefaultIdle          = 5 * time.Second
)

// Store is a state.Store in a folder of the local disk. The fields are read by
// its methods and must not change while it is open. Use it by pointer.
type Store struct {
	// Path is the folder. It is made by Open, with its parents.
	Path string
	// Logger gets what Pebble has to say: nothing above debug as long as all is
	// well. nil is silent.
	Logger *slog.Logger
	// CacheBytes is for blocks that are read; 0 is DefaultCacheBytes. The state
	// lives in the memory of the pipeline and is read at its start, so more is
	// of little use.
	CacheBytes int64
	// MemtableBytes is how much is collected in memory before it is written in
	// order; 0 is DefaultMemtableBytes. There may be four of them for a while.
	// An Apply of more than half of it is written from where it lies instead.
	MemtableBytes int64
	// Idle is how long nothing has been applied before the space of what was
	// deleted is given back; 0 is DefaultIdle, less than 0 is never.
	Idle time.Duration
	// FS is the file system, for tests; nil is the machine's.
	FS vfs.FS
}

// String is the path.
func (s *Store) String() string { return s.Path }

// Open opens the store and holds its lock, which other processes meet as
// state.ErrInUse, until Close.
func (s *Store) Open(ctx context.Context) (state.Backend, error) {
	lock, err := s.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the state in %s: %w", s.Path, err)
	}
	b, err := s.open(lock)
	if err != nil {
		return nil, fmt.Errorf("open the state in %s: %w", s.Path, errors.Join(err, lock.Close()))
	}
	return b, nil
}

// begin makes the folder, locks it and finishes what a crash has left undone.
func (s *Store) begin(ctx context.Context) (io.Closer, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	if err := makeDir(s.fs(), s.Path); err != nil {
		return nil, explain(err)
	}
	lock, err := s.lock()
	if err != nil {
		return nil, err
	}
	if err := s.settle(); err != nil {
		return nil, errors.Join(explain(err), lock.Close())
	}
	return lock, nil
}

func (s *Store) check(ctx context.Context) error {
	if s.Path == "" {
		return errors.New("the store has no path: name a folder")
	}
	return ctx.Err()
}

func (s *Store) open(lock io.Closer) (*backend, error) {
	if there, err := s.exists(s.db()); err != nil {
		return nil, explain(err)
	} else if !there {
		if err := s.create(); err != nil {
			return nil, err
		}
	}
	if err := s.checkFiles(s.db()); err != nil {
		return nil, err
	}
	relief := make(chan struct{}, 1)
	d, err := s.openDatabase(s.db(), func(o *pdb.Options) { relieve(o.EventListener, relief) })
	if err != nil {
		return nil, err
	}
	return s.backend(d, lock, relief), nil
}

// create makes an empty database, beside its place so that no crash leaves
// half of one there: a database that has lost a file is never taken for a new
// one.
func (s *Store) create() error {
	tmp := s.tmp()
	d, err := s.openDatabase(tmp, func(o *pdb.Options) { o.ErrorIfNotExists = false })
	if err != nil {
		return err
	}
	if err := d.close(); err != nil {
		return err
	}
	failpoint.At("create/before-rename")
	err = s.rename(tmp, s.db())
	failpoint.At("create/after-rename")
	return explain(err)
}

// View opens the store or a checkpoint to read only, and writes nothing there.
// The store itself must not be open; a checkpoint may be viewed at any time.
// A folder that may not be written to is read without a lock.
func (s *Store) View(ctx context.Context, checkpoint string) (state.Backend, error) {
	v, err := s.view(ctx, checkpoint)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", s.dirOf(checkpoint), err)
	}
	return v, nil
}

func (s *Store) view(ctx context.Context, checkpoint string) (state.Backend, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	dir, err := s.find(checkpoint)
	if err != nil {
		return nil, err
	}
	var lock io.Closer = noLock{}
	if checkpoint == "" {
		if lock, err = s.lock(); isReadOnly(err) {
			lock, err = noLock{}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	d, err := s.openView(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &view{reader: reader{database: d}, lock: lock}, nil
}

// ViewCopy opens a checkpoint to read only that was copied to a folder of its own,
// and writes nothing there.
func ViewCopy(ctx context.Context, dir string) (state.Backend, error) {
	s := &Store{Path: dir}
	err := s.check(ctx)
	if err == nil && !IsCheckpoint(dir) {
		err = fmt.Errorf("%w: it is no checkpoint", state.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", dir, err)
	}
	d, err := s.openView(dir)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", dir, err)
	}
	return &view{reader: reader{database: d}, lock: noLock{}}, nil
}

// IsCheckpoint reports whether a folder is a checkpoint by itself and not a Store.
func IsCheckpoint(dir string) bool {
	s := &Store{Path: dir}
	there, err := s.exists(s.at(orderName))
	return err == nil && there
}

// find returns the folder of the store or of a checkpoint.
func (s *Store) find(checkpoint string) (string, error) {
	dirs := []string{s.db(), s.next()} // the latter after a crash within Restore
	if checkpoint != "" {
		if !validName(checkpoint) {
			return "", fmt.Errorf("%w: %q is no name of a checkpoint", state.ErrNotFound, checkpoint)
		}
		dirs = []string{s.checkpoint(checkpoint)}
	}
	for _, dir := range dirs {
		if there, err := s.exists(dir); err != nil {
			return "", explain(err)
		} else if there {
			return dir, nil
		}
	}
	return "", state.ErrNotFound
}

// view is a database to read only.
type view struct {
	reader
	lock io.Closer
}

// Apply is an error.
func (v *view) Apply(context.Context, ...*state.Batch) error {
	return fmt.Errorf("apply to the state in %s: %w", v.dir, state.ErrReadOnly)
}

// Close closes the view.
func (v *view) Close() error {
	if !v.end() {
		return nil
	}
	return errors.Join(v.close(), v.lock.Close())
}
