package pipeline_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/window"
)

func TestRunOfABoundedInput(t *testing.T) {
	var out rows
	src := lines(`{"t":1,"k":"a"}`, `{"t":2,"k":"b"}`, `{"t":9,"k":"a"}`, `{"t":11,"k":"a"}`)
	s := run(t, counting(src).To(&out))
	checkSet(t, "rows", out.got,
		`q {"k":"a"} [0,10) on_time 0 n=2`, `q {"k":"b"} [0,10) on_time 0 n=1`, `q {"k":"a"} [10,20) on_time 0 n=1`)
	if s.Events != 4 || s.Results != 3 || s.Interrupted || s.DroppedWindows != 0 {
		t.Errorf("summary is %+v", s)
	}
	if s.Watermark != 11e6-1 {
		t.Errorf("watermark is %d: the end of the input must not move it", s.Watermark)
	}
	if out.opened != 1 || out.closedTimes != 1 || !src.closed {
		t.Errorf("sink opened %d and closed %d times, source closed: %v", out.opened, out.closedTimes, src.closed)
	}
}

func TestRunOfAnEmptyInput(t *testing.T) {
	var out rows
	s := run(t, counting(lines()).To(&out))
	if len(out.got) != 0 || s.Events != 0 || s.Results != 0 || s.Watermark != event.MinTime {
		t.Errorf("%d rows, summary %+v", len(out.got), s)
	}
	if out.closedTimes != 1 {
		t.Error("the sink was not closed")
	}
}

func TestRunTwiceIsRefused(t *testing.T) {
	var out rows
	p := build(t, counting(lines(`{"t":1,"k":"a"}`)).To(&out))
	if s := p.Progress(); s.Events != 0 || s.Watermark != event.MinTime {
		t.Errorf("before the run the progress is %+v", s)
	}
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "runs once") {
		t.Errorf("a second run ends with %v", err)
	}
	if out.opened != 1 {
		t.Errorf("the sink was opened %d times", out.opened)
	}
	if s := p.Progress(); s.Events != 1 || s.Results != 1 || s.Elapsed <= 0 {
		t.Errorf("after the run the progress is %+v", s)
	}
}

func TestSinkThatDoesNotOpen(t *testing.T) {
	var before, after rows
	src := lines(`{"t":1,"k":"a"}`)
	o := fails(t, counting(src).To(&before).ToNamed("broken", &rows{open: errTest}).To(&after), "opening sink broken: out of order")
	if !errors.Is(o.err, errTest) {
		t.Errorf("%v does not wrap its cause", o.err)
	}
	if before.closedTimes != 1 || after.opened != 0 {
		t.Errorf("the sink before was closed %d times, the one after opened %d times", before.closedTimes, after.opened)
	}
	if len(src.lines) != 1 {
		t.Error("the source was read")
	}
}

func TestSinkThatDoesNotWrite(t *testing.T) {
	src := &feed{lines: make(chan string, 50), live: true}
	for i := range cap(src.lines) {
		src.lines <- fmt.Sprintf(`{"t":%d0,"k":"a"}`, i)
	}
	bad := &rows{write: errTest}
	_, _, wait := start(t, counting(src).Emit(pipeline.EveryEvent).ToNamed("broken", bad))
	o := wait() // though the source has not ended
	if !errors.Is(o.err, errTest) || !strings.Contains(o.err.Error(), "writing to sink broken") {
		t.Errorf("the run ends with %v", o.err)
	}
	if bad.closedTimes != 1 || bad.count() != 1 {
		t.Errorf("the sink was written %d times and closed %d times", bad.count(), bad.closedTimes)
	}
}

func TestOtherErrorsEndTheRun(t *testing.T) {
	one := func() *feed { return lines(`{"t":1,"k":"a"}`) }
	for want, set := range map[string]func(f *feed, s *rows){
		"opening the source: out of order":           func(f *feed, _ *rows) { f.open = errTest },
		"opening feed: out of order":                 func(f *feed, _ *rows) { f.partitionOpen = errTest },
		"reading feed: out of order":                 func(f *feed, _ *rows) { f.read = errTest },
		"closing feed: out of order":                 func(f *feed, _ *rows) { f.partitionClose = errTest },
		"looking for new partitions: out of order":   func(f *feed, _ *rows) { f.discover = errTest },
		"closing the source: out of order":           func(f *feed, _ *rows) { f.close = errTest },
		"closing sink rows: out of order":            func(_ *feed, s *rows) { s.close = errTest },
		"writing to sink rows: out of order":         func(_ *feed, s *rows) { s.write = errTest },
		"closing sink late_events: out of order":     nil,
		"writing to sink dead_letters: out of order": nil,
	} {
		t.Run(want, func(t *testing.T) {
			src, out := one(), &rows{}
			b := counting(src).To(out)
			switch {
			case set != nil:
				set(src, out)
			case strings.Contains(want, "late"):
				b.LateEventsTo(&rows{close: errTest})
			default:
				b = counting(lines(`no event`, `{"t":1,"k":"a"}`)).To(out).DeadLettersTo(&rows{write: errTest})
			}
			if o := fails(t, b, want); !errors.Is(o.err, errTest) {
				t.Errorf("%v does not wrap its cause", o.err)
			}
		})
	}
}

func TestOnErrorFail(t *testing.T) {
	b := counting(lines(`{"t":1,"k":"a"}`, `{"t":2,`)).OnError(pipeline.Fail).To(&rows{})
	o := fails(t, b, "record at feed offset 16 cannot be processed (json)")
	if o.Dead != 1 {
		t.Errorf("%d dead", o.Dead)
	}
}

func TestOnErrorSkip(t *testing.T) {
	var out, dead rows
	s := run(t, counting(lines(`{"t":1,"k":"a"}`, `{"t":2,`)).OnError(pipeline.Skip).To(&out).DeadLettersTo(&dead))
	if s.Dead != 1 || s.Queries[0].Dead != 1 || len(dead.dead) != 0 || len(out.got) != 1 {
		t.Errorf("%d dead, %d letters, rows %v", s.Dead, len(dead.dead), out.got)
	}
}

// Cancelling delivers what was read and leaves open windows unfired.
func TestCancelDrains(t *testing.T) {
	var out rows
	src := &feed{lines: make(chan string), live: true}
	p, stop, wait := start(t, counting(src).To(&out))
	for _, l := range []string{`{"t":1,"k":"a"}`, `{"t":2,"k":"b"}`, `{"t":12,"k":"a"}`, `{"t":13,"k":"b"}`, `{"t":14,"k":"c"}`} {
		src.lines <- l
	}
	eventually(t, "all events are combined", func() bool { return p.Progress().Events == 5 })
	stop()
	o := wait()
	if o.err != nil {
		t.Fatal(o.err)
	}
	checkSet(t, "rows", out.got, `q {"k":"a"} [0,10) on_time 0 n=1`, `q {"k":"b"} [0,10) on_time 0 n=1`)
	if !o.Interrupted || o.DroppedWindows != 3 || o.OpenWindows != 3 {
		t.Errorf("interrupted %v, %d windows dropped, %d open; want true, 3, 3", o.Interrupted, o.DroppedWindows, o.OpenWindows)
	}
	if o.Watermark != 14e6-1 {
		t.Errorf("watermark is %d: a signal must not move it", o.Watermark)
	}
	if !src.closed || out.closedTimes != 1 {
		t.Error("source or sink was not closed")
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	var out rows
	p := build(t, counting(&feed{lines: make(chan string), live: true}).To(&out))
	s, err := p.Run(cancelled())
	if err != nil || !s.Interrupted || out.closedTimes != 1 {
		t.Errorf("error %v, summary %+v", err, s)
	}
}

// A sink that never returns costs no more than the shutdown timeout.
func TestShutdownTimeout(t *testing.T) {
	src := &feed{lines: make(chan string), live: true}
	p, stop, wait := start(t, counting(src).To(&rows{stuck: true}).ShutdownTimeout(20*time.Millisecond))
	src.lines <- `{"t":1,"k":"a"}`
	src.lines <- `{"t":11,"k":"a"}`
	eventually(t, "the window fires", func() bool { return p.Progress().Results > 0 })
	stop()
	if o := wait(); o.err == nil || !strings.Contains(o.err.Error(), "shutdown timeout of 20ms") {
		t.Errorf("the run ends with %v", o.err)
	}
}

// One event each way through the ledger, and to the side outputs.
func TestLedgerAndSideOutputs(t *testing.T) {
	var out, late, dead rows
	b := counting(lines(
		`{"t":1,"k":"a","v":1}`,
		`{"t":2,"k":"a","v":"x"}`,
		`{"t":3,"k":"a","v":1,"skip":true}`,
		`{"t":30,"k":"a","v":1}`,
		`{"t":4,"k":"a","v":1}`,
		`{"t":35,"k":"b","v":null}`,
		`{"t":"soon"}`,
		`{"t":38,"k":{},"v":1}`,
	)).Emit(pipeline.EveryEvent).
		Filter(`skip == null`).Aggregate(aggregate.Sum("v").As("sum")).
		Query("gaps").Window(window.Sliding(5*time.Millisecond, 10*time.Millisecond)).Aggregate(aggregate.Count().As("n")).
		To(&out).LateEventsTo(&late).DeadLettersTo(&dead)
	s := run(t, b)
	check(t, "rows", out.got,
		`q {"k":"a"} [0,10) on_time 0 n=1 sum=1`,
		`gaps {} [0,5) on_time 0 n=3`,
		`gaps {} [30,35) on_time 0 n=1`,
		`q {"k":"a"} [30,40) on_time 0 n=1 sum=1`,
		`q {"k":"b"} [30,40) on_time 0 n=1 sum=null`)
	check(t, "late events", late.late,
		`{"query":"q","source":{"path":"feed","partition":0,"offset":103},"timestamp":"1970-01-01T00:00:00.004Z","watermark":"1970-01-01T00:00:00.029999999Z","late_by_ms":25.999999,"event":{"t":4,"k":"a","v":1}}`,
		`{"query":"gaps","source":{"path":"feed","partition":0,"offset":103},"timestamp":"1970-01-01T00:00:00.004Z","watermark":"1970-01-01T00:00:00.029999999Z","late_by_ms":25.999999,"event":{"t":4,"k":"a","v":1}}`)
	check(t, "dead letters", dead.dead,
		`{"source":{"path":"feed","partition":0,"offset":22},"reason":"type","error":"v is of kind string, it must be a number","queries":["q"],"raw":"{\"t\":2,\"k\":\"a\",\"v\":\"x\"}"}`,
		`{"source":{"path":"feed","partition":0,"offset":151},"reason":"time","error":"t is \"soon\", which is no time in the format unix_ms","raw":"{\"t\":\"soon\"}"}`,
		`{"source":{"path":"feed","partition":0,"offset":164},"reason":"type","error":"k is of kind object or array, it must be a string, number or boolean","queries":["q"],"raw":"{\"t\":38,\"k\":{},\"v\":1}"}`)
	want := []pipeline.Ledger{
		{Query: "q", Read: 8, InWindows: 3, Late: 1, Dead: 3, Filtered: 1, Results: 3},
		{Query: "gaps", Read: 8, InWindows: 4, Late: 1, Dead: 1, Unwindowed: 2, Results: 2},
	}
	for i := range want {
		if s.Queries[i] != want[i] {
			t.Errorf("ledger is %+v, want %+v", s.Queries[i], want[i])
		}
	}
	if s.Events != 7 || s.Dead != 1 || s.Refused != 2 || s.Late != 2 || s.Results != 5 {
		t.Errorf("summary is %+v", s)
	}
}

func TestLedgerThatDoesNotAddUp(t *testing.T) {
	l := pipeline.Ledger{Query: "q", Read: 3, InWindows: 1}
	if err := l.Check(); err == nil || !strings.Contains(err.Error(), "query q does not add up: 3 read, 1 accounted for") {
		t.Errorf("error is %v", err)
	}
}

// Without sinks for them, one late event and one dead letter are logged now and
// then.
func TestSideOutputsAreSampled(t *testing.T) {
	var mu sync.Mutex
	var buf bytes.Buffer
	log := slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(p)
	}), nil))
	s := run(t, counting(lines(`{"t":50,"k":"a"}`, `{"t":1,"k":"a"}`, `{"t":2,"k":"a"}`, `bad`, `worse`)).Logger(log).To(&rows{}))
	text := buf.String()
	if strings.Count(text, "late event") != 1 || strings.Count(text, "dead letter") != 1 {
		t.Errorf("the log is\n%s", text)
	}
	if s.Late != 2 || s.Dead != 2 {
		t.Errorf("%d late, %d dead", s.Late, s.Dead)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// Each sink gets the queries it is there for.
func TestSinksOfQueries(t *testing.T) {
	var a, b, both, all rows
	run(t, counting(lines(`{"t":1,"k":"a"}`)).
		Query("r").Window(window.Global()).Aggregate(aggregate.Count().As("n")).
		To(&a, "q").To(&b, "r").To(&both, "q", "r").To(&all))
	q, r := `q {"k":"a"} [0,10) on_time 0 n=1`, `r {} [-9223372036854,9223372036854) on_time 0 n=1`
	checkSet(t, "rows of q", a.got, q)
	checkSet(t, "rows of r", b.got, r)
	checkSet(t, "rows of q and r", both.got, q, r)
	checkSet(t, "rows of all", all.got, q, r)
}

func TestLimitsOverflow(t *testing.T) {
	var out rows
	b := counting(lines(`{"t":1,"k":"a"}`, `{"t":2,"k":"b"}`, `{"t":3,"k":"a"}`, `{"t":4,"k":"c"}`)).
		Limits(pipeline.LimitSpec{Keys: 1}).To(&out)
	s := run(t, b)
	checkSet(t, "rows", out.got, `q {"k":"a"} [0,10) on_time 0 n=2`, `q {"k":"__overflow__"} [0,10) on_time 0 n=2`)
	if l := s.Queries[0]; l.InWindows != 4 || l.Overflow != 2 {
		t.Errorf("ledger is %+v", l)
	}
}

func TestLimitsStop(t *testing.T) {
	for want, l := range map[string]pipeline.LimitSpec{
		"query q has 1 live keys (limits.keys)":          {Keys: 1, OnExceed: pipeline.Stop},
		"query q has 1 open windows (limits.windows)":    {Windows: 1, OnExceed: pipeline.Stop},
		"(limits.memory); raise it, or set limits.on_ex": {Memory: 1, OnExceed: pipeline.Stop},
	} {
		src := &feed{lines: make(chan string, 100)}
		p, _, wait := start(t, counting(src).Limits(l).To(&rows{}))
		src.lines <- `{"t":1,"k":"a"}`
		eventually(t, "the first event is in a window", func() bool { return p.Progress().OpenWindows == 1 })
		src.lines <- `{"t":2,"k":"b"}`
		close(src.lines)
		if o := wait(); o.err == nil || !strings.Contains(o.err.Error(), want) {
			t.Errorf("the run ends with %v, want %q in it", o.err, want)
		}
	}
}

// A pipeline that stops at a limit puts out nothing that holds more than it.
func TestLimitsStopAtOnce(t *testing.T) {
	var many []string
	for i := range 5000 {
		many = append(many, fmt.Sprintf(`{"t":1,"k":"k%d"}`, i))
	}
	many = append(many, `{"t":10,"k":"last"}`)
	for _, emit := range []pipeline.Emit{pipeline.Periodic, pipeline.EveryEvent} {
		for _, trigger := range []window.Trigger{{}, {Count: 1}} {
			var out rows
			w := pipeline.DefaultSpec().Watermark
			w.MaxOutOfOrderness, w.Emit = 0, emit
			b := counting(lines(many...)).Watermark(w).Trigger(trigger).
				Limits(pipeline.LimitSpec{Keys: 1000, OnExceed: pipeline.Stop}).To(&out)
			p, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Run(t.Context()); !errors.Is(err, pipeline.ErrLimit) {
				t.Errorf("%s, %+v: the run ends with %v", emit, trigger, err)
			}
			most := 1000 * int(trigger.Count)
			if len(out.got) > most {
				t.Errorf("%s, %+v: %d rows, at most %d are of keys within the limit; the last is %s", emit, trigger, len(out.got), most, out.got[len(out.got)-1])
			}
		}
	}
}

// A live source and a trigger by the clock: early results come while the
// window is open, and only with something new.
func TestTriggerByProcessingTime(t *testing.T) {
	var out rows
	src := &feed{lines: make(chan string), live: true}
	b := counting(src).Window(window.Tumbling(time.Hour)).Trigger(window.Trigger{Every: 5 * time.Millisecond}).To(&out)
	_, stop, wait := start(t, b)
	src.lines <- `{"t":1,"k":"a"}`
	eventually(t, "a first early result", func() bool { return len(out.all()) == 1 })
	src.lines <- `{"t":2,"k":"a"}`
	eventually(t, "a second early result", func() bool { return len(out.all()) == 2 })
	stop()
	if o := wait(); o.err != nil || o.DroppedWindows != 1 {
		t.Errorf("error %v, %d windows dropped", o.err, o.DroppedWindows)
	}
	check(t, "rows", out.all(), `q {"k":"a"} [0,3600000) early 0 n=1`, `q {"k":"a"} [0,3600000) early 1 n=2`)
}

// When a live source falls quiet, its last window closes by the clock.
func TestIdleSourceClosesWindows(t *testing.T) {
	var out rows
	src := &feed{lines: make(chan string), live: true}
	w := pipeline.DefaultSpec().Watermark
	w.MaxOutOfOrderness, w.IdleTimeout, w.WhenIdle = 0, 10*time.Millisecond, pipeline.Close
	p, stop, wait := start(t, counting(src).Watermark(w).To(&out))
	src.lines <- `{"t":1,"k":"a"}`
	src.lines <- `{"t":12,"k":"a"}`
	eventually(t, "the last window fires", func() bool { return len(out.all()) == 2 })
	check(t, "rows", out.all(), `q {"k":"a"} [0,10) on_time 0 n=1`, `q {"k":"a"} [10,20) on_time 0 n=1`)
	if wm := p.Progress().Watermark; wm > 20e6 {
		t.Errorf("the watermark is at %d, beyond the end of the last window", wm)
	}
	src.lines <- `{"t":25,"k":"a"}` // awake again
	eventually(t, "the next window fires", func() bool { return len(out.all()) == 3 })
	stop()
	if o := wait(); o.err != nil || o.DroppedWindows != 0 {
		t.Errorf("error %v, %d windows dropped", o.err, o.DroppedWindows)
	}
}

// A live source refuses events of the far future, a bounded one does not.
func TestFarFuture(t *testing.T) {
	for _, live := range []bool{true, false} {
		src := lines(`{"t":7258118400000,"k":"a"}`) // the year 2200
		src.live = live
		s := run(t, counting(src).To(&rows{}))
		if refused := s.Dead == 1; refused != live {
			t.Errorf("live %v: %d dead", live, s.Dead)
		}
	}
}

func TestExplain(t *testing.T) {
	p := build(t, counting(lines()).To(&rows{}))
	for _, want := range []string{"columns read from each event", "  k "} {
		if !strings.Contains(p.Explain(), want) {
			t.Errorf("the plan does not say %q:\n%s", want, p.Explain())
		}
	}
}
