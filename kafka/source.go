package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/source"
)

// Source reads topics. Each of their partitions is a partition of its own,
// assigned for good: no consumer group decides who reads what. A position is
// the offset of the next record; it lives in the state, and Group only mirrors
// it for others to see.
//
// With durable state a later run goes on at the saved offsets. Records that are
// gone from there, a log that has become shorter, and a topic that was deleted
// and created again under its name are errors that say what is lost: nothing
// is skipped in silence.
//
// A partition whose reader is slow or paused does not hold the others back:
// fetching it pauses while its share of BufferBytes waits.
//
// A Source belongs to one pipeline; use it by pointer.
type Source struct {
	// Cluster is where the topics are.
	Cluster Cluster
	// Topics are read. Each must exist.
	Topics []string
	// TopicPattern stands for the topics whose whole name matches the regular
	// expression, those too that appear while running; instead of Topics.
	// Kafka's internal topics never match.
	TopicPattern string
	// Start is where a partition without a saved position begins. One that
	// appears when the first run has begun is read from its earliest record.
	Start Start
	// Stop is "", or "latest", which ends each partition at the offset that was
	// its latest when the run began.
	Stop string
	// Isolation is "read_committed" or "", which is the same, or
	// "read_uncommitted", which reads what open and aborted transactions have
	// written too.
	Isolation string
	// Group is the consumer group to which positions are mirrored, so that lag
	// can be seen from outside; "" is none. It must have no members.
	Group string
	// DiscoverEvery is how often to look for new partitions and topics; 0 means
	// 10 seconds.
	DiscoverEvery time.Duration
	// FetchBytes is how much of one partition is fetched at once, as the
	// brokers hold it, compressed; 0 means 2 MiB. A larger batch of records
	// is fetched whole.
	FetchBytes int
	// BufferBytes is how much may wait for the readers, decompressed, in all
	// partitions together; 0 means 16 MiB. What is being fetched comes on top:
	// from each broker up to four times FetchBytes, and that decompressed, up
	// to eight times as much.
	BufferBytes int
	// Log takes what is no error of the pipeline, such as a group that takes no
	// positions or brokers that do not answer; nil drops it.
	Log *slog.Logger

	once   sync.Once
	since  int64 // of Traits
	health Health
	// attributes are what Attribute was asked for.
	attributes []attribute
	// envelopes says that CloudEvents in binary mode are looked for.
	envelopes bool
	// consumer runs between Open and Close.
	consumer atomic.Pointer[consumer]
}

// The defaults of settings that are 0.
const (
	defaultDiscoverEvery = 10 * time.Second
	defaultFetchBytes    = 2 << 20
	defaultBufferBytes   = 16 << 20
	maxFetchBytes        = 64 << 20
)

// The words of Stop and Isolation.
const (
	stopLatest      = "latest"
	readCommitted   = "read_committed"
	readUncommitted = "read_uncommitted"
)

// Traits says that the source is live unless it stops, and since when it reads:
// with Start at the latest offsets, since the first call.
func (s *Source) Traits() source.Traits {
	s.once.Do(func() { s.since = s.Start.since(time.Now()) })
	return source.Traits{Kind: "kafka", Live: s.Stop == "", Since: s.since}
}

// Open reaches the cluster and finds the topics and the offsets that their
// partitions have now. It waits for a cluster that does not answer for half a
// minute.
func (s *Source) Open(ctx context.Context) ([]source.Partition, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	c, err := connectConsumer(ctx, s)
	if err != nil {
		return nil, err
	}
	found, err := c.open(ctx)
	if err != nil {
		c.close()
		return nil, err
	}
	s.consumer.Store(c)
	return asPartitions(found), nil
}

// check reports the first setting that cannot be right.
func (s *Source) check() error {
	switch {
	case len(s.Topics) == 0 && s.TopicPattern == "":
		return errors.New("kafka source has no topics: name some, or a pattern for them")
	case len(s.Topics) > 0 && s.TopicPattern != "":
		return errors.New("kafka source has topics and a topic pattern: give it one of them")
	case s.Stop != "" && s.Stop != stopLatest:
		return fmt.Errorf("kafka source: stop is %q: use latest, or leave it out to read on", s.Stop)
	case s.Isolation != "" && s.Isolation != readCommitted && s.Isolation != readUncommitted:
		return fmt.Errorf("kafka source: isolation is %q: use %s or %s", s.Isolation, readCommitted, readUncommitted)
	case s.FetchBytes < 0 || s.FetchBytes > maxFetchBytes:
		return fmt.Errorf("kafka source: fetching %d bytes at once: use at most %d", s.FetchBytes, maxFetchBytes)
	case s.BufferBytes < 0:
		return fmt.Errorf("kafka source: a buffer of %d bytes: use a positive number", s.BufferBytes)
	}
	return nil
}

// Discover waits for new partitions of the topics, and for new topics that
// match the pattern. A source that stops has the ones it began with.
func (s *Source) Discover(ctx context.Context) ([]source.Partition, error) {
	if s.Stop != "" {
		return source.Fixed()
	}
	c := s.consumer.Load()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.found.some:
		return asPartitions(c.found.take()), nil
	}
}

// Recognize finds partitions by topic and number, and makes sure that the topic
// is still the one that was read.
func (s *Source) Recognize(_ context.Context, parts []source.Partition, saved []source.Saved) (match, gone []int, err error) {
	return recognize(parts, saved, s.TopicPattern != "")
}

// Acknowledge mirrors positions to Group, a second later at most.
func (s *Source) Acknowledge(saved []source.Saved) {
	if c := s.consumer.Load(); c != nil && c.mirror != nil {
		c.mirror.note(saved)
	}
}

// Lags says of each open partition how far behind its reader is: how many
// offsets, and how old the last record was by Kafka's timestamp.
func (s *Source) Lags() []source.Lag {
	c := s.consumer.Load()
	if c == nil {
		return nil
	}
	return c.lags(time.Now())
}

// Trouble returns the last error of a connection that does not work, and since
// when it does not; nil while all is well.
func (s *Source) Trouble() (since time.Time, err error) { return s.health.Trouble() }

// Retries is how often something had to be tried once more.
func (s *Source) Retries() int64 { return s.health.Retries() }

// Health knows which brokers do not answer.
func (s *Source) Health() *Health { return &s.health }

// Close mirrors the last positions and leaves the cluster.
func (s *Source) Close() error {
	if c := s.consumer.Load(); c != nil {
		c.close()
	}
	return nil
}

func asPartitions(found []*partition) []source.Partition {
	parts := make([]source.Partition, len(found))
	for i, p := range found {
		parts[i] = p
	}
	return parts
}
