package pipeline_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// call is what typed sources are tested with.
type call struct {
	at     int64 // milliseconds
	model  string
	tenant string
	ms     float64
	failed bool
	extra  event.Value
}

func (c call) time() time.Time { return time.UnixMilli(c.at) }

var callFields = []pipeline.TypedField[call]{
	pipeline.Str("metadata.tenant", func(c call) string { return c.tenant }),
	pipeline.Num("ms", func(c call) float64 { return c.ms }),
	pipeline.Str("model", func(c call) string { return c.model }),
	pipeline.Flag("metadata.failed", func(c call) bool { return c.failed }),
	pipeline.Val("extra", func(c call) event.Value { return c.extra }),
}

func seqOf(calls ...call) *pipeline.Typed[call] {
	return pipeline.FromSeq(slices.Values(calls), call.time, callFields...)
}

func chanOf(calls ...call) *pipeline.Typed[call] {
	ch := make(chan call, len(calls))
	for _, c := range calls {
		ch <- c
	}
	close(ch)
	return pipeline.FromChan(ch, call.time, callFields...)
}

// typed is a pipeline over a typed source.
func typed(s source.Source) *pipeline.Builder {
	return pipeline.New("test").From(s).OutOfOrderness(0).Workers(2).Logger(quiet).
		Query("q").KeyBy("model").Window(window.Tumbling(10*time.Millisecond)).
		Aggregate(
			aggregate.Count().As("n"), aggregate.Sum("ms").As("ms"), aggregate.CountOf("metadata.failed == true").As("failed"),
			aggregate.Last("metadata.tenant").As("tenant"), aggregate.Last("extra").As("extra"))
}

func TestTypedSources(t *testing.T) {
	calls := []call{
		{at: 1, model: "a", tenant: `say "hi"`, ms: 1.5},
		{at: 2, model: "a", tenant: "t", ms: 2, failed: true, extra: event.Int(math.MaxInt64)},
		{at: 3, model: "", ms: -0.5, extra: event.Text("é\n")},
		{at: 12, model: "a", tenant: "u", extra: event.Float(3)},
	}
	for name, s := range map[string]source.Source{"sequence": seqOf(calls...), "channel": chanOf(calls...)} {
		var out rows
		sum := run(t, typed(s).To(&out))
		checkSet(t, name+": rows", out.got,
			`q {"model":"a"} [0,10) on_time 0 n=2 ms=3.5 failed=1 tenant="t" extra=9223372036854775807`,
			`q {"model":""} [0,10) on_time 0 n=1 ms=-0.5 failed=0 tenant="" extra="é\n"`,
			`q {"model":"a"} [10,20) on_time 0 n=1 ms=0 failed=0 tenant="u" extra=3`)
		if sum.Events != 4 {
			t.Errorf("%s: %d events", name, sum.Events)
		}
	}
}

// The same events as structs and as JSON give the same results and the same
// bytes in side outputs.
func TestTypedAgreesWithJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var calls []call
		var text []string
		extras := []event.Value{{}, event.Bool(true), event.Int(7), event.Int(math.MinInt64), event.Text("\t"), event.Float(0.25), event.JSONValue(`[1,{"a":null}]`)}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			c := call{
				at: rapid.Int64Range(0, 60).Draw(t, "at"), model: rapid.SampledFrom([]string{"a", "b", "\"", "ü"}).Draw(t, "model"),
				tenant: rapid.String().Draw(t, "tenant"), ms: rapid.Float64Range(-1e9, 1e9).Draw(t, "ms"),
				failed: rapid.Bool().Draw(t, "failed"), extra: rapid.SampledFrom(extras).Draw(t, "extra"),
			}
			calls = append(calls, c)
			line := []byte(`{"t":`)
			line = event.Int(c.at).AppendJSON(line)
			line = append(line, ',')
			text = append(text, string(append(line, rawOf(c)[1:]...)))
		}
		var fromJSON, fromStructs rows
		exec := func(b *pipeline.Builder, out *rows) {
			p, err := b.Emit(pipeline.EveryEvent).To(out).LateEventsTo(out).DeadLettersTo(out).Build()
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Queries[0].Check(); err != nil {
				t.Fatal(err)
			}
		}
		exec(typed(seqOf(calls...)), &fromStructs)
		exec(typed(lines(text...)).EventTime("t", event.UnixMilli), &fromJSON)
		if !slices.Equal(fromJSON.got, fromStructs.got) {
			t.Fatalf("rows are\n%s\nfrom JSON\n%s", strings.Join(fromStructs.got, "\n"), strings.Join(fromJSON.got, "\n"))
		}
		if len(fromJSON.late) != len(fromStructs.late) || len(fromJSON.dead) != len(fromStructs.dead) {
			t.Fatalf("late %d and %d, dead %d and %d", len(fromStructs.late), len(fromJSON.late), len(fromStructs.dead), len(fromJSON.dead))
		}
	})
}

// rawOf is the JSON of a call, written apart.
func rawOf(c call) string {
	b := []byte(`{"metadata":{"tenant":`)
	b = event.AppendString(b, c.tenant)
	b = append(b, `,"failed":`...)
	b = event.Bool(c.failed).AppendJSON(b)
	b = append(b, `},"ms":`...)
	b = event.AppendFloat(b, c.ms)
	b = append(b, `,"model":`...)
	b = event.AppendString(b, c.model)
	b = append(b, `,"extra":`...)
	b = c.extra.AppendJSON(b)
	return string(append(b, '}'))
}

func TestTypedSideOutputs(t *testing.T) {
	var out, late, dead rows
	beyond := time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	zero := time.Time{}.UnixMilli()
	s := run(t, typed(seqOf(
		call{at: 30, model: "a", ms: 1},
		call{at: 2, model: "a", tenant: "t", ms: 1},
		call{at: 31, model: "b", ms: math.NaN()},
		call{at: 31, model: "a\xff"},
		call{at: 31, extra: event.Value{Kind: event.Number, Num: math.Inf(1)}},
		call{at: 31, extra: event.Text("\xff")},
		call{at: beyond, model: "c"},
		call{at: zero, model: "c"},
		call{at: 32, model: "a", extra: event.JSONValue(`{"a":[]}`)},
	).Named("calls")).To(&out).LateEventsTo(&late).DeadLettersTo(&dead))
	check(t, "late events", late.late,
		`{"query":"q","source":{"path":"calls","partition":0,"offset":1},"timestamp":"1970-01-01T00:00:00.002Z","watermark":"1970-01-01T00:00:00.029999999Z","late_by_ms":27.999999,"event":{"metadata":{"tenant":"t","failed":false},"ms":1,"model":"a","extra":null}}`)
	check(t, "dead letters", dead.dead,
		`{"source":{"path":"calls","partition":0,"offset":2},"reason":"number","error":"ms is NaN or infinite; a field that may have no number is declared with Val and null then","raw":"{\"metadata\":{\"tenant\":\"\",\"failed\":false},\"ms\":null,\"model\":\"b\",\"extra\":null}"}`,
		`{"source":{"path":"calls","partition":0,"offset":3},"reason":"utf8","error":"model is not valid UTF-8","raw":"eyJtZXRhZGF0YSI6eyJ0ZW5hbnQiOiIiLCJmYWlsZWQiOmZhbHNlfSwibXMiOjAsIm1vZGVsIjoiYf8iLCJleHRyYSI6bnVsbH0=","encoding":"base64"}`,
		`{"source":{"path":"calls","partition":0,"offset":4},"reason":"number","error":"extra is NaN or infinite; a field that may have no number is declared with Val and null then","raw":"{\"metadata\":{\"tenant\":\"\",\"failed\":false},\"ms\":0,\"model\":\"\",\"extra\":null}"}`,
		`{"source":{"path":"calls","partition":0,"offset":5},"reason":"utf8","error":"extra is not valid UTF-8","raw":"eyJtZXRhZGF0YSI6eyJ0ZW5hbnQiOiIiLCJmYWlsZWQiOmZhbHNlfSwibXMiOjAsIm1vZGVsIjoiIiwiZXh0cmEiOiL/In0=","encoding":"base64"}`,
		`{"source":{"path":"calls","partition":0,"offset":6},"reason":"time","error":"the time is 3000-01-01T00:00:00Z, beyond what int64 nanoseconds hold (1677-09-21 to 2262-04-11)","raw":"{\"metadata\":{\"tenant\":\"\",\"failed\":false},\"ms\":0,\"model\":\"c\",\"extra\":null}"}`,
		`{"source":{"path":"calls","partition":0,"offset":7},"reason":"no_time","error":"the time is the zero time, so the event has no time","raw":"{\"metadata\":{\"tenant\":\"\",\"failed\":false},\"ms\":0,\"model\":\"c\",\"extra\":null}"}`,
		`{"source":{"path":"calls","partition":0,"offset":8},"reason":"type","error":"extra is of kind object or array, it must be a string, number or boolean","queries":["q"],"raw":"{\"metadata\":{\"tenant\":\"\",\"failed\":false},\"ms\":0,\"model\":\"a\",\"extra\":{\"a\":[]}}"}`)
	if want := (pipeline.Ledger{Query: "q", Read: 9, InWindows: 1, Late: 1, Dead: 7, Results: 1}); s.Queries[0] != want {
		t.Errorf("ledger is %+v, want %+v", s.Queries[0], want)
	}
}

// Times of the far future are refused from a channel, not from a sequence.
func TestTypedFarFuture(t *testing.T) {
	future := call{at: time.Now().Add(2 * time.Hour).UnixMilli(), model: "a"}
	var dead rows
	if s := run(t, typed(chanOf(future)).To(&rows{}).DeadLettersTo(&dead)); s.Dead != 1 || !strings.Contains(dead.dead[0], "more than 1h0m0s in the future") {
		t.Errorf("%d dead: %v", s.Dead, dead.dead)
	}
	if s := run(t, typed(seqOf(future)).To(&rows{})); s.Dead != 0 {
		t.Errorf("%d dead of a sequence", s.Dead)
	}
}

// Many events, in chunks of whatever size: positions are their numbers and none
// is lost.
func TestTypedChunks(t *testing.T) {
	const n = 5000
	calls := func(yield func(call) bool) {
		for i := range n {
			if !yield(call{at: int64(i), model: "m", ms: float64(i)}) {
				return
			}
		}
	}
	unbuffered := make(chan call)
	go func() {
		defer close(unbuffered)
		for c := range calls {
			unbuffered <- c
		}
	}()
	for name, s := range map[string]source.Source{
		"sequence": pipeline.FromSeq(calls, call.time, callFields...),
		"channel":  pipeline.FromChan(unbuffered, call.time, callFields...),
	} {
		var out rows
		run(t, pipeline.New("test").From(s).Logger(quiet).Query("q").Window(window.Global()).
			Aggregate(aggregate.Count().As("n"), aggregate.Sum("ms").As("ms")).To(&out))
		if want := "n=5000 ms=12497500"; len(out.got) != 1 || !strings.HasSuffix(out.got[0], want) {
			t.Errorf("%s: rows are %v, want %s", name, out.got, want)
		}
	}
}

// Cancelling ends a run whose channel is open, and closes a sequence that has
// more.
func TestTypedIsCancelled(t *testing.T) {
	ended := make(chan struct{})
	endless := func(yield func(call) bool) {
		defer close(ended)
		for i := int64(0); yield(call{at: i, model: "m"}); i++ {
		}
	}
	ch := make(chan call, 1)
	ch <- call{at: 1, model: "m"}
	for name, s := range map[string]source.Source{
		"sequence": pipeline.FromSeq(endless, call.time, callFields...),
		"channel":  pipeline.FromChan(ch, call.time, callFields...),
	} {
		p, stop, wait := start(t, typed(s).To(&rows{}))
		eventually(t, name+" is read", func() bool { return p.Progress().Events > 0 })
		stop()
		if o := wait(); o.err != nil || !o.Interrupted || o.DroppedWindows == 0 {
			t.Errorf("%s: %+v", name, o)
		}
	}
	<-ended
}

// A channel that falls quiet closes its last window by the clock.
func TestTypedChannelIsLive(t *testing.T) {
	ch := make(chan call)
	var out rows
	w := pipeline.DefaultSpec().Watermark
	w.MaxOutOfOrderness, w.IdleTimeout = 0, 10*time.Millisecond
	_, stop, wait := start(t, typed(pipeline.FromChan(ch, call.time, callFields...)).Watermark(w).To(&out))
	ch <- call{at: 1, model: "m"}
	eventually(t, "the window fires", func() bool { return out.count() == 1 })
	stop()
	if o := wait(); o.err != nil {
		t.Error(o.err)
	}
}

// The contract of a partition, as the conformance suite of sources would ask.
func TestTypedPartition(t *testing.T) {
	for name, s := range map[string]source.Source{"sequence": seqOf(call{}, call{}), "channel": chanOf(call{}, call{})} {
		parts, err := s.Open(t.Context())
		if err != nil || len(parts) != 1 {
			t.Fatal(parts, err)
		}
		if _, err := s.Discover(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("%s: Discover returns %v", name, err)
		}
		p := parts[0]
		if err := p.Open(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		c := &source.Chunk{Data: []byte("left over")}
		if err := p.Read(cancelled(), c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Read with a cancelled context returns %v", name, err)
		}
		if err := p.Read(t.Context(), c); err != nil || c.Offset != 0 || c.Next != 2 || c.Fill == nil || len(c.Data) != 0 {
			t.Errorf("%s: Read returns %v and %+v", name, err, c)
		}
		for range 2 {
			if err := p.Read(t.Context(), c); !errors.Is(err, io.EOF) || c.Fill != nil {
				t.Errorf("%s: at the end Read returns %v", name, err)
			}
		}
		if err := p.Open(t.Context(), 2); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: opened in the middle: %v", name, err)
		}
		if err := errors.Join(p.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestTypedThatWasNotReadIsClosed(t *testing.T) {
	parts, err := seqOf().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := parts[0].Close(); err != nil {
		t.Error(err)
	}
}

func TestTypedProblems(t *testing.T) {
	const declared = `the typed source does not declare; it declares metadata.tenant, ms, model, metadata.failed, extra`
	num := func(call) float64 { return 0 }
	check(t, "problems", problems(t, typed(pipeline.FromChan[call](nil, nil,
		pipeline.Num("a + b", num), pipeline.Num("a.b", num), pipeline.Num("a", num), pipeline.Num("a.b", num),
		pipeline.Num("a.b.c", num), pipeline.Str[call]("model", nil))).EventTime("t", event.RFC3339).To(&rows{})),
		`source.a + b: is an expression; it has to be a field, such as timestamp, metadata.time or data["a.b"]`,
		`source.a: is declared already, or fields within it are: declare it once`,
		`source.a.b: is declared already, or fields within it are: declare it once`,
		`source.a.b.c: lies within another field, which is a value: declare only one of them`,
		`source: the channel or sequence of the typed source is nil: it would never give an event`,
		`source: the typed source has no function for the event time`,
		`source.model: the field has no function`,
		`event.time.field: the typed source has a function for the event time: leave EventTime out`)
	check(t, "problems", problems(t, typed(seqOf()).
		Apply(operator.KeyBy("by_operator", []string{"ms"}, func(r operator.Row) event.Value { return r.Value(0) })).
		Compute("twice", "ms * 2").Compute("other", "thrice + twice").
		Query("r").Filter("modle == \"a\" && twice > 0").KeyBy("by_operator").Key("t", "lower(tenant)").
		Window(window.Global()).Aggregate(aggregate.Sum("latency"), aggregate.Count().If("metadata.ok")).To(&rows{})),
		`event.fields.other: reads thrice, which `+declared,
		`queries.1.where: reads modle, which `+declared,
		`queries.1.key.t: reads tenant, which `+declared,
		`queries.1.aggregate.sum(latency): reads latency, which `+declared,
		`queries.1.aggregate.count(): reads metadata.ok, which `+declared)
	check(t, "problems", problems(t, pipeline.New("test").From(pipeline.FromSeq(iter.Seq[call](func(func(call) bool) {}), call.time)).
		Query("q").Filter("a == 1").Window(window.Global()).Aggregate(aggregate.Count()).To(&rows{})),
		`queries.0.where: reads a, which the typed source does not declare; it declares no field`)
}

// A batch that is full turns events into dead letters rather than overwrite
// anything.
func TestTypedBatchIsFull(t *testing.T) {
	s := seqOf(call{at: 1, model: "m"})
	parts, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := parts[0]
	if err := p.Open(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var c source.Chunk
	if err := p.Read(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	var b event.Batch
	b.Reset(&event.Schema{}, &event.Origin{})
	b.Extra = make([]byte, event.MaxBatchBytes-10, event.MaxBatchBytes+1000) // never touched, so no memory is used
	if err := c.Fill(&b); err != nil {
		t.Fatal(err)
	}
	if b.N != 0 || len(b.Dead) != 1 || b.Dead[0].Reason != "too_large" || len(b.Extra) != event.MaxBatchBytes-10 {
		t.Errorf("%d rows, dead %+v", b.N, b.Dead)
	}
}

// filled reads a chunk of calls and returns its events' number and Fill.
func filled(tb testing.TB, n int) func(*event.Batch) {
	tb.Helper()
	calls := func(yield func(call) bool) {
		for i := 0; yield(call{at: int64(i), model: "gpt-4o", tenant: "t-1", ms: 12.5}); i++ {
		}
	}
	parts, err := pipeline.FromSeq(calls, call.time, callFields...).Open(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	p := parts[0]
	if err := p.Open(context.Background(), 0); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	var c source.Chunk
	return func(b *event.Batch) {
		if err := p.Read(context.Background(), &c); err != nil {
			tb.Fatal(err)
		}
		if err := c.Fill(b); err != nil || b.N != n {
			tb.Fatal(b.N, err)
		}
	}
}

var typedSchema = &event.Schema{Fields: []event.Field{
	{Path: []string{"model"}, Text: true, Numeric: true}, {Path: []string{"ms"}, Numeric: true}, {Path: []string{"metadata", "tenant"}, Text: true},
}}

func TestWarmTypedSourceDoesNotAllocate(t *testing.T) {
	fill := filled(t, 1024)
	var b event.Batch
	if n := testing.AllocsPerRun(50, func() {
		b.Reset(typedSchema, nil)
		fill(&b)
	}); n > 10 { // a pool may lose its memory to the collector now and then
		t.Errorf("%v allocations a batch of 1024 events", n)
	}
}

func BenchmarkTyped(b *testing.B) {
	b.ReportAllocs()
	fill := filled(b, 1024)
	var batch event.Batch
	for b.Loop() {
		batch.Reset(typedSchema, nil)
		fill(&batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/event")
}
