package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	goredis "github.com/redis/go-redis/v9"

	"github.com/llm-optimizer/processor/state"
)

// maxValue is the largest value the server takes unless it is told otherwise.
const maxValue = 512 << 20

// opBytes is about what an operation takes in a transaction beside the key,
// twice, and the value.
const opBytes = 32

// Apply makes the batches take effect in one transaction.
func (b *backend) Apply(ctx context.Context, batches ...*state.Batch) error {
	// What ends before it begins leaves the backend as it was.
	err := b.usable(ctx)
	if err == nil {
		err = b.fits(batches)
	}
	if err == nil {
		err = b.take(ctx)
	}
	if err != nil {
		return fmt.Errorf("apply to the state in %s: %w", b.store, err)
	}
	defer b.give()
	overtaken := b.overtake(batches)
	err = b.commit(ctx, batches, overtaken)
	b.overtook(overtaken, err == nil)
	if err != nil {
		err = fmt.Errorf("apply to the state in %s: %w", b.store, err)
		b.failWith(err)
		return err
	}
	b.applied++
	return nil
}

// fits refuses batches that the server would answer by closing the connection.
func (b *backend) fits(batches []*state.Batch) error {
	atMost, limit := 0, b.queryLimit
	for _, batch := range batches {
		atMost += 2*batch.Size() + opBytes*batch.Len()
	}
	if limit == 0 || atMost <= min(limit, maxValue) {
		return nil
	}
	size := 0
	for _, batch := range batches {
		for op := range batch.All() {
			size += 2*len(op.Key) + len(op.Value) + opBytes
			if len(op.Value) > maxValue {
				return fmt.Errorf("key %.32x has a value of %d MiB, more than the %d MiB a Redis server takes", op.Key, len(op.Value)>>20, maxValue>>20)
			}
		}
	}
	if size > limit {
		return fmt.Errorf("the batches take %d MiB, more than the server's client-query-buffer-limit of %d MiB: raise that, or commit more often",
			size>>20, limit>>20)
	}
	return nil
}

func (b *backend) take(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *backend) give() { <-b.turn }

// commit sends the transaction until it is known to have taken effect.
func (b *backend) commit(ctx context.Context, batches []*state.Batch, overtaken []*scan) error {
	return b.writer.try(ctx, func(ctx context.Context) error {
		conn := b.writer.client.Conn()
		defer func() { _ = conn.Close() }() // it returns to the client
		done, err := b.transact(ctx, conn, batches, overtaken)
		if !done {
			// It may be in the middle of a transaction: nobody else shall
			// have it.
			b.writer.cut()
		}
		return err
	})
}

// transact is one try. done says that the connection has come to the end of
// its transaction.
func (b *backend) transact(ctx context.Context, conn *goredis.Conn, batches []*state.Batch, overtaken []*scan) (done bool, err error) {
	applied, err := b.watch(ctx, conn)
	if err != nil {
		return false, err
	}
	if applied == b.applied+1 {
		return false, nil // the reply to EXEC was lost
	}
	tx := newTransaction(ctx, conn, b.names.store)
	tx.command("multi")
	for _, s := range overtaken {
		for from, to := range b.names.store.pairs(s.copy) {
			tx.command("copy", from, to, "replace")
			tx.command("pexpire", to, b.lease.copies.Milliseconds())
		}
	}
	for _, batch := range batches {
		for op := range batch.All() {
			tx.op(op)
		}
	}
	tx.close()
	tx.command("eval", finishScript, 3, b.names.lease, b.names.store.keys, b.names.store.meta,
		b.lease.owner.String(), b.applied+1, b.lease.length.Milliseconds())
	return tx.exec()
}

// watch begins to watch meta, and finds out whether the store is still ours
// and as the last Apply has left it. It returns the number of the last Apply,
// which is one more than it was if this one has taken effect before.
func (b *backend) watch(ctx context.Context, conn *goredis.Conn) (applied int64, err error) {
	t := b.names.store
	pipe := conn.Pipeline()
	pipe.Do(ctx, "watch", t.meta)
	meta := pipe.HMGet(ctx, t.meta, "owner", "applied", "keys")
	keys, values := pipe.ZCard(ctx, t.keys), pipe.HLen(ctx, t.values)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	var m [3]string
	for i, v := range meta.Val() {
		m[i], _ = v.(string)
	}
	applied, err = strconv.ParseInt(m[1], 10, 64)
	switch {
	case m == [3]string{}:
		return 0, final("%w: the server has lost the store", state.ErrCorrupt)
	case m[0] != b.lease.owner.String():
		return 0, finalError{errLost}
	case err != nil || applied != b.applied && applied != b.applied+1:
		return 0, final("%w: the server has forgotten what it had acknowledged: it is at Apply %s, this instance at %d",
			state.ErrCorrupt, m[1], b.applied)
	}
	return applied, checkCounts(m[2], keys.Val(), values.Val())
}

// transaction sends the commands of a MULTI … EXEC, some at a time, so that
// neither side has to hold all of it in its buffers.
type transaction struct {
	ctx  context.Context
	pipe goredis.Pipeliner
	to   triple
	size int // bytes in pipe
	err  error

	kind         state.OpKind // of the operations that wait
	keys, values []any        // the command they will be
	waiting      int          // their bytes
}

const (
	commandOps   = 512       // operations in a command
	commandBytes = 64 << 10  // and about this many bytes
	pipeBytes    = 512 << 10 // sent before replies are read
)

func newTransaction(ctx context.Context, conn *goredis.Conn, to triple) *transaction {
	return &transaction{ctx: ctx, pipe: conn.Pipeline(), to: to}
}

// command adds a command. Its arguments stay untouched until it is sent.
func (tx *transaction) command(args ...any) { tx.pipe.Do(tx.ctx, args...) }

// op adds an operation. Those of one kind in a row are one command.
func (tx *transaction) op(op state.Op) {
	if op.Kind != tx.kind || len(tx.keys) >= 2*commandOps || tx.waiting >= commandBytes {
		tx.close()
	}
	tx.kind = op.Kind
	key := any(op.Key)
	switch op.Kind {
	case state.Set:
		tx.begin("zadd", "hset")
		tx.keys = append(tx.keys, "0", key)
		tx.values = append(tx.values, key, any(op.Value))
	case state.Delete:
		tx.begin("zrem", "hdel")
		tx.keys = append(tx.keys, key)
		tx.values = append(tx.values, key)
	case state.DeleteRange:
		tx.command("eval", rangeScript, 2, tx.to.keys, tx.to.values, "["+string(op.Key), "("+string(op.Value))
	}
	tx.waiting += len(op.Key) + len(op.Value)
}

// begin begins the commands, unless that has been done.
func (tx *transaction) begin(forKeys, forValues string) {
	if len(tx.keys) == 0 {
		tx.keys, tx.values = []any{forKeys, tx.to.keys}, []any{forValues, tx.to.values}
	}
}

// close makes commands of the operations that wait, and sends what is enough.
func (tx *transaction) close() {
	if len(tx.keys) > 0 {
		tx.command(tx.keys...)
		tx.command(tx.values...)
		tx.keys, tx.values = nil, nil
	}
	tx.size += tx.waiting
	tx.waiting = 0
	if tx.size >= pipeBytes {
		tx.send()
	}
}

// send sends what there is and reads the replies, which say that each command
// is queued.
func (tx *transaction) send() {
	if tx.err == nil {
		_, tx.err = tx.pipe.Exec(tx.ctx)
	}
	tx.pipe.Discard()
	tx.size = 0
}

// exec ends the transaction.
func (tx *transaction) exec() (done bool, err error) {
	exec := tx.pipe.Do(tx.ctx, "exec")
	tx.send()
	if errors.Is(tx.err, goredis.Nil) {
		return true, errOverwritten
	}
	if tx.err != nil {
		return false, tx.err
	}
	replies, _ := exec.Val().([]any)
	for _, reply := range replies {
		if err, ok := reply.(error); ok {
			return true, final("%w: a part of the transaction failed, the others took effect: %w", state.ErrCorrupt, err)
		}
	}
	return true, nil
}
