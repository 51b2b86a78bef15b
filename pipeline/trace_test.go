package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/state/pebble"
)

// spans is a tracer that keeps what it has made.
type spans struct{ *tracetest.SpanRecorder }

func record() (trace.Tracer, spans) {
	r := tracetest.NewSpanRecorder()
	return sdk.NewTracerProvider(sdk.WithSpanProcessor(r)).Tracer("test"), spans{r}
}

// named are the spans that have ended, by name.
func (s spans) named(name string) (out []sdk.ReadOnlySpan) {
	for _, span := range s.Ended() {
		if span.Name() == name {
			out = append(out, span)
		}
	}
	return out
}

// value is an attribute of a span.
func value(s sdk.ReadOnlySpan, key string) attribute.Value {
	for _, a := range s.Attributes() {
		if string(a.Key) == "processor."+key {
			return a.Value
		}
	}
	return attribute.Value{}
}

// sum adds an attribute up.
func sum(all []sdk.ReadOnlySpan, key string) (n int64) {
	for _, s := range all {
		n += value(s, key).AsInt64()
	}
	return n
}

// idsOf is a log that keeps which span its lines belong to.
type idsOf struct {
	slog.Handler
	mu    sync.Mutex
	lines map[string]trace.SpanContext
}

func (h *idsOf) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines[r.Message] = trace.SpanContextFromContext(ctx)
	return nil
}

func (h *idsOf) Enabled(context.Context, slog.Level) bool { return true }

func (h *idsOf) of(line string) trace.SpanID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lines[line].SpanID()
}

func newIDs() *idsOf {
	return &idsOf{Handler: slog.DiscardHandler, lines: map[string]trace.SpanContext{}}
}

func TestSpansOfARun(t *testing.T) {
	for name, store := range map[string]state.Store{"memory": memory.New(), "pebble": &pebble.Store{Path: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			k := keep(t)
			tracer, made := record()
			log := newIDs()
			out := &rows{}
			trace := func(s *pipeline.Spec) {
				s.State.Store, s.Tracer, s.TraceBatches, s.Logger = store, tracer, 1, slog.New(log)
			}
			if err := k.run(events(1, 2, 12, 25), trace, only(out)...); err != nil {
				t.Fatal(err)
			}
			checkRun(t, made, out.count())
			recovery := made.named("recovery")
			if len(recovery) != 1 || log.of("began a new state") != recovery[0].SpanContext().SpanID() {
				t.Errorf("%d recoveries, and the log says %s", len(recovery), log.of("began a new state"))
			}
			// The next run recovers what this one has left.
			if err := k.run(events(1, 2, 12, 25, 38), trace, only(out)...); err != nil {
				t.Fatal(err)
			}
			recovery = made.named("recovery")
			if len(recovery) != 2 || value(recovery[1], "epoch").AsInt64() == 0 || log.of("recovered state") != recovery[1].SpanContext().SpanID() {
				t.Errorf("the second recovery is %v, and the log says %s", recovery, log.of("recovered state"))
			}
		})
	}
}

// checkRun looks at the spans of a run on four events in four chunks.
func checkRun(t *testing.T, made spans, results int) {
	t.Helper()
	batches := made.named("batch")
	if len(batches) != 4 || sum(batches, "events") != 4 {
		t.Errorf("%d batches of %d events", len(batches), sum(batches, "events"))
	}
	var offsets []int64
	for _, b := range batches {
		offsets = append(offsets, value(b, "offset").AsInt64())
		if value(b, "partition").AsString() != "tape" || b.Parent().IsValid() || !b.EndTime().After(b.StartTime()) {
			t.Errorf("a batch is %v of %v", b.Attributes(), b.Parent())
		}
	}
	if slices.Sort(offsets); !slices.Equal(offsets, []int64{0, 16, 32, 49}) {
		t.Errorf("the batches are at %v", offsets)
	}
	epochs := map[int64]trace.SpanContext{}
	for _, e := range made.named("epoch") {
		epochs[value(e, "epoch").AsInt64()] = e.SpanContext()
		if value(e, "bytes").AsInt64() == 0 || e.Parent().IsValid() || value(e, "stall_ms").Type() != attribute.FLOAT64 {
			t.Errorf("an epoch is %v of %v", e.Attributes(), e.Parent())
		}
	}
	if len(epochs) == 0 || sum(made.named("epoch"), "changes") == 0 {
		t.Errorf("the epochs are %v", epochs)
	}
	deliveries := made.named("delivery")
	if n := sum(deliveries, "rows"); n != int64(results) || results == 0 {
		t.Errorf("%d rows in spans of deliveries, %d in the sink", n, results)
	}
	for _, d := range deliveries {
		own := value(d, "epoch").AsInt64() - value(d, "epochs").AsInt64() + 1
		if parent := epochs[own]; value(d, "sink").AsString() != "out" || d.Parent().SpanID() != parent.SpanID() || d.SpanContext().TraceID() != parent.TraceID() {
			t.Errorf("a delivery is %v of %v, want of %v", d.Attributes(), d.Parent(), parent)
		}
	}
}

// Without state each write is a trace, and without a share no batch has a span.
func TestSpansWithoutState(t *testing.T) {
	tracer, made := record()
	out := &rows{}
	spec := keep(t).spec
	spec.State.Store, spec.Source, spec.Sinks, spec.Tracer, spec.Logger = nil, events(1, 12, 25), only(out), tracer, quiet
	p, err := pipeline.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliveries := made.named("delivery")
	if n := sum(deliveries, "rows"); n != int64(out.count()) || n == 0 || len(made.Ended()) != len(deliveries) {
		t.Errorf("%d rows in %d deliveries of %d spans", n, len(deliveries), len(made.Ended()))
	}
}

func TestSpansOfFailures(t *testing.T) {
	k := keep(t)
	tracer, made := record()
	trace := func(s *pipeline.Spec) { s.Tracer = tracer }
	if err := k.run(events(1, 12, 25), trace, only(&rows{write: errTest})...); err == nil {
		t.Fatal("the run does not fail")
	}
	failed := func(name, says string) bool {
		return slices.ContainsFunc(made.named(name), func(s sdk.ReadOnlySpan) bool {
			return s.Status().Code == codes.Error && strings.Contains(s.Status().Description, says) && len(s.Events()) == 1
		})
	}
	if !failed("delivery", errTest.Error()) {
		t.Errorf("the deliveries are %v", made.named("delivery"))
	}
	db, err := k.store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := k.run(events(1), trace, only(&rows{})...); err == nil || !failed("recovery", "opening the state") {
		t.Errorf("the run ends with %v, the recoveries are %v", err, made.named("recovery"))
	}
}

func TestSpansOfCheckpoints(t *testing.T) {
	k := keep(t)
	tracer, made := record()
	src := &feed{lines: make(chan string)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := k.runFor(ctx, src, func(s *pipeline.Spec) {
			s.Tracer, s.State.CheckpointEvery = tracer, time.Millisecond
		}, only(&rows{})...)
		done <- err
	}()
	eventually(t, "the span of a checkpoint", func() bool { return len(made.named("checkpoint")) > 0 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// tracked is a source whose records have headers beside them, with the trace
// that each belongs to.
type tracked struct {
	*tape
	asked   []string
	parents []string
}

func (s *tracked) Attribute(path []string) bool {
	s.asked = append(s.asked, strings.Join(path, "."))
	return path[0] == "$header" || path[0] == "$timestamp"
}

func (s *tracked) Open(context.Context) ([]source.Partition, error) {
	return []source.Partition{trackedPartition{tapePartition{s.tape}, s}}, nil
}

type trackedPartition struct {
	tapePartition
	s *tracked
}

func (p trackedPartition) Read(ctx context.Context, c *source.Chunk) error {
	from := p.at
	if err := p.tapePartition.Read(ctx, c); err != nil {
		return err
	}
	c.Spans, c.Offsets = append(c.Spans, event.Ref{Len: uint32(len(c.Data) - 1)}), append(c.Offsets, int64(from))
	n := strings.Count(p.text[:from], "\n")
	for len(c.Attributes) < len(p.s.asked) {
		c.Attributes = append(c.Attributes, event.Column{})
	}
	for i, name := range p.s.asked {
		kind, num, text := event.String, 0.0, name
		switch name {
		case "$timestamp":
			kind, num, text = event.Number, float64(1000+10*n), ""
		case "$header.traceparent":
			text = p.s.parents[n]
		}
		a := &c.Attributes[i]
		a.Kind, a.Num = append(a.Kind, kind), append(a.Num, num)
		a.Str = append(a.Str, event.Ref{Off: uint32(len(c.Data)), Len: uint32(len(text))})
		c.Data = append(c.Data, text...)
	}
	return nil
}

// parent is a traceparent with a trace and a span of a number.
func parent(n int) string { return fmt.Sprintf("00-%032x-%016x-01", n, n) }

func TestBatchesAreLinkedWithTheTracesOfRecords(t *testing.T) {
	for name, c := range map[string]struct {
		key   string
		asked []string
	}{
		"none reads it": {"$header.tenant", []string{"$header.tenant", "$timestamp", "$header.traceparent"}},
		"the key is it": {"$header.traceparent", []string{"$header.traceparent", "$timestamp"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := keep(t)
			tracer, made := record()
			src := &tracked{tape: events(1, 2, 3), parents: []string{parent(1), "nonsense", parent(3)}}
			out := &rows{}
			_, err := k.runFor(t.Context(), src, func(s *pipeline.Spec) {
				s.Tracer, s.TraceBatches = tracer, 1
				s.Event.TimeField = "$timestamp"
				s.Queries[0].Key = []query.KeyField{{Name: "who", Expr: c.key}}
			}, only(out)...)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "the attributes that were asked for", src.asked, c.asked...)
			var links []string
			for _, b := range made.named("batch") {
				for _, l := range b.Links() {
					links = append(links, l.SpanContext.TraceID().String()+" "+value(b, "offset").String())
				}
			}
			checkSet(t, "the links", links, fmt.Sprintf("%032x 0", 1), fmt.Sprintf("%032x 32", 3))
			// What is read of the headers is what it was without a tracer.
			want := map[string]string{"$header.tenant": `{"who":"$header.tenant"} [1000,`, "$header.traceparent": `{"who":"` + parent(1) + `"} [1000,`}[c.key]
			if got := strings.Join(out.all(), "\n"); !strings.Contains(got, want) {
				t.Errorf("the rows lack %s:\n%s", want, got)
			}
		})
	}
}

// Without a tracer nobody asks which traces records belong to.
func TestNoTracerAsksForNothing(t *testing.T) {
	k := keep(t)
	src := &tracked{tape: events(1)}
	if _, err := k.runFor(t.Context(), src, func(s *pipeline.Spec) { s.TraceBatches = 1 }, only(&rows{})...); err != nil {
		t.Fatal(err)
	}
	check(t, "the attributes that were asked for", src.asked)
	spec := k.spec
	spec.Source, spec.Sinks, spec.TraceBatches = events(1), only(&rows{}), 2
	if _, err := pipeline.Build(spec); err == nil || !strings.Contains(err.Error(), "from 0 to 1") {
		t.Errorf("a share of 2 gives %v", err)
	}
}
