package aggregate_test

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
)

// geometricMean is a custom aggregate: the geometric mean of a field.
type geometricMean struct{}

// New makes its accumulators.
func (geometricMean) New() aggregate.Accumulator { return &logSum{} }

type logSum struct {
	n   uint64
	sum float64
}

// Add adds one event's value.
func (a *logSum) Add(v event.Value) {
	a.n++
	a.sum += math.Log(v.Num)
}

// Merge adds another partial, which stays as it is.
func (a *logSum) Merge(other aggregate.Accumulator) {
	o := other.(*logSum)
	a.n += o.n
	a.sum += o.sum
}

// Value is null for no events: event.Float turns NaN into null.
func (a *logSum) Value() event.Value { return event.Float(math.Exp(a.sum / float64(a.n))) }

// MarshalBinary makes it durable.
func (a *logSum) MarshalBinary() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(nil, a.n)
	return binary.BigEndian.AppendUint64(b, math.Float64bits(a.sum)), nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (a *logSum) UnmarshalBinary(b []byte) error {
	if len(b) != 16 {
		return fmt.Errorf("geometric mean of %d bytes; it has 16", len(b))
	}
	a.n = binary.BigEndian.Uint64(b)
	a.sum = math.Float64frombits(binary.BigEndian.Uint64(b[8:]))
	return nil
}

func ExampleCustom() {
	specs := []aggregate.Spec{
		aggregate.Count().As("requests"),
		{Name: "typical_ms", Func: "custom", Arg: "latency_ms", Custom: geometricMean{}},
	}
	inputs := []aggregate.Input{{Column: -1, Where: -1}, {Column: 0, Where: -1}}
	c, err := aggregate.NewComposite(specs, inputs)
	if err != nil {
		fmt.Println(err)
		return
	}
	latency := &event.Column{
		Kind: []event.Kind{event.Number, event.Number, event.Null, event.Number},
		Num:  []float64{10, 100, 0, 1000},
	}
	slot := c.Alloc()
	rows := aggregate.Rows{Slot: []uint32{slot, slot, slot, slot}, Index: []int32{0, 1, 2, 3}, Batch: &event.Batch{}}
	c.Update(rows, []*event.Column{latency})
	for i, v := range c.Values(nil, slot, aggregate.Window{}) {
		fmt.Printf("%s %.6g\n", specs[i].Name, v.Num)
	}
	// Output:
	// requests 4
	// typical_ms 100
}
