package pebble

import (
	"bytes"
	"context"
	"time"
)

// note tells tidy that something was applied.
func (b *backend) note(deletes bool) {
	if deletes {
		b.deleted.Store(true)
	}
	select {
	case b.applied <- struct{}{}:
	default:
	}
}

// tidy gives the space of what was deleted back when nothing has been applied
// for a while: what Pebble does by itself it does beside later writes, and
// when traffic stops there are none.
func (b *backend) tidy(ctx context.Context) {
	idle := b.store.Idle
	if idle == 0 {
		idle = DefaultIdle
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.applied:
			timer.Reset(idle)
		case <-timer.C:
			if b.deleted.Swap(false) {
				b.compact(ctx)
			}
		}
	}
}

// cheapBytes is how much is rewritten without asking whether it is worth it.
const cheapBytes = 256 << 20

// compact rewrites what has deleted keys in it. In a large store that is left
// to Pebble, which drops whole tables and rewrites those with most to drop as
// soon as it sees the deletions in a table, unless much is known to remain.
func (b *backend) compact(ctx context.Context) {
	if err := b.flush(ctx); err != nil {
		return // the backend has failed, or is closing
	}
	tables := b.db.Metrics().Table
	live, garbage := tables.Local.LiveSize, tables.Garbage.PointDeletionsBytesEstimate+tables.Garbage.RangeDeletionsBytesEstimate
	if live > cheapBytes && garbage < live/4 {
		return
	}
	err := b.db.Compact(ctx, nil, bytes.Repeat([]byte{0xff}, 256), false)
	if err != nil && ctx.Err() == nil {
		b.fail(err)
	}
}
