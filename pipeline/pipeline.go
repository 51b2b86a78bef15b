// Package pipeline assembles source, queries and sinks, and runs them.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Problem is one thing wrong with a Spec.
type Problem struct {
	// Path is the place as in the config: "queries.0.where".
	Path    string
	Message string
}

// Error is the problem as one line.
func (p Problem) Error() string { return p.Path + ": " + p.Message }

// Pipeline is a validated pipeline, ready to run once.
type Pipeline struct {
	spec Spec
}

// Build validates the whole spec and plans it. The error joins one Problem
// for each thing that is wrong (errors.As finds the first, Problems all).
func Build(spec Spec) (*Pipeline, error) { return nil, errors.New("not built yet") }

// Problems lists the problems in an error of Build.
func Problems(err error) []Problem { return nil }

// Explain is the plan as text: columns read, panes, accumulators shared, state
// per key, windows open at once.
func (p *Pipeline) Explain() string { return "" }

// Run processes the source to its end, or until ctx ends: then it drains for
// at most the shutdown timeout. It can be called once.
func (p *Pipeline) Run(ctx context.Context) (Summary, error) {
	return Summary{}, errors.New("not built yet")
}

// Progress is a snapshot of the counters while running; safe to call from
// another goroutine.
func (p *Pipeline) Progress() Summary { return Summary{} }

// Summary is what a run did.
type Summary struct {
	// Events is the number of decoded events, Dead of records that were not.
	Events, Dead int64
	// Late counts late events, once for each query.
	Late    int64
	Results int64
	Elapsed time.Duration
	// DroppedWindows is how many windows were open when a signal ended a
	// pipeline that keeps its state in memory.
	DroppedWindows int64
	Watermark      int64
	Queries        []Ledger
}

// Ledger adds up: Read is the sum of the others. Overflow is a part of
// InWindows.
type Ledger struct {
	Query                                                        string
	Read, InWindows, Late, Dead, Filtered, Unwindowed, Duplicate int64
	Overflow                                                     int64
	Results                                                      int64
}

// Check returns an error when the ledger does not add up.
func (l Ledger) Check() error {
	if sum := l.InWindows + l.Late + l.Dead + l.Filtered + l.Unwindowed + l.Duplicate; sum != l.Read {
		return fmt.Errorf("ledger of query %s does not add up: read %d, accounted for %d", l.Query, l.Read, sum)
	}
	return nil
}
