package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// An error of fetching is judged before it ends anything: brokers say of an
// offset that it is out of range, or of a topic that it is unknown, also while
// they are catching up. Until then the partition is not fetched.

// retryAfter is how long a partition rests after an error that may pass.
const retryAfter = time.Second

// doubt notes an error of fetching.
func (p *partition) doubt(err error) {
	if stopped(err) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	p.mu.Lock()
	if p.problem == nil && p.err == nil {
		p.problem, p.since = err, time.Now()
		p.pause()
	}
	p.mu.Unlock()
	p.c.examine.set()
}

// judge decides on the errors that are noted.
func (c *consumer) judge(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, lagPatience)
	defer cancel()
	looked := false
	for _, p := range c.opened() {
		p.mu.Lock()
		problem, since := p.problem, p.since
		p.mu.Unlock()
		var tooLarge *kgo.ErrDecompressTooLarge
		switch {
		case problem == nil:
		case errors.Is(problem, kerr.OffsetOutOfRange):
			c.judgeRange(bounded, p)
		case errors.Is(problem, kerr.UnknownTopicID), errors.Is(problem, kerr.UnknownTopicOrPartition), errors.Is(problem, kerr.InconsistentTopicID):
			if !looked { // it ends the partition if the topic is another one
				looked = true
				c.recheck(bounded)
			}
			c.retry(p, since)
		case retriable(problem), errors.Is(problem, kerr.UnknownServerError):
			c.retry(p, since)
		case errors.As(problem, &tooLarge):
			p.fail(fmt.Errorf("%s: the batch of records at offset %d is larger than %d bytes when it is decompressed, which is more than any producer means to send: "+
				"move the topic's start behind it with kafka-delete-records.sh (to offset %d), and start over with --fresh", p.place, tooLarge.Offset, maxBatchBytes, tooLarge.NextOffset))
		default:
			p.fail(fmt.Errorf("fetching %s: %w", p.place, c.explain(p.place.topic, problem)))
		}
	}
}

// judgeRange decides whether an offset is gone.
func (c *consumer) judgeRange(ctx context.Context, p *partition) {
	all, err := c.bounds(ctx, []place{p.place})
	if err != nil {
		return // the next look decides
	}
	b := all[p.place]
	p.mu.Lock()
	wanted, anywhere := p.tail, p.earliest && !p.begun
	switch {
	case anywhere:
		p.passed, p.tail = b.low, b.low
	case wanted < b.low || wanted > b.high:
		p.failLocked(p.lost(b))
		p.problem = nil
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	c.again(p)
}

// retry lets a partition be fetched again when it has rested.
func (c *consumer) retry(p *partition, since time.Time) {
	if time.Since(since) >= retryAfter {
		c.again(p)
	}
}

// again assigns a partition anew, behind all that was fetched.
func (c *consumer) again(p *partition) {
	p.mu.Lock()
	at, over := p.tail, p.err != nil
	p.mu.Unlock()
	if over {
		return
	}
	p.unassign()
	p.assign(at)
	p.mu.Lock()
	p.problem, p.queue.paused = nil, false
	p.mu.Unlock()
	c.hungry.set()
}

// lost says which records cannot be read any more, the next one being that at
// tail.
func (p *partition) lost(now bounds) error {
	if p.tail > now.high {
		return fmt.Errorf("%s: the next offset to read is %d, but the log ends at %d: %d records that were read are no longer there, "+
			"because the brokers have lost the end of the log or it was made anew; find out which, then start over with --fresh",
			p.place, p.tail, now.high, p.tail-now.high)
	}
	return fmt.Errorf("%s: the next offset to read is %d, but the log begins at %d (and ends at %d): %d records were removed before they were read, "+
		"by the topic's retention or by hand; raise its retention.ms or retention.bytes, and start over with --fresh, which reads what is left",
		p.place, p.tail, now.low, now.high, now.low-p.tail)
}
