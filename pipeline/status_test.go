package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/window"
)

// watched runs a pipeline of all kinds of windows over taps, while the test
// looks at it.
func watched(t *testing.T, src *taps, change func(*pipeline.Spec), test func(t *testing.T, p *pipeline.Pipeline, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		src.found = make(chan *tap)
		for _, p := range src.start {
			p.lines = make(chan string)
		}
		s := pipeline.DefaultSpec()
		s.Name, s.Source, s.Logger = "watched", src, quiet
		s.Event.TimeField, s.Event.TimeFormat = "t", event.UnixSec
		s.Watermark.MaxOutOfOrderness = 0
		s.Sinks = []sink.Config{named("out", &seen{})}
		count := []aggregate.Spec{aggregate.Count().As("n"), aggregate.Max("t").As("last")}
		key := []query.KeyField{{Name: "k", Expr: "k"}}
		s.Queries = []query.Query{
			{Name: "tumbling", Key: key, Window: window.Tumbling(10 * time.Second), Aggregates: count, AllowedLateness: 20 * time.Second},
			{Name: "sliding", Key: key, Window: window.Sliding(20*time.Second, 10*time.Second), Aggregates: count},
			{Name: "session", Key: key, Window: window.Session(5 * time.Second), Aggregates: count},
			{Name: "global", Key: key, Window: window.Global(), Aggregates: count, Trigger: window.Trigger{Count: 1000}},
		}
		if change != nil {
			change(&s)
		}
		p, err := pipeline.Build(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Status(); got.Phase != pipeline.Starting || len(got.Queries) != len(s.Queries) || got.Watermark != nil {
			t.Errorf("before the run the status is %+v", got)
		}
		if _, _, err := p.Windows(t.Context(), "tumbling", "", 1); !errors.Is(err, pipeline.ErrNotRunning) {
			t.Errorf("before the run windows are %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := p.Run(ctx)
			done <- err
		}()
		synctest.Wait()
		test(t, p, stop)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := p.Status(); got.Phase != pipeline.Ended {
			t.Errorf("after the run the phase is %s", got.Phase)
		}
		if _, err := p.Why(context.Background(), "", 1); !errors.Is(err, pipeline.ErrNotRunning) {
			t.Errorf("after the run why is %v", err)
		}
		if err := p.Pause(); !errors.Is(err, pipeline.ErrNotRunning) {
			t.Errorf("after the run pausing is %v", err)
		}
	})
}

func (p *tap) say(lines ...string) {
	for _, l := range lines {
		p.lines <- l
		time.Sleep(10 * time.Millisecond)
	}
	synctest.Wait()
}

// seconds is a time in seconds, - for none.
func seconds(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return fmt.Sprint(float64(t.UnixNano()) / 1e9)
}

func windowsOf(t *testing.T, p *pipeline.Pipeline, query, key string, limit int) string {
	t.Helper()
	windows, total, err := p.Windows(t.Context(), query, key, limit)
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{fmt.Sprint(total)}
	for _, w := range windows {
		text := fmt.Sprintf("[%s,%s) %s %s events=%d fired=%d", seconds(w.Start), seconds(w.End), w.Key, w.Values, w.Events, w.Fired)
		if w.Closed {
			text += " closed"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// TestOpenWindowsAreShownAsTheyAre looks at windows of each kind in the midst
// of a run: open ones, and one that has fired and is kept for late events.
func TestOpenWindowsAreShownAsTheyAre(t *testing.T) {
	a := newTap("a")
	watched(t, &taps{start: []*tap{a}}, nil, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		a.say(`{"t":3,"k":"x"}`, `{"t":4,"k":"y"}`, `{"t":12,"k":"x"}`, `{"t":14,"k":"x"}`)
		for _, c := range []struct{ query, key, want string }{
			{"tumbling", "", `3; [0,10) {"k":"x"} {"n":1,"last":3} events=1 fired=1 closed; [0,10) {"k":"y"} {"n":1,"last":4} events=1 fired=1 closed; [10,20) {"k":"x"} {"n":2,"last":14} events=2 fired=0`},
			{"tumbling", `{"k":"y"}`, `3; [0,10) {"k":"y"} {"n":1,"last":4} events=1 fired=1 closed`},
			{"sliding", "", `3; [0,20) {"k":"x"} {"n":3,"last":14} events=3 fired=0; [0,20) {"k":"y"} {"n":1,"last":4} events=1 fired=0; [10,30) {"k":"x"} {"n":2,"last":14} events=2 fired=0`},
			{"sliding", `{"k":"y"}`, `3; [0,20) {"k":"y"} {"n":1,"last":4} events=1 fired=0`},
			{"session", "", `1; [12,19) {"k":"x"} {"n":2,"last":14} events=2 fired=0`},
			{"global", "", `2; [-,-) {"k":"x"} {"n":3,"last":14} events=3 fired=0; [-,-) {"k":"y"} {"n":1,"last":4} events=1 fired=0`},
			{"session", `{"k":"none"}`, "1"},
		} {
			if got := windowsOf(t, p, c.query, c.key, 10); got != c.want {
				t.Errorf("windows of %s %s are\n%s, want\n%s", c.query, c.key, got, c.want)
			}
		}
		if got := windowsOf(t, p, "tumbling", "", 1); !strings.HasPrefix(got, "3; [0,10)") || strings.Count(got, ";") != 1 {
			t.Errorf("one window is %s", got)
		}
		if _, _, err := p.Windows(t.Context(), "other", "", 1); !errors.Is(err, pipeline.ErrNoQuery) {
			t.Errorf("windows of a query that is not there: %v", err)
		}
		// Looking has changed nothing.
		a.say(`{"t":50,"k":"x"}`)
		q := p.Status().Queries
		if q[0].Results["on_time"] != 3 || q[1].Results["on_time"] != 5 || q[2].Results["on_time"] != 3 {
			t.Errorf("rows are %v, %v, %v", q[0].Results, q[1].Results, q[2].Results)
		}
	})
}

// TestManySessionsAreShownFirstEndFirst has more than a look collects at once.
func TestManySessionsAreShownFirstEndFirst(t *testing.T) {
	a := newTap("a")
	watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) { s.Watermark.MaxOutOfOrderness = time.Hour }, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		for i := range 40 {
			a.say(fmt.Sprintf(`{"t":%d,"k":"key %d"}`, 1000-i, i))
		}
		got := windowsOf(t, p, "session", "", 2)
		want := `40; [961,966) {"k":"key 39"} {"n":1,"last":961} events=1 fired=0; [962,967) {"k":"key 38"} {"n":1,"last":962} events=1 fired=0`
		if got != want {
			t.Errorf("sessions are %s, want %s", got, want)
		}
		why, err := p.Why(t.Context(), "session", 3)
		if err != nil || why.Total != 40 || len(why.Windows) != 3 || seconds(why.Windows[0].End) != "966" || why.Windows[0].Keys != 1 {
			t.Errorf("why is %+v, %v", why, err)
		}
	})
}

// TestWhyAWindowIsOpen asks while one of two partitions holds the watermark.
func TestWhyAWindowIsOpen(t *testing.T) {
	a, b := newTap("a"), newTap("b")
	watched(t, &taps{start: []*tap{a, b}}, func(s *pipeline.Spec) { s.Watermark.IdleTimeout = time.Minute }, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		why := func() pipeline.Why {
			w, err := p.Why(t.Context(), "tumbling", 10)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		a.say(`{"t":35,"k":"x"}`)
		w := why()
		if w.Watermark != nil || w.Holder == nil || w.Holder.Name != "b" || !strings.Contains(w.Reason, "b has not delivered an event yet") {
			t.Errorf("before b has delivered: %+v, holder %+v", w, w.Holder)
		}
		b.say(`{"t":12,"k":"x"}`, `{"t":13,"k":"y"}`)
		if w = why(); w.Holder.Name != "b" || seconds(w.Holder.NewestEvent) != "13" || w.Total != 2 || len(w.Windows) != 2 {
			t.Fatalf("why is %+v", w)
		}
		if g := w.Windows[0]; seconds(g.Start) != "10" || g.Keys != 2 || g.Events != 2 || g.Closed || g.Missing < 6.9 || g.Missing > 7.1 {
			t.Errorf("the first window is %+v", g)
		}
		if !strings.Contains(w.Reason, "the slowest is b, whose newest event is of 1970-01-01T00:00:13Z") {
			t.Errorf("the reason is %q", w.Reason)
		}
		s := p.Status()
		if s.HeldBy != "b" || !s.Partitions[1].Holds || s.Partitions[0].Holds || s.Partitions[0].Events != 1 {
			t.Errorf("partitions are %+v, held by %s", s.Partitions, s.HeldBy)
		}
		time.Sleep(61 * time.Second) // b and a are idle
		if w = why(); w.Holder != nil || !strings.Contains(w.Reason, "all partitions are idle") {
			t.Errorf("while all are idle: %+v", w)
		}
		if got := p.Status().Partitions[0].Status; got != "idle" {
			t.Errorf("a is %s", got)
		}
		if _, err := p.Why(t.Context(), "other", 1); !errors.Is(err, pipeline.ErrNoQuery) {
			t.Errorf("why of a query that is not there: %v", err)
		}
	})
}

// TestWhoHoldsTheWatermarkWhileAPartitionWaits wants one that is not opened yet
// to be named for what its first event will leave, and not before that counts.
func TestWhoHoldsTheWatermarkWhileAPartitionWaits(t *testing.T) {
	a, b := newTap("a"), newTap("b")
	b.first = at(30)
	watched(t, &taps{start: []*tap{a, b}, maxOpen: 1}, nil, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		began := p.Status()
		if began.Watermark != nil || began.WatermarkSince == nil || began.HeldBy != "a" {
			t.Errorf("before an event there is %v, since %v, held by %q", began.Watermark, began.WatermarkSince, began.HeldBy)
		}
		a.say(at(12))
		if s := p.Status(); s.HeldBy != "a" || s.Partitions[1].Status != "waiting" || s.Partitions[1].Watermark != nil {
			t.Errorf("held by %q; the one that waits is %+v", s.HeldBy, s.Partitions[1])
		}
		a.say(at(40))
		w, err := p.Why(t.Context(), "tumbling", 10)
		if err != nil || w.Holder == nil || w.Holder.Name != "b" || !strings.Contains(w.Reason, "b waits until another has been read") {
			t.Errorf("why is %+v, %v", w, err)
		}
		close(a.lines)
		b.say(at(31))
	})
}

// TestPause keeps partitions from reading, and time from moving.
func TestPause(t *testing.T) {
	a := newTap("a")
	watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) { s.Watermark.IdleTimeout = time.Second }, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		a.say(at(3))
		if err := p.Pause(); err != nil {
			t.Fatal(err)
		}
		a.say(at(4)) // was asked for before
		read, all := a.sendAll(t.Context(), 25)
		time.Sleep(time.Hour)
		s := p.Status()
		if read.Load() != 0 || s.Phase != pipeline.Paused || s.Events != 2 || s.Queries[0].Results["on_time"] != 0 {
			t.Errorf("while paused %d are read, the phase is %s with %d events and rows %v", read.Load(), s.Phase, s.Events, s.Queries[0].Results)
		}
		if w, err := p.Why(t.Context(), "", 1); err != nil || !strings.Contains(w.Reason, "paused") {
			t.Errorf("why is %q, %v", w.Reason, err)
		}
		if err := p.Resume(); err != nil {
			t.Fatal(err)
		}
		<-all
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if s = p.Status(); s.Phase != pipeline.Running || s.Events != 3 || s.Queries[0].Results["on_time"] != 1 {
			t.Errorf("afterwards the phase is %s with %d events and rows %v", s.Phase, s.Events, s.Queries[0].Results)
		}
	})
}

// TestAPausedPipelineStops: a signal gets through a pause.
func TestAPausedPipelineStops(t *testing.T) {
	a := newTap("a")
	watched(t, &taps{start: []*tap{a}}, nil, func(t *testing.T, p *pipeline.Pipeline, stop func()) {
		a.say(at(3))
		if err := p.Pause(); err != nil {
			t.Fatal(err)
		}
		stop()
	})
}

// TestStatusOfAPartitionAhead has the status and the time that it waited.
func TestStatusOfAPartitionAhead(t *testing.T) {
	a, b := newTap("a"), newTap("b")
	watched(t, &taps{start: []*tap{a, b}}, func(s *pipeline.Spec) { s.Watermark.MaxDrift, s.Watermark.IdleTimeout = time.Minute, 0 }, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		b.say(at(5))
		a.say(at(500), at(501)) // the second was asked for before
		_, all := a.sendAll(t.Context(), 502)
		time.Sleep(10 * time.Second)
		s := p.Status()
		if got := s.Partitions[0].Status; got != "ahead" {
			t.Errorf("a is %s", got)
		}
		b.say(at(500))
		<-all
		synctest.Wait()
		if s = p.Status(); s.Partitions[0].Status != "active" || s.Waited["alignment"] < 9 {
			t.Errorf("afterwards a is %s and has waited %v", s.Partitions[0].Status, s.Waited)
		}
	})
}

// diary is an observer that notes what it is told.
type diary struct {
	mu          sync.Mutex
	processed   int
	results     []string
	late, dead  int
	delivered   []pipeline.Delivered
	epochs      []pipeline.EpochDone
	checkpoints []pipeline.CheckpointDone
}

func (o *diary) observer() pipeline.Observer {
	locked := func(f func()) {
		o.mu.Lock()
		defer o.mu.Unlock()
		f()
	}
	return pipeline.Observer{
		Processed: func(n int, took time.Duration) { locked(func() { o.processed += n; _ = took }) },
		Results: func(rows []result.Result, skipped int) {
			locked(func() {
				for i := range rows {
					o.results = append(o.results, show(&rows[i]))
				}
				if skipped != 0 {
					o.results = append(o.results, "skipped")
				}
			})
		},
		Late:       func(rows []result.LateEvent) { locked(func() { o.late += len(rows) }) },
		Dead:       func(rows []result.DeadLetter) { locked(func() { o.dead += len(rows) }) },
		Delivered:  func(d pipeline.Delivered) { locked(func() { o.delivered = append(o.delivered, d) }) },
		Epoch:      func(e pipeline.EpochDone) { locked(func() { o.epochs = append(o.epochs, e) }) },
		Checkpoint: func(c pipeline.CheckpointDone) { locked(func() { o.checkpoints = append(o.checkpoints, c) }) },
	}
}

// TestAnObserverIsTold runs with state in memory, and durable both ways.
func TestAnObserverIsTold(t *testing.T) {
	for name, change := range map[string]func(*pipeline.Spec){
		"memory":        nil,
		"exactly once":  func(s *pipeline.Spec) { s.State.Store = memory.New() },
		"at least once": func(s *pipeline.Spec) { s.State.Store, s.Delivery = memory.New(), pipeline.AtLeastOnce },
	} {
		t.Run(name, func(t *testing.T) {
			a, o := newTap("a"), &diary{}
			watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) {
				s.Observer, s.Queries = o.observer(), s.Queries[:1]
				if change != nil {
					change(s)
				}
			}, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
				a.say(at(3), at(12), at(50), at(1), `no event`)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				s := p.Status()
				o.mu.Lock()
				defer o.mu.Unlock()
				check(t, "results", o.results, `tumbling {"k":"a"} [0,10000) on_time 0 n=1 last=3`, `tumbling {"k":"a"} [10000,20000) on_time 0 n=1 last=12`)
				if o.processed != 4 || o.late != 1 || o.dead != 1 {
					t.Errorf("%d processed, %d late, %d dead", o.processed, o.late, o.dead)
				}
				rows := 0
				for _, d := range o.delivered {
					rows += d.Rows
					if d.Sink != "out" || d.Fired < 0 || d.Ended < 0 {
						t.Errorf("delivered %+v", d)
					}
				}
				if rows != 2 || s.Sinks[0].Rows != 2 || s.Sinks[0].Behind != 0 {
					t.Errorf("%d rows are delivered, the sink is %+v", rows, s.Sinks[0])
				}
				if s.DeadByReason["json"] != 1 || s.Queries[0].Ledger.Check() != nil || s.Queries[0].Ledger.Late != 1 {
					t.Errorf("dead are %v, the ledger is %+v", s.DeadByReason, s.Queries[0].Ledger)
				}
				if change == nil {
					if s.State != nil || len(o.epochs) > 0 {
						t.Errorf("with state in memory there are %d epochs and %+v", len(o.epochs), s.State)
					}
					return
				}
				if last := o.epochs[len(o.epochs)-1]; s.State == nil || last.Number != s.State.Epoch || s.State.EpochTime.IsZero() {
					t.Errorf("the last epoch is %+v, the state says %+v", last, s.State)
				}
			})
		})
	}
}

// TestCheckpointsByHand are made while a pipeline runs.
func TestCheckpointsByHand(t *testing.T) {
	a, o := newTap("a"), &diary{}
	watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) {
		s.Observer, s.State.Store, s.State.Retain = o.observer(), memory.New(), 1
	}, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		first, err := p.CheckpointNow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		second, err := p.CheckpointNow(t.Context())
		if err != nil || first == second {
			t.Fatalf("the second checkpoint is %s, the first %s: %v", second, first, err)
		}
		names, err := p.Checkpoints(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(t, "checkpoints", names, second)
		if s := p.Status().State; s.Checkpoints != 2 || s.Checkpoint != second || s.CheckpointTime == nil || s.CheckpointFailures != 0 {
			t.Errorf("the state is %+v", s)
		}
		if len(o.checkpoints) != 2 || o.checkpoints[1].Name != second {
			t.Errorf("told of %+v", o.checkpoints)
		}
	})
	a = newTap("a")
	watched(t, &taps{start: []*tap{a}}, nil, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		if _, err := p.CheckpointNow(t.Context()); !errors.Is(err, pipeline.ErrNotRunning) && err == nil {
			t.Error("state in memory has a checkpoint")
		}
	})
}

// troubled is a source whose servers do not answer, and whose lag is known.
type troubled struct {
	*taps
	since time.Time
}

func (s troubled) Trouble() (time.Time, error) { return s.since, errors.New("no route to host") }
func (s troubled) Lags() []source.Lag {
	return []source.Lag{
		{Origin: event.Origin{Path: "a"}, Records: 7, Seconds: 1.5}, {Origin: event.Origin{Path: "b"}, Records: 7, Seconds: -1},
		{Origin: event.Origin{Path: "c"}, Records: -1, Seconds: -1},
	}
}

func TestTroubleOfASourceIsTold(t *testing.T) {
	a, b, c := newTap("a"), newTap("b"), newTap("c")
	src := &taps{start: []*tap{a, b, c}}
	s := pipeline.DefaultSpec()
	s.Name, s.Source, s.Logger = "troubled", troubled{src, time.Unix(5, 0)}, quiet
	s.Event.TimeField, s.Event.TimeFormat = "t", event.UnixSec
	s.Sinks, s.Queries = []sink.Config{named("out", &seen{})}, []query.Query{{Name: "q", Window: window.Global(), Aggregates: []aggregate.Spec{aggregate.Count()}}}
	if p, err := pipeline.Build(s); err != nil || p.Status().Source.Error != "no route to host" {
		t.Errorf("before the run: %v", err)
	}
	watched(t, src, func(s *pipeline.Spec) { s.Source = troubled{src, time.Unix(5, 0)} }, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		a.say(at(3))
		s := p.Status()
		if s.Source.Error != "no route to host" || seconds(s.Source.Since) != "5" || *s.Partitions[0].LagRecords != 7 || *s.Partitions[0].LagSeconds != 1.5 {
			t.Errorf("the source is %+v, its partition %+v", s.Source, s.Partitions[0])
		}
		if some, none := s.Partitions[1], s.Partitions[2]; *some.LagRecords != 7 || some.LagSeconds != nil || none.LagRecords != nil || none.LagSeconds != nil {
			t.Errorf("what is not known of a lag is told: %+v, %+v", some, none)
		}
		if w, err := p.Why(t.Context(), "", 1); err != nil || !strings.Contains(w.Reason, "the source has been in trouble since 1970-01-01T00:00:05Z: no route to host") {
			t.Errorf("why is %q, %v", w.Reason, err)
		}
	})
}

// reporting is a sink that tells how it gets on.
type reporting struct{ seen }

func (*reporting) Trouble() (time.Time, error) { return time.Unix(5, 0), errors.New("no disk") }
func (*reporting) Retries() int64              { return 3 }
func (*reporting) Rejected() int64             { return 4 }

func TestWhatASinkReportsIsTold(t *testing.T) {
	a := newTap("a")
	watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) { s.Sinks = append(s.Sinks, named("told", &reporting{})) }, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		quiet, told := p.Status().Sinks[0], p.Status().Sinks[1]
		if told.Retries != 3 || told.Rejected != 4 || told.Trouble.Error != "no disk" || seconds(told.Trouble.Since) != "5" {
			t.Errorf("of the sink it says %+v", told)
		}
		if quiet.Retries != 0 || quiet.Rejected != 0 || quiet.Trouble.Since != nil {
			t.Errorf("of one that says nothing it says %+v", quiet)
		}
	})
}

// TestWhatEachSinkTakes wants of each sink what it is given and of which queries.
func TestWhatEachSinkTakes(t *testing.T) {
	t.Parallel()
	a := newTap("a")
	watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) {
		some := named("some", &seen{})
		some.Queries = []string{"session", "tumbling"}
		s.Sinks = append(s.Sinks, some)
		late, dead := named("", &seen{}), named("dead", &seen{})
		s.LateEvents, s.DeadLetters = &late, &dead
	}, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		synctest.Wait()
		var got []string
		for _, s := range p.Status().Sinks {
			got = append(got, fmt.Sprint(s.Name, s.Takes, s.Queries))
		}
		check(t, "sinks", got, "out[results] [tumbling sliding session global]", "some[results] [tumbling session]",
			"late_events[late_events] []", "dead[dead_letters] []")
	})
}

// TestCheckpointsOfStateInMemory says why there are none.
func TestCheckpointsOfStateInMemory(t *testing.T) {
	a := newTap("a")
	watched(t, &taps{start: []*tap{a}}, nil, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		if _, err := p.CheckpointNow(t.Context()); !errors.Is(err, pipeline.ErrNoCheckpoints) || !strings.Contains(err.Error(), "the state is in memory (state.backend)") {
			t.Errorf("a checkpoint: %v", err)
		}
	})
}
