package delivery

import (
	"errors"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/sink"
)

// spanOf is the span of an epoch.
func spanOf(n uint64) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{byte(n >> 8), byte(n), 1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled})
}

func TestWhereADeliveryBelongs(t *testing.T) {
	r := tracetest.NewSpanRecorder()
	d := New(nil, nil)
	l := &lane{Lane: Lane{Config: sink.Config{Name: "out"}}}
	d.EpochSpan(3, spanOf(3)) // without a tracer nobody needs it
	d.Trace(sdk.NewTracerProvider(sdk.WithSpanProcessor(r)).Tracer("test"))
	for n := uint64(5); n <= 300; n++ {
		d.EpochSpan(n, spanOf(n))
	}
	entriesOf := func(from, n uint64) (all []*entry) {
		for i := range n {
			all = append(all, &entry{Pending: Pending{Epoch: from + i}})
		}
		return all
	}
	for name, c := range map[string]struct {
		entries []*entry
		parent  trace.SpanContext
		links   int
	}{
		"nothing durable":   {nil, trace.SpanContext{}, 0},
		"one epoch":         {entriesOf(200, 1), spanOf(200), 0},
		"three epochs":      {entriesOf(200, 3), spanOf(200), 2},
		"very many":         {entriesOf(100, 50), spanOf(100), maxLinks},
		"of the last run":   {entriesOf(2, 2), trace.SpanContext{}, 0},
		"long ago":          {entriesOf(20, 1), trace.SpanContext{}, 0},
		"only the new ones": {entriesOf(44, 2), spanOf(45), 0},
	} {
		r.Reset()
		_, done := d.trace.begin(t.Context(), l, c.entries)
		l.picks += 7
		done(nil)
		span := r.Ended()[0]
		if span.Parent().TraceID() != c.parent.TraceID() || span.Parent().SpanID() != c.parent.SpanID() || len(span.Links()) != c.links {
			t.Errorf("%s: the span is of %v with %d links, want %v and %d", name, span.Parent(), len(span.Links()), c.parent, c.links)
		}
	}
	r.Reset()
	_, done := d.trace.begin(t.Context(), l, entriesOf(200, 1))
	done(nil)
	if n := len(r.Ended()); n != 0 {
		t.Errorf("a delivery of nothing has a span")
	}
	_, done = d.trace.begin(t.Context(), l, entriesOf(200, 1))
	done(errors.New("refused"))
	if got := r.Ended(); len(got) != 1 || got[0].Status().Code != codes.Error || got[0].Status().Description != "refused" {
		t.Errorf("a delivery that fails is %v", got)
	}
}
