// Package source is where events come from: the Source interface, and the
// sources that need no foreign system: files, standard input and synthetic
// traffic.
package source

import (
	"context"
	"io"
	"time"

	"github.com/llm-optimizer/processor/event"
)

// Source hands out partitions. One goroutine calls it.
type Source interface {
	// Open makes the source ready and returns the partitions known at the
	// start, in the order in which they are to be opened. A missing file or
	// an unreachable server is an error.
	Open(ctx context.Context) ([]Partition, error)
	// Discover waits for partitions that appear while running. It returns
	// io.EOF when there will be no more, which a source with a fixed set
	// does at once.
	Discover(ctx context.Context) ([]Partition, error)
	// Traits says what kind of source it is. It is called before Open.
	Traits() Traits
	// Close releases what Open acquired. Partitions are closed before.
	Close() error
}

// Traits of a source.
type Traits struct {
	// Kind is the name in the config: "file".
	Kind string
	// Live sources have no end of their own: they guard against times in the
	// far future and close windows by the clock when all is quiet.
	Live bool
	// MaxOpen is how many partitions may be open at once; 0 is no limit.
	MaxOpen int
	// Once says that what was read is gone: partitions open at position 0
	// only, so a later run cannot go on where this one stopped.
	Once bool
	// Since, if not 0, is the time in nanoseconds since 1970 before which the
	// source does not read: windows that begin before it are partial.
	Since int64
}

// Saved is what a durable state knows of a partition that was read before.
type Saved struct {
	Origin event.Origin
	// Position is where to go on: Chunk.Next of the last record that counts.
	Position int64
	// Token is the newest Chunk.Token up to there; nil if there was none.
	Token []byte
}

// Recognizer is a source whose partitions are known by more than their origin.
// The partitions of others go on from what was saved under an equal origin.
type Recognizer interface {
	// Recognize says for each of the partitions, which Open or Discover
	// returned, which of saved it goes on from: its index, or -1 if it is
	// new. Of saved, gone are those that will never be found again and may be
	// forgotten. It is called before a partition is opened.
	Recognize(ctx context.Context, parts []Partition, saved []Saved) (match, gone []int, err error)
}

// Attributer is a source whose records have more than their value. Events read
// it as fields whose names begin with a dollar sign: $key, $header.tenant.
type Attributer interface {
	// Attribute reports whether records have the attribute with a path, such
	// as ["$header", "tenant"]. It is called before Open, once for each that is
	// read; from then on each chunk has a column for it, in Chunk.Attributes,
	// in the order of the calls.
	Attribute(path []string) bool
}

// Enveloper is a source whose records may be CloudEvents in binary mode: the
// record is the payload, and the envelope lies beside it.
type Enveloper interface {
	// Envelopes asks for Chunk.Envelopes. It is called before Open, where events
	// may be CloudEvents.
	Envelopes()
}

// Acknowledger is a source that wants to know what is durable, to show it to
// others; the state stays the authority.
type Acknowledger interface {
	// Acknowledge is told the new positions after each epoch that has some. It
	// must not wait: it keeps what it needs, and drops what is overtaken.
	Acknowledge(saved []Saved)
}

// Partition is an ordered run of records. One goroutine calls Open, Read and
// Close, in that order.
type Partition interface {
	// Origin names the partition in messages, late events and dead letters.
	Origin() event.Origin
	// Open starts reading at a position: 0, or Batch.Next of an earlier run.
	Open(ctx context.Context, position int64) error
	// Read fills c with the next records, waiting until there are some. It
	// returns io.EOF at the end, with or before which no records are lost: c
	// is empty then. When ctx ends it returns its error and has lost nothing.
	Read(ctx context.Context, c *Chunk) error
	// Close releases what Open acquired.
	Close() error
}

// Peeker is a partition that can show its beginning before it is opened. A
// partition that waits for its turn counts in the watermark with the time of
// its first event.
type Peeker interface {
	// Peek returns the first records, at least one unless the partition is
	// empty (io.EOF).
	Peek(ctx context.Context, c *Chunk) error
}

// Quieter is a partition that may be without records because of a slow or lost
// connection. Others have nothing to read whenever Read waits.
type Quieter interface {
	// Quiet returns since when it is known that there is nothing to read
	// beyond the last record that Read returned; the zero time if that is not
	// known. Any goroutine may call it.
	Quiet() time.Time
}

// Watcher is a source that reads files which appear while it runs.
type Watcher interface {
	// Watches reports whether a file at the path would become a partition.
	Watches(path string) bool
}

// Chunk is a run of records as a source hands them over. Its memory belongs
// to the engine, which reuses it: a source appends to Data[:0].
type Chunk struct {
	// Data holds the records. With Spans nil they are lines: each ends with
	// '\n', but for the last one of a partition.
	Data []byte
	// Spans are the records' places in Data, when they are not lines, and
	// Offsets the position of each.
	Spans   []event.Ref
	Offsets []int64
	// Attributes are the columns that an Attributer was asked for. They are as
	// long as Spans, which is not nil then; text lies in Data and is UTF-8.
	Attributes []event.Column
	// Envelopes are where the envelopes of CloudEvents in binary mode lie in
	// Data, each a JSON object of its attributes followed by '\n'; the zero Ref
	// for other records. Without such a record it is empty, else as long as
	// Spans. Only an Enveloper that was asked has any.
	Envelopes []event.Ref
	// Offset is the position of Data[0], when the records are lines; a line's
	// position is that plus where it begins.
	Offset int64
	// Next is the position after the last record.
	Next int64
	// Token is what a Recognizer needs, beside the origin, to find the
	// partition again in a later run; nil says that it has not changed since
	// the last chunk that had one. The engine keeps it and does not change it.
	Token []byte
	// Fill, when set, replaces decoding: it fills the batch's rows for the
	// batch's schema. Typed sources use it.
	Fill func(b *event.Batch) error
}

// Reset empties the chunk and keeps its memory.
func (c *Chunk) Reset() {
	c.Data, c.Spans, c.Offsets = c.Data[:0], c.Spans[:0], c.Offsets[:0]
	for i := range c.Attributes {
		a := &c.Attributes[i]
		a.Kind, a.Num, a.Str = a.Kind[:0], a.Num[:0], a.Str[:0]
	}
	c.Envelopes = c.Envelopes[:0]
	c.Offset, c.Next, c.Token, c.Fill = 0, 0, nil, nil
}

// Fixed is a Discover for sources whose partitions are all known at Open.
func Fixed() ([]Partition, error) { return nil, io.EOF }
