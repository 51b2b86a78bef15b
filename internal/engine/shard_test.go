package engine

import (
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

// While all is idle the clock asks fifty times a second where the last open
// window ends; with a million sessions each answer would take 20 ms.
func TestTheLastEndIsLookedForOnce(t *testing.T) {
	x := newBench(t, query.Query{
		Name: "users", Key: []query.KeyField{{Name: "user", Expr: "user"}}, Window: window.Session(time.Hour),
		Aggregates: []aggregate.Spec{aggregate.Count()},
	})
	m := x.shard.mergers[0].(*sessions)
	open := func(user string, at time.Duration) {
		key := event.AppendKeyValue(nil, event.Text(user))
		m.create(keytab.Hash(key), key, -1, int64(at), int64(at+time.Hour))
	}
	step := func(k exchange.Kind, combined time.Duration) time.Duration {
		if err := x.shard.step(&exchange.Flush{Kind: k, Combined: int64(combined)}); err != nil {
			t.Fatal(err)
		}
		return time.Duration(x.shard.lastEnd.Load())
	}
	open("a", 0)
	step(exchange.Data, 0)
	if end := step(exchange.Advance, 1); end != time.Hour {
		t.Errorf("the last window ends at %v, want 1h", end)
	}
	open("b", time.Minute)
	if end := step(exchange.Advance, 2); end != time.Hour {
		t.Errorf("it was looked for again: the last window ends at %v", end)
	}
	if end := step(exchange.Data, 3); end != time.Hour {
		t.Errorf("data are slowed down: the last window ends at %v", end)
	}
	if end := step(exchange.Advance, 4); end != time.Hour+time.Minute {
		t.Errorf("after data the last window ends at %v, want 1h1m", end)
	}
	if end := step(exchange.Advance, 3*time.Hour); end != time.Hour+time.Minute || m.open() != 0 {
		t.Errorf("the last window ended at %v, %d are open", end, m.open())
	}
}
