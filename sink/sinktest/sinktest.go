// Package sinktest proves that a sink.Sink keeps its contract. A sink of your
// own passes with a few lines:
//
//	func TestMySink(t *testing.T) {
//		sinktest.Run(t, func(t *testing.T) (sink.Sink, func() sinktest.Held) {
//			s := &mine.Sink{…}
//			return s, func() sinktest.Held { … what it holds … }
//		})
//	}
package sinktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Held is what a sink holds at its destination.
type Held struct {
	// IDs are the ids of the results, in the order of delivery.
	IDs []string
	// Late and Dead count late events and dead letters.
	Late, Dead int
}

// Open returns a new sink with a destination of its own, and a function that
// looks there.
type Open func(t *testing.T) (sink.Sink, func() Held)

// Run checks a sink. Every row must be held once, in order, after Close, also
// when the batch's memory is used again in between; an empty batch adds
// nothing, and Close works without a Write.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			s, held := open(t)
			if err := c.check(t.Context(), s, held); err != nil {
				t.Fatal(err)
			}
		})
	}
}

var checks = []struct {
	name  string
	check func(context.Context, sink.Sink, func() Held) error
}{
	{"nothing written", checkNothing},
	{"every row once", checkRows},
	{"a large batch", checkLarge},
	{"the batch is used again", checkReuse},
}

func checkNothing(ctx context.Context, s sink.Sink, held func() Held) error {
	return deliver(ctx, s, held, Held{})
}

func checkRows(ctx context.Context, s sink.Sink, held func() Held) error {
	one, two, three := batch(0, 3, 1, 0), &result.Batch{}, batch(3, 2, 2, 3)
	return deliver(ctx, s, held, Held{IDs: append(ids(one), ids(three)...), Late: 3, Dead: 3}, one, two, three)
}

func checkLarge(ctx context.Context, s sink.Sink, held func() Held) error {
	b := batch(0, 4000, 0, 0) // more than a mebibyte
	return deliver(ctx, s, held, Held{IDs: ids(b)}, b)
}

// checkReuse overwrites a batch as soon as Write has returned, as the engine
// does.
func checkReuse(ctx context.Context, s sink.Sink, held func() Held) error {
	if err := s.Open(ctx); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	var want []string
	for i := range 3 {
		b := batch(10*i, 2, 1, 1)
		want = append(want, ids(b)...)
		if err := s.Write(ctx, b); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		scrub(b)
	}
	if err := s.Close(ctx); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return compare(held(), Held{IDs: want, Late: 3, Dead: 3})
}

// deliver runs the sink's life with the batches and compares.
func deliver(ctx context.Context, s sink.Sink, held func() Held, want Held, batches ...*result.Batch) error {
	if err := s.Open(ctx); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	for i, b := range batches {
		if err := s.Write(ctx, b); err != nil {
			return fmt.Errorf("write batch %d: %w", i, err)
		}
	}
	if err := s.Close(ctx); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return compare(held(), want)
}

func compare(got, want Held) error {
	if !slices.Equal(got.IDs, want.IDs) {
		for i := range min(len(got.IDs), len(want.IDs)) {
			if got.IDs[i] != want.IDs[i] {
				return fmt.Errorf("result %d has id %s, want %s", i, got.IDs[i], want.IDs[i])
			}
		}
		return fmt.Errorf("%d results are held, want %d", len(got.IDs), len(want.IDs))
	}
	if got.Late != want.Late || got.Dead != want.Dead {
		return fmt.Errorf("%d late events and %d dead letters are held, want %d and %d", got.Late, got.Dead, want.Late, want.Dead)
	}
	return nil
}

// batch makes a batch of rows that differ by their number.
func batch(first, results, late, dead int) *result.Batch {
	q := &result.Query{Name: "sinktest", Keys: []string{"model"}, Values: []string{"requests", "p95_ms"}, Seed: 7}
	b := new(result.Batch)
	for i := first; i < first+results; i++ {
		start := int64(i) * 60e9
		b.Results = append(b.Results, result.Result{
			Query: q, Key: string(event.AppendKeyValue(nil, event.Text("gpt-x"))), KeyJSON: `{"model":"gpt-x"}`,
			Start: start, End: start + 60e9, Identity: start, Firing: uint32(i % 2),
			Values: []event.Value{event.Int(int64(i)), event.Float(float64(i) + 0.5)}, Events: int64(i), Watermark: start,
		})
	}
	for i := range late {
		b.Late = append(b.Late, result.LateEvent{Query: "sinktest", Source: source(first + i), Timestamp: int64(i), Watermark: 9e9, Event: []byte(`{"late":true}`)})
	}
	for i := range dead {
		b.Dead = append(b.Dead, result.DeadLetter{Source: source(first + i), Reason: "json", Err: "cut short", Raw: []byte(`{"dead`)})
	}
	return b
}

// source is a position that no other record of its kind has.
func source(n int) result.Source { return result.Source{Path: "sinktest.jsonl", Offset: int64(n)} }

// scrub overwrites a batch's memory.
func scrub(b *result.Batch) {
	for i := range b.Results {
		clear(b.Results[i].Values)
		b.Results[i] = result.Result{Query: &result.Query{}}
	}
	for i := range b.Late {
		copy(b.Late[i].Event, bytes.Repeat([]byte("x"), len(b.Late[i].Event)))
		b.Late[i] = result.LateEvent{}
	}
	for i := range b.Dead {
		clear(b.Dead[i].Raw)
		b.Dead[i] = result.DeadLetter{}
	}
}

func ids(b *result.Batch) []string {
	var out []string
	for i := range b.Results {
		r := &b.Results[i]
		out = append(out, fmt.Sprintf("%s-%d", r.WindowID(nil), r.Firing))
	}
	return out
}

// Lines reads what a sink holds from lines of JSON, the form that most sinks
// write. A line that is none of the three kinds of row is an error.
func Lines(text []byte) (Held, error) {
	var h Held
	for line := range bytes.Lines(text) {
		var row struct {
			ID     string
			Late   *float64 `json:"late_by_ms"`
			Reason string
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return h, fmt.Errorf("line %q: %w", line, err)
		}
		switch {
		case row.ID != "":
			h.IDs = append(h.IDs, row.ID)
		case row.Late != nil:
			h.Late++
		case row.Reason != "":
			h.Dead++
		default:
			return h, fmt.Errorf("line %q is no row", line)
		}
	}
	return h, nil
}
