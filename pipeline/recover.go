package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
)

// recovery gathers facts, has internal/epoch decide on them, and does what was
// decided.
type recovery struct {
	p   *Pipeline
	log *slog.Logger
	out *delivery.Delivery
	// tried are the checkpoints that were put in the place of the store.
	tried []string
	began time.Time
}

// recover opens the store and brings everything back to the last epoch: windows
// into a runner, what sinks lack into the delivery. Into the store nothing is
// written yet.
func (r *recovery) recover(ctx context.Context) (d *durable, runner *engine.Runner, err error) {
	r.began = time.Now()
	ctx, span := r.p.spec.Tracer.Start(ctx, "recovery")
	defer func() { r.endRecovery(span, d, runner, err) }()
	for {
		d, runner, err = r.attempt(ctx)
		var again retry
		if errors.As(err, &again) {
			if err = r.restore(ctx, again); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		r.report(ctx, d, runner)
		return d, runner, nil
	}
}

// retry asks for another attempt after something was done to the store, which
// must not be open then.
type retry struct {
	checkpoint string
	cause      error
}

func (r retry) Error() string { return "a checkpoint has to take the place of the store first" }

// attempt opens the store once, decides, and loads what is decided on.
func (r *recovery) attempt(ctx context.Context) (*durable, *engine.Runner, error) {
	spec := &r.p.spec.State
	d := &durable{
		spec: spec, log: r.log, tracer: r.p.spec.Tracer, out: r.out, observer: r.p.spec.Observer, outboxLimit: r.p.spec.Limits.Outbox,
		early: r.p.spec.Delivery == AtLeastOnce, vitals: newVitals(),
	}
	d.source, _ = r.p.spec.Source.(source.Acknowledger)
	facts, err := r.facts(ctx)
	if err != nil {
		return nil, nil, err
	}
	db, err := spec.Store.Open(ctx)
	if facts.Err = err; err == nil {
		failpoint.At("recover/opened")
		d.db = db
		d.snapshot, facts.Err = epoch.Load(ctx, d.db)
		facts.Snapshot = d.snapshot
	}
	if errors.Is(facts.Err, state.ErrInUse) {
		return nil, nil, fmt.Errorf("opening the state: %w", facts.Err)
	}
	var runner *engine.Runner
	if err = r.decide(ctx, d, facts); err == nil {
		runner, err = r.load(ctx, d)
	}
	if facts.Err == nil && (errors.Is(err, state.ErrCorrupt) || errors.Is(err, state.ErrVersion)) {
		facts.Err = err // windows or rows are damaged: that is another decision
		err = r.decide(ctx, d, facts)
	}
	if err == nil {
		return d, runner, nil
	}
	if d.db != nil {
		err = errors.Join(err, d.db.Close())
	}
	return nil, nil, err
}

func (r *recovery) facts(ctx context.Context) (*epoch.Facts, error) {
	s := &r.p.spec
	f := &epoch.Facts{
		Store: s.State.Store.String(), Pipeline: s.Name, MaxOutOfOrderness: int64(s.Watermark.MaxOutOfOrderness),
		Fresh: s.State.Fresh, RestoreCorrupt: s.State.OnCorruption == RestoreOnCorruption,
		DropSinks: s.State.DropSinks, Since: s.since(),
	}
	names, err := s.State.Store.Checkpoints(ctx)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return nil, fmt.Errorf("listing the checkpoints of %s: %w", s.State.Store, err)
	}
	f.Checkpoints = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(r.tried, n) })
	for _, q := range r.p.plan.Queries {
		f.Queries = append(f.Queries, epoch.Query{Name: q.Info.Name, Hash: q.StateHash})
	}
	for _, l := range r.p.lanes {
		f.Sinks = append(f.Sinks, l.Name)
	}
	return f, nil
}

// decide has the facts decided on, and does what comes of it.
func (r *recovery) decide(ctx context.Context, d *durable, f *epoch.Facts) error {
	if errors.Is(f.Err, state.ErrCorrupt) && d.db != nil {
		f.Checkpoints = r.ofThisState(ctx, d.db, f.Checkpoints)
	}
	return r.act(d, epoch.Decide(f), f.Err)
}

// ofThisState leaves out the checkpoints of a state that --fresh has moved
// aside, which keeps them: nobody has asked for that one again. Where the header
// of a checkpoint or of the store cannot be read nothing is known of it.
func (r *recovery) ofThisState(ctx context.Context, db state.Backend, names []string) []string {
	now, err := epoch.LoadHeader(ctx, db)
	if err != nil || now == nil {
		return names
	}
	var own, others []string
	for _, name := range names {
		if h := r.headerOf(ctx, name); h == nil || h.Incarnation == now.Incarnation {
			own = append(own, name)
		} else {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		r.log.WarnContext(ctx, "checkpoints are of an earlier state: they are restored by hand only", "checkpoints", others)
	}
	return own
}

// headerOf reads the header of a checkpoint, nil if it cannot be read.
func (r *recovery) headerOf(ctx context.Context, checkpoint string) *epoch.Header {
	v, err := r.p.spec.State.Store.View(ctx, checkpoint)
	if err != nil {
		return nil
	}
	h, err := epoch.LoadHeader(ctx, v)
	if errors.Join(err, v.Close()) != nil {
		return nil
	}
	return h
}

// act does what a decision asks for; an error that is a retry says that the
// store must be changed first. cause is why the store cannot be read, or nil.
func (r *recovery) act(d *durable, decision epoch.Decision, cause error) error {
	d.decision = decision
	switch decision.Action {
	case epoch.Refuse:
		return decision.Reason
	case epoch.Restore:
		return retry{checkpoint: decision.Checkpoint, cause: cause}
	case epoch.Start:
		d.header = &epoch.Header{Pipeline: r.p.spec.Name, Created: time.Now()}
		if _, err := rand.Read(d.header.Incarnation[:]); err != nil {
			return fmt.Errorf("making up a name for the state: %w", err)
		}
		d.incarnation = d.header.Incarnation
		d.record = epoch.Record{Watermark: event.MinTime}
		if decision.MoveAside {
			d.snapshot = &epoch.Snapshot{}
			return d.letGo()
		}
	case epoch.Resume:
		d.incarnation, d.record = d.snapshot.Header.Incarnation, d.snapshot.Record
		d.trimmed = d.snapshot.OutboxFirst
		if d.trimmed > 0 {
			d.trimmed--
		} else {
			d.trimmed = d.record.Number
		}
	}
	return nil
}

// load makes a runner that goes on from the state, and gives it its windows; it
// also lists the rows that sinks lack.
func (r *recovery) load(ctx context.Context, d *durable) (*engine.Runner, error) {
	e := &engine.Epochs{
		Interval: d.spec.Epoch, Early: d.early, Commit: d.tracedCommit, Due: r.out.Due,
		Watermark: d.record.Watermark, Partitions: d.snapshot.Partitions,
	}
	for _, q := range d.decision.Queries {
		e.Since = append(e.Since, q.Since)
		d.base = append(d.base, q.Counts)
	}
	runner, err := r.p.newRunner(r.out, e)
	if err != nil {
		return nil, err
	}
	if err := loadWindows(ctx, d, runner.Restore()); err != nil {
		return nil, err
	}
	if d.db == nil {
		return runner, nil // nothing is taken from a state that is given up
	}
	if err := r.loadSeen(ctx, d, runner); err != nil {
		return nil, err
	}
	failpoint.At("recover/loaded")
	return runner, r.loadPending(ctx, d)
}

// loadWindows gives the windows of the queries that go on to their shards.
func loadWindows(ctx context.Context, d *durable, to *engine.Restoring) (err error) {
	defer func() { err = errors.Join(err, to.Wait()) }()
	for i, q := range d.decision.Queries {
		if q.Change != epoch.Kept {
			continue
		}
		err := epoch.Windows(ctx, d.db, q.Hash, func(kind epoch.Kind, time int64, key, payload []byte) error {
			to.Add(i, kind, time, key, payload)
			return nil
		})
		if err != nil {
			return fmt.Errorf("loading the windows of query %s: %w", q.Name, err)
		}
	}
	return nil
}

// loadSeen puts back the ids that tell duplicates.
func (r *recovery) loadSeen(ctx context.Context, d *durable, to *engine.Runner) error {
	dedup := r.p.plan.Dedup
	err := epoch.LoadSeen(ctx, d.db, func(partition uint32, definition uint64, ids []epoch.Seen) error {
		if dedup == nil || definition != dedup.Definition {
			d.dropSeen = true
			return nil
		}
		to.RestoreSeen(partition, ids)
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading the ids that tell duplicates: %w", err)
	}
	return nil
}

func (r *recovery) restore(ctx context.Context, what retry) error {
	store := r.p.spec.State.Store
	r.tried = append(r.tried, what.checkpoint)
	aside, err := store.Restore(ctx, what.checkpoint)
	if err != nil && errors.Is(err, state.ErrCorrupt) {
		r.log.ErrorContext(ctx, "cannot restore a checkpoint", "checkpoint", what.checkpoint, "err", err)
		return nil // the next attempt tries the one before
	}
	if err != nil {
		return fmt.Errorf("restoring checkpoint %s: %w", what.checkpoint, errors.Join(err, what.cause))
	}
	r.log.WarnContext(ctx, "the state was damaged: went back to a checkpoint",
		"checkpoint", what.checkpoint, "damaged", aside, "err", what.cause)
	return nil
}

// report says in one line what was recovered, and what of it is not used.
func (r *recovery) report(ctx context.Context, d *durable, runner *engine.Runner) {
	took := time.Since(r.began).Round(time.Millisecond)
	d.vitals.cut, d.vitals.took = d.record.Time, took
	d.newest.Store(d.record.Number)
	if d.decision.Action == epoch.Start {
		if !d.decision.MoveAside { // else makeWay tells
			d.began(ctx)
		}
		return
	}
	d.vitals.recovered = d.record.Number
	r.log.InfoContext(ctx, "recovered state", "state", d.spec.Store.String(), "epoch", d.record.Number,
		"age", time.Since(d.record.Time).Round(time.Second), "open_windows", runner.OpenWindows(),
		"partitions", len(d.snapshot.Partitions), "queries", len(d.decision.Queries), "took", took)
	for _, q := range d.decision.Queries {
		if q.Change != epoch.Kept {
			r.log.WarnContext(ctx, "a query starts fresh: windows that began before are marked partial", "query", q.Name, "because", q.Change.String())
		}
	}
	for _, q := range d.decision.DropQueries {
		r.log.WarnContext(ctx, "the windows of a query are dropped: it is not configured like that any more", "query", q.Name)
	}
	if d.dropSeen {
		r.log.WarnContext(ctx, "event.dedup has changed: events that were read before are not recognised as duplicates")
	}
	d.giveUp(ctx)
	for _, what := range d.unclaimed {
		r.log.WarnContext(ctx, "rows that wait are given up: no sink takes them any more", "what", what)
	}
}

// outbox is what the delivery goes on with.
func (d *durable) outbox(s *Spec) delivery.Outbox {
	return delivery.Outbox{
		Incarnation: d.incarnation, Newest: d.record.Number, Places: d.snapshot.Places, Pending: d.pending, Read: d.read,
		Redeliver: s.State.Redeliver, Early: s.Delivery == AtLeastOnce, Limit: s.Limits.Outbox,
	}
}

// read gives the rows of an epoch out of the outbox to fn. It takes block by
// block and no scan: fn waits for a sink, and an open scan keeps the store from
// being closed and what is deleted from being dropped.
func (d *durable) read(ctx context.Context, n uint64, fn func(*result.Batch) error) error {
	var dec epoch.Decoder
	var b result.Batch
	for seq := uint32(0); ; seq++ {
		payload, err := epoch.Block(ctx, d.db, n, seq)
		if errors.Is(err, state.ErrNotFound) && seq > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the rows of epoch %d from %s: %w", n, d.spec.Store, err)
		}
		if err := dec.DecodeBlock(payload, &b); err != nil {
			return fmt.Errorf("reading the rows of epoch %d from %s: %w", n, d.spec.Store, err)
		}
		if err := fn(&b); err != nil {
			return err
		}
	}
}
