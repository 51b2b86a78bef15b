package postgres

import (
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// aRow is a firing of the nth window.
func aRow(n int) result.Result {
	start := int64(n) * 60e9
	return result.Result{
		Query: modelQueries[0], Key: string(event.AppendKeyValue(nil, event.Text("gpt-x"))), KeyJSON: `{"model":"gpt-x"}`,
		Start: start, End: start + 60e9, Identity: start,
		Values: []event.Value{event.Int(int64(n)), event.Float(0.5)}, Events: 3, Watermark: start, EmittedAt: start,
	}
}
