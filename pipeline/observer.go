package pipeline

import (
	"time"

	"github.com/llm-optimizer/processor/result"
)

// Observer is told what a pipeline does, as it does it. A nil function is not
// called. They are called by several goroutines at once, once a batch or more
// seldom; they must not wait, nor keep what they are given.
type Observer struct {
	// Processed: a batch of events was read and combined, which took so long
	// from when the source handed it over.
	Processed func(events int, took time.Duration)
	// Results: rows have left: they are durable, or with state in memory or
	// at_least_once on their way to the sinks. Under heavy load not all rows
	// are shown; skipped is how many were not.
	Results func(rows []result.Result, skipped int)
	// Late and Dead: events that were too late, records that are no events.
	Late func(rows []result.LateEvent)
	Dead func(rows []result.DeadLetter)
	// Delivered: a sink has taken rows. Fired is how long ago they were made;
	// Ended how long ago, by event time, the newest of their on-time windows
	// ended, negative without one.
	Delivered func(d Delivered)
	// Epoch: an epoch is durable. Checkpoint: one was made, or could not be.
	Epoch      func(e EpochDone)
	Checkpoint func(c CheckpointDone)
}

// Delivered is a batch of rows that a sink has taken.
type Delivered struct {
	Sink         string
	Rows         int
	Took         time.Duration
	Fired, Ended time.Duration
}

// EpochDone is what an epoch has cost.
type EpochDone struct {
	Number          uint64
	Took, Stall     time.Duration
	Changes         int
	Bytes, RowBytes int64
}

// CheckpointDone is a checkpoint, or why there is none.
type CheckpointDone struct {
	Name string
	Took time.Duration
	Err  error
}

// Observers joins observers into one that tells all of them, in their order.
func Observers(all ...Observer) Observer {
	var joined Observer
	for _, o := range all {
		joined = Observer{
			Processed:  both(joined.Processed, o.Processed),
			Results:    both(joined.Results, o.Results),
			Late:       each(joined.Late, o.Late),
			Dead:       each(joined.Dead, o.Dead),
			Delivered:  each(joined.Delivered, o.Delivered),
			Epoch:      each(joined.Epoch, o.Epoch),
			Checkpoint: each(joined.Checkpoint, o.Checkpoint),
		}
	}
	return joined
}

// each calls two hooks; of a nil one nothing is left.
func each[T any](first, second func(T)) func(T) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(v T) {
		first(v)
		second(v)
	}
}

// both is each for hooks that are told two things.
func both[T, U any](first, second func(T, U)) func(T, U) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(v T, u U) {
		first(v, u)
		second(v, u)
	}
}
