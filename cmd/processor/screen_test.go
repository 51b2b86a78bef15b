package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
)

// terminal is a writer for stdout and stderr alike that two goroutines may use.
type terminal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *terminal) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *terminal) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func TestScreenClearsTheLineBeforeOthersWrite(t *testing.T) {
	var tty terminal
	s := &screen{out: &tty, err: &tty}
	_, _ = io.WriteString(s.stdout(), "row 1\n")
	s.draw("progress")
	_, _ = io.WriteString(s.stdout(), "row 2\n")
	_, _ = io.WriteString(s.stderr(), "log\n")
	s.draw(strings.Repeat("ä", 200))
	want := "row 1\n" + clearLine + "progress" + clearLine + "row 2\nlog\n" + clearLine + strings.Repeat("ä", lineWidth)
	if have := tty.String(); have != want {
		t.Errorf("the terminal got\n%q, want\n%q", have, want)
	}
}

func TestFollowDrawsAndClears(t *testing.T) {
	var tty terminal
	s := &screen{out: &tty, err: &tty}
	calls := make(chan struct{}, 100)
	finish := s.follow(func() pipeline.Summary {
		calls <- struct{}{}
		return pipeline.Summary{Events: 1234, Elapsed: time.Second, Watermark: event.MinTime}
	})
	<-calls
	<-calls // the first line is drawn when the second is asked for
	finish()
	have := tty.String()
	if !strings.Contains(have, "1,234 events") || !strings.HasSuffix(have, clearLine) {
		t.Errorf("the terminal got %q", have)
	}
}

func TestProgressLine(t *testing.T) {
	p := pipeline.Summary{Events: 1234567, Results: 1200, Late: 3, Dead: 4, Refused: 1, Watermark: 1_767_225_600_000_000_000}
	want := "1,234,567 events  3,012/s  1,200 results  3 late  5 dead  at 2026-01-01 00:00:00"
	if have := progressLine(p, 3012.4); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	if have := progressLine(pipeline.Summary{Watermark: event.MinTime}, 0); !strings.HasSuffix(have, "at -") {
		t.Errorf("have %q", have)
	}
	if have := eventTime(event.MaxTime); have != "the end" {
		t.Errorf("have %q", have)
	}
}

func TestRateMeter(t *testing.T) {
	var m rateMeter
	if r := m.update(pipeline.Summary{Events: 100, Elapsed: time.Second}); r != 100 {
		t.Errorf("the first rate is %v, want 100", r)
	}
	if r := m.update(pipeline.Summary{Events: 500, Elapsed: 2 * time.Second}); r != 200 {
		t.Errorf("after a jump to 400/s the rate is %v, want 200", r)
	}
	if r := m.update(pipeline.Summary{Events: 500, Elapsed: 2 * time.Second}); r != 200 {
		t.Errorf("without time the rate is %v, want 200", r)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if have := count(n); have != want {
			t.Errorf("%d is %q, want %q", n, have, want)
		}
	}
}

func TestSummary(t *testing.T) {
	var out bytes.Buffer
	writeSummary(&out, pipeline.Summary{
		Events: 3000, Dead: 1, Refused: 2, Late: 5, Results: 7, Elapsed: 2 * time.Second, DroppedWindows: 1200,
		Queries: []pipeline.Ledger{{Query: "model_minute", Read: 3001, InWindows: 2000, Overflow: 10, Late: 5, Dead: 3, Filtered: 993, Results: 7}},
		Nulls: []pipeline.Nulls{
			{Query: "model_minute", Field: "tenant", Key: true, Rows: 2000, Nulls: 40},
			{Query: "model_minute", Field: "tenant", Rows: 2000, Nulls: 40},
			{Query: "model_minute", Field: "cost", Rows: 2000},
		},
	})
	want := `3,000 events in 2s (1,500/s): 7 results, 5 late, 3 dead
         query   read  in windows  late  dead  filtered  unwindowed  results
  model_minute  3,001       2,000     5     3       993           0        7
query model_minute: 10 of its events went to the overflow group, because of a limit
query model_minute: tenant was null in 40 of 2,000 events
1,200 open windows were dropped: the state is in memory
`
	if have := out.String(); have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
	out.Reset()
	writeSummary(&out, pipeline.Summary{KeptWindows: 1200, State: "state/test"})
	if have := out.String(); !strings.HasSuffix(have, "\n1,200 open windows kept in state/test\n") {
		t.Errorf("with durable state have\n%s", have)
	}
	if n := perSecond(pipeline.Summary{Events: 5}); n != 0 {
		t.Errorf("the rate of no time is %d", n)
	}
}

func TestSignals(t *testing.T) {
	var out terminal
	codes := make(chan int, 1)
	c := command{exit: func(code int) { codes <- code }}
	ctx, stop := c.signals(slog.New(slog.NewTextHandler(&out, nil)))
	defer stop()
	raise := func() {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	raise()
	<-ctx.Done()
	raise() // the echo that a supervisor makes
	time.Sleep(2 * echoTime)
	raise()
	if code := <-codes; code != exitFailure {
		t.Errorf("the second signal exits with %d", code)
	}
	if s := out.String(); strings.Count(s, "\n") != 2 || !strings.Contains(s, "stops at once") || !strings.Contains(s, "second signal") {
		t.Errorf("the log is %s", s)
	}
}

func TestAHangupDrains(t *testing.T) {
	// The tests may run under nohup themselves.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	c := command{exit: func(int) { t.Error("the process would end") }}
	hangUp := func() {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := c.signals(slog.New(slog.DiscardHandler))
	hangUp()
	<-ctx.Done()
	stop()

	// As under nohup.
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	ctx, stop = c.signals(slog.New(slog.DiscardHandler))
	defer stop()
	hangUp()
	select {
	case <-ctx.Done():
		t.Error("it ends by a signal that it was to ignore")
	case <-time.After(2 * echoTime):
	}
}

func TestSignalsStopWithoutOne(t *testing.T) {
	c := command{exit: func(int) { t.Error("the process would end") }}
	ctx, stop := c.signals(slog.New(slog.DiscardHandler))
	if ctx.Err() != nil {
		t.Error("the context has ended")
	}
	stop()
	<-ctx.Done()
}

// stuck is a reader of stdout that has stopped.
type stuck struct{ begun, release chan struct{} }

func (w stuck) Write(p []byte) (int, error) {
	close(w.begun)
	<-w.release
	return len(p), nil
}

func TestALogGetsPastAStuckStdout(t *testing.T) {
	var tty terminal
	out := stuck{make(chan struct{}), make(chan struct{})}
	s := &screen{out: out, err: &tty}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.WriteString(s.stdout(), "row\n")
	}()
	<-out.begun
	_, _ = io.WriteString(s.stderr(), "log\n")
	s.draw("not while a row is written")
	close(out.release)
	<-done
	if have := tty.String(); have != "log\n" {
		t.Errorf("the terminal got %q", have)
	}
}

func TestSummaryAttrs(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("memory", summaryAttrs(pipeline.Summary{DroppedWindows: 3})...)
	log.Info("durable", summaryAttrs(pipeline.Summary{KeptWindows: 3, State: "state/test", Epoch: 7})...)
	lines := strings.Split(out.String(), "\n")
	if !strings.Contains(lines[0], `"dropped_windows":3`) || strings.Contains(lines[0], "epoch") {
		t.Errorf("in memory have %s", lines[0])
	}
	if !strings.Contains(lines[1], `"state":"state/test","epoch":7,"kept_windows":3`) {
		t.Errorf("with durable state have %s", lines[1])
	}
}
