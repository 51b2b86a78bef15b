// Package sink is where results go: the Sink interface, and the sinks that
// need no foreign system: standard output and files.
package sink

import (
	"context"

	"github.com/llm-optimizer/processor/result"
)

// Sink takes batches of rows. One goroutine calls it: Open once, Write any
// number of times, Close once, also after an error.
type Sink interface {
	// Open makes the sink ready. An error stops the pipeline before it reads
	// anything.
	Open(ctx context.Context) error
	// Write delivers the batch, or returns why it could not. The batch is
	// the sink's until Write returns. An error ends the pipeline; a sink
	// retries by itself what may pass.
	Write(ctx context.Context, b *result.Batch) error
	// Close delivers what is buffered and releases what Open acquired.
	Close(ctx context.Context) error
}

// Starter is a sink that must not touch what is there before it is sure that
// the pipeline runs.
type Starter interface {
	// Start is called once the source and all sinks are open, before Write.
	Start(ctx context.Context) error
}

// Targeter is a sink that writes to a place of its own on this machine.
type Targeter interface {
	// Target is the path. Two sinks with one target, and one that the source
	// reads, are refused.
	Target() string
}

// Config is a sink and what it is there for, as a pipeline holds it.
type Config struct {
	// Name identifies the sink in messages and in state. The default is its
	// kind.
	Name string
	Sink Sink
	// Queries are the names of the queries whose results it gets; empty
	// means all.
	Queries []string
}
