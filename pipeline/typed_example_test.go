package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/window"
)

// completion is an event as a program has it.
type completion struct {
	at      time.Time
	model   string
	latency time.Duration
	failed  bool
}

// The fields of a completion that queries can read.
var completionFields = []pipeline.TypedField[completion]{
	pipeline.Str("model", func(c completion) string { return c.model }),
	pipeline.Num("latency_ms", func(c completion) float64 { return float64(c.latency.Milliseconds()) }),
	pipeline.Flag("failed", func(c completion) bool { return c.failed }),
}

func (c completion) when() time.Time { return c.at }

// A program sends its own structs to a pipeline: no JSON on the way.
func ExampleFromChan() {
	completions := make(chan completion)
	p, err := pipeline.New("in-process").
		From(pipeline.FromChan(completions, completion.when, completionFields...)).
		Query("by_model").
		KeyBy("model").
		Window(window.Tumbling(time.Minute)).
		Aggregate(
			aggregate.Count().As("requests"),
			aggregate.CountOf("failed == true").As("failed"),
			aggregate.Avg("latency_ms").As("avg_ms"),
		).
		To(printer{}).
		Build()
	if err != nil {
		fmt.Println(err)
		return
	}

	go func() {
		defer close(completions) // the end of the input
		start := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
		completions <- completion{start.Add(5 * time.Second), "gpt-4o", 820 * time.Millisecond, false}
		completions <- completion{start.Add(20 * time.Second), "gpt-4o", 1240 * time.Millisecond, true}
		completions <- completion{start.Add(75 * time.Second), "gpt-4o", 760 * time.Millisecond, false}
	}()
	_, err = p.Run(context.Background())
	fmt.Println(err)
	// Output:
	// 10:00:00-10:01:00 {"model":"gpt-4o"} requests=2 failed=1 avg_ms=1030
	// 10:01:00-10:02:00 {"model":"gpt-4o"} requests=1 failed=0 avg_ms=760
	// <nil>
}

// A sequence is a bounded input: a slice, a map, rows of a database.
func ExampleFromSeq() {
	runAndPrint(backfill().Aggregate(aggregate.Max("latency_ms").As("max_ms")))
	// Output:
	// 00:00:00-00:00:00 {} max_ms=300
}

// A field that was not declared is an error of Build, not a column of nulls.
func ExampleFromSeq_undeclaredField() {
	runAndPrint(backfill().Aggregate(aggregate.Max("latency").As("max_ms")))
	// Output:
	// queries.0.aggregate.max_ms: reads latency, which the typed source does not declare; it declares model, latency_ms, failed
}

// backfill begins a pipeline over a slice, by days.
func backfill() *pipeline.Builder {
	start := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	completions := []completion{
		{at: start, model: "gpt-4o", latency: 100 * time.Millisecond},
		{at: start.Add(time.Hour), model: "gpt-4o", latency: 300 * time.Millisecond},
	}
	return pipeline.New("backfill").
		From(pipeline.FromSeq(slices.Values(completions), completion.when, completionFields...)).
		Query("latency").Window(window.Calendar(window.Day, "UTC")).
		To(printer{})
}
