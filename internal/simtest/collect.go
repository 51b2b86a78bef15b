package simtest

import (
	"bytes"
	"context"
	"slices"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Collector is a sink that keeps everything. Read it after the run.
type Collector struct{ result.Batch }

// Open has nothing to make ready.
func (c *Collector) Open(context.Context) error { return nil }

// Write keeps copies of the rows.
func (c *Collector) Write(_ context.Context, b *result.Batch) error {
	for _, r := range b.Results {
		r.Values = slices.Clone(r.Values)
		r.Sketches = slices.Clone(r.Sketches)
		c.Results = append(c.Results, r)
	}
	for _, l := range b.Late {
		l.Event = bytes.Clone(l.Event)
		c.Late = append(c.Late, l)
	}
	for _, d := range b.Dead {
		d.Raw = bytes.Clone(d.Raw)
		d.Queries = slices.Clone(d.Queries)
		c.Dead = append(c.Dead, d)
	}
	return nil
}

// Close has nothing to release.
func (c *Collector) Close(context.Context) error { return nil }

// Run is what one run of a pipeline gave.
type Run struct {
	Rows    []result.Result
	Late    []result.LateEvent
	Dead    []result.DeadLetter
	Summary pipeline.Summary
}

// Execute builds the pipeline with collecting sinks for everything, and runs
// it to the end of its source.
func Execute(ctx context.Context, spec pipeline.Spec) (*Run, error) {
	var rows, late, dead Collector
	spec.Sinks = []sink.Config{{Name: "rows", Sink: &rows}}
	spec.LateEvents = &sink.Config{Name: "late", Sink: &late}
	spec.DeadLetters = &sink.Config{Name: "dead", Sink: &dead}
	p, err := pipeline.Build(spec)
	if err != nil {
		return nil, err
	}
	summary, err := p.Run(ctx)
	if err != nil {
		return nil, err
	}
	return &Run{Rows: rows.Results, Late: late.Late, Dead: dead.Dead, Summary: summary}, nil
}
