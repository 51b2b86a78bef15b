package watermark

import "github.com/llm-optimizer/processor/event"

// Status says how a partition counts in the combined watermark.
type Status uint8

// The statuses of a partition.
const (
	// Waiting partitions are not opened yet. They count with the watermark
	// their first event will leave, so that nothing closes before they are
	// read, but hold no other partition back.
	Waiting Status = iota
	// Active partitions count with their own watermark.
	Active
	// Idle partitions have had nothing to read for a while: they do not count.
	Idle
	// Ended partitions will never deliver again: they do not count.
	Ended
)

// Tracker combines the watermarks of all partitions: the minimum over those
// that count. The combined watermark never goes back. The zero Tracker has no
// partitions.
type Tracker struct {
	parts    []tracked
	combined int64
	started  bool
	// free are the numbers of ended partitions, which new ones get: files come
	// and go for months. past, if there is one, is the least watermark that an
	// ended one has left whose number is another's now.
	free    []int
	past    int64
	hasPast bool
}

type tracked struct {
	// watermark is the partition's own, promise what the first event of a
	// waiting one will leave.
	watermark, promise int64
	status             Status
}

// Add adds an active partition without a watermark and returns its number,
// which may have been that of an ended one.
func (t *Tracker) Add() int {
	return t.AddResumed(event.MinTime, Active)
}

// AddWaiting adds a partition whose first event will leave watermark w.
func (t *Tracker) AddWaiting(w int64) int {
	return t.place(tracked{watermark: event.MinTime, promise: w, status: Waiting})
}

// AddResumed adds a partition that goes on from watermark w, which it had in
// an earlier run, as an Active or a Waiting one.
func (t *Tracker) AddResumed(w int64, s Status) int {
	return t.place(tracked{watermark: w, promise: event.MinTime, status: s})
}

func (t *Tracker) place(p tracked) int {
	last := len(t.free) - 1
	if last < 0 {
		t.parts = append(t.parts, p)
		return len(t.parts) - 1
	}
	n := t.free[last]
	t.free = t.free[:last]
	if w := t.parts[n].watermark; w > event.MinTime && (!t.hasPast || w < t.past) {
		t.past, t.hasPast = w, true
	}
	t.parts[n] = p
	return n
}

// Resume sets the combined watermark to what it was in an earlier run.
func (t *Tracker) Resume(combined int64) { t.raise(combined) }

// Combined is the combined watermark; event.MinTime while there is none.
func (t *Tracker) Combined() int64 {
	if !t.started {
		return event.MinTime
	}
	return t.combined
}

// Watermark is a partition's own watermark; of a waiting one what it counts
// with.
func (t *Tracker) Watermark(p int) int64 { return t.parts[p].current() }

func (p *tracked) current() int64 {
	if p.status == Waiting {
		return max(p.watermark, p.promise)
	}
	return p.watermark
}

// Status is how a partition counts.
func (t *Tracker) Status(p int) Status { return t.parts[p].status }

// Advance sets an active partition's watermark and returns the minimum of the
// other partitions that count (event.MaxTime if none does): min(w, others) is
// what the combined watermark may rise to.
func (t *Tracker) Advance(p int, w int64) (others int64) {
	if w > t.parts[p].watermark {
		t.parts[p].watermark = w
	}
	others = t.minimum(p)
	t.raise(min(t.parts[p].watermark, others))
	return others
}

// Activate makes a partition count again and returns the watermark it goes on
// from: its own or the combined one, whichever is further. Its later events
// are judged by that.
func (t *Tracker) Activate(p int) int64 {
	part := &t.parts[p]
	part.status = Active
	part.watermark = max(part.watermark, t.Combined())
	return part.watermark
}

// Retire makes a partition Idle or Ended; the number of one that has ended must
// not be used any more. The combined watermark may rise. When
// none counts any more and there never was a combined watermark, because one
// that delivered nothing held it, it begins with the least of those that did
// deliver: that is where the clock goes on from.
func (t *Tracker) Retire(p int, s Status) {
	if s == Ended && t.parts[p].status != Ended {
		t.free = append(t.free, p)
	}
	t.parts[p].status = s
	switch m := t.minimum(-1); {
	case m != event.MaxTime:
		t.raise(m)
	case !t.started:
		t.raise(t.delivered())
	}
}

// delivered is the least watermark of the partitions that have one.
func (t *Tracker) delivered() int64 {
	m := event.MaxTime
	if t.hasPast {
		m = t.past
	}
	for _, p := range t.parts {
		if p.watermark > event.MinTime {
			m = min(m, p.watermark)
		}
	}
	if m == event.MaxTime {
		return event.MinTime
	}
	return m
}

// AllIdle reports whether there are partitions and none counts: time then
// stands still unless the clock moves it.
func (t *Tracker) AllIdle() bool {
	for _, p := range t.parts {
		if p.status == Active || p.status == Waiting {
			return false
		}
	}
	return len(t.parts) > 0
}

// Push raises the combined watermark to w while all partitions are idle.
func (t *Tracker) Push(w int64) {
	if t.AllIdle() {
		t.raise(w)
	}
}

// Slowest is the least watermark of the active partitions that have one;
// event.MaxTime when there is none. Idle, empty and ended partitions hold no
// other back.
func (t *Tracker) Slowest() int64 {
	m := event.MaxTime
	for _, p := range t.parts {
		if p.status == Active && p.watermark > event.MinTime {
			m = min(m, p.watermark)
		}
	}
	return m
}

// minimum is the least watermark of the partitions that count, but for one.
func (t *Tracker) minimum(except int) int64 {
	m := event.MaxTime
	for i := range t.parts {
		if p := &t.parts[i]; i != except && (p.status == Active || p.status == Waiting) {
			m = min(m, p.current())
		}
	}
	return m
}

func (t *Tracker) raise(w int64) {
	if w > t.Combined() {
		t.combined, t.started = w, true
	}
}
