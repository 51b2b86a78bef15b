package pipeline

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
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
	// State says where windows, positions and rows on their way survive a
	// crash. The default is nowhere: state in memory.
	State StateSpec
	// Delivery is ExactlyOnce by default. It needs a State.
	Delivery Delivery
	// ShutdownTimeout bounds the drain after Run's context ends. The default
	// is 30 s.
	ShutdownTimeout time.Duration
	// Logger gets the log; nil means slog.Default().
	Logger *slog.Logger
	// Observer is told what the pipeline does.
	Observer Observer
	// Tracer makes spans of recovery, batches, epochs, checkpoints and
	// deliveries; nil makes none.
	Tracer trace.Tracer
	// TraceBatches is the share of batches of events that have a span, from 0,
	// the default, to 1. All else has one always.
	TraceBatches float64
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
	Fields []Field
	// Dedup leaves out events that repeat an earlier one of their partition.
	Dedup   Dedup
	OnError OnError
	// MaxRecordBytes is the size of the largest record; the default is 1 MiB.
	MaxRecordBytes int
	// MaxFuture refuses events that far beyond the wall clock, for live
	// sources. The default is 1 h; 0 is off.
	MaxFuture time.Duration
}

// Dedup says how repeated events are known. It runs before the queries; an
// event without an id is never a duplicate.
type Dedup struct {
	// ID is the field or expression that events are known by; empty is off.
	ID string
	// Horizon is for how long an id is kept: until the watermark of its
	// partition passes the event's time by that much. An event older than that
	// is late for every query.
	Horizon time.Duration
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

// Delivery says when rows leave.
type Delivery string

const (
	// ExactlyOnce rows leave when their epoch is durable, so that none is
	// ever made twice.
	ExactlyOnce Delivery = "exactly_once"
	// AtLeastOnce rows leave when they are made. After a crash some are made
	// again, under the same id and perhaps holding more: the last one wins.
	AtLeastOnce Delivery = "at_least_once"
)

// OnCorruption says what a start does with damaged state.
type OnCorruption string

const (
	// FailOnCorruption stops with what is damaged.
	FailOnCorruption OnCorruption = "fail"
	// RestoreOnCorruption goes back to the newest checkpoint that is whole.
	RestoreOnCorruption OnCorruption = "restore"
)

// StateSpec says where durable state lives and how it is kept.
type StateSpec struct {
	// Store is the place: a *pebble.Store, a *redis.Store or one of your own;
	// nil keeps state in memory, and a restart begins at the source's start.
	Store state.Store
	// Epoch is after how long at most what was processed is durable. The
	// default is 1 s; windows that fire do not wait for it.
	Epoch time.Duration
	// CheckpointEvery is how often a copy of the state is kept, and Retain
	// how many. The defaults are 10 m and 3; 0 makes none.
	CheckpointEvery time.Duration
	Retain          int
	// OnCorruption is FailOnCorruption by default.
	OnCorruption OnCorruption
	// Fresh moves state that is there aside and starts over.
	Fresh bool
	// Redeliver takes over sinks that hold what the state does not know of,
	// at least once.
	Redeliver bool
	// DropSinks forgets sinks that are no longer configured, with the rows
	// they have not been given.
	DropSinks []string
}

// LimitSpec bounds state. 0 is no limit.
type LimitSpec struct {
	// Keys and Windows bound the live keys and the live windows of each
	// query, Memory the bytes of all state.
	Keys, Windows int
	Memory        int64
	// Outbox bounds the bytes of durable rows that wait for the slowest sink;
	// then the source waits. The default is 1 GiB.
	Outbox   int64
	OnExceed OnExceed
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
		Limits:   LimitSpec{Outbox: 1 << 30, OnExceed: Overflow},
		Delivery: ExactlyOnce,
		State: StateSpec{
			Epoch: time.Second, CheckpointEvery: 10 * time.Minute, Retain: 3, OnCorruption: FailOnCorruption,
		},
		ShutdownTimeout: 30 * time.Second,
	}
}

// since is the event time up to which a new state has not seen everything,
// event.MinTime if it will have.
func (s *Spec) since() int64 {
	if t := s.Source.Traits().Since; t != 0 {
		return t - 1
	}
	return event.MinTime
}
