package decode

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// benchSchema is what a query of latency, cost and tokens by model and tenant
// reads.
var benchSchema = &event.Schema{Fields: []event.Field{
	{Path: []string{"model"}, Text: true},
	{Path: []string{"latency_ms"}, Numeric: true},
	{Path: []string{"cost"}, Numeric: true},
	{Path: []string{"input_tokens"}, Numeric: true},
	{Path: []string{"metadata", "tenant"}, Text: true},
}}

// benchLine is one performance event as the Collector writes it, about 420
// bytes.
func benchLine(r *rand.Rand) string {
	quality, failure := fmt.Sprintf("%.3f", r.Float64()), "null"
	if r.IntN(10) == 0 {
		quality = "null"
	}
	if r.IntN(100) == 0 {
		failure = `"upstream \"timeout\" é"`
	}
	uuid := func() string {
		h := fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	}
	latency := 100 + 4000*r.Float64()
	user := r.IntN(100_000)
	return fmt.Sprintf(`{"type":"performance_metrics","id":"%s","timestamp":"2026-01-01T00:%02d:%02d.%03dZ","request_id":"%s",`+
		`"model":"model-%d","config_id":null,"latency_ms":%.3f,"input_tokens":%d,"output_tokens":%d,"cost":%.6f,"quality_score":%s,`+
		`"error":%s,"metrics":{"ttft_ms":%.3f},"metadata":{"tenant":"tenant-%d","user_id":"u-%d","session_id":"s-%d"}}`,
		uuid(), r.IntN(60), r.IntN(60), r.IntN(1000), uuid(), r.IntN(20), latency, 20+r.IntN(4000), 1+r.IntN(1200),
		r.Float64()/10, quality, failure, latency/5, r.IntN(3), user, user*7)
}

func benchChunk(records int, line func(*rand.Rand) string) *source.Chunk {
	r := rand.New(rand.NewPCG(1, 2))
	c := &source.Chunk{}
	for range records {
		c.Data = append(append(c.Data, line(r)...), '\n')
	}
	c.Next = int64(len(c.Data))
	return c
}

// benchSpans hands the lines of c over as records without line ends.
func benchSpans(c *source.Chunk) *source.Chunk {
	s := &source.Chunk{}
	for line := range bytes.Lines(c.Data) {
		record := bytes.TrimSuffix(line, []byte{'\n'})
		s.Spans = append(s.Spans, event.Ref{Off: uint32(len(s.Data)), Len: uint32(len(record))})
		s.Offsets = append(s.Offsets, int64(len(s.Spans)))
		s.Data = append(s.Data, record...)
	}
	return s
}

func benchDecode(b *testing.B, opt Options, schema *event.Schema, c *source.Chunk) {
	d, err := New(schema, opt)
	if err != nil {
		b.Fatal(err)
	}
	var batch event.Batch
	origin := &event.Origin{}
	decode := func() {
		batch.Reset(schema, origin)
		batch.Data = c.Data
		d.Decode(c, &batch)
	}
	decode()
	records := max(len(c.Spans), bytes.Count(c.Data, []byte{'\n'}))
	if batch.N != records {
		b.Fatalf("%d rows of %d records; first dead: %+v", batch.N, records, batch.Dead[:1])
	}
	b.SetBytes(int64(len(c.Data)) / int64(records))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += records {
		decode()
	}
}

// BenchmarkDecode: one operation is one event.
func BenchmarkDecode(b *testing.B) {
	opt := Options{Format: "json", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"}
	auto := opt
	auto.Format = "auto"
	spaced := func(r *rand.Rand) string {
		return strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(benchLine(r))
	}
	cloud := func(r *rand.Rand) string {
		return `{"specversion":"1.0","type":"t","source":"s","id":"1","data":` + benchLine(r) + `}`
	}
	mixed := func(r *rand.Rand) string {
		if r.IntN(2) == 0 {
			return `{"type":"user_feedback","id":"0f9c1c1e-55b0-4f0e-9a55-1d1f6a3b7c01","timestamp":"2026-01-01T00:00:41.120394Z","user_id":"u-118","session_id":"s-77","rating":4.0,"liked":true,"comment":null,"metadata":{"tenant":"acme"}}`
		}
		return benchLine(r)
	}
	long := func(r *rand.Rand) string {
		return fmt.Sprintf(`{"timestamp":"2026-01-01T00:00:00Z","latency_ms":%v,"cost":%v,"input_tokens":%d}`, r.Float64()*1000, r.Float64(), r.IntN(4000))
	}
	for _, t := range []struct {
		name string
		opt  Options
		line func(*rand.Rand) string
	}{
		{"performance", opt, benchLine}, {"spaced", opt, spaced}, {"mixed", opt, mixed},
		{"cloudevents", auto, cloud}, {"auto", auto, benchLine}, {"digits", opt, long},
	} {
		b.Run(t.name, func(b *testing.B) { benchDecode(b, t.opt, benchSchema, benchChunk(2000, t.line)) })
	}
	b.Run("spans", func(b *testing.B) { benchDecode(b, opt, benchSchema, benchSpans(benchChunk(2000, benchLine))) })
}
