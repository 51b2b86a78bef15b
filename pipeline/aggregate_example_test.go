package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// geoMean is an aggregate: the geometric mean of positive numbers.
type geoMean struct{}

// New makes the accumulator of a window and key.
func (geoMean) New() aggregate.Accumulator { return &logs{} }

// logs sums logarithms.
type logs struct {
	Sum float64
	N   int64
}

// Add adds the value of an event. Nulls are not passed on.
func (a *logs) Add(v event.Value) {
	if v.Kind.IsNumber() && v.Num > 0 {
		a.Sum, a.N = a.Sum+math.Log(v.Num), a.N+1
	}
}

// Merge adds what another accumulator holds: windows are merged from parts.
func (a *logs) Merge(other aggregate.Accumulator) {
	o := other.(*logs)
	a.Sum, a.N = a.Sum+o.Sum, a.N+o.N
}

// Value is the result, null while there is none.
func (a *logs) Value() event.Value {
	if a.N == 0 {
		return event.Value{}
	}
	return event.Float(math.Round(math.Exp(a.Sum / float64(a.N))))
}

// MarshalBinary and UnmarshalBinary make the accumulator durable.
func (a *logs) MarshalBinary() ([]byte, error) { return json.Marshal(*a) }

func (a *logs) UnmarshalBinary(data []byte) error { return json.Unmarshal(data, a) }

// An aggregate of one's own stands beside the built-in ones.
func Example_customAggregate() {
	p, err := pipeline.New("custom-aggregate").
		From(&source.File{Path: "testdata/calls.jsonl"}).
		EventTime("timestamp", event.RFC3339).
		Query("minute").
		Window(window.Tumbling(time.Minute)).
		Aggregate(
			aggregate.Avg("latency_ms").As("mean_ms").If(`metadata.tenant == "acme"`),
			aggregate.Spec{Func: "custom", Arg: "latency_ms", Custom: geoMean{}}.As("geo_ms").If(`metadata.tenant == "acme"`),
		).
		To(printer{}).
		Build()
	if err == nil {
		_, err = p.Run(context.Background())
	}
	fmt.Println(err)
	// Output:
	// 10:00:00-10:01:00 {} mean_ms=1030 geo_ms=1008
	// 10:01:00-10:02:00 {} mean_ms=760 geo_ms=760
	// <nil>
}
