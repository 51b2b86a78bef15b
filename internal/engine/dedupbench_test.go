package engine

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/watermark"
)

// dedupBench is a partition with deduplication, and prepared batches of events,
// a thousand a second of event time.
type dedupBench struct {
	*bench
	batches []*exchange.Shared
	span    int64
	passes  uint64
}

func newDedupBench(b testing.TB, horizon time.Duration) *dedupBench {
	b.Helper()
	p, problems := plan.Build(plan.Input{Pipeline: "bench", Queries: []query.Query{byModel}, DedupID: "id", DedupHorizon: int64(horizon)})
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	dec, err := decode.New(p.Schema, decode.Options{Format: "json", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"})
	if err != nil {
		b.Fatal(err)
	}
	x := &dedupBench{bench: &bench{plan: p, pools: []*partialsPool{{proto: p.Queries[0].Composite}}}}
	x.prep = newPreparer(p, dec, nil)
	x.comb = newCombiner(p, watermark.NewBounded(5*time.Second), 1, false, x.pools)
	x.comb.dedup = newDedup(p.Dedup, false)
	in := chunks(b, 100_000)
	for i := range in {
		s := exchange.NewShared(func(*exchange.Shared) {})
		if _, err := x.prep.prepare(&in[i], &event.Origin{Path: "bench"}, s); err != nil {
			b.Fatal(err)
		}
		x.batches = append(x.batches, s)
	}
	x.span = int64(len(in)) * int64(time.Second)
	for i, s := range x.batches { // evenly, so that the horizon says how many ids are kept
		for row := range s.Time {
			s.Time[row] = int64(i)*int64(time.Second) + int64(row)*int64(time.Millisecond)
		}
	}
	return x
}

// next is the nth batch: later times and other ids than all before.
func (x *dedupBench) next(n int) *exchange.Shared {
	at := n % len(x.batches)
	if at == 0 {
		x.passes++
	}
	s := x.batches[at]
	if x.passes > 1 {
		for row := range s.Time {
			s.Time[row] += x.span
			binary.BigEndian.PutUint64(s.IDs[row][8:], binary.BigEndian.Uint64(s.IDs[row][8:])+0x9e3779b97f4a7c15)
		}
	}
	return s
}

// BenchmarkDedup is what deduplication costs an event in the turnstile, once as
// many ids are known as the horizon asks for, and what an id takes of memory.
func BenchmarkDedup(b *testing.B) {
	for _, known := range []int{10_000, 100_000, 1_000_000, 3_600_000} {
		b.Run(fmt.Sprint(known), func(b *testing.B) {
			x := newDedupBench(b, time.Duration(known)*time.Millisecond)
			before, n := heap(), 0
			for ; len(x.comb.dedup.seen) < known; n++ {
				x.comb.meet(x.next(n), nil, nil, nil)
			}
			memory := float64(heap() - before)
			ids := float64(len(x.comb.dedup.seen))
			perEvent(b, 1000, func(int) {
				if len(x.comb.meet(x.next(n), nil, nil, nil)) > 0 {
					b.Fatal("there is a dead letter")
				}
				n++
			})
			b.ReportMetric(memory/ids, "B/id")
		})
	}
	b.Run("hash", func(b *testing.B) {
		x := newDedupBench(b, time.Hour)
		perEvent(b, 1000, func(i int) { x.prep.hashIDs(x.batches[i%len(x.batches)]) })
	})
}

// heap is what is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
