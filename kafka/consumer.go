package kafka

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// consumer is a Source at work: one client, and the goroutines that fetch, look
// at the ends of the logs, discover and mirror. Only its partitions' readers
// are others.
type consumer struct {
	src       *Source
	log       *slog.Logger
	filter    topicFilter
	committed bool
	client    *kgo.Client

	fetchBytes int
	fetchSize  fetchSize

	stop  context.CancelFunc
	loops sync.WaitGroup

	// mu guards what follows. It is taken before that of a partition.
	mu sync.Mutex
	// topics are those that are read, by name.
	topics  map[string]*known
	reading map[place]*partition // the open ones

	// hungry wakes the fetching goroutine; examine the one that judges errors.
	hungry, examine signal
	found           discovered
	mirror          *mirror // nil without a group
}

// known is a topic that is read.
type known struct {
	id topicID
	// partitions is how many of it have been handed out.
	partitions int
	// missing is since when the cluster does not show it.
	missing time.Time
}

// signal wakes one goroutine, at least once after it was set.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

const (
	// fetchesAtOnce times FetchBytes is what a broker sends in one answer.
	fetchesAtOnce = 4
	// fetchWait is how long a broker may hold an answer back until it has
	// something. A partition that was paused has to wait for it too.
	fetchWait = 100 * time.Millisecond
	// assignPause is the least time between two looks at who leads what, which
	// a partition waits for before it is read.
	assignPause = 200 * time.Millisecond
	// maxBatchBytes bounds what a batch of records may be decompressed to: brokers
	// take batches of a megabyte, and a megabyte of zeros can be a thousand.
	maxBatchBytes = 256 << 20
)

func connectConsumer(ctx context.Context, s *Source) (*consumer, error) {
	filter, err := newTopicFilter(s.Topics, s.TopicPattern)
	if err != nil {
		return nil, err
	}
	c := &consumer{
		src: s, log: s.Log, filter: filter, committed: s.Isolation != readUncommitted,
		topics: map[string]*known{}, reading: map[place]*partition{},
		hungry: newSignal(), examine: newSignal(), found: discovered{some: newSignal()},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	level := kgo.ReadUncommitted()
	if c.committed {
		level = kgo.ReadCommitted()
	}
	c.fetchBytes = cmp.Or(s.FetchBytes, defaultFetchBytes)
	c.fetchSize.now = min(c.fetchBytes, firstFetchBytes)
	c.client, err = s.Cluster.connect(ctx, s.Log, &s.health,
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // nothing is skipped in silence
		kgo.FetchIsolationLevel(level),
		kgo.KeepControlRecords(),                           // positions go past them
		kgo.FetchMaxPartitionBytes(int32(c.fetchSize.now)), // check has bounded it
		kgo.FetchMaxBytes(int32(c.fetchSize.now*fetchesAtOnce)),
		kgo.WithHooks(&c.fetchSize),
		kgo.FetchMaxWait(fetchWait),
		kgo.MetadataMinAge(assignPause),
		kgo.MaxDecompressBatchBytes(maxBatchBytes),
		kgo.WithPools(newPool()),
	)
	if err != nil {
		return nil, fmt.Errorf("kafka source: %w", err)
	}
	if s.Group != "" {
		c.mirror = newMirror(c.client, &s.Cluster, s.Group, c.log)
	}
	return c, nil
}

// open finds the partitions and starts the goroutines.
func (c *consumer) open(ctx context.Context) ([]*partition, error) {
	topics, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	parts, err := c.adopt(ctx, topics, false)
	if err != nil {
		return nil, err
	}
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.loops.Go(func() { c.fetch(ctx) })
	c.loops.Go(func() { c.watch(ctx) })
	c.loops.Go(func() { c.discover(ctx) })
	if c.mirror != nil {
		c.loops.Go(func() { c.mirror.run(ctx) })
	}
	return parts, nil
}

// close ends the goroutines and the client.
func (c *consumer) close() {
	if c.stop != nil {
		c.stop()
	}
	c.loops.Wait()
	c.client.Close()
}

// explain turns an error about a topic into ours.
func (c *consumer) explain(topic string, err error) error {
	return about{cluster: &c.src.Cluster, does: "read", topic: topic}.explain(err)
}

// add makes an open partition known to the fetching goroutine.
func (c *consumer) add(p *partition) {
	c.mu.Lock()
	c.reading[p.place] = p
	c.mu.Unlock()
	c.hungry.set()
}

func (c *consumer) remove(p *partition) {
	c.mu.Lock()
	delete(c.reading, p.place)
	c.mu.Unlock()
	c.hungry.set()
}

// opened are the open partitions, in order.
func (c *consumer) opened() []*partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	parts := slices.Collect(maps.Values(c.reading))
	slices.SortFunc(parts, func(a, b *partition) int {
		return cmp.Or(strings.Compare(a.place.topic, b.place.topic), cmp.Compare(a.place.partition, b.place.partition))
	})
	return parts
}
