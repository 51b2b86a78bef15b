package kafka

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/window"
)

// TestTracesGoThrough: the span of a batch is linked with the traces that its
// records came with, and the records that go out belong to the trace of the
// epoch that made them durable.
func TestTracesGoThrough(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	in, out := newTopic(t, brokers, 1), newTopic(t, brokers, 1)
	cl := clientOf(t, brokers)
	want := map[string]bool{}
	for n := 1; n <= 4; n++ {
		r := &kgo.Record{Topic: in, Value: fmt.Appendf(nil, `{"t":%d,"k":"a"}`, 10*n)}
		if n != 3 { // one belongs to no trace
			id := fmt.Sprintf("%032x", n)
			r.Headers = []kgo.RecordHeader{{Key: "traceparent", Value: fmt.Appendf(nil, "00-%s-%016x-01", id, n)}}
			want[id] = true
		}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	made := tracetest.NewSpanRecorder()
	spec := pipeline.DefaultSpec()
	spec.Name, spec.Workers, spec.State.Store, spec.State.CheckpointEvery = "test", 2, memory.New(), 0
	spec.Source = &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{in}, Stop: "latest"}
	spec.Event.TimeField, spec.Event.TimeFormat = "t", event.UnixMilli
	spec.Queries = []query.Query{{
		Name: "q", Key: []query.KeyField{{Name: "k", Expr: "k"}}, Window: window.Tumbling(10 * time.Millisecond),
		Aggregates: []aggregate.Spec{aggregate.Count().As("n")},
	}}
	spec.Sinks = []sink.Config{{Name: "kafka", Sink: sinkAt(brokers, out)}}
	spec.Logger = slog.New(slog.DiscardHandler)
	spec.Tracer, spec.TraceBatches = sdk.NewTracerProvider(sdk.WithSpanProcessor(made)).Tracer("test"), 1
	p, err := pipeline.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if _, err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	linked, deliveries, epochs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range made.Ended() {
		switch s.Name() {
		case "batch":
			for _, l := range s.Links() {
				linked[l.SpanContext.TraceID().String()] = true
			}
		case "delivery":
			deliveries[s.SpanContext().TraceID().String()+"-"+s.SpanContext().SpanID().String()] = true
		case "epoch":
			epochs[s.SpanContext().TraceID().String()] = true
		}
	}
	if !maps.Equal(linked, want) {
		t.Errorf("batches are linked with %v, want %v", linked, want)
	}
	settled(t, brokers, out)
	records := read(t, brokers, out, kgo.ReadCommitted())
	if len(records) != 4 {
		t.Errorf("%d records, want 4", len(records))
	}
	for _, r := range records {
		last := r.Headers[len(r.Headers)-1]
		ids := strings.Split(string(last.Value), "-")
		if last.Key != "traceparent" || len(ids) != 4 || !deliveries[ids[1]+"-"+ids[2]] || !epochs[ids[1]] {
			t.Errorf("the headers are %s, the deliveries %v", headersOf(r), slices.Sorted(maps.Keys(deliveries)))
		}
	}
}

// TestEveryRowSaysItsTrace: results, late events and dead letters; without a
// span none of them does.
func TestEveryRowSaysItsTrace(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 1)
	s := sinkAt(brokers, topic)
	s.Name = topic
	plain := s.Plain()
	if err := plain.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close(context.Background()) })
	b := rows(0, 1)
	b.Late = []result.LateEvent{{Query: "q", Source: result.Source{Topic: "in"}, Event: []byte("{}")}}
	b.Dead = []result.DeadLetter{{Source: result.Source{Topic: "in"}, Reason: "json", Raw: []byte("x")}}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	for _, ctx := range []context.Context{trace.ContextWithSpanContext(t.Context(), span), t.Context()} {
		if err := plain.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, brokers, topic, kgo.ReadCommitted())
	if len(got) != 6 {
		t.Fatalf("%d records, want 6", len(got))
	}
	for i, r := range got {
		has := strings.Contains(headersOf(r), "traceparent=00-01000000000000000000000000000000-0200000000000000-01")
		if has != (i < 3) || i >= 3 && strings.Contains(headersOf(r), "traceparent") {
			t.Errorf("record %d has the headers %s", i, headersOf(r))
		}
	}
}

// TestTroubleBelongsToItsTrace: what a sink logs within a write has its ids.
func TestTroubleBelongsToItsTrace(t *testing.T) {
	var log bytes.Buffer
	s := sinkAt([]string{"localhost:1"}, "t")
	s.Log = slog.New(spanHandler{slog.NewTextHandler(&log, nil)})
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	s.warn(trace.ContextWithSpanContext(t.Context(), span), "trouble")
	if !strings.Contains(log.String(), "span=0200000000000000") {
		t.Errorf("the log has %s", log.String())
	}
}

// spanHandler adds the span of a line's context.
type spanHandler struct{ slog.Handler }

func (h spanHandler) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("span", trace.SpanContextFromContext(ctx).SpanID().String()))
	return h.Handler.Handle(ctx, r)
}
