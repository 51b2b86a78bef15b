package pipeline_test

import (
	"context"
	"fmt"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// printer is a sink that prints a line for each result.
type printer struct{}

// Open would connect to where the results go.
func (printer) Open(context.Context) error { return nil }

// Write is called by one goroutine at a time. The batch is the sink's until
// Write returns.
func (printer) Write(_ context.Context, b *result.Batch) error {
	for _, r := range b.Results {
		fmt.Print(clock(r.Start), "-", clock(r.End), " ", r.KeyJSON)
		for i, v := range r.Values {
			fmt.Printf(" %s=%s", r.Query.Values[i], v.AppendJSON(nil))
		}
		if r.Timing != result.OnTime {
			fmt.Printf(" (%s)", r.Timing)
		}
		fmt.Println()
	}
	return nil
}

// Close would deliver what is buffered.
func (printer) Close(context.Context) error { return nil }

// clock is the time of day of an event time.
func clock(t int64) string { return time.Unix(0, t).UTC().Format("15:04:05") }

// A sink of one's own is three methods.
func Example_customSink() {
	p, err := pipeline.New("custom-sink").
		From(&source.File{Path: "testdata/calls.jsonl"}).
		EventTime("timestamp", event.RFC3339).
		Query("minute").Window(window.Tumbling(time.Minute)).Aggregate(aggregate.Count().As("events")).
		To(printer{}).
		Build()
	if err == nil {
		_, err = p.Run(context.Background())
	}
	fmt.Println(err)
	// Output:
	// 10:00:00-10:01:00 {} events=4
	// 10:01:00-10:02:00 {} events=1
	// <nil>
}
