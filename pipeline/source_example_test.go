package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// inbox is a source of JSON records in memory, in one partition.
type inbox struct{ records []string }

// Traits says that the input has an end.
func (s *inbox) Traits() source.Traits { return source.Traits{Kind: "inbox"} }

// Open returns the partitions; each is read by one goroutine.
func (s *inbox) Open(context.Context) ([]source.Partition, error) {
	return []source.Partition{&inboxPartition{records: s.records}}, nil
}

// Discover finds no partition beside those of Open.
func (s *inbox) Discover(context.Context) ([]source.Partition, error) { return source.Fixed() }

// Close has nothing to release.
func (s *inbox) Close() error { return nil }

// inboxPartition numbers its records; that is their position.
type inboxPartition struct {
	records []string
	next    int64
}

// Origin names the partition in late events and dead letters.
func (p *inboxPartition) Origin() event.Origin { return event.Origin{Path: "inbox"} }

// Open goes to a position.
func (p *inboxPartition) Open(_ context.Context, position int64) error {
	p.next = position
	return nil
}

// Read appends records to the memory of the chunk. One that has to wait for
// them would also wait for the end of ctx.
func (p *inboxPartition) Read(ctx context.Context, c *source.Chunk) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.Reset()
	if p.next == int64(len(p.records)) {
		return io.EOF
	}
	for _, record := range p.records[p.next:] {
		c.Spans = append(c.Spans, event.Ref{Off: uint32(len(c.Data)), Len: uint32(len(record))})
		c.Offsets = append(c.Offsets, p.next)
		c.Data = append(c.Data, record...)
		p.next++
	}
	c.Next = p.next
	return nil
}

// Close has nothing to release.
func (p *inboxPartition) Close() error { return nil }

// A source hands out partitions, and a partition chunks of records.
func Example_customSource() {
	p, err := pipeline.New("custom-source").
		From(&inbox{records: []string{
			`{"at":1767261605,"tokens":120}`,
			`{"at":1767261640,"tokens":310}`,
			`{"at":1767261675,"tokens":90}`,
		}}).
		EventTime("at", event.UnixSec).
		Query("minute").Window(window.Tumbling(time.Minute)).Aggregate(aggregate.Sum("tokens").As("tokens")).
		To(printer{}).
		Build()
	if err == nil {
		_, err = p.Run(context.Background())
	}
	fmt.Println(err)
	// Output:
	// 10:00:00-10:01:00 {} tokens=430
	// 10:01:00-10:02:00 {} tokens=90
	// <nil>
}
