package kafka

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceParent is the header that says which trace a record belongs to (W3C
// Trace Context).
const traceParent = "traceparent"

// parentBytes is about what the header takes.
func parentBytes(parent []byte) int {
	if parent == nil {
		return 0
	}
	return len(traceParent) + len(parent) + 4 // and their lengths
}

// parentOf is the header's value for records that are written in ctx; nil when
// that has no span. A row that is delivered again is so by another span, and
// has another header: nothing else of a record depends on the delivery.
func parentOf(ctx context.Context) []byte {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return []byte(carrier[traceParent])
}
