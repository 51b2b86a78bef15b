package pipeline_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/window"
)

// problems runs the builder and returns its problems as text.
func problems(t *testing.T, b *pipeline.Builder) []string {
	t.Helper()
	p, err := b.Build()
	if err == nil || p != nil {
		t.Fatalf("a wrong pipeline was built: %v, %v", p, err)
	}
	var out []string
	for _, problem := range pipeline.Problems(err) {
		out = append(out, problem.Error())
	}
	if strings.Join(out, "\n") != err.Error() {
		t.Errorf("the error is %q, its problems are %q", err, out)
	}
	return out
}

// The builder and a Spec written out are the same pipeline, down to the ids.
func TestBuilderMakesTheSpec(t *testing.T) {
	text := []string{
		`{"ts":1,"type":"x","model":"m","metadata":{"tenant":"t"},"latency_ms":5,"cost":2,"n":1}`,
		`{"ts":2,"type":"x","model":"m","metadata":{"tenant":"u"},"latency_ms":7,"cost":3,"n":2}`,
		`{"ts":3,"type":"y","model":"m","latency_ms":9,"n":3}`,
	}
	double := operator.Map([]string{"n"}, func(r operator.Row) { r.SetFloat(0, 2*r.Float(0)) })
	aggregates := []aggregate.Spec{aggregate.Count().As("requests"), aggregate.Percentile("latency_ms", 95).As("p95_ms"), aggregate.Sum("n2").As("n2")}

	var viaBuilder, viaSpec strings.Builder
	b := pipeline.New("llm-health").
		From(lines(text...)).
		EventTime("ts", event.UnixSec).
		Format(pipeline.Auto).
		OnError(pipeline.Skip).
		Compute("n2", "n * 2").
		Apply(double).
		OutOfOrderness(time.Second).
		Emit(pipeline.EveryEvent).
		Workers(1).
		Limits(pipeline.LimitSpec{Keys: 1}).
		ShutdownTimeout(time.Second).
		Logger(quiet).
		Query("model_minute").
		Filter(`type == "x"`).Filter("latency_ms > 0").Filter(" ").
		KeyBy("model", "metadata.tenant").Key("kind", `coalesce(kind, "none")`).
		Window(window.Tumbling(time.Minute)).AllowedLateness(30 * time.Second).
		Trigger(window.Trigger{Count: 2}).Discarding().IncludeSketches().
		Aggregate(aggregates[:2]...).Aggregate(aggregates[2]).
		Query("all").Window(window.Global()).Aggregate(aggregate.Count()).
		To(sink.NewStdout(&viaBuilder, sink.JSON))

	spec := pipeline.DefaultSpec()
	spec.Name, spec.Source, spec.Workers, spec.Logger = "llm-health", lines(text...), 1, quiet
	spec.Event.TimeField, spec.Event.TimeFormat = "ts", event.UnixSec
	spec.Event.Format, spec.Event.OnError = pipeline.Auto, pipeline.Skip
	spec.Event.Fields = []pipeline.Field{{Name: "n2", Expr: "n * 2"}}
	spec.Operators = []operator.Operator{double}
	spec.Watermark.MaxOutOfOrderness, spec.Watermark.Emit = time.Second, pipeline.EveryEvent
	spec.Limits.Keys = 1
	spec.ShutdownTimeout = time.Second
	spec.Queries = []query.Query{{
		Name: "model_minute", Where: `(type == "x") && (latency_ms > 0)`,
		Key: []query.KeyField{
			{Name: "model", Expr: "model"}, {Name: "metadata.tenant", Expr: "metadata.tenant"}, {Name: "kind", Expr: `coalesce(kind, "none")`},
		},
		Window: window.Tumbling(time.Minute), AllowedLateness: 30 * time.Second,
		Trigger: window.Trigger{Count: 2}, Accumulation: window.Discarding, IncludeSketches: true, Aggregates: aggregates,
	}, {Name: "all", Window: window.Global(), Aggregates: []aggregate.Spec{aggregate.Count()}}}
	spec.Sinks = []sink.Config{{Name: "out", Sink: sink.NewStdout(&viaSpec, sink.JSON)}}

	run(t, b)
	p, err := pipeline.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if viaBuilder.String() != viaSpec.String() || strings.Count(viaSpec.String(), "\n") != 3 {
		t.Errorf("the builder gives\n%s\nthe spec\n%s", viaBuilder.String(), viaSpec.String())
	}
	for _, want := range []string{`"key":{"model":"m","metadata.tenant":"t","kind":"none"}`, "__overflow__", `"n2":4`, "sketches"} {
		if !strings.Contains(viaBuilder.String(), want) {
			t.Errorf("%q is not in\n%s", want, viaBuilder.String())
		}
	}
}

func TestBuilderReportsEverythingAtOnce(t *testing.T) {
	b := pipeline.New("Bad Name").
		Filter("a > 1").KeyBy("x").Key("y", "z").Window(window.Global()).AllowedLateness(1).
		Trigger(window.Trigger{}).Discarding().IncludeSketches().Aggregate(aggregate.Count()).
		From(lines()).From(lines()).
		Apply(nil, operator.Filter([]string{"a +", "a + b", "n"}, nil)).
		Compute("n", "1 +").
		Workers(-1).
		Query("q").Filter("a >").Filter("b == 1").KeyBy("lower(model)", "model", "bad path").Window(window.Tumbling(0)).
		Query("q").
		To(nil).To(&rows{}, "q", "missing")
	check(t, "problems", problems(t, b),
		`queries: Filter belongs to a query, but none has begun: call Query before`,
		`queries: KeyBy belongs to a query, but none has begun: call Query before`,
		`queries: Key belongs to a query, but none has begun: call Query before`,
		`queries: Window belongs to a query, but none has begun: call Query before`,
		`queries: AllowedLateness belongs to a query, but none has begun: call Query before`,
		`queries: Trigger belongs to a query, but none has begun: call Query before`,
		`queries: Discarding belongs to a query, but none has begun: call Query before`,
		`queries: IncludeSketches belongs to a query, but none has begun: call Query before`,
		`queries: Aggregate belongs to a query, but none has begun: call Query before`,
		`source: there is a source already: a pipeline has one`,
		`queries.0.where (column 4): the expression ends too early: something is missing`,
		`queries.0.key.lower(model): is an expression; give it a name with Key(name, expression)`,
		`name: "Bad Name" is not a name: use lower-case letters, digits and hyphens`,
		`workers: -1 workers are not possible: give a number, or 0 for all processors`,
		`event.time.field: name the field that holds the event time`,
		`event.time.format: "" is unknown: use rfc3339, unix_s, unix_ms, unix_us or unix_ns`,
		`sinks.0: no sink is given`,
		`sinks.1.queries.1: there is no query "missing"`,
		`operators.0: is nil: give an operator, or leave it out`,
		`operators.1.a + (column 4): the expression ends too early: something is missing`,
		`operators.1.a + b: is an expression; it has to be a field, such as timestamp, metadata.time or data["a.b"]`,
		`operators.1.n: is a computed field; these come after operators, so compute it in the operator, or choose another name`,
		`queries.0.key.bad path (column 5): unexpected path: an operator or a bracket is missing before it, or it is too much`,
		`queries.0.window.tumbling.size: is 0s; it has to be longer than 0`,
		`queries.0.aggregate: is missing; give at least one, such as requests: count()`,
		`queries.1.name: there is a query "q" already`,
		`queries.1.window: is missing; give one of tumbling, sliding, session, calendar, global`,
		`queries.1.aggregate: is missing; give at least one, such as requests: count()`,
		`event.fields.n (column 4): the expression ends too early: something is missing`,
	)
}

// Two sinks of one type get names of their own.
func TestSinksAreNamed(t *testing.T) {
	b := counting(lines(`{"t":1,"k":"a"}`)).To(&rows{}).To(&rows{}).ToNamed("third", &rows{}).To(&rows{close: errTest})
	fails(t, b, "closing sink rows-3: out of order")
	check(t, "problems", problems(t, counting(lines()).ToNamed("a", &rows{}).ToNamed("a", &rows{})),
		`sinks.1.name: there is a sink "a" already: give each a name of its own`)
	// One name would be one place in the state, by which both were resumed.
	check(t, "problems of side outputs", problems(t, counting(lines()).ToNamed("late_events", &rows{}).ToNamed("dead_letters", &rows{}).
		LateEventsTo(&rows{}).DeadLettersTo(&rows{})),
		`late_events.name: there is a sink "late_events" already: give each a name of its own`,
		`dead_letters.name: there is a sink "dead_letters" already: give each a name of its own`)
}

// A Builder may be built twice, and go on from there.
func TestBuilderCanGoOn(t *testing.T) {
	b := counting(lines()).To(&rows{})
	first := build(t, b)
	second := build(t, b.Query("r").Window(window.Global()).Aggregate(aggregate.Count()))
	if strings.Contains(first.Explain(), "query r") || !strings.Contains(second.Explain(), "query r") {
		t.Errorf("the plans are\n%s\nand\n%s", first.Explain(), second.Explain())
	}
}

func TestWatermarkKeepsWhatHasNoZero(t *testing.T) {
	build(t, counting(lines()).To(&rows{}).Watermark(pipeline.WatermarkSpec{}))
}

func TestBuildChecksEverySetting(t *testing.T) {
	for want, set := range map[string]func(*pipeline.Spec){
		`name: "" is not a name`:                           func(s *pipeline.Spec) { s.Name = "" },
		`source: no source is given`:                       func(s *pipeline.Spec) { s.Source = nil },
		`limits: limits must not be negative`:              func(s *pipeline.Spec) { s.Limits.Keys = -1 },
		`limits.on_exceed: "x" is unknown`:                 func(s *pipeline.Spec) { s.Limits.OnExceed = "x" },
		`shutdown_timeout: must be positive`:               func(s *pipeline.Spec) { s.ShutdownTimeout = 0 },
		`event.format: "x" is unknown`:                     func(s *pipeline.Spec) { s.Event.Format = "x" },
		`event.time.field: name the field`:                 func(s *pipeline.Spec) { s.Event.TimeField = "" },
		`event.time.format: "x" is unknown`:                func(s *pipeline.Spec) { s.Event.TimeFormat = "x" },
		`event.on_error: "x" is unknown`:                   func(s *pipeline.Spec) { s.Event.OnError = "x" },
		`event.max_record_bytes: must be positive`:         func(s *pipeline.Spec) { s.Event.MaxRecordBytes = 0 },
		`event.max_future: must not be negative`:           func(s *pipeline.Spec) { s.Event.MaxFuture = -1 },
		`event.fields.: computed fields need names`:        func(s *pipeline.Spec) { s.Event.Fields = []pipeline.Field{{Expr: "1"}} },
		`watermark.max_out_of_orderness: must not be`:      func(s *pipeline.Spec) { s.Watermark.MaxOutOfOrderness = -1 },
		`watermark.emit: "x" is unknown`:                   func(s *pipeline.Spec) { s.Watermark.Emit = "x" },
		`watermark.interval: must be positive`:             func(s *pipeline.Spec) { s.Watermark.Interval = 0 },
		`watermark: idle_timeout and max_drift must not`:   func(s *pipeline.Spec) { s.Watermark.MaxDrift = -1 },
		`watermark.when_idle: "x" is unknown`:              func(s *pipeline.Spec) { s.Watermark.WhenIdle = "x" },
		`sinks: no sink is given`:                          func(s *pipeline.Spec) { s.Sinks = nil },
		`sinks.0: no sink is given`:                        func(s *pipeline.Spec) { s.Sinks[0].Sink = nil },
		`sinks.0.queries.0: there is no query "x"`:         func(s *pipeline.Spec) { s.Sinks[0].Queries = []string{"x"} },
		`late_events: no sink is given`:                    func(s *pipeline.Spec) { s.LateEvents = &sink.Config{} },
		`dead_letters: no sink is given`:                   func(s *pipeline.Spec) { s.DeadLetters = &sink.Config{} },
		`queries: no query is given`:                       func(s *pipeline.Spec) { s.Queries = nil },
		`queries.1.name: there is a query "q" already`:     func(s *pipeline.Spec) { s.Queries = append(s.Queries, s.Queries[0]) },
		`queries.0.where (column 5): `:                     func(s *pipeline.Spec) { s.Queries[0].Where = "a + )" },
		`queries.0.aggregate.p: the percentile is NaN`:     func(s *pipeline.Spec) { s.Queries[0].Aggregates = percentileNaN },
		`event.fields.n (column 4): `:                      func(s *pipeline.Spec) { s.Event.Fields = []pipeline.Field{{Name: "n", Expr: "1 +"}} },
		`operators.0: is nil`:                              func(s *pipeline.Spec) { s.Operators = []operator.Operator{nil} },
		`operators.0: map of fields ["a"] has no function`: func(s *pipeline.Spec) { s.Operators = []operator.Operator{operator.Map([]string{"a"}, nil)} },
	} {
		spec := pipeline.DefaultSpec()
		spec.Name, spec.Source = "test", lines()
		spec.Event.TimeField, spec.Event.TimeFormat = "t", event.UnixMilli
		spec.Queries = []query.Query{{Name: "q", Window: window.Global(), Aggregates: []aggregate.Spec{aggregate.Count()}}}
		spec.Sinks = []sink.Config{{Sink: &rows{}}}
		if _, err := pipeline.Build(spec); err != nil {
			t.Fatal(err)
		}
		set(&spec)
		_, err := pipeline.Build(spec)
		if got := pipeline.Problems(err); len(got) != 1 || !strings.HasPrefix(got[0].Error(), want) {
			t.Errorf("problems are %v, want one that begins with %q", got, want)
		}
	}
}

var percentileNaN = []aggregate.Spec{aggregate.Percentile("a", math.NaN()).As("p")}

func TestProblemsOfOtherErrors(t *testing.T) {
	if got := pipeline.Problems(errTest); got != nil {
		t.Errorf("problems are %v", got)
	}
	if got := pipeline.Problems(errors.Join(errTest)); got != nil {
		t.Errorf("problems are %v", got)
	}
}

// Operators come before computed fields, which may use what they set.
func TestOperatorsComeBeforeComputedFields(t *testing.T) {
	var out rows
	s := run(t, pipeline.New("test").From(lines(
		`{"t":1,"n":1,"tags":"a,b"}`, `{"t":2,"n":2,"tags":"a"}`, `{"t":3,"n":9}`, `{"t":4,"n":1,"data":{"a.test":true}}`,
	)).
		EventTime("t", event.UnixMilli).Logger(quiet).Workers(2).
		Apply(
			operator.Map([]string{"n"}, func(r operator.Row) { r.SetFloat(0, 10*r.Float(0)) }),
			operator.Filter([]string{"n"}, func(r operator.Row) bool { return r.Float(0) < 90 }),
			operator.Filter([]string{`data["a.test"]`}, func(r operator.Row) bool { return !r.Bool(0) }), // nobody else reads it
			operator.FlatMap([]string{"tags", "data[\"a.tag\"]"}, func(in operator.Row, emit func() operator.Row) {
				for tag := range strings.SplitSeq(in.Text(0), ",") {
					emit().SetText(1, tag)
				}
			}),
			operator.KeyBy("big", []string{"n"}, func(r operator.Row) event.Value { return event.Bool(r.Float(0) >= 20) }),
		).
		Compute("m", "n + 1").
		Query("q").Key("tag", `data["a.tag"]`).KeyBy("big").Window(window.Global()).
		Aggregate(aggregate.Sum("m").As("m"), aggregate.Sum("n").As("n")).
		To(&out))
	const always = "[-9223372036854,9223372036854) on_time 0"
	checkSet(t, "rows", out.got,
		`q {"tag":"a","big":false} `+always+` m=11 n=10`,
		`q {"tag":"b","big":false} `+always+` m=11 n=10`,
		`q {"tag":"a","big":true} `+always+` m=21 n=20`)
	if l := s.Queries[0]; l.Read != 5 || l.InWindows != 3 || l.Filtered != 2 {
		t.Errorf("ledger is %+v", l)
	}
}

// Events that an operator filters out still move the watermark, and so does an
// event that a flat map made nothing of.
func TestFilteredEventsMoveTheWatermark(t *testing.T) {
	for name, o := range map[string]operator.Operator{
		"filter": operator.Filter([]string{"k"}, func(r operator.Row) bool { return r.Text(0) != "x" }),
		"flat map": operator.FlatMap([]string{"k"}, func(in operator.Row, emit func() operator.Row) {
			if in.Text(0) != "x" {
				emit()
			}
		}),
	} {
		src := &feed{lines: make(chan string), live: true}
		var out rows
		_, stop, wait := start(t, counting(src).Apply(o).To(&out))
		src.lines <- `{"t":1,"k":"a"}`
		src.lines <- `{"t":10,"k":"x"}`
		eventually(t, name+": the window fires", func() bool { return out.count() == 1 })
		stop()
		if o := wait(); o.err != nil {
			t.Error(o.err)
		}
		check(t, "rows", out.all(), `q {"k":"a"} [0,10) on_time 0 n=1`)
	}
}

func TestFailingOperatorEndsTheRun(t *testing.T) {
	fails(t, counting(lines(`{"t":1,"k":"a"}`)).Apply(failing{}).To(&rows{}), "applying an operator to events of feed: out of order")
}

type failing struct{}

func (failing) Needs() []string            { return nil }
func (failing) Bind([]int) error           { return nil }
func (failing) Apply(*event.Batch) error   { return errTest }
func (f failing) Clone() operator.Operator { return f }
