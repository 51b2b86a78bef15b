package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/watermark"
)

// PartitionStatus is how far a partition has got, as of its last flush.
type PartitionStatus struct {
	Origin event.Origin
	Status watermark.Status
	// Ahead says that it pauses: it is too far ahead of the slowest.
	Ahead bool
	// Watermark is the partition's own, Newest the greatest event time it has
	// read; event.MinTime before there is one.
	Watermark, Newest int64
	// Counts is what it counts with in the combined watermark: of one that waits,
	// what its first event will leave.
	Counts int64
	// Position is the offset that is read next, Events how many were read in
	// this run, LastRead when the last of them came.
	Position, Events int64
	LastRead         time.Time
}

// progress is what a partition publishes for others to read. It is apart from
// the runner's mu, which is held while a flush waits for a shard that waits for
// a sink: a look from outside must not wait with them.
type progress struct {
	watermark, counts, newest, position, events, lastRead atomic.Int64
	status                                                atomic.Uint32
	ahead                                                 atomic.Bool
}

// publish is called where the partition's flushes are.
func (p *partition) publish() {
	g := &p.progress
	g.watermark.Store(p.combiner.wm.Current())
	g.counts.Store(p.combiner.wm.Current())
	g.newest.Store(p.newest)
	g.position.Store(p.read)
	g.events.Store(p.events)
	g.lastRead.Store(p.lastFlush.UnixNano())
}

func (p *partition) snapshot() PartitionStatus {
	g := &p.progress
	s := PartitionStatus{
		Origin: p.origin, Status: watermark.Status(g.status.Load()), Ahead: g.ahead.Load(),
		Watermark: g.watermark.Load(), Counts: g.counts.Load(), Newest: g.newest.Load(), Position: g.position.Load(), Events: g.events.Load(),
	}
	if at := g.lastRead.Load(); at > 0 {
		s.LastRead = time.Unix(0, at)
	}
	return s
}

// roster is the partitions of a run.
type roster struct {
	mu   sync.Mutex
	live []*partition
	// ended are the last that have ended: with followed files they come and go
	// for months.
	ended []PartitionStatus
}

// keptEnded is how many ended partitions are remembered.
const keptEnded = 64

// activated notes that a partition counts (again), with a watermark of at least
// counts.
func (p *partition) activated(counts int64) {
	p.progress.counts.Store(counts)
	p.progress.status.Store(uint32(watermark.Active))
}

func (o *roster) add(p *partition, s watermark.Status, counts int64) {
	p.progress.counts.Store(counts)
	p.progress.watermark.Store(p.combiner.wm.Current())
	p.progress.newest.Store(event.MinTime)
	p.progress.position.Store(p.read)
	p.progress.status.Store(uint32(s))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live = append(o.live, p)
}

// retire notes that a partition does not count any more.
func (o *roster) retire(p *partition, s watermark.Status) {
	p.progress.status.Store(uint32(s))
	if s != watermark.Ended {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, x := range o.live {
		if x == p {
			o.live = append(o.live[:i:i], o.live[i+1:]...)
			break
		}
	}
	if len(o.ended) == keptEnded {
		o.ended = append(o.ended[:0], o.ended[1:]...)
	}
	o.ended = append(o.ended, p.snapshot())
}

// Partitions lists the partitions of the run: those that are read, in the order
// in which they were found, and the last that have ended.
func (r *Runner) Partitions() []PartitionStatus {
	o := &r.roster
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]PartitionStatus, 0, len(o.live)+len(o.ended))
	for _, p := range o.live {
		all = append(all, p.snapshot())
	}
	return append(all, o.ended...)
}

// Holder is the index of the partition whose watermark the combined one is, in
// what Partitions returned; -1 if none counts.
func Holder(all []PartitionStatus) int {
	holder := -1
	for i := range all {
		p := &all[i]
		if p.Status != watermark.Active && p.Status != watermark.Waiting {
			continue
		}
		if holder < 0 || p.Counts < all[holder].Counts {
			holder = i
		}
	}
	return holder
}

// WatermarkSince is when the combined watermark moved last, or when the run began
// if it never did; the zero time before that.
func (r *Runner) WatermarkSince() time.Time {
	if at := r.movedAt.Load(); at > 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Waited is for how long the partitions have waited so far, all together: for
// workers that decode and combine, and for slower partitions.
func (r *Runner) Waited() (workers, alignment time.Duration) {
	return r.waitedWorkers.Total(), r.waitedAlignment.Total()
}

// Timings is how many rows of a query went out in this run, by result.Timing.
func (r *Runner) Timings(query int) (n [timings]int64) {
	for _, s := range r.shards {
		for i := range n {
			n[i] += s.published[query].rows[i].Load()
		}
	}
	return n
}

// timings is how many timings results have.
const timings = 4

// Size is what a query holds: windows of one key each, keys of the fullest
// window (of sessions: all keys), and about how many bytes. Keys and bytes are
// up to a second old.
func (r *Runner) Size(query int) (windows, keys, bytes int64) {
	for _, s := range r.shards {
		p := &s.published[query]
		windows += p.windows.Load()
		keys += p.keys.Load()
		bytes += p.bytes.Load()
	}
	return windows, keys, bytes
}

// published is what a shard says of one query.
type published struct {
	windows, keys, bytes atomic.Int64
	rows                 [timings]atomic.Int64
}

// sizeEvery is how often shards count what costs a walk over their windows.
const sizeEvery = int64(time.Second)

// publishSizes makes the sizes of queries visible.
func (s *shard) publishSizes(now int64, quiet bool) {
	walk := quiet || now-s.sizedAt >= sizeEvery
	for q, m := range s.mergers {
		p := &s.published[q]
		p.windows.Store(int64(m.open()))
		if walk {
			p.keys.Store(int64(m.liveKeys()))
			p.bytes.Store(int64(m.bytes()))
		}
	}
	if walk {
		s.sizedAt = now
	}
}

// pause is whether pumps are to stop reading. It is apart from the runner's mu,
// as progress is: who pauses must not wait for a sink.
type pause struct {
	mu sync.Mutex
	// resumed is closed when a pause is over; nil without one.
	resumed chan struct{}
}

// set begins or ends a pause.
func (p *pause) set(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.resumed == nil:
		p.resumed = make(chan struct{})
	case !on && p.resumed != nil:
		close(p.resumed)
		p.resumed = nil
	}
}

// wait is closed when the pause is over; nil if there is none.
func (p *pause) wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resumed
}

// Pause makes partitions read no more until Resume. Chunks that are being read
// are still processed. While paused the wall clock closes no windows.
func (r *Runner) Pause() { r.pause.set(true) }

// Resume ends a Pause.
func (r *Runner) Resume() { r.pause.set(false) }

// Paused reports whether the runner is.
func (r *Runner) Paused() bool { return r.pause.wait() != nil }
