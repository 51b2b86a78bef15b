package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/source"
)

// patient bounds every wait of these tests.
const patient = time.Minute

// fakeKafka starts brokers in this process, with a topic of so many partitions.
func fakeKafka(t testing.TB, topic string, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// clientOf connects a client of the test's own.
func clientOf(t testing.TB, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// values are n records of differing lengths.
func values(name string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d-%s", name, i, strings.Repeat("x", i*37%500))
	}
	return out
}

// produce writes values to a partition and waits until they are there.
func produce(t testing.TB, cl *kgo.Client, topic string, partition int32, values ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// transact writes values in one transaction.
func transact(t testing.TB, cl *kgo.Client, end kgo.TransactionEndTry, topic string, partition int32, values ...string) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, topic, partition, values...)
	if err := cl.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

// opened opens a source, which the test closes.
func opened(t testing.TB, s *Source) []source.Partition {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	parts, err := s.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range parts {
			p.Close()
		}
		s.Close()
	})
	return parts
}

// openAt opens a source of one partition, and the partition at a position.
func openAt(t testing.TB, s *Source, position int64) source.Partition {
	t.Helper()
	parts := opened(t, s)
	if len(parts) != 1 {
		t.Fatalf("%d partitions, want 1", len(parts))
	}
	if err := parts[0].Open(t.Context(), position); err != nil {
		t.Fatal(err)
	}
	return parts[0]
}

// got is what was read of a partition.
type got struct {
	values  []string
	offsets []int64
	next    int64
	token   []byte
}

// readUntil reads until enough says so, or the end.
func readUntil(t testing.TB, p source.Partition, enough func(*got) bool) got {
	t.Helper()
	g, err := tryReadUntil(p, enough)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("after %d records: %v", len(g.values), err)
	}
	return g
}

func tryReadUntil(p source.Partition, enough func(*got) bool) (got, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	var c source.Chunk
	var g got
	for enough == nil || !enough(&g) {
		if err := p.Read(ctx, &c); err != nil {
			return g, err
		}
		for i, s := range c.Spans {
			g.values = append(g.values, string(c.Data[s.Off:s.Off+s.Len]))
			if c.Data[s.Off+s.Len] != '\n' {
				return g, fmt.Errorf("no line end behind record %d", i)
			}
		}
		g.offsets = append(g.offsets, c.Offsets...)
		g.next = c.Next
		if c.Token != nil {
			g.token = c.Token
		}
	}
	return g, nil
}

// count is enough for readUntil when there are n records.
func count(n int) func(*got) bool { return func(g *got) bool { return len(g.values) >= n } }

func sameValues(t testing.TB, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("record %d is %.60q, want %.60q (%d records, want %d)", i, got[i], want[i], len(got), len(want))
		}
	}
	t.Fatalf("%d records, want %d", len(got), len(want))
}

// eventually waits until ok says yes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patient)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patient, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// says fails the test unless an error says all of words.
func says(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("error %q does not say %q", err, w)
		}
	}
}

// adminOf is an admin client.
func adminOf(t testing.TB, brokers []string) *kadm.Client {
	return kadm.NewClient(clientOf(t, brokers))
}
