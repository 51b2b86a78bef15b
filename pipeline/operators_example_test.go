package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/window"
)

// answer is an event of the examples of operators.
type answer struct {
	second int
	model  string
	tools  string
	tokens float64
}

func (a answer) when() time.Time { return time.Date(2026, 1, 1, 10, 0, a.second, 0, time.UTC) }

// answers begins a pipeline over a few answers, counted by minute.
func answers() *pipeline.Builder {
	all := []answer{
		{1, "gpt-4o-2024-08-06", "search,python", 100},
		{2, "gpt-4o-mini", "", 10},
		{3, "gpt-4o-2024-11-20", "search", 50},
	}
	return pipeline.New("answers").
		From(pipeline.FromSeq(slices.Values(all), answer.when,
			pipeline.Str("model", func(a answer) string { return a.model }),
			pipeline.Str("tools", func(a answer) string { return a.tools }),
			pipeline.Num("tokens", func(a answer) float64 { return a.tokens }))).
		Query("minute").Window(window.Tumbling(time.Minute)).
		Aggregate(aggregate.Count().As("events"), aggregate.Sum("tokens").As("tokens")).
		To(printer{})
}

// runAndPrint runs a pipeline to its end.
func runAndPrint(b *pipeline.Builder) {
	p, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
}

// A filter in Go. What it drops still moves the watermark.
func ExampleBuilder_Apply_filter() {
	runAndPrint(answers().Apply(
		operator.Filter([]string{"tokens"}, func(r operator.Row) bool { return r.Float(0) >= 50 }),
	))
	// Output:
	// 10:00:00-10:01:00 {} events=2 tokens=150
}

// A map sets fields. They go by their number in the list.
func ExampleBuilder_Apply_map() {
	runAndPrint(answers().Apply(
		operator.Map([]string{"tokens"}, func(r operator.Row) { r.SetFloat(0, r.Float(0)/1000) }),
	))
	// Output:
	// 10:00:00-10:01:00 {} events=3 tokens=0.16
}

// A flat map makes any number of rows of one event.
func ExampleBuilder_Apply_flatMap() {
	runAndPrint(answers().KeyBy("tool").Apply(
		operator.FlatMap([]string{"tools", "tool"}, func(in operator.Row, emit func() operator.Row) {
			for tool := range strings.SplitSeq(in.Text(0), ",") {
				if tool != "" {
					emit().SetText(1, tool)
				}
			}
		}),
	))
	// Unordered output:
	// 10:00:00-10:01:00 {"tool":"python"} events=1 tokens=100
	// 10:00:00-10:01:00 {"tool":"search"} events=2 tokens=150
}

// A key that is computed in Go.
func ExampleBuilder_Apply_keyBy() {
	family := operator.KeyBy("family", []string{"model"}, func(r operator.Row) event.Value {
		name, _, _ := strings.Cut(r.Text(0), "-2024-") // versions of a model are one family
		return event.Text(name)
	})
	runAndPrint(answers().Apply(family).KeyBy("family"))
	// Unordered output:
	// 10:00:00-10:01:00 {"family":"gpt-4o"} events=2 tokens=150
	// 10:00:00-10:01:00 {"family":"gpt-4o-mini"} events=1 tokens=10
}
