package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/llm-optimizer/processor/event"
)

// discovered are partitions for the next Discover.
type discovered struct {
	some  signal
	mu    sync.Mutex
	parts []*partition
}

func (d *discovered) put(parts []*partition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parts = append(d.parts, parts...)
	d.some.set()
}

func (d *discovered) take() []*partition {
	d.mu.Lock()
	defer d.mu.Unlock()
	parts := d.parts
	d.parts = nil
	return parts
}

// look finds the topics at the start.
func (c *consumer) look(ctx context.Context) ([]topic, error) {
	ctx, cancel := context.WithTimeout(ctx, contactPatience)
	defer cancel()
	for n := 1; ; n++ {
		found, missing, err := c.filter.find(ctx, c.client)
		if err != nil {
			return nil, c.explain("", err)
		}
		again := false
		for _, name := range c.filter.names {
			err := missing[name]
			switch {
			case err == nil:
			case retriable(err) && !errors.Is(err, kerr.UnknownTopicOrPartition) && ctx.Err() == nil:
				again = true // it has no leader yet
			default:
				return nil, fmt.Errorf("kafka source: %w", c.explain(name, err))
			}
		}
		if again {
			pause(ctx, backoff(n))
			continue
		}
		if len(found) == 0 && c.src.Stop != "" {
			return nil, fmt.Errorf("kafka source: there are no %s at %s: correct the pattern", &c.filter, &c.src.Cluster)
		}
		return found, nil
	}
}

// adopt makes partitions of those that are not known yet. Those that are found
// later begin at their first record.
func (c *consumer) adopt(ctx context.Context, topics []topic, later bool) ([]*partition, error) {
	var parts []*partition
	var places []place
	for _, t := range topics {
		have := 0
		if k := c.known(t.name); k != nil {
			have = k.partitions
		}
		for _, n := range t.partitions[min(have, len(t.partitions)):] {
			p := &partition{
				c: c, place: place{t.name, n}, origin: event.Origin{Topic: t.name, Partition: n}, id: t.id,
				later: later, stop: -1, ends: ends{end: -1, stuck: -1}, ready: newSignal(), queue: queue{share: maxShare},
			}
			parts, places = append(parts, p), append(places, p.place)
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	all, err := c.bounds(ctx, places)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		p.first = all[p.place]
		if c.src.Stop == stopLatest {
			p.stop = p.first.latest
		}
	}
	for _, t := range topics {
		c.know(t)
	}
	return parts, nil
}

// known returns what is known of a topic that is read, or nil.
func (c *consumer) known(name string) *known {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topics[name]
}

func (c *consumer) know(t topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics[t.name] = &known{id: t.id, partitions: len(t.partitions)}
}

// discover looks at the topics again and again: for new ones and new
// partitions, and whether they are still the same.
func (c *consumer) discover(ctx context.Context) {
	every := cmp.Or(c.src.DiscoverEvery, defaultDiscoverEvery)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		bounded, cancel := context.WithTimeout(ctx, max(every, lagPatience))
		c.lookAgain(bounded)
		cancel()
	}
}

// recheck makes sure that the topics are still the same, and returns those that
// the cluster shows.
func (c *consumer) recheck(ctx context.Context) []topic {
	found, missing, err := c.filter.find(ctx, c.client)
	if err != nil {
		c.log.Debug("kafka source: looking at the topics", "error", c.explain("", err))
		return nil
	}
	c.compare(found, missing, time.Now())
	return found
}

// lookAgain finds what has changed. Brokers that do not answer are asked again
// the next time.
func (c *consumer) lookAgain(ctx context.Context) {
	found := c.recheck(ctx)
	if c.src.Stop != "" || len(found) == 0 {
		return
	}
	parts, err := c.adopt(ctx, found, true)
	if err != nil {
		c.log.Debug("kafka source: looking for new partitions", "error", err)
		return
	}
	if len(parts) > 0 {
		c.log.Info("new kafka partitions", "first", parts[0].place.String(), "partitions", len(parts))
		c.found.put(parts)
	}
}
