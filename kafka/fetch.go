package kafka

import (
	"cmp"
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Fetching is one goroutine that moves what the client has fetched into the
// queues of the partitions. The client fetches ahead by one answer of each
// broker and no more, so what is in memory is bounded by the queues.
//
// A queue is full at its share of the buffer until it has drained to the half.
// While some queue is full nothing is taken from the client, as it hands over
// all partitions at once; in everyday work the full one drains in no time. If
// it does not, and others have little, it is paused: the client throws away
// what it has fetched of it and fetches that again when it is resumed. Pausing
// costs no speed: a queue that drains so slowly lasts longer from its half than
// resuming takes, as grace is longer than fetchWait.
const grace = 2 * fetchWait

const (
	// maxShare and minShare bound the share of one partition: more is only
	// memory, less is fetching all the time.
	maxShare = 4 << 20
	minShare = 64 << 10
)

// fetch runs until ctx ends.
func (c *consumer) fetch(ctx context.Context) {
	for c.waitHungry(ctx) {
		for _, f := range c.client.PollFetches(ctx) {
			for i := range f.Topics {
				t := &f.Topics[i]
				for j := range t.Partitions {
					c.take(t.Topic, &t.Partitions[j])
				}
			}
		}
		if n, changed := c.fetchSize.next(c.fetchBytes); changed {
			c.client.UpdateFetchMaxBytes(int32(n*fetchesAtOnce), int32(n)) // not above what it was made with
		}
	}
}

// waitHungry waits until some queue needs more and none is full, but for those
// that are paused. It returns false when ctx has ended.
func (c *consumer) waitHungry(ctx context.Context) bool {
	for ctx.Err() == nil {
		wait, poll := c.survey(time.Now())
		if poll {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-c.hungry:
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// survey pauses the queues that have been full for too long. It reports whether
// to take what the client has, and else when to look again.
func (c *consumer) survey(now time.Time) (wait time.Duration, poll bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = time.Hour
	share := cmp.Or(c.src.BufferBytes, defaultBufferBytes) / max(len(c.reading), 1)
	share = max(min(share, maxShare), minShare)
	hungry := false
	for _, p := range c.reading {
		hungry = p.isHungry(share) || hungry
	}
	if !hungry {
		return wait, false
	}
	poll = true
	for _, p := range c.reading {
		if left := p.pauseIfFull(now); left > 0 {
			wait, poll = min(wait, left), false
		}
	}
	return wait, poll
}

// take puts what was fetched of a partition into its queue.
func (c *consumer) take(topic string, f *kgo.FetchPartition) {
	c.mu.Lock()
	p := c.reading[place{topic, f.Partition}]
	c.mu.Unlock()
	if p != nil {
		p.push(f)
		return
	}
	for _, r := range f.Records {
		r.Recycle() // it was closed meanwhile
	}
	if f.Err == nil || f.Partition >= 0 {
		return
	}
	for _, p := range c.opened() { // the whole topic, or the whole answer of a broker
		if topic == "" || p.place.topic == topic {
			p.doubt(f.Err)
		}
	}
}
