package pipeline_test

import (
	"context"
	"fmt"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// A pipeline over a file of JSON lines: requests and the 95th percentile of
// latency for every model, tenant and minute.
func Example() {
	p, err := pipeline.New("llm-health").
		From(&source.File{Path: "testdata/calls.jsonl"}).
		EventTime("timestamp", event.RFC3339).
		Query("model_minute").
		Filter(`type == "performance_metrics"`).
		KeyBy("model", "metadata.tenant").
		Window(window.Tumbling(time.Minute)).AllowedLateness(30*time.Second).
		Aggregate(aggregate.Count().As("requests"), aggregate.Max("latency_ms").As("max_ms")).
		To(printer{}). // or sink.Stdout(sink.JSON), &sink.File{Path: "out/results.jsonl"}, …
		Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	summary, err := p.Run(context.Background())
	fmt.Println(summary.Events, "events,", summary.Results, "results, error:", err)
	// Unordered output:
	// 10:00:00-10:01:00 {"model":"gpt-4o","metadata.tenant":"acme"} requests=2 max_ms=1240
	// 10:00:00-10:01:00 {"model":"gpt-4o","metadata.tenant":"globex"} requests=1 max_ms=990
	// 10:01:00-10:02:00 {"model":"gpt-4o","metadata.tenant":"acme"} requests=1 max_ms=760
	// 5 events, 3 results, error: <nil>
}

// Build reports everything that is wrong at once, each with its place.
func ExampleProblems() {
	_, err := pipeline.New("llm-health").
		From(&source.File{Path: "testdata/calls.jsonl"}).
		EventTime("timestamp", event.RFC3339).
		Query("slow").
		Filter(`latency_ms >`).
		Window(window.Tumbling(0)).
		Aggregate(aggregate.Percentile("latency_ms", 950).As("p95_ms")).
		To(printer{}).
		Build()
	for _, p := range pipeline.Problems(err) {
		fmt.Println(p)
	}
	// Output:
	// queries.0.where (column 13): the expression ends too early: something is missing
	// queries.0.window.tumbling.size: is 0s; it has to be longer than 0
	// queries.0.aggregate.p95_ms: the percentile is 950; it is from 0 to 100
}
