package simtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// Source is a bounded source over records in memory, which hands them over in
// chunks of chosen sizes.
type Source struct {
	Feeds []*Feed
	// MaxOpen is how many partitions may be open at once; 0 is no limit.
	MaxOpen int
}

// Feed is one partition of a Source.
type Feed struct {
	Name      event.Origin
	Records   [][]byte
	Positions []int64
	// Sizes are the numbers of records in its chunks, over and over; none
	// means all at once.
	Sizes []int
	// Spans hands records over by their places instead of as lines.
	Spans bool
	// Unended leaves the line end of the last record out.
	Unended bool
	// Pause is how long the partition has nothing before each seventh chunk.
	Pause time.Duration

	next, turn int
	// quiet is set while a pause is on, from when it began.
	quiet time.Time
}

// NewFeed makes a partition whose positions are those of lines in a file.
func NewFeed(path string, records [][]byte, sizes ...int) *Feed {
	f := &Feed{Name: event.Origin{Path: path}, Records: records, Sizes: sizes}
	at := int64(0)
	for _, r := range records {
		f.Positions = append(f.Positions, at)
		at += int64(len(r)) + 1
	}
	return f
}

// NewTopicFeed makes a partition whose records are numbered, from a number
// other than 0 and with a gap between any two.
func NewTopicFeed(topic string, partition int32, records [][]byte, sizes ...int) *Feed {
	f := &Feed{
		Name:    event.Origin{Topic: topic, Partition: partition},
		Records: records, Sizes: sizes, Spans: true,
	}
	for i := range records {
		f.Positions = append(f.Positions, int64(7+3*i))
	}
	return f
}

// Open returns all partitions.
func (s *Source) Open(context.Context) ([]source.Partition, error) {
	all := make([]source.Partition, len(s.Feeds))
	for i, f := range s.Feeds {
		all[i] = f
	}
	return all, nil
}

// Discover finds no more.
func (s *Source) Discover(context.Context) ([]source.Partition, error) { return source.Fixed() }

// Traits are those of a bounded source.
func (s *Source) Traits() source.Traits {
	return source.Traits{Kind: "memory", MaxOpen: s.MaxOpen}
}

// Close has nothing to release.
func (s *Source) Close() error { return nil }

// Origin names the partition.
func (f *Feed) Origin() event.Origin { return f.Name }

// Open goes to a position that a chunk's Next named, or to the beginning.
func (f *Feed) Open(_ context.Context, position int64) error {
	f.turn = 0
	for f.next = 0; f.next < len(f.Records); f.next++ {
		if f.Positions[f.next] >= position {
			return nil
		}
	}
	if position > f.end() {
		return fmt.Errorf("open %v at %d: it ends at %d", f.Name, position, f.end())
	}
	return nil
}

func (f *Feed) end() int64 {
	if len(f.Records) == 0 {
		return 0
	}
	last := len(f.Records) - 1
	if f.Spans {
		return f.Positions[last] + 1
	}
	return f.Positions[last] + int64(len(f.Records[last])) + 1
}

// Read hands over the next chunk.
func (f *Feed) Read(ctx context.Context, c *source.Chunk) error {
	c.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.next == len(f.Records) {
		return io.EOF
	}
	if err := f.pause(ctx); err != nil {
		return err
	}
	n := f.size()
	c.Offset = f.Positions[f.next]
	for ; n > 0; n-- {
		f.append(c)
	}
	return nil
}

// pause waits where a pause is due, or for as long as ctx allows.
func (f *Feed) pause(ctx context.Context) error {
	if f.Pause == 0 || f.turn%7 != 6 {
		return nil
	}
	if f.quiet.IsZero() {
		f.quiet = time.Now()
	}
	timer := time.NewTimer(f.Pause - time.Since(f.quiet))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		f.quiet = time.Time{}
		return nil
	}
}

// Peek shows the first record.
func (f *Feed) Peek(_ context.Context, c *source.Chunk) error {
	c.Reset()
	if len(f.Records) == 0 {
		return io.EOF
	}
	ahead := *f
	ahead.next = 0
	c.Offset = f.Positions[0]
	ahead.append(c)
	return nil
}

// size is how many records the next chunk takes.
func (f *Feed) size() int {
	rest := len(f.Records) - f.next
	if len(f.Sizes) == 0 {
		return rest
	}
	f.turn++
	return min(f.Sizes[(f.turn-1)%len(f.Sizes)], rest)
}

func (f *Feed) append(c *source.Chunk) {
	r := f.Records[f.next]
	if f.Spans {
		c.Spans = append(c.Spans, event.Ref{Off: uint32(len(c.Data)), Len: uint32(len(r))})
		c.Offsets = append(c.Offsets, f.Positions[f.next])
	}
	c.Data = append(c.Data, r...)
	f.next++
	last := f.next == len(f.Records)
	if !f.Spans && !(last && f.Unended) {
		c.Data = append(c.Data, '\n')
	}
	if last {
		c.Next = f.end()
	} else {
		c.Next = f.Positions[f.next]
	}
}

// Close has nothing to release.
func (f *Feed) Close() error { return nil }

// Lines splits text into the records of a file.
func Lines(text []byte) [][]byte {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) == 0 {
		return nil
	}
	return bytes.Split(text, []byte("\n"))
}
