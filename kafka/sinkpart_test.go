package kafka

import (
	"context"
	"fmt"
	"math"
	"sort"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/sink"
)

// TestPartitionsAreFixed: rows of a key stay in their partition from version to
// version.
func TestPartitionsAreFixed(t *testing.T) {
	for _, c := range []struct {
		query, key string
		want       int32
	}{
		{"", "", 0x5b052768}, {"model_minute", "gpt-x", 0x6ee3cc25}, {"model_minut", "egpt-x", 0x6e0baa4a},
	} {
		if got := partitionHash(c.query, c.key); got != c.want {
			t.Errorf("the hash of %q and %q is %#x, want %#x", c.query, c.key, got, c.want)
		}
	}
}

// TestPartitionsAreEven: many keys spread over any number of partitions, few of
// many queries too.
func TestPartitionsAreEven(t *testing.T) {
	const keys = 100_000
	for _, n := range []int{2, 3, 4, 7, 12, 64, 100} {
		counts := make([]float64, n)
		p := partitioner().ForTopic("any")
		for i := range keys {
			r := &kgo.Record{Partition: partitionHash(fmt.Sprint("query-", i%5), fmt.Sprint("key-", i/5))}
			counts[p.Partition(r, n)]++
		}
		mean := float64(keys) / float64(n)
		for i, count := range counts {
			if math.Abs(count-mean) > 6*math.Sqrt(mean) {
				t.Errorf("partition %d of %d has %.0f keys, want about %.0f", i, n, count, mean)
			}
		}
		if !p.RequiresConsistency(nil) {
			t.Error("a partition that is down would be avoided")
		}
	}
}

// TestRowsOfAKeyStayTogether: also when a topic is written by two sinks, one
// after the other.
func TestRowsOfAKeyStayTogether(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 5)
	for i := range 2 {
		s := sinkAt(brokers, topic)
		s.Name = fmt.Sprint("sink", i)
		resumed(t, s, sink.Mark{}, 0)
		write(t, s, rows(0, 50))
		commit(t, s, 1)
		s.shut()
	}
	where := map[string]int32{}
	used := map[int32]bool{}
	for _, r := range read(t, brokers, topic, kgo.ReadCommitted()) {
		key := headersOf(r)
		if p, seen := where[key]; seen && p != r.Partition {
			t.Errorf("rows of %s are in partitions %d and %d", key, p, r.Partition)
		}
		where[key], used[r.Partition] = r.Partition, true
	}
	if len(where) != 7 || len(used) < 2 {
		t.Errorf("%d keys in %d partitions", len(where), len(used))
	}
}

// benchBrokers are a real broker, or where there is none one in this process.
func benchBrokers(b *testing.B) []string {
	b.Helper()
	broker, err := kafkatest.Run(kafkatest.ForBenchmarks())
	if err != nil {
		b.Log("without a real broker: ", err)
		return fakeBroker(b, kfake.NumBrokers(1)).ListenAddrs()
	}
	b.Cleanup(broker.Close)
	return broker.Brokers()
}

// BenchmarkTransaction is ten rows and a mark, from Write to the end of Commit.
func BenchmarkTransaction(b *testing.B) {
	brokers := benchBrokers(b)
	s := sinkAt(brokers, newTopic(b, brokers, 4))
	resumed(b, s, sink.Mark{}, 0)
	batch := rows(0, 10)
	var took []time.Duration
	epoch := uint64(0)
	for b.Loop() {
		start := time.Now()
		write(b, s, batch)
		epoch++
		commit(b, s, epoch)
		took = append(took, time.Since(start))
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	s.Close(context.Background())
}

// BenchmarkRows is transactions of 50,000 rows.
func BenchmarkRows(b *testing.B) {
	brokers := benchBrokers(b)
	s := sinkAt(brokers, newTopic(b, brokers, 4))
	resumed(b, s, sink.Mark{}, 0)
	batch := rows(0, 1000)
	b.ReportAllocs()
	epoch := uint64(0)
	for b.Loop() {
		for range 50 {
			write(b, s, batch)
		}
		epoch++
		commit(b, s, epoch)
	}
	b.ReportMetric(float64(b.N)*50_000/b.Elapsed().Seconds(), "rows/s")
	s.Close(context.Background())
}
