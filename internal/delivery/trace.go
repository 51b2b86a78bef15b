package delivery

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// tracing makes a span of each delivery: a write to a sink, or of several and
// the commit that follows. Without a tracer it makes none.
type tracing struct {
	tracer trace.Tracer
	mu     sync.Mutex
	// epochs are the spans of the last epochs, by number modulo their number.
	epochs [tracedEpochs]epochSpan
}

// tracedEpochs is how far a lane may be behind and its deliveries still belong
// to the traces of their epochs.
const tracedEpochs = 256

type epochSpan struct {
	number uint64
	span   trace.SpanContext
}

// maxLinks is how many more epochs a delivery's span is linked with: a lane that
// is behind writes very many at once.
const maxLinks = 8

// Trace has spans made of deliveries. It comes before Run.
func (d *Delivery) Trace(t trace.Tracer) { d.trace.tracer = t }

// EpochSpan says in which span an epoch is made durable: deliveries of its rows
// belong to it. It comes before Committed.
func (d *Delivery) EpochSpan(n uint64, span trace.SpanContext) {
	t := &d.trace
	if t.tracer == nil || !span.IsValid() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epochs[n%tracedEpochs] = epochSpan{n, span}
}

// spansOf are the spans of the epochs of entries, as far as they are known.
func (t *tracing) spansOf(entries []*entry) (spans []trace.SpanContext) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range entries {
		if s := t.epochs[e.Epoch%tracedEpochs]; s.number == e.Epoch && s.span.IsValid() {
			if spans = append(spans, s.span); len(spans) > maxLinks {
				break
			}
		}
	}
	return spans
}

// begin begins the span of a delivery to a lane: in the trace of the first
// epoch it is of, linked with those of the others; by itself if none is known,
// as after a restart. done ends it, and drops one in which the lane got nothing.
func (t *tracing) begin(ctx context.Context, l *lane, entries []*entry) (_ context.Context, done func(error)) {
	if t.tracer == nil {
		return ctx, func(error) {}
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attribute.String("processor.sink", l.Name))}
	if spans := t.spansOf(entries); len(spans) > 0 {
		ctx = trace.ContextWithSpanContext(ctx, spans[0])
		for _, other := range spans[1:] {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: other}))
		}
	} else {
		options = append(options, trace.WithNewRoot())
	}
	ctx, span := t.tracer.Start(ctx, "delivery", options...)
	before := l.picks
	return ctx, func(err error) {
		rows := l.picks - before
		if rows == 0 && err == nil {
			return // never ended, so never sent
		}
		span.SetAttributes(attribute.Int("processor.rows", rows))
		if n := len(entries); n > 0 {
			span.SetAttributes(attribute.Int64("processor.epoch", int64(entries[n-1].Epoch)), attribute.Int("processor.epochs", n))
		}
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}
