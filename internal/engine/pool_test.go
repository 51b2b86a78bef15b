package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// Buckets of the upper levels hold many times the keys of a pane. Were their
// memory passed on to panes when they die, all buckets would be of that size in
// the end, though the state is the same at any time.
func TestPanesStayAsSmallAsTheyAre(t *testing.T) {
	x := newBench(t, query.Query{
		Name: "users", Key: []query.KeyField{{Name: "user", Expr: "user"}},
		Window: window.Sliding(200*time.Second, time.Second), Aggregates: []aggregate.Spec{aggregate.Count()},
	})
	x.shard.out.take = func(r *result.Batch) *result.Batch {
		r.Results, r.Slab = r.Results[:0], r.Slab[:0]
		return r
	}
	m := x.shard.mergers[0].(*panes)
	const users = 10 // new ones every second
	var p exchange.Partials
	p.Comp = m.plan.Composite.Clone()
	run := func(from, to int) {
		for second := from; second < to; second++ {
			at := int64(second) * int64(time.Second)
			p.Clear()
			for i := range users {
				key := event.AppendKeyValue(nil, event.Text(fmt.Sprintf("user-%d-%d", second, i)))
				p.Table.Put(keytab.Hash(key), at, key)
				p.Slots = append(p.Slots, p.Comp.Alloc())
			}
			m.partials(&p)
			m.advance(at)
		}
	}
	run(0, 500)
	before := m.bytes()
	run(500, 2500)
	if after := m.bytes(); after > before*5/4 {
		t.Errorf("the same state takes %d bytes after a while, at first %d", after, before)
	}
}
