package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
)

// run is a pipeline while it runs.
type run struct {
	begun atomic.Bool
	mu    sync.Mutex // guards runner of Pipeline, called, started, ended, state and out
	// called is when Run was, started when reading began.
	called  time.Time
	started time.Time
	ended   time.Time
	state   *durable
	out     *delivery.Delivery
	refused atomic.Int64
	reasons reasons
	sampler sampler
	// draining and over are phases.
	draining, over atomic.Bool
}

// calledAt is when Run was called; the zero time before.
func (r *run) calledAt() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.called
}

// Run processes the source to its end, or until ctx ends: then what was read
// is processed and delivered, for at most the shutdown timeout. It can be
// called once.
func (p *Pipeline) Run(ctx context.Context) (Summary, error) {
	if p.run.begun.Swap(true) {
		return Summary{}, errors.New("a pipeline runs once: build another")
	}
	log := p.spec.Logger
	if log == nil {
		log = slog.Default()
	}
	p.run.sampler.log = log
	p.run.mu.Lock()
	p.run.called = time.Now()
	p.run.mu.Unlock()
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var drain sync.WaitGroup
	drain.Go(func() { p.boundDrain(ctx, hard, cancel) })
	drain.Go(func() { p.logTroubles(hard, log) })
	defer drain.Wait()
	defer cancel(nil)
	defer p.run.over.Store(true)
	out := delivery.New(p.lanes, func(err error) { cancel(err) })
	if tell := p.spec.Observer.Delivered; tell != nil {
		out.Delivered = func(d delivery.Delivered) { tell(Delivered(d)) }
	}
	p.traceDeliveries(out)
	x := &execution{p: p, log: log, out: out, hard: hard, cancel: cancel}
	err := x.begin(ctx)
	if err == nil {
		err = x.run(ctx)
	}
	stopped := x.runner == nil && ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
	if stopped {
		log.Info("stopped before it began to read", "while", err)
		err = nil
	}
	if x.state != nil {
		err = errors.Join(err, x.state.close())
	}
	if x.runner == nil {
		return Summary{Watermark: event.MinTime, Interrupted: stopped}, err
	}
	return x.summary(ctx), err
}

// execution is one run of a pipeline from its first look at things to its end.
type execution struct {
	p      *Pipeline
	log    *slog.Logger
	out    *delivery.Delivery
	hard   context.Context
	cancel context.CancelCauseFunc

	state  *durable // nil: in memory
	runner *engine.Runner
	parts  []source.Partition
}

// begin makes everything ready: the state first, which may refuse, then the
// source, then the sinks, which touch what is there only when all the others
// are open.
func (x *execution) begin(ctx context.Context) (err error) {
	p := x.p
	var runner *engine.Runner
	if p.spec.State.Store != nil {
		r := &recovery{p: p, log: x.log, out: x.out}
		x.state, runner, err = r.recover(ctx)
	} else {
		runner, err = p.newRunner(x.out, nil)
	}
	if err != nil {
		return err
	}
	if x.parts, err = runner.Open(ctx); err != nil {
		return err
	}
	if err = p.checkTargets(x.parts); err == nil {
		err = x.out.Open(ctx) // who is told to end while it waits for servers has nothing to drain
	}
	if err != nil {
		return errors.Join(err, runner.Close())
	}
	if err = x.start(ctx); err != nil {
		return errors.Join(err, x.out.Abort(x.hard), runner.Close())
	}
	p.run.mu.Lock()
	defer p.run.mu.Unlock()
	x.runner, p.runner, p.run.started, p.run.state, p.run.out = runner, runner, time.Now(), x.state, x.out
	return nil
}

// start starts the sinks, at the places that the state knows.
func (x *execution) start(ctx context.Context) error {
	if x.state != nil {
		if err := x.out.Resume(ctx, x.state.outbox(&x.p.spec)); err != nil {
			return err
		}
		failpoint.At("recover/resumed")
		if err := x.state.makeWay(x.hard); err != nil {
			return err
		}
	}
	if err := x.out.Start(x.hard); err != nil {
		return err
	}
	failpoint.At("recover/started")
	if x.state == nil {
		return nil
	}
	return x.state.begin(x.hard)
}

// run runs everything to its end.
func (x *execution) run(ctx context.Context) error {
	x.out.Run(x.hard)
	if x.state != nil {
		x.state.watch(x.hard, x.cancel)
	}
	err := x.runner.Run(ctx, x.hard, x.parts)
	if err != nil {
		// The run is over; a sink that hangs must not keep it from ending.
		t := time.AfterFunc(x.p.spec.ShutdownTimeout, func() { x.cancel(err) })
		defer t.Stop()
	}
	cerr := x.out.Close(x.hard)
	// A sink that has failed meanwhile comes before what other sinks make of
	// that when they are closed.
	if cause := context.Cause(x.hard); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(err, cause)
	}
	err = errors.Join(err, cerr)
	if x.state != nil && err == nil {
		err = x.state.recordPlaces(x.hard)
	}
	x.p.run.mu.Lock()
	defer x.p.run.mu.Unlock()
	x.p.run.ended = time.Now()
	return err
}

func (x *execution) summary(ctx context.Context) Summary {
	s := x.p.Progress()
	s.Interrupted = ctx.Err() != nil && !x.runner.Ended()
	switch {
	case x.state != nil:
		s.KeptWindows = x.runner.OpenWindows()
	case s.Interrupted:
		s.DroppedWindows = x.runner.OpenWindows()
	}
	return s
}

// boundDrain ends the run when draining, after ctx has ended, takes longer than
// the shutdown timeout.
func (p *Pipeline) boundDrain(ctx, hard context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-hard.Done():
		return
	}
	p.run.draining.Store(true)
	t := time.NewTimer(p.spec.ShutdownTimeout)
	defer t.Stop()
	select {
	case <-t.C:
		cancel(fmt.Errorf("not drained within the shutdown timeout of %v: raise shutdown_timeout, or see why a sink is slow%s", p.spec.ShutdownTimeout, p.blame()))
	case <-hard.Done():
	}
}

func (p *Pipeline) newRunner(out *delivery.Delivery, epochs *engine.Epochs) (*engine.Runner, error) {
	s := &p.spec
	timePath, err := fieldPath(s.Event.TimeField)
	if err != nil {
		return nil, err
	}
	opt := decode.Options{
		Format: string(s.Event.Format), TimePath: timePath, TimeAttribute: p.timeAttribute, TimeFormat: string(s.Event.TimeFormat),
		MaxRecordBytes: s.Event.MaxRecordBytes,
	}
	if s.Source.Traits().Live {
		opt.MaxFuture = s.Event.MaxFuture
		opt.Now = func() int64 { return time.Now().UnixNano() }
	}
	dec, err := decode.New(p.plan.Schema, opt)
	if err != nil {
		return nil, fmt.Errorf("making the decoder: %w", err)
	}
	ops, err := p.bindOperators()
	if err != nil {
		return nil, err
	}
	w := s.Watermark
	return engine.New(engine.Config{
		Plan: p.plan, Source: s.Source, Decoder: dec, Operators: ops, Workers: s.Workers,
		Since: s.Source.Traits().Since, Bound: w.MaxOutOfOrderness, EveryEvent: w.Emit == EveryEvent, Interval: w.Interval,
		IdleTimeout: w.IdleTimeout, CloseWhenIdle: w.WhenIdle == Close, MaxDrift: w.MaxDrift,
		Limits: engine.Limits{Keys: s.Limits.Keys, Windows: s.Limits.Windows, Memory: s.Limits.Memory, Stop: s.Limits.OnExceed == Stop},
		OnDead: p.onDead, OnNullKey: p.onNullKey, Screen: p.screen, NewBatch: out.Batch, Recycle: out.Empty, Emit: p.emit(out), Epochs: epochs,
		Processed: s.Observer.Processed,
		Trace:     p.traceBatches(),
	}), nil
}

// emit shows rows to the observer and hands them to the sinks.
func (p *Pipeline) emit(out *delivery.Delivery) func(context.Context, *result.Batch) error {
	show := p.spec.Observer.Results
	if show == nil {
		return out.Send
	}
	return func(ctx context.Context, b *result.Batch) error {
		if len(b.Results) > 0 {
			show(b.Results, 0)
		}
		return out.Send(ctx, b)
	}
}

func fieldPath(text string) ([]string, error) {
	e, err := expr.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the path of the event time %q: %w", text, err)
	}
	path, ok := e.IsPath()
	if !ok {
		return nil, fmt.Errorf("the event time %q is an expression, it must be a field", text)
	}
	return path, nil
}

// onDead treats undecodable and refused records as event.on_error says, and
// returns those that go to a sink.
func (p *Pipeline) onDead(dead []result.DeadLetter) ([]result.DeadLetter, error) {
	p.run.reasons.add(dead)
	if p.spec.Observer.Dead != nil {
		p.spec.Observer.Dead(dead)
	}
	for i := range dead {
		if len(dead[i].Queries) > 0 {
			p.run.refused.Add(1)
		}
	}
	switch {
	case p.spec.Event.OnError == Fail:
		d := &dead[0]
		return nil, fmt.Errorf("record at %s offset %d cannot be processed (%s): %s; event.on_error is fail, dead_letter would go on", place(d.Source), d.Source.Offset, d.Reason, d.Err)
	case p.spec.Event.OnError == Skip:
		return nil, nil
	case p.spec.DeadLetters == nil:
		p.run.sampler.dead(dead)
		return nil, nil
	}
	return dead, nil
}

// onNullKey warns of a key that says nothing.
func (p *Pipeline) onNullKey(query int, n engine.Nulls) {
	p.run.sampler.log.Warn("a field of the key is null for most events: they are all one group; is it the right field? coalesce(a, b) takes the first that is there",
		"query", p.plan.Queries[query].Info.Name, "field", n.Field, "events", n.Rows, "null", n.Nulls)
}

// screen samples late events that no sink wants, and takes them out.
func (p *Pipeline) screen(b *result.Batch) {
	if p.spec.Observer.Late != nil && len(b.Late) > 0 {
		p.spec.Observer.Late(b.Late)
	}
	if p.spec.LateEvents == nil && len(b.Late) > 0 {
		p.run.sampler.late(b.Late)
		b.Late = b.Late[:0]
	}
}

func place(s result.Source) string {
	if s.Topic != "" {
		return fmt.Sprintf("topic %s partition %d", s.Topic, s.Partition)
	}
	return s.Path
}

// Progress is a snapshot of the counters; safe to call from another goroutine
// while running.
func (p *Pipeline) Progress() Summary {
	p.run.mu.Lock()
	r, started, ended, state := p.runner, p.run.started, p.run.ended, p.run.state
	p.run.mu.Unlock()
	if r == nil {
		return Summary{Watermark: event.MinTime}
	}
	if ended.IsZero() {
		ended = time.Now()
	}
	s := Summary{
		Events: r.Events(), Dead: r.Dead(), Refused: p.run.refused.Load(), Elapsed: ended.Sub(started),
		Watermark: r.Watermark(), OpenWindows: r.OpenWindows(),
	}
	if state != nil {
		s.State, s.Epoch = state.spec.Store.String(), state.newest.Load()
	}
	for i, q := range p.plan.Queries {
		for _, n := range r.Nulls(i) {
			one := Nulls{Query: q.Info.Name, Field: n.Field, Key: n.Key, Rows: n.Rows, Nulls: n.Nulls}
			if !slices.Contains(s.Nulls, one) { // several aggregates may compute on one field
				s.Nulls = append(s.Nulls, one)
			}
		}
		s.Queries = append(s.Queries, ledgerOf(r, state, i, q))
		run := ledgerOf(r, nil, i, q)
		s.Late += run.Late
		s.Results += run.Results
	}
	return s
}
