package kafka

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

// fakeBroker starts a broker in this process.
func fakeBroker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// sinkAt makes a sink for a topic.
func sinkAt(brokers []string, topic string) *Sink {
	return &Sink{Cluster: Cluster{Brokers: brokers}, Topic: topic, Pipeline: "llm-health", Name: "kafka"}
}

// incarnation is that of the state in these tests.
var incarnation = [16]byte{'k', 'a', 'f', 'k', 'a'}

// resumed opens, resumes and starts a sink with a state that ends at newest.
func resumed(t testing.TB, s *Sink, m sink.Mark, newest uint64) uint64 {
	t.Helper()
	epoch, err := resume(t, s, m, newest, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return epoch
}

// resume opens and resumes a sink, which the test's end closes.
func resume(t testing.TB, s *Sink, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	if m.Incarnation == [16]byte{} {
		m.Incarnation = incarnation
	}
	return s.Resume(ctx, m, newest, redeliver)
}

// crash drops a sink as the end of its process does.
func crash(s *Sink) {
	s.shut()
}

func commit(t testing.TB, s *Sink, epoch uint64) []byte {
	t.Helper()
	token, err := s.Commit(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func write(t testing.TB, s sink.Sink, b *result.Batch) {
	t.Helper()
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

var sinkQuery = &result.Query{Name: "model_minute", Keys: []string{"model"}, Values: []string{"requests", "p95_ms"}, Seed: 7}

// rows are n results, the first of them with this number.
func rows(first, n int) *result.Batch {
	b := new(result.Batch)
	for i := first; i < first+n; i++ {
		start := int64(i) * 60e9
		b.Results = append(b.Results, result.Result{
			Query: sinkQuery, Key: string(event.AppendKeyValue(nil, event.Text(fmt.Sprint("gpt-", i%7)))), KeyJSON: fmt.Sprintf(`{"model":"gpt-%d"}`, i%7),
			Start: start, End: start + 60e9, Identity: start,
			Values: []event.Value{event.Int(int64(i)), event.Float(float64(i) + 0.5)}, Events: int64(i), Watermark: start,
		})
	}
	return b
}

func rowIDs(b *result.Batch) (ids []string) {
	for i := range b.Results {
		ids = append(ids, fmt.Sprintf("%s-%d", b.Results[i].WindowID(nil), b.Results[i].Firing))
	}
	return ids
}

// read reads the records of a topic as they are now, by partition.
func read(t testing.TB, brokers []string, topic string, isolation kgo.IsolationLevel) (records []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	cl := clientOf(t, brokers, kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	defer cl.Close()
	list := kadm.NewClient(cl).ListCommittedOffsets
	if isolation == kgo.ReadUncommitted() {
		list = kadm.NewClient(cl).ListEndOffsets
	}
	ends, err := list(ctx, topic)
	if err != nil || ends.Error() != nil {
		t.Fatalf("end of %s: %v %v", topic, err, ends.Error())
	}
	for partition, end := range ends[topic] {
		cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(0)}})
		for at := int64(0); at < end.Offset; {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				at = r.Offset + 1
				if !r.Attrs.IsControl() && r.Offset < end.Offset {
					records = append(records, r)
				}
			})
		}
		cl.RemoveConsumePartitions(map[string][]int32{topic: {partition}})
	}
	return records
}

// settled waits until no transaction is open in a topic: a broker answers a
// commit before everybody can see it.
func settled(t testing.TB, brokers []string, topic string) {
	t.Helper()
	cl := clientOf(t, brokers)
	defer cl.Close()
	admin := kadm.NewClient(cl)
	eventually(t, "the end of all transactions in "+topic, func() bool {
		stable, err := admin.ListCommittedOffsets(context.Background(), topic)
		ends, endErr := admin.ListEndOffsets(context.Background(), topic)
		return err == nil && endErr == nil && stable.Error() == nil && ends.Error() == nil &&
			fmt.Sprint(stable.KOffsets()) == fmt.Sprint(ends.KOffsets())
	})
}

// heldInTheEnd is held when all transactions are over.
func heldInTheEnd(t testing.TB, brokers []string, topic string) sinktest.Held {
	t.Helper()
	settled(t, brokers, topic)
	return held(t, brokers, topic)
}

// held is what readers of committed records see in a topic.
func held(t testing.TB, brokers []string, topic string) sinktest.Held {
	t.Helper()
	var text bytes.Buffer
	for _, r := range read(t, brokers, topic, kgo.ReadCommitted()) {
		text.Write(bytes.TrimRight(r.Value, "\n"))
		text.WriteByte('\n')
	}
	h, err := sinktest.Lines(text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// topics gives every test of a shared broker names of its own.
var topicNumber atomic.Int64

func newTopic(t testing.TB, brokers []string, partitions int32) string {
	t.Helper()
	name := fmt.Sprintf("t%d-%s", topicNumber.Add(1), strings.NewReplacer("/", "-", "_", "-", " ", "-", "#", "-").Replace(t.Name()))
	name = name[:min(len(name), 200)]
	admin := adminOf(t, brokers)
	made, err := admin.CreateTopic(t.Context(), partitions, 1, nil, name)
	if err != nil || made.Err != nil {
		t.Fatalf("create %s: %v %v", name, err, made.Err)
	}
	eventually(t, "the brokers show the topic", func() bool {
		ends, err := admin.ListEndOffsets(t.Context(), name)
		return err == nil && ends.Error() == nil && len(ends[name]) == int(partitions)
	})
	return name
}

// markerPlace is a topic and a marker topic of their own, for the conformance suite.
func markerPlace(t *testing.T, brokers []string) sinktest.Place {
	topic := newTopic(t, brokers, 1)
	var last *Sink
	t.Cleanup(func() {
		if last != nil {
			last.shut()
		}
	})
	return sinktest.Place{
		Sink: func() sink.Marker {
			last = sinkAt(brokers, topic)
			last.Name = topic
			return last
		},
		Crash: func() { crash(last) },
		Held:  func() sinktest.Held { return heldInTheEnd(t, brokers, topic) },
	}
}
