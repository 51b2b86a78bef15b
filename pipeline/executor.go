package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// run is a pipeline while it runs.
type run struct {
	mu      sync.Mutex // guards runner of Pipeline and started
	started time.Time
	ended   time.Time
	refused atomic.Int64
	sampler sampler
}

// Run processes the source to its end, or until ctx ends: then what was read
// is processed and delivered, for at most the shutdown timeout. It can be
// called once.
func (p *Pipeline) Run(ctx context.Context) (Summary, error) {
	log := p.spec.Logger
	if log == nil {
		log = slog.Default()
	}
	p.run.sampler.log = log
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var drain sync.WaitGroup
	drain.Go(func() { p.boundDrain(ctx, hard, cancel) })
	defer drain.Wait()
	defer cancel(nil)

	out := delivery.New(p.lanes(), func(err error) { cancel(err) })
	runner, err := p.newRunner(out)
	if err != nil {
		return Summary{}, err
	}
	p.run.mu.Lock()
	if p.runner != nil {
		p.run.mu.Unlock()
		return Summary{}, errors.New("a pipeline runs once: build another")
	}
	p.runner, p.run.started = runner, time.Now()
	p.run.mu.Unlock()

	parts, err := runner.Open(ctx)
	if err != nil {
		return Summary{}, err
	}
	err = p.checkTargets(parts)
	if err == nil {
		err = out.Open(hard)
	}
	if err != nil {
		return Summary{}, errors.Join(err, runner.Close())
	}
	err = runner.Run(ctx, hard, parts)
	if err != nil {
		// The run is over; a sink that hangs must not keep it from ending.
		t := time.AfterFunc(p.spec.ShutdownTimeout, func() { cancel(err) })
		defer t.Stop()
	}
	if cerr := out.Close(hard); err == nil || errors.Is(err, context.Canceled) {
		err = errors.Join(err, cerr)
	}
	if cause := context.Cause(hard); cause != nil && err == nil {
		err = cause
	}
	p.run.mu.Lock()
	p.run.ended = time.Now()
	p.run.mu.Unlock()
	s := p.Progress()
	s.Interrupted = ctx.Err() != nil && !runner.Ended()
	if s.Interrupted {
		s.DroppedWindows = runner.OpenWindows()
	}
	return s, err
}

// boundDrain ends the run when draining, after ctx has ended, takes longer than
// the shutdown timeout.
func (p *Pipeline) boundDrain(ctx, hard context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-hard.Done():
		return
	}
	t := time.NewTimer(p.spec.ShutdownTimeout)
	defer t.Stop()
	select {
	case <-t.C:
		cancel(fmt.Errorf("not drained within the shutdown timeout of %v: raise shutdown_timeout, or see why a sink is slow", p.spec.ShutdownTimeout))
	case <-hard.Done():
	}
}

// lanes are the sinks in the order in which they are opened.
func (p *Pipeline) lanes() []delivery.Lane {
	var lanes []delivery.Lane
	for _, c := range p.spec.Sinks {
		lanes = append(lanes, delivery.Lane{Kind: delivery.Results, Config: c})
	}
	side := func(k delivery.Kind, c *sink.Config, name string) {
		if c != nil {
			l := delivery.Lane{Kind: k, Config: *c}
			l.Name = cmp.Or(l.Name, name)
			lanes = append(lanes, l)
		}
	}
	side(delivery.Late, p.spec.LateEvents, "late_events")
	side(delivery.Dead, p.spec.DeadLetters, "dead_letters")
	return lanes
}

func (p *Pipeline) newRunner(out *delivery.Delivery) (*engine.Runner, error) {
	s := &p.spec
	timePath, err := fieldPath(s.Event.TimeField)
	if err != nil {
		return nil, err
	}
	opt := decode.Options{
		Format: string(s.Event.Format), TimePath: timePath, TimeFormat: string(s.Event.TimeFormat),
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
		Bound: w.MaxOutOfOrderness, EveryEvent: w.Emit == EveryEvent, Interval: w.Interval,
		IdleTimeout: w.IdleTimeout, CloseWhenIdle: w.WhenIdle == Close, MaxDrift: w.MaxDrift,
		Limits: engine.Limits{Keys: s.Limits.Keys, Windows: s.Limits.Windows, Memory: s.Limits.Memory, Stop: s.Limits.OnExceed == Stop},
		OnDead: p.onDead(out), NewBatch: out.Batch,
		Emit: func(ctx context.Context, b *result.Batch) error {
			if s.LateEvents == nil {
				p.run.sampler.late(b.Late)
			}
			return out.Send(ctx, b)
		},
	}), nil
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

// onDead treats undecodable and refused records as event.on_error says.
func (p *Pipeline) onDead(out *delivery.Delivery) func(context.Context, []result.DeadLetter) error {
	return func(ctx context.Context, dead []result.DeadLetter) error {
		for i := range dead {
			if len(dead[i].Queries) > 0 {
				p.run.refused.Add(1)
			}
		}
		switch p.spec.Event.OnError {
		case Fail:
			d := &dead[0]
			return fmt.Errorf("record at %s offset %d cannot be processed (%s): %s; event.on_error is fail, dead_letter would go on", place(d.Source), d.Source.Offset, d.Reason, d.Err)
		case Skip:
			return nil
		}
		if p.spec.DeadLetters == nil {
			p.run.sampler.dead(dead)
			return nil
		}
		b := out.Batch()
		b.Dead = append(b.Dead, dead...)
		return out.Send(ctx, b)
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
	r, started, ended := p.runner, p.run.started, p.run.ended
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
	for i, q := range p.plan.Queries {
		c := r.Counters(i)
		s.Queries = append(s.Queries, Ledger{
			Query: q.Info.Name, Read: c.Read, InWindows: c.InWindows, Late: c.Late, Dead: c.Dead,
			Filtered: c.Filtered, Unwindowed: c.Unwindowed, Overflow: c.Overflow, Results: c.Results,
		})
		s.Late += c.Late
		s.Results += c.Results
	}
	return s
}
