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
	wm       []int64
	status   []Status
	combined int64
}

func (m *model) raise() {
	low := event.MaxTime
	for i, s := range m.status {
		if s == Active || s == Waiting {
			low = min(low, m.wm[i])
		}
	}
	if low != event.MaxTime {
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

func TestTrackerIsTheMinimumOverThoseThatCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr Tracker
		m := model{combined: event.MinTime}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			p := 0
			if len(m.wm) > 0 {
				p = rapid.IntRange(0, len(m.wm)-1).Draw(t, "partition")
			}
			w := rapid.Int64Range(0, 100).Draw(t, "watermark")
			step := rapid.IntRange(0, 5).Draw(t, "step")
			if len(m.wm) == 0 {
				step = 0
			}
			switch step {
			case 0:
				if rapid.Bool().Draw(t, "waits") {
					tr.AddWaiting(w)
					m.wm, m.status = append(m.wm, w), append(m.status, Waiting)
				} else {
					tr.Add()
					m.wm, m.status = append(m.wm, event.MinTime), append(m.status, Active)
				}
			case 1, 2:
				if m.status[p] != Active {
					continue
				}
				others := tr.Advance(p, w)
				m.wm[p] = max(m.wm[p], w)
				low := event.MaxTime
				for i, s := range m.status {
					if i != p && (s == Active || s == Waiting) {
						low = min(low, m.wm[i])
					}
				}
				if others != low {
					t.Fatalf("the others are at %d, want %d", others, low)
				}
				m.raise()
			case 3:
				s := rapid.SampledFrom([]Status{Idle, Ended}).Draw(t, "status")
				tr.Retire(p, s)
				if m.status[p] == Waiting {
					m.wm[p] = event.MinTime
				}
				m.status[p] = s
				m.raise()
				if tr.AllIdle() && m.combined == event.MinTime {
					m.begin()
				}
			case 4:
				from := tr.Activate(p)
				if m.status[p] == Waiting {
					m.wm[p] = event.MinTime
				}
				m.status[p], m.wm[p] = Active, max(m.wm[p], m.combined)
				if from != m.wm[p] {
					t.Fatalf("goes on from %d, want %d", from, m.wm[p])
				}
			case 5:
				tr.Push(w)
				if tr.AllIdle() {
					m.combined = max(m.combined, w)
				}
			}
			if tr.Combined() != m.combined {
				t.Fatalf("combined %d, want %d", tr.Combined(), m.combined)
			}
			if tr.Watermark(p) != m.wm[p] || tr.Status(p) != m.status[p] {
				t.Fatalf("partition %d is %v at %d, want %v at %d", p, tr.Status(p), tr.Watermark(p), m.status[p], m.wm[p])
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
