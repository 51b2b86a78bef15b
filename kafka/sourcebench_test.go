package kafka

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/source"
)

// filledPartition is a partition without a client, and what puts the same
// records into its queue again, a chunk of them.
func filledPartition(size int, attributes ...string) (p *partition, refill func() []*kgo.Record) {
	s := &Source{}
	for _, a := range attributes {
		s.Attribute([]string{a})
	}
	p = &partition{c: &consumer{src: s, hungry: newSignal()}, stop: -1, ready: newSignal()}
	records := make([]*kgo.Record, chunkBytes/(size+8))
	for i := range records {
		records[i] = &kgo.Record{Key: []byte("key"), Value: make([]byte, size), Offset: int64(i), Timestamp: time.UnixMilli(1)}
	}
	one := [][]*kgo.Record{records}
	return p, func() []*kgo.Record {
		p.passed = 0
		one[0] = records
		p.queue = queue{fetched: one, share: 1 << 20}
		return records
	}
}

// BenchmarkFill is what copying into chunks costs by itself.
func BenchmarkFill(b *testing.B) {
	for name, attributes := range map[string][]string{"plain": nil, "key and timestamp": {"$key", "$timestamp"}} {
		b.Run(name, func(b *testing.B) {
			p, refill := filledPartition(420, attributes...)
			var c source.Chunk
			n := 0
			for b.Loop() {
				c.Reset()
				records := refill()
				p.fill(&c, records)
				n += len(records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
		})
	}
}

// BenchmarkConsume reads events of about 420 bytes, compressed with lz4, out of
// four partitions of a real broker.
func BenchmarkConsume(b *testing.B) {
	const partitions, each = 4, 100_000
	broker := kafkatest.Start(b, kafkatest.ForBenchmarks())
	broker.CreateTopic(b, "events", partitions, nil)
	cl := clientOf(b, broker.Brokers(), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range partitions {
		for range each / 10_000 {
			produce(b, cl, "events", int32(i), events(rng, 10_000)...)
		}
	}
	b.ResetTimer()
	n, before := 0, cpu(b)
	for b.Loop() {
		s := &Source{Cluster: Cluster{Brokers: broker.Brokers()}, Topics: []string{"events"}, Stop: "latest"}
		n += drain(b, s)
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(n), "cpu-ns/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
	if n != b.N*partitions*each {
		b.Fatalf("read %d records of %d", n, b.N*partitions*each)
	}
}

// events are JSON objects like those of a collector.
func events(rng *rand.Rand, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`{"id":"%016x","type":"performance_metrics","timestamp":"2026-01-01T%02d:%02d:%02d.%03dZ","model":"model-%d","provider":"provider-%d","latency_ms":%.3f,"input_tokens":%d,"output_tokens":%d,"cost":%.6f,"status":"ok","request_id":"req-%016x","session_id":"sess-%08x","metadata":{"tenant":"tenant-%d","region":"eu-west-%d","environment":"production","version":"1.%d.%d"},"context":{"application":"chat","feature":"answer","user":"user-%d"}}`,
			rng.Uint64(), i/3600%24, i/60%60, i%60, rng.IntN(1000), rng.IntN(8), rng.IntN(3), rng.ExpFloat64()*800, rng.IntN(4000), rng.IntN(2000),
			rng.Float64()/10, rng.Uint64(), rng.Uint32(), rng.IntN(50), rng.IntN(3), rng.IntN(10), rng.IntN(10), rng.IntN(100_000))
	}
	return out
}

// drain reads a source to its end, and returns how many records it has.
func drain(b *testing.B, s *Source) int {
	parts, err := s.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	counts := make([]int, len(parts))
	var readers sync.WaitGroup
	for i, p := range parts {
		readers.Go(func() {
			if err := p.Open(b.Context(), 0); err != nil {
				b.Error(err)
			}
			var c source.Chunk
			for {
				if err := p.Read(b.Context(), &c); err != nil {
					if !errors.Is(err, io.EOF) {
						b.Error(err)
					}
					break
				}
				counts[i] += len(c.Spans)
			}
			if err := p.Close(); err != nil {
				b.Error(err)
			}
		})
	}
	readers.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// cpu is what this process has used of the processors.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
