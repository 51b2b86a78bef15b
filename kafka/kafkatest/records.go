package kafkatest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

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
	ctx, cancel := within()
	defer cancel()
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
}

// ReadCommitted returns the committed records of a topic up to its end, ordered
// by partition and offset. The last record of a partition must not have been
// compacted away.
func (b *Broker) ReadCommitted(t testing.TB, topic string) []*kgo.Record {
	t.Helper()
	ends := b.ends(t, topic)
	// Control records are read too: the last offset may be that of one.
	c := b.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer c.Close()
	ctx, cancel := within()
	defer cancel()
	var all []*kgo.Record
	for len(ends) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading topic %s, of which these ends are left: %v: %v", topic, ends, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end, open := ends[r.Partition]
			if !open || r.Offset >= end {
				return // written while we read
			}
			if r.Offset == end-1 {
				delete(ends, r.Partition)
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

// ends are the offsets behind what is committed now, of the partitions that
// hold anything.
func (b *Broker) ends(t testing.TB, topic string) map[int32]int64 {
	t.Helper()
	at := map[int32]int64{}
	b.Admin(t, "looking for the end of topic "+topic, func(c *kadm.Client) error {
		ctx, cancel := within()
		defer cancel()
		starts, err := c.ListStartOffsets(ctx, topic)
		if err := errors.Join(err, starts.Error()); err != nil {
			return err
		}
		ends, err := c.ListCommittedOffsets(ctx, topic)
		if err := errors.Join(err, ends.Error()); err != nil {
			return err
		}
		ends.Each(func(end kadm.ListedOffset) {
			if start, ok := starts.Lookup(topic, end.Partition); ok && end.Offset > start.Offset {
				at[end.Partition] = end.Offset
			}
		})
		return nil
	})
	return at
}

// followWait is how long the broker may keep back an empty answer.
const followWait = 100 * time.Millisecond

// Follower reads a topic while it is written, committed records only.
type Follower struct {
	client *kgo.Client
	done   chan struct{}
	seen   func(*kgo.Record)
}

// Follow begins to read a topic from its start, past any proxy; seen is called
// with each record, by one goroutine, until Stop or the test's end. It goes on
// when the broker comes back.
func (b *Broker) Follow(t testing.TB, topic string, seen func(*kgo.Record)) *Follower {
	t.Helper()
	f := &Follower{seen: seen, done: make(chan struct{})}
	f.client = b.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(followWait))
	go f.run()
	t.Cleanup(f.Stop)
	return f
}

func (f *Follower) run() {
	defer close(f.done)
	for {
		fetches := f.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		// What is an error now is tried again by the client; what never comes
		// is missing among the records.
		fetches.EachRecord(f.seen)
	}
}

// Stop ends reading. It may be called more than once.
func (f *Follower) Stop() {
	f.client.Close()
	<-f.done
}
