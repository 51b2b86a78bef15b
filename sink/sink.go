// Package sink is where results go: the Sink interface, and the sinks that
// need no foreign system: standard output and files.
package sink

import (
	"context"
	"errors"
	"slices"

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

// Marker is a sink that can say which epochs it holds, so that with a durable
// state each row is in it exactly once. Rows come epoch by epoch, in order:
// Write any number of times, then Commit for the last of these epochs. Other
// sinks get rows at least once.
type Marker interface {
	Sink
	// Resume is called between Open and Start. m is what the state holds of
	// this sink: the last epoch that it is known to hold and the token of its
	// last Commit, since when there may have been no rows for it; or, with a
	// nil Token, that it is new. It returns the newest epoch that the sink
	// holds whole, not before m.Epoch; rows of later epochs will be written
	// again, so any there are must go, here or in Start. newest is the last
	// epoch of the state: a sink that holds a later one, or rows under another
	// incarnation, belongs to another state and refuses with an error, unless
	// redeliver asks to take it over at least once.
	Resume(ctx context.Context, m Mark, newest uint64, redeliver bool) (epoch uint64, err error)
	// Commit makes all rows written so far durable under a mark and returns
	// the token that the next Resume will be given. A sink whose transactions
	// hold rows and mark together needs none, and returns an empty one that is
	// not nil. After an error the run ends.
	Commit(ctx context.Context, m Mark) (token []byte, err error)
}

// ErrUnclear is in the error of a Marker's Write or Commit when nobody knows
// whether the rows have been taken, as after a lost answer, and its mark will
// tell: Resume is called again then, on the same sink, and what follows the
// epoch that it returns is written again. It may wait until the other side
// answers. Any other error ends the run.
var ErrUnclear = errors.New("it is not known whether the sink has taken the rows")

// Mark is a place in the outbox of a pipeline's durable state.
type Mark struct {
	// Incarnation identifies the state: another one counts epochs anew.
	Incarnation [16]byte
	// Epoch is the last one whose rows are all there.
	Epoch uint64
	// Token is what the last Commit returned, in that epoch or before.
	Token []byte
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

// Takes reports whether the sink gets the results of a query.
func (c *Config) Takes(query string) bool {
	return len(c.Queries) == 0 || slices.Contains(c.Queries, query)
}
