package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// These tests drive several partitions by hand, in virtual time: what the
// combined watermark does while some are quiet, ahead, waiting or new.

// taps is a source whose partitions deliver what the test sends them.
type taps struct {
	start   []*tap
	found   chan *tap
	maxOpen int
}

func (s *taps) Open(context.Context) ([]source.Partition, error) {
	var all []source.Partition
	for _, p := range s.start {
		all = append(all, p)
	}
	return all, nil
}

func (s *taps) Discover(ctx context.Context) ([]source.Partition, error) {
	select {
	case p, ok := <-s.found:
		if !ok {
			return nil, io.EOF
		}
		return []source.Partition{p}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *taps) Traits() source.Traits {
	return source.Traits{Kind: "taps", Live: true, MaxOpen: s.maxOpen}
}
func (s *taps) Close() error { return nil }

// tap is one partition. first is what Peek shows.
type tap struct {
	name  string
	lines chan string
	first string
}

func newTap(name string) *tap { return &tap{name: name, lines: make(chan string)} }

func (p *tap) Origin() event.Origin              { return event.Origin{Path: p.name} }
func (p *tap) Open(context.Context, int64) error { return nil }
func (p *tap) Close() error                      { return nil }

func (p *tap) Read(ctx context.Context, c *source.Chunk) error {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return io.EOF
		}
		c.Data = append(c.Data[:0], line+"\n"...)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *tap) Peek(_ context.Context, c *source.Chunk) error {
	if p.first == "" {
		return io.EOF
	}
	c.Data = append(c.Data[:0], p.first+"\n"...)
	return nil
}

// send delivers an event at second t and lets the pipeline come to rest.
func (p *tap) send(t int) {
	p.lines <- at(t)
	time.Sleep(10 * time.Millisecond) // longer than the interval
	synctest.Wait()
}

// sendAll delivers events in the background, as the pipeline asks for them. It
// counts those that were read and closes all after the last, or when ctx ends.
func (p *tap) sendAll(ctx context.Context, times ...int) (read *atomic.Int32, all chan struct{}) {
	read, all = new(atomic.Int32), make(chan struct{})
	go func() {
		defer close(all)
		for _, t := range times {
			select {
			case p.lines <- at(t):
				read.Add(1)
			case <-ctx.Done():
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return read, all
}

func at(t int) string { return fmt.Sprintf(`{"t":%d,"k":"a"}`, t) }

// seen is a sink that notes windows and late events in seconds.
type seen struct {
	mu   sync.Mutex
	rows []string
}

func (s *seen) Open(context.Context) error  { return nil }
func (s *seen) Close(context.Context) error { return nil }

func (s *seen) Write(_ context.Context, b *result.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.Results {
		s.rows = append(s.rows, fmt.Sprintf("[%d,%d) %v n=%v", r.Start/1e9, r.End/1e9, r.Timing, r.Values[0].Num))
	}
	for _, l := range b.Late {
		s.rows = append(s.rows, fmt.Sprintf("late %d", l.Timestamp/1e9))
	}
	return nil
}

// take returns what was written since the last call.
func (s *seen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.rows)
	out := strings.Join(s.rows, ", ")
	s.rows = nil
	return out
}

// drive runs a pipeline of ten-second windows over the taps while the test
// sends, then stops it.
func drive(t *testing.T, src *taps, w func(*pipeline.WatermarkSpec), test func(expect func(string))) {
	synctest.Test(t, func(t *testing.T) {
		if src.found == nil {
			src.found = make(chan *tap)
		}
		for _, p := range src.start {
			p.lines = make(chan string)
		}
		var out seen
		spec := pipeline.DefaultSpec().Watermark
		spec.MaxOutOfOrderness = 0
		w(&spec)
		p, err := pipeline.New("partitions").From(src).EventTime("t", event.UnixSec).Watermark(spec).
			Query("q").KeyBy("k").Window(window.Tumbling(10 * time.Second)).Aggregate(aggregate.Count().As("n")).
			To(&out).LateEventsTo(&out).Build()
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := p.Run(ctx)
			done <- err
		}()
		synctest.Wait()
		test(func(want string) {
			t.Helper()
			synctest.Wait()
			if got := out.take(); got != want {
				t.Errorf("rows are %q, want %q", got, want)
			}
		})
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestAPartitionWithoutEventsHoldsTheOthersUntilItIsIdle(t *testing.T) {
	a, b := newTap("a"), newTap("b")
	drive(t, &taps{start: []*tap{a, b}}, func(w *pipeline.WatermarkSpec) { w.IdleTimeout = 30 * time.Second }, func(expect func(string)) {
		a.send(5)
		a.send(25)
		expect("") // b might still deliver something older
		for range 14 {
			time.Sleep(2 * time.Second)
			a.send(25) // a itself stays awake
		}
		expect("")
		time.Sleep(2 * time.Second)
		a.send(25)
		expect("[0,10) on_time n=1")
		b.send(3)
		expect("late 3") // judged by the combined watermark it comes back to
		b.send(26)
		a.send(100)
		expect("") // b is back in the minimum
		b.send(31)
		expect("[20,30) on_time n=17")
	})
}

func TestAllIdleClosesWindowsAtThePaceOfTheClock(t *testing.T) {
	a := newTap("a")
	drive(t, &taps{start: []*tap{a}}, func(w *pipeline.WatermarkSpec) { w.IdleTimeout = 30 * time.Second }, func(expect func(string)) {
		a.send(3)
		time.Sleep(30 * time.Second)
		expect("")
		time.Sleep(6 * time.Second) // the watermark stood at 3 s, less than the window's end by 7 s
		expect("")
		time.Sleep(1200 * time.Millisecond)
		expect("[0,10) on_time n=1")
		time.Sleep(time.Hour) // no window is open: time stands still
		a.send(11)
		expect("")
		a.send(20)
		expect("[10,20) on_time n=1")
	})
}

func TestHoldLeavesTheLastWindowOpen(t *testing.T) {
	a := newTap("a")
	drive(t, &taps{start: []*tap{a}}, func(w *pipeline.WatermarkSpec) { w.WhenIdle = pipeline.Hold }, func(expect func(string)) {
		a.send(3)
		time.Sleep(time.Hour)
		expect("")
	})
}

func TestAPartitionFoundWhileRunningGoesOnFromTheCombinedWatermark(t *testing.T) {
	a, b := newTap("a"), newTap("b")
	src := &taps{start: []*tap{a}}
	drive(t, src, func(*pipeline.WatermarkSpec) {}, func(expect func(string)) {
		b.lines = make(chan string)
		a.send(5)
		a.send(15)
		expect("[0,10) on_time n=1")
		src.found <- b
		b.send(7)
		expect("late 7")
		b.send(16)
		a.send(50)
		expect("")
		close(b.lines) // an ended partition holds nobody back
		time.Sleep(time.Second)
		expect("[10,20) on_time n=2")
	})
}

func TestAPartitionTooFarAheadPauses(t *testing.T) {
	for _, how := range []string{"advances", "ends", "is idle"} {
		t.Run("until the slowest "+how, func(t *testing.T) {
			a, b := newTap("a"), newTap("b")
			drive(t, &taps{start: []*tap{a, b}}, func(w *pipeline.WatermarkSpec) { w.MaxDrift = time.Minute }, func(expect func(string)) {
				b.send(1)
				a.send(2)
				read, all := a.sendAll(context.Background(), 100, 101, 102, 103)
				time.Sleep(time.Second)
				synctest.Wait()
				// One puts it ahead, and one may have been asked for before that.
				if n := read.Load(); n > 2 {
					t.Errorf("%d chunks were read of a partition that is more than a minute ahead", n)
				}
				switch how {
				case "advances":
					b.send(50)
				case "ends":
					close(b.lines)
				case "is idle":
					time.Sleep(31 * time.Second)
				}
				<-all
				time.Sleep(time.Second)
				expect("[0,10) on_time n=2")
			})
		})
	}
}

func TestAPartitionThatWaitsForItsTurnCountsWithItsFirstEvent(t *testing.T) {
	a, b, empty := newTap("a"), newTap("b"), newTap("c")
	b.first = at(12)
	drive(t, &taps{start: []*tap{a, b, empty}, maxOpen: 1}, func(*pipeline.WatermarkSpec) {}, func(expect func(string)) {
		a.send(5)
		a.send(50)
		expect("[0,10) on_time n=1") // b, not open yet, will begin in the next window
		close(a.lines)
		b.send(12)
		b.send(30)
		expect("[10,20) on_time n=1")
	})
}

// broken is a sink that refuses every batch.
type broken struct{ seen }

func (*broken) Write(context.Context, *result.Batch) error { return errors.New("refused") }

func TestARunEndsThoughAPartitionPauses(t *testing.T) {
	for range 50 { // the wakeup could be lost, not always
		synctest.Test(t, func(t *testing.T) {
			a, b := newTap("a"), newTap("b")
			w := pipeline.DefaultSpec().Watermark
			w.MaxOutOfOrderness, w.MaxDrift = 0, time.Minute
			p, err := pipeline.New("partitions").From(&taps{start: []*tap{a, b}, found: make(chan *tap)}).
				EventTime("t", event.UnixSec).Watermark(w).
				Query("q").KeyBy("k").Window(window.Tumbling(10 * time.Second)).Aggregate(aggregate.Count().As("n")).
				To(&broken{}).Build()
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := p.Run(ctx)
				done <- err
			}()
			b.send(1)
			_, all := a.sendAll(ctx, 100, 101, 102) // a pauses meanwhile
			time.Sleep(time.Second)
			synctest.Wait()
			b.lines <- at(11)
			err = <-done
			stop()
			<-all
			if err == nil || !strings.Contains(err.Error(), "refused") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestTheLastWindowComesThoughOnePartitionNeverDelivered(t *testing.T) {
	a, b := newTap("a"), newTap("b")
	src := &taps{start: []*tap{a}}
	drive(t, src, func(w *pipeline.WatermarkSpec) { w.IdleTimeout = 10 * time.Second }, func(expect func(string)) {
		b.lines = make(chan string)
		time.Sleep(9 * time.Second)
		src.found <- b // its idle clock starts later than that of a
		a.send(3)
		time.Sleep(30 * time.Second)
		expect("[0,10) on_time n=1")
	})
}
