package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordCost is what a record takes beside its bytes.
const recordCost = 200

// cost is what a record takes in a queue.
func cost(r *kgo.Record) int {
	n := recordCost + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// queue is what waits for the reader of a partition.
type queue struct {
	fetched [][]*kgo.Record
	bytes   int
	share   int // of the buffer
	// full is since when it has its share, until it has drained to the half.
	full time.Time
	// paused says that the client does not fetch the partition.
	paused bool
}

// isHungry reports whether the queue needs more than it has, its share being
// what is given.
func (p *partition) isHungry(share int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.share = share
	return !p.queue.paused && p.queue.full.IsZero() && p.queue.bytes < share/2
}

// pauseIfFull returns how long a full queue has before it is paused, and pauses
// it when that is over.
func (p *partition) pauseIfFull(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue.paused || p.queue.full.IsZero() {
		return 0
	}
	left := p.queue.full.Add(grace).Sub(now)
	if left <= 0 {
		p.pause()
	}
	return left
}

// pause and resume are called with mu held.
func (p *partition) pause() {
	if !p.queue.paused {
		p.queue.paused = true
		p.c.client.PauseFetchPartitions(map[string][]int32{p.place.topic: {p.place.partition}})
	}
}

func (p *partition) resume() {
	if p.queue.paused && p.problem == nil && p.err == nil {
		p.queue.paused = false
		p.c.client.ResumeFetchPartitions(map[string][]int32{p.place.topic: {p.place.partition}})
	}
}

// push appends what was fetched, and the error with it.
func (p *partition) push(f *kgo.FetchPartition) {
	bytes := 0
	for _, r := range f.Records {
		bytes += cost(r)
	}
	p.mu.Lock()
	if !p.begun && !p.earliest && f.Err == nil && f.LogStartOffset > p.tail {
		// The client has begun at the first record that it found.
		p.failLocked(p.lost(bounds{low: f.LogStartOffset, high: f.HighWatermark}))
	}
	if n := len(f.Records); n > 0 && p.err == nil {
		p.begun = true
		p.tail = max(p.tail, f.Records[n-1].Offset+1)
		q := &p.queue
		q.fetched = append(q.fetched, f.Records)
		if q.bytes += bytes; q.bytes > q.share && q.full.IsZero() {
			q.full = time.Now()
		}
	}
	p.mu.Unlock()
	p.ready.set()
	if f.Err != nil {
		p.doubt(f.Err)
	}
}

// head returns the records at the front of the queue, which stay there until
// they are dropped.
func (p *partition) head() []*kgo.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue.fetched) == 0 {
		return nil
	}
	return p.queue.fetched[0]
}

// drop removes the first n records from the front of the queue, which had these
// bytes, and notes how far the reader has got.
func (p *partition) drop(n, bytes int, passed int64, last time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.queue
	if rest := q.fetched[0][n:]; len(rest) > 0 {
		q.fetched[0] = rest
	} else {
		q.fetched[0] = nil
		q.fetched = q.fetched[1:]
	}
	q.bytes -= bytes
	p.passed = max(p.passed, passed)
	if !last.IsZero() {
		p.lastTime, p.quiet = last, time.Time{}
	}
	if q.bytes <= q.share/2 { // also of a share that is not given yet
		q.full = time.Time{}
		p.resume()
		p.c.hungry.set()
	}
}
