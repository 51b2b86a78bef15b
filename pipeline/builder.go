package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// Builder assembles a pipeline step by step. Its methods return the Builder,
// so that they chain; nothing fails before Build, which reports everything
// that is wrong at once. Whatever is not said has the default of the
// configuration.
//
// Query begins a query, and the methods that describe one (Filter, KeyBy, Key,
// Window, AllowedLateness, Trigger, Discarding, IncludeSketches, Aggregate)
// belong to the latest. All others are about the pipeline, wherever they stand.
// A Builder is for one goroutine.
type Builder struct {
	spec     Spec
	problems []error
}

// New begins a pipeline. The name enters the ids of all results: lower-case
// letters, digits and hyphens.
func New(name string) *Builder {
	b := &Builder{spec: DefaultSpec()}
	b.spec.Name = name
	return b
}

// Build validates and plans the pipeline. Its error joins a Problem for each
// thing that is wrong (see Problems), with paths as in a config:
// "queries.0.where".
func (b *Builder) Build() (*Pipeline, error) {
	p, err := Build(b.spec)
	if len(b.problems) == 0 {
		return p, err
	}
	all := slices.Clone(b.problems)
	for _, problem := range Problems(err) {
		all = append(all, problem)
	}
	return nil, errors.Join(all...)
}

func (b *Builder) add(path, format string, args ...any) {
	b.problems = append(b.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// From sets the source.
func (b *Builder) From(s source.Source) *Builder {
	if b.spec.Source != nil {
		b.add("source", "there is a source already: a pipeline has one")
	}
	b.spec.Source = s
	return b
}

// Format is the shape of records. The default is JSON.
func (b *Builder) Format(f Format) *Builder {
	b.spec.Event.Format = f
	return b
}

// EventTime names the field that holds the event time, such as timestamp or
// metadata.time, and how it is written. Typed sources go without.
func (b *Builder) EventTime(field string, f event.TimeFormat) *Builder {
	b.spec.Event.TimeField, b.spec.Event.TimeFormat = field, f
	return b
}

// OnError says what happens to records that are no valid events. The default
// is ToDeadLetter.
func (b *Builder) OnError(do OnError) *Builder {
	b.spec.Event.OnError = do
	return b
}

// Compute adds a field that is computed once per event and usable like any
// field, also by the computed fields after it.
func (b *Builder) Compute(name, expression string) *Builder {
	b.spec.Event.Fields = append(b.spec.Event.Fields, Field{Name: name, Expr: expression})
	return b
}

// Apply adds operators. They run in the order in which they are given, before
// computed fields and queries.
func (b *Builder) Apply(operators ...operator.Operator) *Builder {
	b.spec.Operators = append(b.spec.Operators, operators...)
	return b
}

// OutOfOrderness is how far behind the newest event of its partition an event
// may be and still be on time. The default is 5 s.
func (b *Builder) OutOfOrderness(d time.Duration) *Builder {
	b.spec.Watermark.MaxOutOfOrderness = d
	return b
}

// Emit says when windows fire: Periodic, the default, or EveryEvent.
func (b *Builder) Emit(e Emit) *Builder {
	b.spec.Watermark.Emit = e
	return b
}

// Watermark sets everything about watermarks, what OutOfOrderness and Emit said
// before included. Zeros mean what they mean in a WatermarkSpec, so begin with
// DefaultSpec().Watermark; only Emit and Interval, which have no zero, keep
// their defaults.
func (b *Builder) Watermark(w WatermarkSpec) *Builder {
	usual := DefaultSpec().Watermark
	if w.Emit == "" {
		w.Emit = usual.Emit
	}
	if w.Interval == 0 {
		w.Interval = usual.Interval
	}
	b.spec.Watermark = w
	return b
}

// Workers is how many goroutines decode and combine. The default, 0, is
// GOMAXPROCS.
func (b *Builder) Workers(n int) *Builder {
	b.spec.Workers = n
	return b
}

// Limits bounds the state. Without OnExceed it is Overflow.
func (b *Builder) Limits(l LimitSpec) *Builder {
	if l.OnExceed == "" {
		l.OnExceed = Overflow
	}
	b.spec.Limits = l
	return b
}

// ShutdownTimeout bounds the drain after the context of Run ends. The default
// is 30 s.
func (b *Builder) ShutdownTimeout(d time.Duration) *Builder {
	b.spec.ShutdownTimeout = d
	return b
}

// Logger gets the log. The default, nil, is slog.Default().
func (b *Builder) Logger(l *slog.Logger) *Builder {
	b.spec.Logger = l
	return b
}

// Observe has o told what the pipeline does. The default is nobody.
func (b *Builder) Observe(o Observer) *Builder {
	b.spec.Observer = o
	return b
}

// Trace has t make spans of recovery, epochs, checkpoints and deliveries, and of
// the given share of batches (0 to 1). The default is none.
func (b *Builder) Trace(t trace.Tracer, batches float64) *Builder {
	b.spec.Tracer, b.spec.TraceBatches = t, batches
	return b
}

// To adds a sink for the results of the named queries, or of all when none is
// named. The sink is named after its type, the second of a type file-2 and so
// on; use ToNamed where a name has to stay.
func (b *Builder) To(s sink.Sink, queries ...string) *Builder {
	if s == nil {
		return b.ToNamed("", nil, queries...)
	}
	kind := kindOf(s)
	name := kind
	taken := func(c sink.Config) bool { return c.Name == name }
	for i := 2; slices.ContainsFunc(b.spec.Sinks, taken); i++ {
		name = kind + "-" + strconv.Itoa(i)
	}
	return b.ToNamed(name, s, queries...)
}

// ToNamed is To with a name for the sink, which messages use.
func (b *Builder) ToNamed(name string, s sink.Sink, queries ...string) *Builder {
	b.spec.Sinks = append(b.spec.Sinks, sink.Config{Name: name, Sink: s, Queries: queries})
	return b
}

// LateEventsTo sets the sink of the events that came after all of their windows
// were past the allowed lateness. Without one they are counted and sampled in
// the log.
func (b *Builder) LateEventsTo(s sink.Sink) *Builder {
	b.spec.LateEvents = &sink.Config{Name: lateName, Sink: s}
	return b
}

// DeadLettersTo sets the sink of the records that are no valid events. Without
// one they are counted and sampled in the log.
func (b *Builder) DeadLettersTo(s sink.Sink) *Builder {
	b.spec.DeadLetters = &sink.Config{Name: deadName, Sink: s}
	return b
}

// Query begins a query: one windowed aggregation. Its name is part of every
// result.
func (b *Builder) Query(name string) *Builder {
	b.spec.Queries = append(b.spec.Queries, query.Query{Name: name})
	return b
}

// latest is the query that a method is about, and its path. Before there is
// one it is nil, and a problem is noted.
func (b *Builder) latest(method string) (*query.Query, string) {
	n := len(b.spec.Queries)
	if n == 0 {
		b.add("queries", "%s belongs to a query, but none has begun: call Query before", method)
		return nil, ""
	}
	return &b.spec.Queries[n-1], "queries." + strconv.Itoa(n-1)
}

// Filter restricts the query to events for which the expression is true. Of
// several filters all must be.
func (b *Builder) Filter(expression string) *Builder {
	q, at := b.latest("Filter")
	if q == nil || strings.TrimSpace(expression) == "" {
		return b
	}
	if p := query.CheckExpr(at+".where", expression); p != nil {
		b.problems = append(b.problems, Problem(*p))
		return b
	}
	if q.Where == "" {
		q.Where = expression
	} else {
		q.Where = "(" + q.Where + ") && (" + expression + ")"
	}
	return b
}

// KeyBy adds fields to the grouping key, each under its path as it is written
// here: KeyBy("model", "metadata.tenant") gives results a key of model and
// "metadata.tenant", as the list [model, metadata.tenant] in a config does.
func (b *Builder) KeyBy(fields ...string) *Builder {
	q, at := b.latest("KeyBy")
	if q == nil {
		return b
	}
	for _, field := range fields {
		if query.CheckExpr("", field) == nil && query.CheckField("", field) != nil {
			b.add(at+".key."+field, "is an expression; give it a name with Key(name, expression)")
			continue
		}
		q.Key = append(q.Key, query.KeyField{Name: field, Expr: field})
	}
	return b
}

// Key adds a field or an expression to the grouping key, under a name of its
// own: Key("tenant", `coalesce(metadata.tenant, "unknown")`).
func (b *Builder) Key(name, expression string) *Builder {
	if q, _ := b.latest("Key"); q != nil {
		q.Key = append(q.Key, query.KeyField{Name: name, Expr: expression})
	}
	return b
}

// Window says which windows an event belongs to.
func (b *Builder) Window(w window.Spec) *Builder {
	if q, _ := b.latest("Window"); q != nil {
		q.Window = w
	}
	return b
}

// AllowedLateness is how long, in event time, a window is kept after its end
// for corrections. The default is 0.
func (b *Builder) AllowedLateness(d time.Duration) *Builder {
	if q, _ := b.latest("AllowedLateness"); q != nil {
		q.AllowedLateness = d
	}
	return b
}

// Trigger says when windows fire beside the end of the window, or instead.
func (b *Builder) Trigger(t window.Trigger) *Builder {
	if q, _ := b.latest("Trigger"); q != nil {
		q.Trigger = t
	}
	return b
}

// Discarding makes each firing hold what is new since the last one. By default
// it holds everything so far.
func (b *Builder) Discarding() *Builder {
	if q, _ := b.latest("Discarding"); q != nil {
		q.Accumulation = window.Discarding
	}
	return b
}

// IncludeSketches adds the mergeable sketch of each percentile to the results.
func (b *Builder) IncludeSketches() *Builder {
	if q, _ := b.latest("IncludeSketches"); q != nil {
		q.IncludeSketches = true
	}
	return b
}

// Aggregate adds aggregates to the query; results keep their order.
func (b *Builder) Aggregate(specs ...aggregate.Spec) *Builder {
	if q, _ := b.latest("Aggregate"); q != nil {
		q.Aggregates = append(q.Aggregates, specs...)
	}
	return b
}
