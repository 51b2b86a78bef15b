package engine

import (
	"bytes"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/gen"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/watermark"
	"github.com/llm-optimizer/processor/window"
)

// byModel is the workload with few keys and all numeric aggregates.
var byModel = query.Query{
	Name:   "by_model",
	Key:    []query.KeyField{{Name: "model", Expr: "model"}, {Name: "tenant", Expr: "metadata.tenant"}},
	Window: window.Tumbling(time.Minute),
	Aggregates: []aggregate.Spec{
		aggregate.Count(), aggregate.Sum("cost"), aggregate.Sum("input_tokens"),
		aggregate.Avg("latency_ms"), aggregate.Min("latency_ms"), aggregate.Max("latency_ms"), aggregate.StdDev("latency_ms"),
		aggregate.Percentile("latency_ms", 50), aggregate.Percentile("latency_ms", 95), aggregate.Percentile("latency_ms", 99),
	},
}

// byUser has almost only distinct keys and windows that share panes.
var byUser = query.Query{
	Name:       "by_user",
	Key:        []query.KeyField{{Name: "user", Expr: "metadata.user_id"}},
	Window:     window.Sliding(5*time.Minute, time.Minute),
	Aggregates: []aggregate.Spec{aggregate.Count(), aggregate.Sum("cost"), aggregate.Percentile("latency_ms", 95)},
}

// bySession opens a window for almost every event.
var bySession = query.Query{
	Name:       "by_session",
	Key:        []query.KeyField{{Name: "session", Expr: "metadata.session_id"}},
	Window:     window.Session(30 * time.Second),
	Aggregates: []aggregate.Spec{aggregate.Count(), aggregate.Sum("cost"), aggregate.Max("latency_ms")},
}

// bench is one partition and one shard without goroutines.
type bench struct {
	plan    *plan.Plan
	prep    *preparer
	comb    *combiner
	shard   *shard
	pools   []*partialsPool
	results int
}

func newBench(b testing.TB, q query.Query) *bench {
	b.Helper()
	p, problems := plan.Build(plan.Input{Pipeline: "bench", Queries: []query.Query{q}})
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	dec, err := decode.New(p.Schema, decode.Options{Format: "json", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"})
	if err != nil {
		b.Fatal(err)
	}
	x := &bench{plan: p, pools: []*partialsPool{{proto: p.Queries[0].Composite}}}
	x.prep = newPreparer(p, dec, nil)
	x.comb = newCombiner(p, watermark.NewBounded(5*time.Second), 1, false, x.pools)
	x.shard = newShard(p, Limits{}, false, beginning(p), nil)
	x.shard.out.take = func(r *result.Batch) *result.Batch {
		x.results += len(r.Results)
		r.Results, r.Slab = r.Results[:0], r.Slab[:0]
		return r
	}
	return x
}

// chunks are events of the benchmark workload in runs of about a thousand.
func chunks(b testing.TB, events int) []source.Chunk {
	b.Helper()
	opts := gen.DefaultBench()
	opts.Events = events
	var buf bytes.Buffer
	if _, err := opts.WriteTo(&buf); err != nil {
		b.Fatal(err)
	}
	lines := bytes.SplitAfter(buf.Bytes(), []byte("\n"))
	var out []source.Chunk
	const size = 1000
	for at := 0; at+size <= len(lines); at += size {
		out = append(out, source.Chunk{Data: bytes.Join(lines[at:at+size], nil)})
	}
	return out
}

func (x *bench) prepare(b testing.TB, c *source.Chunk, s *exchange.Shared) {
	if _, err := x.prep.prepare(c, &event.Origin{Path: "bench"}, s); err != nil {
		b.Fatal(err)
	}
}

// step flushes what is combined through the shard.
func (x *bench) step(b testing.TB) {
	w := x.comb.wm.Current()
	f := &exchange.Flush{Others: event.MaxTime, Combined: w}
	x.comb.take(0, f)
	x.comb.flushed()
	if err := x.shard.step(f); err != nil {
		b.Fatal(err)
	}
	for q, p := range f.Partials {
		if p != nil {
			x.pools[q].put(p)
		}
	}
	for _, h := range f.Held {
		h.Release()
	}
}

// BenchmarkPrepare decodes, filters, and encodes and hashes keys.
func BenchmarkPrepare(b *testing.B) {
	x, in := newBench(b, byModel), chunks(b, 10_000)
	s := exchange.NewShared(func(*exchange.Shared) {})
	perEvent(b, 1000, func(i int) { x.prepare(b, &in[i%len(in)], s) })
}

// BenchmarkCombine folds prepared events into partials. They come again and
// again, so the watermark must not get ahead of them: what is late is not folded.
func BenchmarkCombine(b *testing.B) {
	x, in := newBench(b, byModel), chunks(b, 10_000)
	x.comb.wm = watermark.NewBounded(time.Hour)
	batches := make([]*exchange.Shared, len(in))
	for i := range in {
		batches[i] = exchange.NewShared(func(*exchange.Shared) {})
		x.prepare(b, &in[i], batches[i])
	}
	perEvent(b, 1000, func(i int) {
		batches[i%len(batches)].Retain(1)
		x.comb.meet(batches[i%len(batches)], nil, nil, nil)
		x.comb.add(batches[i%len(batches)])
		if i%16 == 15 {
			drop := &exchange.Flush{}
			x.comb.take(0, drop)
			for q, p := range drop.Partials {
				if p != nil {
					x.pools[q].put(p)
				}
			}
			x.comb.flushed()
		}
	})
}

// BenchmarkMerge merges the partials of a flush, 60 keys in one or two panes.
func BenchmarkMerge(b *testing.B) {
	x, in := newBench(b, byModel), chunks(b, 10_000)
	s := exchange.NewShared(func(*exchange.Shared) {})
	for i := range in {
		x.prepare(b, &in[i], s)
		s.Retain(2)
		x.comb.meet(s, nil, nil, nil)
		x.comb.add(s)
	}
	f := &exchange.Flush{}
	x.comb.take(0, f)
	p := f.Partials[0]
	b.ReportAllocs()
	for b.Loop() {
		x.shard.mergers[0].partials(p)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(p.Table.Len()), "ns/partial")
}

// BenchmarkPipeline is everything but reading and writing, by workload.
func BenchmarkPipeline(b *testing.B) {
	for _, q := range []query.Query{byModel, byUser, bySession} {
		b.Run(q.Name, func(b *testing.B) {
			x, in := newBench(b, q), chunks(b, 200_000)
			s := exchange.NewShared(func(*exchange.Shared) {})
			for i := range in { // warm up, then go on in time
				x.prepare(b, &in[i], s)
				s.Retain(2)
				x.comb.meet(s, nil, nil, nil)
				x.comb.add(s)
				x.step(b)
			}
			x.results = 0
			shift := int64(0)
			perEvent(b, 1000, func(i int) {
				if i%len(in) == 0 {
					shift += int64(200 * time.Second)
				}
				x.prepare(b, &in[i%len(in)], s)
				for j := range s.Time {
					s.Time[j] += shift
				}
				s.Retain(2)
				x.comb.meet(s, nil, nil, nil)
				x.comb.add(s)
				x.step(b)
				x.comb.late = x.comb.late[:0]
			})
			b.ReportMetric(float64(x.results)/float64(b.N*1000), "results/event")
		})
	}
}

// perEvent runs a function that handles n events, and reports per event.
func perEvent(b *testing.B, n int, run func(i int)) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		run(i)
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}
