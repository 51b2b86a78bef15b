package kafka

import (
	"context"
	"time"

	"github.com/llm-optimizer/processor/source"
)

const (
	// lagEvery is how often the ends of the logs are asked for.
	lagEvery = time.Second
	// lagPatience is how long an answer may take; an answer older than that says
	// nothing any more.
	lagPatience = 3 * time.Second
)

// ends is what is known of where a partition's log ends.
type ends struct {
	// end is the offset that a reader with our isolation can get to, as of
	// heard; -1 before the first answer.
	end   int64
	heard time.Time
	// quiet is since when the reader is known to have all; zero while it is
	// behind, and after an answer that did not come: producers whose brokers
	// were away have something to send.
	quiet time.Time
	// stuck is what passed was when the last answer came, with nothing in the
	// queue and more in the log; else -1.
	stuck int64
	// probe says that it was the same the time before.
	probe bool
	// ailing says that Health was told of an error last. It is the watching
	// goroutine's.
	ailing bool
	// lastTime is the Kafka timestamp of the last record that was read.
	lastTime time.Time
}

// Quiet is since when the brokers are known to have no more.
func (p *partition) Quiet() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.heard) > lagPatience {
		return time.Time{}
	}
	return p.quiet
}

// heardEnd takes an answer about the end of the log.
func (p *partition) heardEnd(answer listed, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wasStuck := p.stuck
	p.stuck, p.probe = -1, false
	switch {
	case answer.err != nil:
		p.quiet = time.Time{}
		return
	case answer.offset > p.passed:
		p.quiet = time.Time{}
		if len(p.queue.fetched) == 0 && p.problem == nil && p.err == nil && (wasStuck < 0 || wasStuck == p.passed) {
			p.stuck = p.passed
		}
	case p.quiet.IsZero() || now.Sub(p.heard) > lagPatience:
		p.quiet = now
	}
	p.probe = p.stuck >= 0 && wasStuck == p.stuck
	p.end, p.heard = answer.offset, now
}

// isStuck reports whether the end stays out of reach though nothing comes.
func (p *partition) isStuck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.probe
}

// watch asks for the ends of the logs until ctx ends, and deals with what comes
// up in between.
func (c *consumer) watch(ctx context.Context) {
	tick := time.NewTicker(lagEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.examine:
		case <-tick.C:
			c.listEnds(ctx)
		}
		c.judge(ctx)
	}
}

// listEnds asks for the ends of all open partitions at once.
func (c *consumer) listEnds(ctx context.Context) {
	parts := c.opened()
	if len(parts) == 0 {
		return
	}
	places := make([]place, len(parts))
	for i, p := range parts {
		places[i] = p.place
	}
	bounded, cancel := context.WithTimeout(ctx, lagPatience)
	defer cancel()
	answers := listOffsets(bounded, c.client, places, atEnd, c.committed)
	now := time.Now()
	for _, p := range parts {
		answer := answers[p.place]
		p.heardEnd(answer, now)
		err, known := answer.err, true
		switch {
		case err != nil:
		case p.isStuck():
			err = c.passInvisible(bounded, p)
		default:
			known, err = p.hindered()
		}
		if known {
			c.tell(p, err)
		}
	}
}

// hindered returns what keeps a partition from being read, when its leader has
// said where it ends. It is not known while there is more to read and nothing
// has come yet.
func (p *partition) hindered() (known bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.problem != nil || p.stuck < 0, p.problem
}

func (p *partition) party() party { return party{aPartition, p.place.String()} }

// tell lets Health know how a partition gets on.
func (c *consumer) tell(p *partition, err error) {
	if err != nil || p.ailing {
		p.ailing = err != nil
		c.src.health.heard(p.party(), c.explain(p.place.topic, err))
	}
}

// lags are how far behind the readers of the open partitions are: records are
// counted by offsets, and their age is that of Kafka's timestamps.
func (c *consumer) lags(now time.Time) []source.Lag {
	parts := c.opened()
	lags := make([]source.Lag, len(parts))
	for i, p := range parts {
		lags[i] = p.lag(now)
	}
	return lags
}

func (p *partition) lag(now time.Time) source.Lag {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := source.Lag{Origin: p.origin, Records: -1, Seconds: -1}
	if p.end < 0 || now.Sub(p.heard) > lagPatience {
		return l
	}
	switch l.Records = max(p.end-p.passed, 0); {
	case l.Records == 0:
		l.Seconds = 0
	case !p.lastTime.IsZero():
		l.Seconds = max(now.Sub(p.lastTime).Seconds(), 0)
	}
	return l
}
