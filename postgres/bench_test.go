package postgres

import (
	"context"
	"fmt"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// BenchmarkCommit writes epochs of new windows, and of windows that are there.
func BenchmarkCommit(b *testing.B) {
	srv := pgtest.Shared(b)
	q := &result.Query{Name: "model_minute", Keys: []string{"model", "tenant"}, Values: []string{"requests", "cost", "p50", "p95", "p99"}, Functions: functions("count", "sum", "percentile", "percentile", "percentile"), Seed: 5}
	for _, mode := range []string{"new", "replacing"} {
		for _, n := range []int{10, 1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", mode, n), func(b *testing.B) {
				s := aSink(srv.NewDatabase(b))
				if err := s.Describe([]*result.Query{q}); err != nil {
					b.Fatal(err)
				}
				if err := s.Open(b.Context()); err != nil {
					b.Fatal(err)
				}
				defer s.Close(context.Background())
				if _, err := s.Resume(b.Context(), sink.Mark{}, 0, false); err != nil {
					b.Fatal(err)
				}
				batch := &result.Batch{}
				for i := range n {
					key := event.AppendKeyValue(event.AppendKeyValue(nil, event.Text("gpt-4o-2024")), event.Text(fmt.Sprint("tenant-", i)))
					batch.Results = append(batch.Results, result.Result{Query: q, Key: string(key), End: 60e9,
						Values: []event.Value{event.Int(812), event.Float(1.93), event.Float(510.5), event.Float(1840.2), event.Float(2410.7)}})
				}
				epoch := uint64(0)
				for b.Loop() {
					epoch++
					for i := range batch.Results {
						if mode == "new" {
							batch.Results[i].Identity = int64(epoch)
						}
						batch.Results[i].Firing = uint32(epoch)
					}
					if err := s.Write(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
					if _, err := s.Commit(b.Context(), mark(epoch)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
