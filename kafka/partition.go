package kafka

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// partition is one partition of a topic. Its reader owns what is not guarded.
type partition struct {
	c      *consumer
	place  place
	origin event.Origin
	id     topicID
	// first are its offsets when it was found.
	first bounds
	// stop is the offset that ends it, -1 if none does.
	stop int64
	// known says that an earlier run has saved a position; later, that the
	// partition has begun after the first run has.
	known, later bool

	// announce says that the position goes out before there are records.
	announce bool
	told     bool // the id of the topic
	opened   bool

	// ready wakes the reader.
	ready signal

	mu    sync.Mutex
	queue queue
	// passed is the offset before which the reader has all; tail that before
	// which all is in the queue or with the reader.
	passed, tail int64
	// begun says that something was fetched; earliest, that it is all the same
	// where it begins.
	begun, earliest bool
	// problem is an error of fetching that is not judged yet, err the end.
	problem, err error
	since        time.Time // of problem
	ends
}

var (
	_ source.Source       = (*Source)(nil)
	_ source.Recognizer   = (*Source)(nil)
	_ source.Attributer   = (*Source)(nil)
	_ source.Enveloper    = (*Source)(nil)
	_ source.Acknowledger = (*Source)(nil)
	_ source.Reporter     = (*Source)(nil)
	_ source.Quieter      = (*partition)(nil)
)

// Origin is the topic and the partition's number.
func (p *partition) Origin() event.Origin { return p.origin }

// Open begins to fetch at the position, or where Start says if there is none.
func (p *partition) Open(ctx context.Context, position int64) error {
	at, err := p.begin(ctx, position)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.passed, p.tail = at, at
	p.mu.Unlock()
	p.opened = true
	p.c.add(p)
	p.assign(at)
	return nil
}

// begin returns the offset to begin at.
func (p *partition) begin(ctx context.Context, position int64) (int64, error) {
	start := p.c.src.Start
	switch {
	case position > 0 || p.known:
		return position, p.within(ctx, position)
	case p.later || start.earliest():
		p.earliest = true
		return p.first.low, nil
	}
	// What follows depends on when it is asked: the position is saved at once,
	// so that a run after this one does not begin later.
	p.announce = true
	if start.Latest {
		return p.first.latest, nil
	}
	answer := listOffsets(ctx, p.c.client, []place{p.place}, start.Time.UnixMilli(), p.c.committed)[p.place]
	if answer.err != nil {
		return 0, fmt.Errorf("asking for the first record since %s: %w", start.Time.UTC().Format(time.RFC3339Nano), p.c.explain(p.place.topic, answer.err))
	}
	if answer.offset < 0 {
		return p.first.latest, nil
	}
	return answer.offset, nil
}

// within makes sure that the log still has a saved position.
func (p *partition) within(ctx context.Context, position int64) error {
	if position >= p.first.low && position <= p.first.high {
		return nil
	}
	now, err := p.c.bounds(ctx, []place{p.place})
	if err != nil {
		return err
	}
	if b := now[p.place]; position < b.low || position > b.high {
		p.tail = position
		return p.lost(b)
	}
	return nil
}

// assign lets the client fetch the partition from an offset.
func (p *partition) assign(at int64) {
	p.c.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{
		p.place.topic: {p.place.partition: kgo.NewOffset().At(at)},
	})
}

func (p *partition) unassign() {
	where := map[string][]int32{p.place.topic: {p.place.partition}}
	p.c.client.RemoveConsumePartitions(where)
	p.c.client.ResumeFetchPartitions(where) // pauses outlive assignments
}

// Read fills the chunk with records that are committed, as far as Isolation
// asks for that.
func (p *partition) Read(ctx context.Context, c *source.Chunk) error {
	c.Reset()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.announce {
			p.announce = false
			p.seal(c)
			return nil
		}
		for {
			head := p.head()
			if head == nil {
				break
			}
			p.fill(c, head)
			if len(c.Spans) > 0 {
				p.seal(c)
				return nil
			}
		}
		if err := p.ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-p.ready:
		}
	}
}

// seal gives a chunk the position after it, and the first one the topic's id.
func (p *partition) seal(c *source.Chunk) {
	p.mu.Lock()
	c.Next = p.passed
	p.mu.Unlock()
	if !p.told {
		p.told = true
		c.Token = append([]byte(nil), p.id[:]...)
	}
}

// ended returns why there will be no more records, if so.
func (p *partition) ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.queue.fetched) > 0:
		return nil
	case p.stop >= 0 && p.passed >= p.stop:
		return io.EOF
	default:
		return p.err
	}
}

// fail ends the partition with an error, after what is in the queue.
func (p *partition) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failLocked(err)
}

func (p *partition) failLocked(err error) {
	if p.err == nil {
		p.err = err
		p.pause()
		p.ready.set()
	}
}

// Close ends fetching the partition.
func (p *partition) Close() error {
	if !p.opened {
		return nil
	}
	p.opened = false
	p.c.remove(p)
	p.unassign()
	p.c.src.health.heard(p.party(), nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = queue{}
	return nil
}
