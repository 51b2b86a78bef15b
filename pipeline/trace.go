package pipeline

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
	"github.com/llm-optimizer/processor/source"
)

// tracing is what else is known of a pipeline's spans, beside Spec.Tracer.
type tracing struct {
	// off says that the tracer makes nothing.
	off bool
	// parents is engine.Tracing.Parents.
	parents int
}

// traceParent is where records say which trace they belong to (W3C Trace
// Context), in a source that hands headers over.
var traceParent = []string{"$header", "traceparent"}

// bindTracing asks for the traces of records, after all that is read of them:
// the decoder passes over columns that it does not know.
func (v *validator) bindTracing(s *Spec, src source.Attributer, asked int) {
	if s.Tracer != nil && v.trace.parents == 0 && src.Attribute(traceParent) {
		v.trace.parents = asked + 1
	}
}

// settleTracer puts a tracer that makes nothing in the place of none, so that
// nobody has to ask.
func (v *validator) settleTracer(s *Spec) {
	if s.Tracer == nil {
		s.Tracer = noop.NewTracerProvider().Tracer("")
		v.trace.off = true
	}
}

// traceBatches is how the engine makes spans; nil for none.
func (p *Pipeline) traceBatches() *engine.Tracing {
	if p.trace.off || p.spec.TraceBatches <= 0 {
		return nil
	}
	return &engine.Tracing{Tracer: p.spec.Tracer, Share: p.spec.TraceBatches, Parents: p.trace.parents}
}

// traceDeliveries has the delivery make spans, if there are any.
func (p *Pipeline) traceDeliveries(out *delivery.Delivery) {
	if !p.trace.off {
		out.Trace(p.spec.Tracer)
	}
}

// endSpan ends a span with what became of it.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// endRecovery ends the span of a recovery.
func (r *recovery) endRecovery(span trace.Span, d *durable, runner *engine.Runner, err error) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String("processor.state", r.p.spec.State.Store.String()))
		if err == nil {
			span.SetAttributes(
				attribute.Int64("processor.epoch", int64(d.record.Number)),
				attribute.Int64("processor.open_windows", runner.OpenWindows()),
				attribute.Int("processor.partitions", len(d.snapshot.Partitions)),
			)
		}
	}
	endSpan(span, err)
}

// tracedCommit is commit in a span that begins with the cut. It is the first of
// its trace: what sinks are given of the epoch follows in it.
func (d *durable) tracedCommit(ctx context.Context, cut *engine.Cut) error {
	ctx, span := d.tracer.Start(ctx, "epoch", trace.WithNewRoot(), trace.WithTimestamp(cut.Time))
	number := d.record.Number + 1
	d.out.EpochSpan(number, span.SpanContext())
	err := d.commit(ctx, cut)
	if span.IsRecording() {
		changes, bytes := 0, d.meta.Size()
		for _, b := range cut.Changes {
			changes, bytes = changes+b.Len(), bytes+b.Size()
		}
		span.SetAttributes(
			attribute.Int64("processor.epoch", int64(number)),
			attribute.Int("processor.changes", changes),
			attribute.Int("processor.bytes", bytes),
			attribute.Int("processor.partitions", len(cut.Partitions)),
			attribute.Float64("processor.stall_ms", float64(cut.Stall)/1e6),
		)
	}
	endSpan(span, err)
	return err
}

// traceCheckpoint begins the span of a checkpoint.
func (d *durable) traceCheckpoint(ctx context.Context) (context.Context, trace.Span) {
	return d.tracer.Start(ctx, "checkpoint", trace.WithNewRoot(), trace.WithAttributes(attribute.String("processor.state", d.spec.Store.String())))
}
