package pipeline

import (
	"context"
	"iter"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// Typed is a source of Go values: their fields and their time are given by
// functions, and nothing is parsed. Queries may read the fields that were
// declared and no others. What late events and dead letters show of a value is
// a JSON object of its declared fields; its position is its number, from 0.
//
// A value is a dead letter when its time is the zero time.Time, cannot be held
// in int64 nanoseconds, or, from a channel, is too far in the future, and when
// a number is NaN or infinite or a text is not valid UTF-8.
//
// The functions are called by several goroutines at once. A Typed belongs to
// one pipeline and can be read once.
type Typed[T any] struct {
	name   string
	live   bool
	events <-chan T
	seq    iter.Seq[T]
	at     func(T) time.Time
	fields []TypedField[T]

	layout    layout
	maxFuture time.Duration
}

// FromChan is a source of the values that arrive on a channel; closing it ends
// the input. The source is live: while nothing arrives, windows close by the
// clock. When the pipeline stops, nobody receives any more, so a sender should
// also wait for the context that stops it.
func FromChan[T any](events <-chan T, at func(T) time.Time, fields ...TypedField[T]) *Typed[T] {
	return &Typed[T]{name: "typed", live: true, events: events, at: at, fields: fields, layout: layoutOf(fields)}
}

// FromSeq is a source of the values of a sequence; its end is the end of the
// input. A pipeline that stops waits for the value that the sequence is at.
func FromSeq[T any](seq iter.Seq[T], at func(T) time.Time, fields ...TypedField[T]) *Typed[T] {
	return &Typed[T]{name: "typed", seq: seq, at: at, fields: fields, layout: layoutOf(fields)}
}

// Named sets the path that late events and dead letters show as their source.
// The default is "typed".
func (s *Typed[T]) Named(name string) *Typed[T] {
	s.name = name
	return s
}

// TypedField is a field of a Typed source. Its name is a path as in
// expressions: with Str("metadata.tenant", …) queries read metadata.tenant.
type TypedField[T any] struct {
	name string
	num  func(T) float64
	str  func(T) string
	flag func(T) bool
	val  func(T) event.Value
}

// Num declares a number. For integers beyond 2^53 use Val with event.Int.
func Num[T any](name string, f func(T) float64) TypedField[T] {
	return TypedField[T]{name: name, num: f}
}

// Str declares a string.
func Str[T any](name string, f func(T) string) TypedField[T] {
	return TypedField[T]{name: name, str: f}
}

// Flag declares a boolean.
func Flag[T any](name string, f func(T) bool) TypedField[T] {
	return TypedField[T]{name: name, flag: f}
}

// Val declares a field of any kind, which may be null: the zero event.Value.
func Val[T any](name string, f func(T) event.Value) TypedField[T] {
	return TypedField[T]{name: name, val: f}
}

// Traits says that a channel is live and a sequence is not, and that neither
// can be read again.
func (s *Typed[T]) Traits() source.Traits {
	return source.Traits{Kind: "typed", Live: s.live, Once: true}
}

// Open returns the one partition there is.
func (s *Typed[T]) Open(context.Context) ([]source.Partition, error) {
	if s.live {
		return []source.Partition{&chanPartition[T]{typedPartition: typedPartition[T]{src: s}}}, nil
	}
	return []source.Partition{&seqPartition[T]{typedPartition: typedPartition[T]{src: s}}}, nil
}

// Discover returns io.EOF: there is one partition.
func (s *Typed[T]) Discover(context.Context) ([]source.Partition, error) { return source.Fixed() }

// Close has nothing to release.
func (s *Typed[T]) Close() error { return nil }
