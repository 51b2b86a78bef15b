package pipeline

import (
	"log/slog"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
)

// Spec is a whole pipeline as plain data: what both the YAML config and the
// builder make. Fill it from DefaultSpec.
type Spec struct {
	// Name names the pipeline in results' ids and messages: [a-z0-9-].
	Name string
	// Workers is how many goroutines decode and combine; 0 means GOMAXPROCS.
	Workers   int
	Source    source.Source
	Event     EventSpec
	Watermark WatermarkSpec
	// Operators run on every decoded batch, before the queries.
	Operators []operator.Operator
	Queries   []query.Query
	Sinks     []sink.Config
	// LateEvents and DeadLetters take the side outputs; nil counts and
	// samples them.
	LateEvents, DeadLetters *sink.Config
	Limits                  LimitSpec
	// ShutdownTimeout bounds the drain after Run's context ends. The default
	// is 30 s.
	ShutdownTimeout time.Duration
	// Logger gets the log; nil means slog.Default().
	Logger *slog.Logger
}

// Format is the shape of records.
type Format string

// The formats.
const (
	JSON        Format = "json"
	CloudEvents Format = "cloudevents"
	// Auto tells the Collector's shapes apart by their keys.
	Auto Format = "auto"
)

// OnError says what happens to a record that cannot be decoded.
type OnError string

// The ways to treat bad records.
const (
	ToDeadLetter OnError = "dead_letter"
	// Skip counts the record and does nothing else.
	Skip OnError = "skip"
	// Fail ends the pipeline with the record's position.
	Fail OnError = "fail"
)

// EventSpec says how records become events.
type EventSpec struct {
	Format     Format
	TimeField  string
	TimeFormat event.TimeFormat
	// Fields are computed once per event and usable like any field, also by
	// the fields after them.
	Fields  []Field
	OnError OnError
	// MaxRecordBytes is the size of the largest record; the default is 1 MiB.
	MaxRecordBytes int
	// MaxFuture refuses events that far beyond the wall clock, for live
	// sources. The default is 1 h; 0 is off.
	MaxFuture time.Duration
}

// Field is a computed field.
type Field struct{ Name, Expr string }

// Emit says when firings happen.
type Emit string

const (
	// Periodic fires at batch ends, at most every WatermarkSpec.Interval.
	Periodic Emit = "periodic"
	// EveryEvent fires after each event.
	EveryEvent Emit = "every_event"
)

// WhenIdle says what the watermark does while all partitions are idle.
type WhenIdle string

const (
	// Close moves it on by the wall clock until the last window has closed.
	Close WhenIdle = "close"
	// Hold keeps it still.
	Hold WhenIdle = "hold"
)

// WatermarkSpec says how event time advances.
type WatermarkSpec struct {
	// MaxOutOfOrderness is how far behind the newest event of its partition
	// an event may be and still be on time. The default is 5 s.
	MaxOutOfOrderness time.Duration
	// Emit is Periodic by default, every Interval (5 ms).
	Emit     Emit
	Interval time.Duration
	// IdleTimeout is after how long a partition with nothing to read stops
	// holding the others back. The default is 30 s; 0 is never.
	IdleTimeout time.Duration
	// WhenIdle is Close by default for live sources, else Hold.
	WhenIdle WhenIdle
	// MaxDrift is how far a partition may run ahead of the slowest active
	// one. The default is 10 m; 0 is no limit.
	MaxDrift time.Duration
}

// OnExceed says what happens when a limit is reached.
type OnExceed string

const (
	// Overflow counts new keys under one group, __overflow__.
	Overflow OnExceed = "overflow"
	// Stop ends the pipeline with an error.
	Stop OnExceed = "stop"
)

// LimitSpec bounds state. 0 is no limit.
type LimitSpec struct {
	// Keys and Windows bound the live keys and the live windows of each
	// query, Memory the bytes of all state.
	Keys, Windows int
	Memory        int64
	OnExceed      OnExceed
}

// DefaultSpec returns a Spec with every default of the documentation.
func DefaultSpec() Spec {
	return Spec{
		Event: EventSpec{
			Format: JSON, OnError: ToDeadLetter, MaxRecordBytes: 1 << 20, MaxFuture: time.Hour,
		},
		Watermark: WatermarkSpec{
			MaxOutOfOrderness: 5 * time.Second, Emit: Periodic, Interval: 5 * time.Millisecond,
			IdleTimeout: 30 * time.Second, MaxDrift: 10 * time.Minute,
		},
		Limits:          LimitSpec{OnExceed: Overflow},
		ShutdownTimeout: 30 * time.Second,
	}
}
