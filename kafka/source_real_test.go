package kafka

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/source"
)

// realKafka starts a broker of the test's own.
func realKafka(t testing.TB) (b *kafkatest.Broker, brokers []string) {
	t.Helper()
	b = kafkatest.Start(t)
	return b, b.Brokers()
}

// readAll reads all partitions at once to their ends.
func readAll(t testing.TB, parts []source.Partition) []got {
	t.Helper()
	all := make([]got, len(parts))
	var readers sync.WaitGroup
	for i, p := range parts {
		if err := p.Open(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			var err error
			if all[i], err = tryReadUntil(p, nil); all[i].next == 0 {
				t.Errorf("partition %d: %v", i, err)
			}
		})
	}
	readers.Wait()
	return all
}

func TestRealBroker(t *testing.T) {
	b, brokers := realKafka(t)
	newTopic := func(t *testing.T, partitions int32, config map[string]string) string {
		name := fmt.Sprintf("t%d", time.Now().UnixNano())
		b.CreateTopic(t, name, partitions, config)
		return name
	}
	t.Run("compression", func(t *testing.T) {
		const partitions, each = 4, 100_000
		for name, codec := range map[string]kgo.CompressionCodec{
			"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "none": kgo.NoCompression(),
		} {
			t.Run(name, func(t *testing.T) {
				topic := newTopic(t, partitions, nil)
				cl := clientOf(t, brokers, kgo.ProducerBatchCompression(codec))
				want := make([][]string, partitions)
				for i := range want {
					want[i] = values(fmt.Sprint("p", i), each)
					for vs := range slices.Chunk(want[i], 10_000) {
						produce(t, cl, topic, int32(i), vs...)
					}
				}
				for i, g := range readAll(t, opened(t, &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, Stop: "latest"})) {
					sameValues(t, g.values, want[i])
					if g.next != each {
						t.Errorf("partition %d ends at %d, want %d", i, g.next, each)
					}
				}
			})
		}
	})
	t.Run("transactions", func(t *testing.T) {
		b.CreateTopic(t, "events", 1, nil)
		checkTransactions(t, brokers)
	})
	t.Run("envelopes", func(t *testing.T) { checkEnvelopes(t, brokers, newTopic(t, 1, nil)) })
	t.Run("compacted", func(t *testing.T) { checkCompacted(t, brokers, newTopic) })
	t.Run("lost", func(t *testing.T) {
		topic := newTopic(t, 1, nil)
		cl := clientOf(t, brokers)
		produce(t, cl, topic, 0, values("v", 100)...)
		s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}}
		p := openAt(t, s, 90)
		sameValues(t, readUntil(t, p, count(10)).values, values("v", 100)[90:])
		b.DeleteRecords(t, topic, 0, 40)
		err := opened(t, &Source{Cluster: s.Cluster, Topics: s.Topics})[0].Open(t.Context(), 30)
		says(t, err, topic, "next offset to read is 30", "begins at 40", "10 records", "--fresh")
	})
	t.Run("recreated", func(t *testing.T) {
		topic := newTopic(t, 1, nil)
		produce(t, clientOf(t, brokers), topic, 0, "a", "b")
		s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, DiscoverEvery: 100 * time.Millisecond}
		p := openAt(t, s, 0)
		readUntil(t, p, count(2))
		b.DeleteTopic(t, topic)
		b.CreateTopic(t, topic, 1, nil)
		produce(t, clientOf(t, brokers), topic, 0, "c", "d", "e")
		g, err := tryReadUntil(p, nil)
		says(t, err, "was deleted and created again")
		if len(g.values) > 0 {
			t.Errorf("read %q of the new topic", g.values)
		}
	})
	t.Run("discovered", func(t *testing.T) {
		topic := newTopic(t, 1, nil)
		s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, DiscoverEvery: 100 * time.Millisecond, Start: Start{Latest: true}}
		opened(t, s)
		b.AddPartitions(t, topic, 3)
		b.Produce(t, topic, 2, "new")
		var found []source.Partition
		for len(found) < 2 {
			more, err := s.Discover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, more...)
		}
		if err := found[1].Open(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		sameValues(t, readUntil(t, found[1], count(1)).values, []string{"new"})
		if err := found[1].Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("mirrored", func(t *testing.T) {
		topic := newTopic(t, 1, nil)
		s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, Group: "mirrored"}
		p := openAt(t, s, 0)
		s.Acknowledge([]source.Saved{{Origin: p.Origin(), Position: 17}})
		adm := adminOf(t, brokers)
		eventually(t, "visible", func() bool {
			offsets, err := adm.FetchOffsets(t.Context(), "mirrored") // fails until there is a coordinator
			o, _ := offsets.Lookup(topic, 0)
			return err == nil && o.At == 17
		})
	})
}

// checkCompacted reads a log whose records were replaced by later ones, up to
// its end.
func checkCompacted(t *testing.T, brokers []string, newTopic func(*testing.T, int32, map[string]string) string) {
	topic := newTopic(t, 1, map[string]string{
		"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "200",
		"delete.retention.ms": "0",
	})
	a := producerOf(t, brokers, "compact-"+topic)
	ctx := t.Context()
	put := func(end kgo.TransactionEndTry, key, value string) {
		if err := a.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}
		if value == "" {
			r.Value = nil
		}
		if err := a.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := a.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	adm := adminOf(t, brokers)
	left := func() int { // records that a plain reader sees
		p := openAt(t, &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, Stop: "latest"}, 0)
		n := len(readUntil(t, p, nil).values)
		return n
	}
	for i := range 40 {
		put(kgo.TryCommit, fmt.Sprint("k", i%3), fmt.Sprint("v", i))
	}
	eventually(t, "cleaned", func() bool {
		put(kgo.TryAbort, "aborted", "x") // a log is rolled when something is appended
		time.Sleep(300 * time.Millisecond)
		return left() < 10
	})
	put(kgo.TryAbort, "k0", "aborted")
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	p := openAt(t, &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, Stop: "latest"}, 0)
	g := readUntil(t, p, nil)
	if p := p.(*partition); p.passed < end.Offset {
		t.Errorf("ended at %d, want %d", p.passed, end.Offset)
	}
	for _, v := range []string{"v37", "v38", "v39"} {
		if !slices.Contains(g.values, v) {
			t.Errorf("read %q, without the last value %s", g.values, v)
		}
	}
}

// Brokers that die, or hang, cost nothing but time.
func TestBrokerOutages(t *testing.T) {
	b, brokers := realKafka(t)
	for name, outage := range map[string]func(){
		"killed": func() {
			b.Kill()
			b.Restart(t)
		},
		"stopped for 10 s": func() {
			b.Pause()
			time.Sleep(10 * time.Second)
			b.Continue()
		},
	} {
		t.Run(name, func(t *testing.T) {
			topic := fmt.Sprintf("t%d", time.Now().UnixNano())
			b.CreateTopic(t, topic, 2, nil)
			cl := clientOf(t, brokers)
			want := [][]string{values("a", 60_000), values("b", 60_000)}
			send := func(from, to int) {
				for i := range want {
					produce(t, cl, topic, int32(i), want[i][from:to]...)
				}
			}
			send(0, 30_000)
			s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, BufferBytes: 1 << 20, FetchBytes: 64 << 10}
			parts := opened(t, s)
			all := make([]got, len(parts))
			var readers sync.WaitGroup
			for i, p := range parts {
				if err := p.Open(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				readers.Go(func() {
					var err error
					all[i], err = tryReadUntil(p, func(g *got) bool {
						time.Sleep(20 * time.Millisecond) // so that it is still reading when they die
						return len(g.values) >= 60_000
					})
					if err != nil {
						t.Errorf("partition %d after %d records: %v", i, len(all[i].values), err)
					}
				})
			}
			outage()
			send(30_000, 60_000)
			readers.Wait()
			for i := range all {
				sameValues(t, all[i].values, want[i])
			}
		})
	}
}
