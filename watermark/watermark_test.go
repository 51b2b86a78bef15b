package watermark

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

func TestBoundedIsTheMaximumLessTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.Int64Range(0, 100).Draw(t, "bound")
		g := NewBounded(time.Duration(bound))
		highest := event.MinTime
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			times := rapid.SliceOfN(rapid.Int64Range(-200, 200), 0, 20).Draw(t, "times")
			met := make([]int64, len(times))
			g.Observe(times, met)
			for i, at := range times {
				if met[i] != highest {
					t.Fatalf("event %d meets %d, want %d", i, met[i], highest)
				}
				highest = max(highest, at-bound-1)
			}
			if g.Current() != highest {
				t.Fatalf("watermark %d, want %d", g.Current(), highest)
			}
		}
	})
}

func TestBoundedSaturates(t *testing.T) {
	g := NewBounded(time.Hour)
	if g.Current() != event.MinTime {
		t.Fatal("a watermark before the first event")
	}
	met := make([]int64, 1)
	g.Observe([]int64{math.MinInt64 + 5}, met)
	if g.Current() != event.MinTime {
		t.Fatalf("the watermark wrapped to %d", g.Current())
	}
	g.Observe([]int64{math.MaxInt64}, met)
	if want := math.MaxInt64 - int64(time.Hour) - 1; g.Current() != want {
		t.Fatalf("watermark %d, want %d", g.Current(), want)
	}
}

func TestRaiseNeverLowers(t *testing.T) {
	var g Bounded
	g.Raise(10)
	g.Raise(5)
	if g.Current() != 10 {
		t.Fatalf("watermark %d, want 10", g.Current())
	}
	met := make([]int64, 2)
	g.Observe([]int64{3, 20}, met)
	if met[0] != 10 || met[1] != 10 || g.Current() != 19 {
		t.Fatalf("met %v, then %d", met, g.Current())
	}
}

// model is the tracker's rule, said plainly.
type model struct {
	// wm are the partitions' own watermarks, promise what waiting ones promise.
	wm, promise []int64
	status      []Status
	combined    int64
}

func (m *model) add(w, promise int64, s Status) {
	m.wm, m.promise, m.status = append(m.wm, w), append(m.promise, promise), append(m.status, s)
}

// counts is the watermark that a partition counts with.
func (m *model) counts(p int) int64 {
	if m.status[p] == Waiting {
		return max(m.wm[p], m.promise[p])
	}
	return m.wm[p]
}

// least is the minimum over those that count, but for one.
func (m *model) least(except int) int64 {
	low := event.MaxTime
	for i, s := range m.status {
		if i != except && (s == Active || s == Waiting) {
			low = min(low, m.counts(i))
		}
	}
	return low
}

func (m *model) raise() {
	if low := m.least(-1); low != event.MaxTime {
		m.combined = max(m.combined, low)
	}
}

// begin is where time begins when none counts: the least that was delivered.
func (m *model) begin() {
	low := event.MaxTime
	for _, w := range m.wm {
		if w > event.MinTime {
			low = min(low, w)
		}
	}
	if low < event.MaxTime {
		m.combined = low
	}
}

// both is a tracker and its model. numbers are the tracker's, by the model's.
type both struct {
	*rapid.T
	Tracker
	model
	numbers []int
}

// resume begins where an earlier run may have stopped, or at the beginning.
func (b *both) resume() {
	b.model.combined = event.MinTime
	if rapid.Bool().Draw(b.T, "resumes") {
		w := rapid.Int64Range(0, 100).Draw(b.T, "combined")
		b.Resume(w)
		b.model.combined = w
	}
}

func (b *both) addOne(w int64) {
	n := -1
	switch rapid.IntRange(0, 3).Draw(b.T, "how") {
	case 0:
		n = b.Add()
		b.add(event.MinTime, event.MinTime, Active)
	case 1:
		n = b.AddWaiting(w)
		b.add(event.MinTime, w, Waiting)
	case 2:
		n = b.AddResumed(w, Active)
		b.add(w, event.MinTime, Active)
	case 3:
		n = b.AddResumed(w, Waiting)
		b.add(w, event.MinTime, Waiting)
	}
	for p, other := range b.numbers {
		if other == n && b.status[p] != Ended {
			b.Fatalf("partition %d has the number %d of partition %d", len(b.numbers), n, p)
		}
	}
	b.numbers = append(b.numbers, n)
}

// step does one random thing to a partition.
func (b *both) step(p int, w int64) {
	n := b.numbers[p]
	if b.status[p] == Ended {
		return
	}
	switch rapid.IntRange(0, 4).Draw(b.T, "step") {
	case 0, 1:
		if b.status[p] != Active {
			return
		}
		others := b.Advance(n, w)
		b.wm[p] = max(b.wm[p], w)
		if low := b.least(p); others != low {
			b.Fatalf("the others are at %d, want %d", others, low)
		}
		b.model.raise()
	case 2:
		b.status[p] = rapid.SampledFrom([]Status{Idle, Ended}).Draw(b.T, "status")
		b.Retire(n, b.status[p])
		b.model.raise()
		if b.AllIdle() && b.model.combined == event.MinTime {
			b.begin()
		}
	case 3:
		from := b.Activate(n)
		b.status[p], b.wm[p] = Active, max(b.wm[p], b.model.combined)
		if from != b.wm[p] {
			b.Fatalf("goes on from %d, want %d", from, b.wm[p])
		}
	case 4:
		b.Push(w)
		if b.AllIdle() {
			b.model.combined = max(b.model.combined, w)
		}
	}
}

func TestTrackerIsTheMinimumOverThoseThatCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := both{T: t}
		b.resume()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w := rapid.Int64Range(0, 100).Draw(t, "watermark")
			p := rapid.IntRange(-1, len(b.wm)-1).Draw(t, "partition")
			if p < 0 {
				b.addOne(w)
				continue
			}
			b.step(p, w)
			if b.Combined() != b.model.combined {
				t.Fatalf("combined %d, want %d", b.Combined(), b.model.combined)
			}
			if n := b.numbers[p]; b.status[p] != Ended && (b.Watermark(n) != b.counts(p) || b.Status(n) != b.status[p]) {
				t.Fatalf("partition %d is %v at %d, want %v at %d", p, b.Status(n), b.Watermark(n), b.status[p], b.counts(p))
			}
		}
	})
}

func TestAllIdle(t *testing.T) {
	var tr Tracker
	if tr.AllIdle() {
		t.Error("no partitions are not idle ones")
	}
	a, b := tr.Add(), tr.Add()
	tr.Advance(a, 10)
	tr.Advance(b, 20)
	tr.Retire(a, Idle)
	if tr.AllIdle() || tr.Combined() != 20 {
		t.Errorf("combined %d with one idle", tr.Combined())
	}
	tr.Push(99)
	if tr.Combined() != 20 {
		t.Error("the clock moved time though a partition is active")
	}
	tr.Retire(b, Ended)
	tr.Push(30)
	if !tr.AllIdle() || tr.Combined() != 30 {
		t.Errorf("combined %d while all are idle", tr.Combined())
	}
	tr.Retire(a, Ended)
	if !tr.AllIdle() {
		t.Error("nobody holds time back when all have ended")
	}
}

// A partition that never delivered anything holds time back until it is idle;
// then the others' windows must be able to close, also when they were first.
func TestTimeBeginsThoughOneNeverDelivered(t *testing.T) {
	var tr Tracker
	a, b := tr.Add(), tr.Add()
	tr.Advance(a, 10)
	tr.Retire(a, Idle)
	if tr.Combined() != event.MinTime {
		t.Fatalf("combined %d although b may deliver anything", tr.Combined())
	}
	tr.Retire(b, Idle)
	if tr.Combined() != 10 {
		t.Fatalf("combined %d, want 10", tr.Combined())
	}
}

// What was seen of a partition before it was opened is a promise, no event.
func TestAWaitingPartitionForgetsItsPromise(t *testing.T) {
	var tr Tracker
	a := tr.AddWaiting(event.MaxTime) // empty when looked at
	if from := tr.Activate(a); from != event.MinTime {
		t.Fatalf("goes on from %d", from)
	}
}

func TestSlowestSkipsWhatHoldsNobodyBack(t *testing.T) {
	var tr Tracker
	if tr.Slowest() != event.MaxTime {
		t.Error("no partitions, but a slowest one")
	}
	idle, ended, fast, slow := tr.Add(), tr.Add(), tr.Add(), tr.Add()
	tr.Add() // empty
	tr.AddWaiting(-100)
	for p, w := range map[int]int64{idle: 1, ended: 2, fast: 50, slow: 40} {
		tr.Advance(p, w)
	}
	tr.Retire(idle, Idle)
	tr.Retire(ended, Ended)
	if tr.Slowest() != 40 {
		t.Errorf("the slowest is at %d, want 40", tr.Slowest())
	}
}

// Files come and go for months: what is kept of them is as much as there are at
// a time. What they delivered still counts where time has yet to begin.
func TestEndedPartitionsMakeRoom(t *testing.T) {
	var tr Tracker
	silent := tr.Add() // holds the combined watermark
	for i := range 1000 {
		p := tr.Add()
		tr.Advance(p, int64(100+i))
		tr.Retire(p, Idle)
		tr.Retire(p, Ended)
		tr.Retire(p, Ended)
	}
	if len(tr.parts) != 2 {
		t.Errorf("%d partitions are kept of 2 that there were at a time", len(tr.parts))
	}
	a, b := tr.Add(), tr.Add()
	if a == b || a == silent || b == silent {
		t.Fatalf("partitions %d, %d and %d share a number", silent, a, b)
	}
	for _, p := range []int{a, b, silent} {
		if tr.Combined() != event.MinTime || tr.AllIdle() {
			t.Fatalf("combined %d before all are done", tr.Combined())
		}
		tr.Retire(p, Ended)
	}
	if tr.Combined() != 100 || !tr.AllIdle() {
		t.Errorf("time begins at %d, want 100", tr.Combined())
	}
}

// What an earlier run had reached is reached again before anything is read, and
// is not lost when partitions are behind it.
func TestResumeNeverGoesBack(t *testing.T) {
	var tr Tracker
	tr.Resume(event.MinTime)
	if tr.Combined() != event.MinTime {
		t.Fatalf("a run without a watermark left %d", tr.Combined())
	}
	tr.Resume(50)
	slow := tr.AddResumed(10, Active) // it was idle when the others moved on
	if tr.Combined() != 50 || tr.Watermark(slow) != 10 {
		t.Fatalf("combined %d, the partition at %d; want 50 and 10", tr.Combined(), tr.Watermark(slow))
	}
	if others := tr.Advance(slow, 20); others != event.MaxTime || tr.Combined() != 50 {
		t.Errorf("combined %d, the others at %d", tr.Combined(), others)
	}
	if from := tr.Activate(slow); from != 50 {
		t.Errorf("goes on from %d: its events are judged by what has closed", from)
	}
	tr.Resume(40)
	if tr.Combined() != 50 {
		t.Errorf("combined %d after resuming earlier", tr.Combined())
	}
}

// A partition that is read again counts from the start with where it was, not
// with what it will read next.
func TestAResumedPartitionHoldsTimeBack(t *testing.T) {
	for _, s := range []Status{Active, Waiting} {
		var tr Tracker
		tr.Resume(10)
		resumed := tr.AddResumed(30, s)
		other := tr.AddResumed(10, Active)
		if tr.Combined() != 10 || tr.Status(resumed) != s {
			t.Fatalf("combined %d, status %v: adding moved time", tr.Combined(), tr.Status(resumed))
		}
		if others := tr.Advance(other, 90); others != 30 || tr.Combined() != 30 {
			t.Errorf("status %v: combined %d, the others at %d; want 30", s, tr.Combined(), others)
		}
		if from := tr.Activate(resumed); from != 30 {
			t.Errorf("status %v: goes on from %d, want 30", s, from)
		}
	}
}

// Of partitions that are all done, the time that an earlier run had stays.
func TestTimeDoesNotBeginAgainAfterResume(t *testing.T) {
	var tr Tracker
	tr.Resume(70)
	a, b := tr.AddResumed(40, Active), tr.AddResumed(event.MinTime, Active)
	tr.Retire(b, Ended)
	tr.Retire(a, Ended)
	if tr.Combined() != 70 {
		t.Errorf("combined %d, want 70", tr.Combined())
	}
	tr.Push(75)
	if !tr.AllIdle() || tr.Combined() != 75 {
		t.Errorf("combined %d after the clock moved it to 75", tr.Combined())
	}
}
