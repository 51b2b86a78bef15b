package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"

	"github.com/llm-optimizer/processor/state"
)

// backend is the store while this instance owns it.
type backend struct {
	store *Store
	names names
	lease *lease
	// A connection each for what may not wait for the others: the transaction
	// of Apply, what reads, and the renewal of the lease.
	writer, reader, keeper *link

	queryLimit int           // bytes of a transaction; 0 is unknown
	turn       chan struct{} // held by an Apply, and by a Scan that begins
	applied    int64         // the number of the last Apply; Apply's own
	size       atomic.Int64  // bytes of the store when the lease was last renewed; -1 is unknown

	mu    sync.Mutex
	scans map[*scan]struct{} // those with pages still to come
	next  int                // numbers the copies

	stop   context.CancelFunc // stops the keeper
	kept   chan struct{}      // closed when it has stopped
	failed chan struct{}
	fail   sync.Once
	err    error // why, once failed is closed
	closed sync.Once
	closes error // what Close has returned
}

func (s *Store) open(ctx context.Context) (*backend, error) {
	n, err := s.names()
	if err != nil {
		return nil, err
	}
	b := &backend{
		store: s, names: n, lease: s.newLease(n),
		turn: make(chan struct{}, 1), scans: map[*scan]struct{}{},
		kept: make(chan struct{}), failed: make(chan struct{}),
	}
	b.size.Store(-1)
	for _, l := range []struct {
		link **link
		size int
	}{{&b.writer, 1}, {&b.reader, 4}, {&b.keeper, 1}} {
		if *l.link, err = s.newLink(l.size); err != nil {
			return nil, err // of the URL: the first one
		}
	}
	if err := b.start(ctx); err != nil {
		b.closeLinks()
		return nil, err
	}
	return b, nil
}

// start takes the lease, and begins to keep it.
func (b *backend) start(ctx context.Context) error {
	srv, err := look(ctx, b.keeper)
	if err != nil {
		return err
	}
	if err := errors.Join(srv.checkVersion(), srv.checkWritable()); err != nil {
		return err
	}
	applied, err := b.lease.acquire(ctx, b.keeper, true)
	if err != nil {
		return err
	}
	if b.applied, err = strconv.ParseInt(applied, 10, 64); err != nil {
		return fmt.Errorf("%w: the number of the last Apply is %q", state.ErrCorrupt, applied)
	}
	b.queryLimit = srv.queryLimit
	srv.warn(ctx, b.keeper)
	keeping, stop := context.WithCancel(context.Background())
	b.stop = stop
	go b.keep(keeping)
	return nil
}

// keep renews the lease until the backend is closed or has failed. How large
// the store is comes with it, so that nobody has to wait who wants to know.
func (b *backend) keep(ctx context.Context) {
	defer close(b.kept)
	for {
		pause(ctx, b.lease.period())
		if ctx.Err() != nil {
			return
		}
		size, err := b.lease.renew(ctx, b.keeper, b.copies())
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.failWith(fmt.Errorf("renew the lease of the state in %s: %w", b.store, err))
			return
		}
		b.size.Store(size)
	}
}

// failWith ends the backend's life.
func (b *backend) failWith(err error) {
	b.fail.Do(func() {
		b.err = err
		close(b.failed)
	})
}

// Failed is closed when the store is lost to another instance, or its server
// does not answer any more, or an Apply has failed.
func (b *backend) Failed() <-chan struct{} { return b.failed }

// Err says why the backend has failed, nil if it has not.
func (b *backend) Err() error {
	select {
	case <-b.failed:
		return b.err
	default:
		return nil
	}
}

// Bytes is the memory that the store takes on the server, without checkpoints
// and copies, as of the last renewal of the lease. It is an estimate, and -1
// before the first renewal and where the server's user may not ask for it.
func (b *backend) Bytes() int64 { return b.size.Load() }

// usable is the error of a call that cannot begin.
func (b *backend) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.Err()
}

// Get returns the value of a key.
func (b *backend) Get(ctx context.Context, key []byte) ([]byte, error) {
	err := b.usable(ctx)
	var value []byte
	if err == nil {
		value, err = get(ctx, b.reader, b.names.store, key)
	}
	if err != nil {
		return nil, fmt.Errorf("get key %x from the state in %s: %w", key, b.store, err)
	}
	return value, nil
}

func get(ctx context.Context, via *link, from triple, key []byte) (value []byte, err error) {
	err = via.try(ctx, func(ctx context.Context) (err error) {
		value, err = via.client.HGet(ctx, from.values, string(key)).Bytes()
		if errors.Is(err, goredis.Nil) {
			return finalError{state.ErrNotFound}
		}
		return err
	})
	return value, err
}

// Close stops the keeper and gives the lease back. It returns the same however
// often it is called.
func (b *backend) Close() error {
	b.closed.Do(func() {
		b.stop()
		<-b.kept
		failed := b.Err()
		b.failWith(fmt.Errorf("the state in %s: %w", b.store, os.ErrClosed))
		b.writer.close() // first, so that no transaction is on its way from here
		err := b.lease.release(b.keeper)
		if failed == nil && err != nil {
			b.closes = fmt.Errorf("close the state in %s: %w", b.store, err)
		}
		b.closeLinks()
	})
	return b.closes
}

func (b *backend) closeLinks() {
	for _, l := range []*link{b.writer, b.reader, b.keeper} {
		l.close()
	}
}
