package exchange

import (
	"context"
	"fmt"
	"sync/atomic"
)

type refs struct{ n atomic.Int32 }

// NewShared returns an empty batch that recycle takes back when its last
// reader has released it.
func NewShared(recycle func(*Shared)) *Shared { return &Shared{recycle: recycle} }

// Retain adds n readers.
func (s *Shared) Retain(n int) { s.refs.n.Add(int32(n)) }

// Release drops one reader.
func (s *Shared) Release() {
	if s.refs.n.Add(-1) == 0 {
		s.recycle(s)
	}
}

// Local is the exchange inside one process: a bounded channel for each shard.
type Local struct{ shards []chan *Flush }

var _ Exchange = (*Local)(nil)

// NewLocal returns an exchange to n shards that holds up to depth flushes for
// each.
func NewLocal(n, depth int) *Local {
	l := &Local{shards: make([]chan *Flush, n)}
	for i := range l.shards {
		l.shards[i] = make(chan *Flush, depth)
	}
	return l
}

// Send implements Exchange.
func (l *Local) Send(ctx context.Context, shard int, f *Flush) error {
	select {
	case l.shards[shard] <- f:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("handing a flush to shard %d: %w", shard, context.Cause(ctx))
	}
}

// Room reports whether every shard takes a flush at once. It holds until the
// next Send.
func (l *Local) Room() bool {
	for _, c := range l.shards {
		if len(c) == cap(c) {
			return false
		}
	}
	return true
}

// Receive is the channel that a shard reads.
func (l *Local) Receive(shard int) <-chan *Flush { return l.shards[shard] }

// Close ends all shards' channels: nothing is sent afterwards.
func (l *Local) Close() {
	for _, c := range l.shards {
		close(c)
	}
}
