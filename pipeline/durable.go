package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
)

// durable is a pipeline's state while it is open. Everything that is recorded
// goes through apply: there is no other way for a position, a watermark, a
// window or a row to become durable, and so none without the others.
type durable struct {
	spec   *StateSpec
	log    *slog.Logger
	tracer trace.Tracer
	db     state.Backend // nil between letGo and makeWay
	out    *delivery.Delivery
	// source wants to know what is durable; nil if it does not.
	source source.Acknowledger

	// header is nil once it is written.
	header      *epoch.Header
	incarnation [16]byte
	decision    epoch.Decision
	snapshot    *epoch.Snapshot
	pending     []delivery.Pending
	// unclaimed are the kinds of rows in the outbox that no sink takes.
	unclaimed []string
	// record is the last epoch, base the ledgers of the runs before this one.
	record epoch.Record
	base   []epoch.Counts
	// trimmed is the last epoch whose rows are not in the state any more.
	trimmed uint64

	meta   state.Batch // scratch of apply
	blocks epoch.Encoder

	// dropSeen says that the ids in the state are of another deduplication.
	dropSeen bool
	// early says that rows leave before their epoch is durable.
	early bool

	observer    Observer
	outboxLimit int64
	vitals      *vitals

	newest  atomic.Uint64
	workers sync.WaitGroup
	stop    context.CancelFunc // of the workers; nil before watch
}

// commit makes an epoch durable and lets its rows go to the sinks.
func (d *durable) commit(ctx context.Context, cut *engine.Cut) error {
	if err := d.out.Room(ctx); err != nil {
		return err
	}
	c := d.next(cut.Time, cut.Watermark)
	c.Partitions, c.Gone, c.Seen = cut.Partitions, cut.Gone, cut.Seen
	for q := range cut.Counts {
		n := d.base[q]
		n.Add(cut.Counts[q])
		c.Record.Queries[q].Counts = n
	}
	rows, bytes := d.encode(c, cut.Rows)
	if err := d.apply(ctx, c, cut.Changes...); err != nil {
		return err
	}
	if !d.early {
		d.show(cut.Rows)
	}
	d.out.Committed(c.Record.Number, rows, bytes)
	d.acknowledge(c.Partitions)
	d.tell(ctx, cut, bytes)
	return nil
}

// show lets the observer see the rows of an epoch. Of those that were encoded at
// once, as there are very many, it sees the first and the number of the rest.
func (d *durable) show(all []engine.Rows) {
	show := d.observer.Results
	if show == nil {
		return
	}
	var shown bool
	var skipped int
	for _, r := range all {
		switch {
		case r.Batch != nil && len(r.Batch.Results) > 0:
			show(r.Batch.Results, 0)
		case r.Block == nil:
		case shown:
			skipped += r.Results
		default:
			var dec epoch.Decoder
			var b result.Batch
			if shown = true; dec.DecodeBlock(r.Block, &b) == nil && len(b.Results) > 0 {
				show(b.Results, 0)
			}
		}
	}
	if skipped > 0 {
		show(nil, skipped)
	}
}

// acknowledge tells the source what is durable, if it wants to know.
func (d *durable) acknowledge(parts []epoch.Partition) {
	if d.source == nil || len(parts) == 0 {
		return
	}
	saved := make([]source.Saved, len(parts))
	for i, p := range parts {
		saved[i] = source.Saved{Origin: p.Origin, Position: p.Position, Token: p.Token}
	}
	d.source.Acknowledge(saved)
}

// tell says what an epoch has cost.
func (d *durable) tell(ctx context.Context, cut *engine.Cut, rows int64) {
	changes, size := 0, d.meta.Size()
	for _, b := range cut.Changes {
		changes += b.Len()
		size += b.Size()
	}
	e := EpochDone{
		Number: d.record.Number, Took: time.Since(cut.Time), Stall: cut.Stall,
		Changes: changes, Bytes: int64(size), RowBytes: rows,
	}
	d.vitals.committed(cut.Time, e)
	if d.observer.Epoch != nil {
		d.observer.Epoch(e)
	}
	d.log.DebugContext(ctx, "committed an epoch", "epoch", e.Number, "changes", e.Changes, "bytes", e.Bytes, "row_bytes", e.RowBytes,
		"took", e.Took.Round(time.Microsecond), "stall", e.Stall.Round(time.Microsecond))
}

// next is the commit that follows the last epoch, without anything new yet.
func (d *durable) next(now time.Time, watermark int64) *epoch.Commit {
	c := &epoch.Commit{Header: d.header, Last: d.record.Number, Record: d.record}
	c.Record.Number++
	c.Record.Time, c.Record.Watermark = now, watermark
	c.Record.Queries = append([]epoch.Query(nil), d.record.Queries...)
	return c
}

// encode puts rows into the outbox, and returns them if none was encoded before.
func (d *durable) encode(c *epoch.Commit, all []engine.Rows) (rows []*result.Batch, bytes int64) {
	for _, r := range all {
		block := r.Block
		if r.Batch != nil {
			rows = append(rows, r.Batch)
			block = d.blocks.AppendBlock(nil, r.Batch)
		}
		bytes += int64(len(block))
		c.Blocks = append(c.Blocks, block)
	}
	if len(rows) < len(all) {
		d.out.Drop(rows) // sinks get them in order, and so all from the outbox
		rows = nil
	}
	return rows, bytes
}

// apply writes an epoch: this is the decision that it has happened. It also
// records how far sinks have got, and only then drops the rows that they hold.
func (d *durable) apply(ctx context.Context, c *epoch.Commit, changes ...*state.Batch) error {
	places, through := d.out.Places()
	c.Places = append(c.Places, places...)
	d.meta.Reset()
	if err := c.AppendTo(&d.meta); err != nil {
		return err
	}
	if failpoint.Planted(failpoint.TrimEarly) {
		through = d.record.Number
	}
	if through > d.trimmed {
		d.meta.DeleteRange(epoch.OutboxRange(d.trimmed+1, through+1))
	}
	if failpoint.Planted(failpoint.PositionFirst) {
		if err := d.db.Apply(ctx, &d.meta); err != nil {
			return err
		}
	}
	failpoint.At("epoch/before")
	if err := d.db.Apply(ctx, append(changes, &d.meta)...); err != nil {
		return fmt.Errorf("committing epoch %d to %s: %w", c.Record.Number, d.spec.Store, err)
	}
	d.record, d.header, d.trimmed = c.Record, nil, max(through, d.trimmed)
	d.newest.Store(c.Record.Number)
	failpoint.At("epoch/after")
	return nil
}

// begin commits the first epoch of the run, which reads nothing, and then marks
// sinks that are new: from then on the state knows its queries and its sinks.
func (d *durable) begin(ctx context.Context) error {
	c := d.next(time.Now(), d.record.Watermark)
	c.Record.Queries = nil
	for _, q := range d.decision.Queries {
		c.Record.Queries = append(c.Record.Queries, q.Query)
	}
	for _, q := range d.decision.DropQueries {
		c.DropQueries = append(c.DropQueries, q.Hash)
	}
	c.GonePlaces, c.DropSeen = d.decision.DropPlaces, d.dropSeen
	if err := d.apply(ctx, c); err != nil {
		return err
	}
	failpoint.At("recover/begun")
	if err := d.out.Mark(ctx); err != nil {
		return err
	}
	failpoint.At("recover/marked")
	return d.recordPlaces(ctx)
}

// recordPlaces records what sinks have confirmed since the last epoch.
func (d *durable) recordPlaces(ctx context.Context) error {
	if !d.out.Due() {
		return nil
	}
	return d.apply(ctx, d.next(time.Now(), d.record.Watermark))
}

// watch ends the run when the backend fails between calls, and makes
// checkpoints on schedule, until close.
func (d *durable) watch(ctx context.Context, fail func(error)) {
	ctx, d.stop = context.WithCancel(ctx)
	if w, ok := d.db.(state.Watched); ok {
		d.workers.Go(func() {
			select {
			case <-w.Failed():
				fail(fmt.Errorf("the state in %s has failed: %w", d.spec.Store, w.Err()))
			case <-ctx.Done():
			}
		})
	}
	if cp, ok := d.db.(state.Checkpointer); ok && d.spec.CheckpointEvery > 0 && d.spec.Retain > 0 {
		d.workers.Go(func() { d.checkpoints(ctx, cp) })
	}
}

// checkpoints makes one checkpoint after the other. One that fails is told and
// tried again the next time: the state itself is not worse for it.
func (d *durable) checkpoints(ctx context.Context, cp state.Checkpointer) {
	t := time.NewTicker(d.spec.CheckpointEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if _, err := d.makeCheckpoint(ctx, cp); err != nil && ctx.Err() == nil {
			d.log.ErrorContext(ctx, "cannot make a checkpoint", "state", d.spec.Store.String(), "err", err)
		}
	}
}

// Checkpoint makes a checkpoint of an open store, named after the time in UTC,
// and drops the oldest so that retain are left; 0 keeps all.
func Checkpoint(ctx context.Context, store state.Store, cp state.Checkpointer, now time.Time, retain int) error {
	_, err := checkpoint(ctx, store, cp, now, retain)
	return err
}

// checkpoint is Checkpoint, and gives the name.
func checkpoint(ctx context.Context, store state.Store, cp state.Checkpointer, now time.Time, retain int) (string, error) {
	before, err := store.Checkpoints(ctx)
	if err != nil {
		return "", fmt.Errorf("listing the checkpoints of %s: %w", store, err)
	}
	name := checkpointName(before, now)
	if err := cp.Checkpoint(ctx, name); err != nil {
		return "", fmt.Errorf("making checkpoint %s of %s: %w", name, store, err)
	}
	for retain > 0 && len(before) >= retain {
		if err := store.Drop(ctx, before[0]); err != nil {
			return name, fmt.Errorf("dropping checkpoint %s of %s: %w", before[0], store, err)
		}
		before = before[1:]
	}
	return name, nil
}

// checkpointName is a name that none has.
func checkpointName(taken []string, now time.Time) string {
	name := now.UTC().Format("20060102-150405")
	unique := name
	for n := 1; ; n++ {
		free := true
		for _, t := range taken {
			free = free && t != unique
		}
		if free {
			return unique
		}
		unique = fmt.Sprintf("%s-%d", name, n)
	}
}

// close ends what watch began and closes the store.
func (d *durable) close() error {
	if d.stop != nil {
		d.stop()
	}
	d.vitals.end()
	d.workers.Wait()
	d.vitals.use.Lock()
	defer d.vitals.use.Unlock()
	d.vitals.closed = true
	if d.db == nil {
		return nil // no new one was opened in the place of one that is given up
	}
	if err := d.db.Close(); err != nil {
		return fmt.Errorf("closing the state in %s: %w", d.spec.Store, err)
	}
	return nil
}
