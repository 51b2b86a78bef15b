package engine

import "sync/atomic"

// ledger accounts for every event a query has read. It is shared by all
// partitions and shards, which add to it once a batch.
type ledger struct {
	Read, InWindows, Late, Dead, Filtered, Unwindowed, Overflow, Results atomic.Int64
}
