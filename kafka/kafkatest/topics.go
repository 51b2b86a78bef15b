package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// within bounds what this package asks of the broker.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), servertest.Patience)
}

// client returns a client that no proxy disturbs.
func (b *Broker) client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.internal), kgo.DisableClientMetrics(), kgo.AlwaysRetryEOF(), kgo.MetadataMinAge(100 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Admin lends a client for administration, past any proxy. Its error fails the
// test; doing says what was attempted.
func (b *Broker) Admin(t testing.TB, doing string, use func(*kadm.Client) error) {
	t.Helper()
	c := b.client(t)
	defer c.Close()
	if err := use(kadm.NewClient(c)); err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

// CreateTopic creates a topic and waits until it can be used; configs may be
// nil.
func (b *Broker) CreateTopic(t testing.TB, topic string, partitions int32, configs map[string]string) {
	t.Helper()
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	b.Admin(t, "creating topic "+topic, func(c *kadm.Client) error {
		ctx, cancel := within()
		defer cancel()
		if _, err := c.CreateTopic(ctx, partitions, 1, values, topic); err != nil {
			return err
		}
		return hasPartitions(ctx, c, topic, int(partitions))
	})
}

// AddPartitions gives a topic more partitions, to that many in all, and waits
// until they can be used.
func (b *Broker) AddPartitions(t testing.TB, topic string, partitions int) {
	t.Helper()
	b.Admin(t, "adding partitions to topic "+topic, func(c *kadm.Client) error {
		ctx, cancel := within()
		defer cancel()
		r, err := c.UpdatePartitions(ctx, partitions, topic)
		if err := errors.Join(err, r.Error()); err != nil {
			return err
		}
		return hasPartitions(ctx, c, topic, partitions)
	})
}

// DeleteTopic deletes a topic and waits until it is gone.
func (b *Broker) DeleteTopic(t testing.TB, topic string) {
	t.Helper()
	b.Admin(t, "deleting topic "+topic, func(c *kadm.Client) error {
		ctx, cancel := within()
		defer cancel()
		if _, err := c.DeleteTopic(ctx, topic); err != nil {
			return err
		}
		return until(ctx, func() error {
			ends, err := c.ListEndOffsets(ctx, topic)
			if err != nil {
				return err
			}
			if err := ends.Error(); !errors.Is(err, kerr.UnknownTopicOrPartition) {
				return fmt.Errorf("it is still there: %w", err)
			}
			return nil
		})
	})
}

// hasPartitions waits until a topic has so many partitions that answer.
func hasPartitions(ctx context.Context, c *kadm.Client, topic string, want int) error {
	return until(ctx, func() error {
		ends, err := c.ListEndOffsets(ctx, topic)
		if err := errors.Join(err, ends.Error()); err != nil {
			return err
		}
		if n := len(ends[topic]); n != want {
			return fmt.Errorf("it has %d partitions, want %d", n, want)
		}
		return nil
	})
}

// until tries until there is no error.
func until(ctx context.Context, try func() error) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

// DeleteRecords deletes the records of a partition before an offset.
func (b *Broker) DeleteRecords(t testing.TB, topic string, partition int32, before int64) {
	t.Helper()
	b.Admin(t, "deleting records of topic "+topic, func(c *kadm.Client) error {
		ctx, cancel := within()
		defer cancel()
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: before})
		r, err := c.DeleteRecords(ctx, offsets)
		return errors.Join(err, r.Error())
	})
}

// GroupOffset is the committed offset of a group, -1 if there is none.
func (b *Broker) GroupOffset(t testing.TB, group, topic string, partition int32) int64 {
	t.Helper()
	at := int64(-1)
	b.Admin(t, "reading the offsets of group "+group, func(c *kadm.Client) error {
		ctx, cancel := within()
		defer cancel()
		// The broker makes the topic of the offsets when it is first asked.
		return until(ctx, func() error {
			offsets, err := c.FetchOffsets(ctx, group)
			if o, ok := offsets.Lookup(topic, partition); ok {
				at = o.At
			}
			return err
		})
	})
	return at
}
