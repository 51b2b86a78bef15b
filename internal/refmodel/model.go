package refmodel

import (
	"fmt"
	"slices"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
)

// Event is one record. A field that is not in Fields is missing.
type Event struct {
	Time   int64
	Fields map[string]event.Value
	Raw    []byte
	Offset int64
	// Bad marks a record that does not decode: it is dead for every query
	// and moves no watermark.
	Bad bool
}

// Step is the arrival of one event, from a partition counted from 0.
type Step struct {
	Partition int
	Event     Event
}

// Program is what is to be computed.
type Program struct {
	Queries []query.Query
	// Ends are the numbers of steps before which the input ended, and then went
	// on: runs with durable state, one after the other. The end of all is none
	// of them.
	Ends []int
	// OutOfOrderness is the bound B, in nanoseconds.
	OutOfOrderness int64
	// DedupField is the field that repeated events have in common, for Horizon
	// nanoseconds of event time; empty is no deduplication.
	DedupField string
	Horizon    int64
	// MaxKeys and MaxWindows bound what each query has open; 0 is no limit.
	MaxKeys, MaxWindows int
}

// AfterEnd is the Row.Step of what the end of the input fired.
const AfterEnd = -1

// Row is one firing, or the withdrawal of a session.
type Row struct {
	// Step is the index of the step that caused it, or AfterEnd.
	Step  int
	Query string
	Key   []event.Value
	// Start and End bound the window; Identity is Start but for sessions.
	Start, End, Identity int64
	Timing               result.Timing
	Firing               uint32
	// Values are in the order of the query's aggregates, nil for a
	// retraction.
	Values []Want
	// Events is how many events the firing holds.
	Events int64
	// Watermark is the combined watermark at the firing.
	Watermark int64
}

// Late is an event that was late for a query.
type Late struct {
	Query           string
	Partition       int
	Offset          int64
	Time, Watermark int64
	Raw             []byte
}

// Ledger says where a query's events went. Read is the sum of the others but
// Overflow, which is a part of InWindows.
type Ledger struct {
	Query                                                                  string
	Read, InWindows, Late, Dead, Filtered, Unwindowed, Duplicate, Overflow int64
}

// Window is what a window of one key holds after everything was read.
type Window struct {
	Query      string
	Key        []event.Value
	Start, End int64
	Events     int64
	// Values are computed over all of its events, whatever fired.
	Values []Want
	// Fired counts its firings, on time or not.
	Fired uint32
}

// Outcome is all that a program promises of its input.
type Outcome struct {
	// Rows and Late are in the order in which they came about; rows of one
	// step are in no promised order among themselves.
	Rows    []Row
	Late    []Late
	Ledgers []Ledger
	// Windows are what remains in each window of each key.
	Windows []Window
}

// Run takes the steps one after the other, firing after each event, and then
// the end of the input. An error is a query it does not understand.
func Run(p Program, steps []Step) (*Outcome, error) {
	out := &Outcome{}
	queries, err := compile(p, out)
	if err != nil {
		return nil, err
	}
	clock := newClock(p.OutOfOrderness, steps)
	repeats := newRepeats(p)
	for i, s := range steps {
		if slices.Contains(p.Ends, i) {
			end(queries, clock)
		}
		// "An event meets the watermark left by those before it, not its own."
		own := clock.own(s.Partition)
		what := repeats.judge(s, own)
		for _, q := range queries {
			q.at(i, clock.combined)
			q.take(s, own, what)
		}
		// "Every decodable event moves the watermark, filtered ones too", but "a
		// duplicate is counted and does nothing else".
		if !s.Event.Bad && what != aDuplicate {
			clock.see(s.Partition, s.Event.Time)
		}
		for _, q := range queries {
			q.at(i, clock.combined)
			q.fireOnTime()
		}
	}
	end(queries, clock)
	for _, q := range queries {
		out.Ledgers = append(out.Ledgers, q.ledger)
		out.Windows = append(out.Windows, q.remains()...)
	}
	return out, nil
}

// end is the end of the input, perhaps until a later run.
func end(queries []*running, c *clock) {
	for _, q := range queries {
		q.at(AfterEnd, c.combined)
		q.end()
	}
}

func compile(p Program, out *Outcome) ([]*running, error) {
	var all []*running
	for _, spec := range p.Queries {
		q, err := newRunning(spec, out)
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", spec.Name, err)
		}
		q.maxKeys, q.maxWindows = p.MaxKeys, p.MaxWindows
		all = append(all, q)
	}
	return all, nil
}

// clock holds the watermarks.
type clock struct {
	bound      int64
	partitions map[int]int64
	combined   int64
}

func newClock(bound int64, steps []Step) *clock {
	c := &clock{bound: bound, partitions: map[int]int64{}, combined: event.MinTime}
	for _, s := range steps {
		c.partitions[s.Partition] = event.MinTime
	}
	return c
}

func (c *clock) own(partition int) int64 { return c.partitions[partition] }

// see moves the watermarks on: "after an event with timestamp t, watermark =
// max(t) − B − 1 ns"; "the combined one is the minimum over partitions".
func (c *clock) see(partition int, t int64) {
	c.partitions[partition] = max(c.partitions[partition], plus(plus(t, -c.bound), -1))
	least := event.MaxTime
	for _, w := range c.partitions {
		least = min(least, w)
	}
	c.combined = least
}

// plus adds and stops at the ends of int64.
func plus(a, b int64) int64 {
	switch {
	case b > 0 && a > event.MaxTime-b:
		return event.MaxTime
	case b < 0 && a < event.MinTime-b:
		return event.MinTime
	default:
		return a + b
	}
}
