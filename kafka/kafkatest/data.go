package kafkatest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// client returns a client that ends with the test.
func (b *Broker) client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.addr), kgo.DisableClientMetrics()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func within(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.Background(), patience)
}

// CreateTopic creates a topic; configs may be nil.
func (b *Broker) CreateTopic(t testing.TB, topic string, partitions int32, configs map[string]string) {
	t.Helper()
	c := b.client(t)
	defer c.Close()
	ctx, cancel := within(t)
	defer cancel()
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	if _, err := kadm.NewClient(c).CreateTopic(ctx, partitions, 1, values, topic); err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
}

// CreateTopic creates a topic on a broker, unless it is there.
func CreateTopic(ctx context.Context, addr, topic string, partitions int32) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = kadm.NewClient(c).CreateTopic(ctx, partitions, 1, nil, topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}

// AddPartitions gives a topic more partitions, to that many in all.
func (b *Broker) AddPartitions(t testing.TB, topic string, partitions int) {
	t.Helper()
	c := b.client(t)
	defer c.Close()
	ctx, cancel := within(t)
	defer cancel()
	r, err := kadm.NewClient(c).UpdatePartitions(ctx, partitions, topic)
	if err == nil {
		err = r.Error()
	}
	if err != nil {
		t.Fatalf("adding partitions to topic %s: %v", topic, err)
	}
}

// DeleteTopic deletes a topic.
func (b *Broker) DeleteTopic(t testing.TB, topic string) {
	t.Helper()
	c := b.client(t)
	defer c.Close()
	ctx, cancel := within(t)
	defer cancel()
	if _, err := kadm.NewClient(c).DeleteTopic(ctx, topic); err != nil {
		t.Fatalf("deleting topic %s: %v", topic, err)
	}
}

// DeleteRecords deletes the records of a partition before an offset.
func (b *Broker) DeleteRecords(t testing.TB, topic string, partition int32, before int64) {
	t.Helper()
	c := b.client(t)
	defer c.Close()
	ctx, cancel := within(t)
	defer cancel()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: before})
	r, err := kadm.NewClient(c).DeleteRecords(ctx, offsets)
	if err == nil {
		err = r.Error()
	}
	if err != nil {
		t.Fatalf("deleting records of topic %s: %v", topic, err)
	}
}

// Produce writes values to a partition.
func (b *Broker) Produce(t testing.TB, topic string, partition int32, values ...string) {
	t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	b.ProduceRecords(t, records...)
}

// ProduceRecords writes records to the partitions that they name.
func (b *Broker) ProduceRecords(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	c := b.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer c.Close()
	ctx, cancel := within(t)
	defer cancel()
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
}

// Read returns the committed records of a topic up to its end, ordered by
// partition and offset.
func (b *Broker) Read(t testing.TB, topic string) []*kgo.Record {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	admin := b.client(t)
	defer admin.Close()
	ends, err := kadm.NewClient(admin).ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatalf("looking for the end of topic %s: %v", topic, err)
	}
	left := 0
	at := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if at[o.Partition] = o.Offset; o.Offset > 0 {
			left++
		}
	})
	// Control records are read too: the last offset may be one's.
	c := b.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer c.Close()
	var all []*kgo.Record
	for left > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("reading topic %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset == at[r.Partition]-1 {
				left--
			}
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
		})
	}
	slices.SortFunc(all, func(x, y *kgo.Record) int {
		return cmp.Or(cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Offset, y.Offset))
	})
	return all
}

// GroupOffset is the committed offset of a group, -1 if there is none.
func (b *Broker) GroupOffset(t testing.TB, group, topic string, partition int32) int64 {
	t.Helper()
	c := b.client(t)
	defer c.Close()
	ctx, cancel := within(t)
	defer cancel()
	offsets, err := kadm.NewClient(c).FetchOffsets(ctx, group)
	if err != nil {
		t.Fatalf("reading the offsets of group %s: %v", group, err)
	}
	if o, ok := offsets.Lookup(topic, partition); ok {
		return o.At
	}
	return -1
}

// Follower reads a topic while it is written, committed records only.
type Follower struct {
	client *kgo.Client
	done   chan struct{}
	seen   func(*kgo.Record)
	err    error
}

// Follow begins to read a topic from its start; seen is called with each record,
// by one goroutine, until Stop.
func (b *Broker) Follow(t testing.TB, topic string, seen func(*kgo.Record)) *Follower {
	t.Helper()
	f := &Follower{
		seen: seen, done: make(chan struct{}),
		client: b.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond), kgo.AlwaysRetryEOF()),
	}
	go f.run()
	t.Cleanup(func() { _ = f.Stop() })
	return f
}

func (f *Follower) run() {
	defer close(f.done)
	for {
		fetches := f.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(topic string, p int32, err error) {
			f.err = fmt.Errorf("reading partition %d of topic %s: %w", p, topic, err)
		})
		fetches.EachRecord(f.seen)
	}
}

// Stop ends reading and returns the last error.
func (f *Follower) Stop() error {
	f.client.Close()
	<-f.done
	return f.err
}
