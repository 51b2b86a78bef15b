package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; who waits that long hangs.
const patience = 30 * time.Second

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: has not come to pass", what)
		}
	}
}

// feed is a source of one partition, whose lines come from a channel.
type feed struct {
	lines chan string
	live  bool
	// errors of the methods
	open, discover, read, close error

	partitionOpen, partitionClose error
	closed                        bool
	at                            int64
}

// lines is a bounded feed.
func lines(text ...string) *feed {
	f := &feed{lines: make(chan string, len(text))}
	for _, l := range text {
		f.lines <- l
	}
	close(f.lines)
	return f
}

func (f *feed) Traits() source.Traits { return source.Traits{Kind: "feed", Live: f.live} }

func (f *feed) Open(context.Context) ([]source.Partition, error) {
	return []source.Partition{feedPartition{f}}, f.open
}

func (f *feed) Discover(context.Context) ([]source.Partition, error) {
	if f.discover != nil {
		return nil, f.discover
	}
	return source.Fixed()
}

func (f *feed) Close() error { f.closed = true; return f.close }

type feedPartition struct{ *feed }

func (f feedPartition) Origin() event.Origin              { return event.Origin{Path: "feed"} }
func (f feedPartition) Open(context.Context, int64) error { return f.partitionOpen }
func (f feedPartition) Close() error                      { return f.partitionClose }

func (f feedPartition) Read(ctx context.Context, c *source.Chunk) error {
	c.Reset()
	select {
	case line, more := <-f.lines:
		if !more && f.read != nil {
			return f.read
		}
		if !more {
			return io.EOF
		}
		c.Data, c.Offset = append(append(c.Data, line...), '\n'), f.at
		f.at += int64(len(c.Data))
		c.Next = f.at
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rows is a sink that keeps what it is given, as text. Its fields but errors
// are guarded.
type rows struct {
	// errors of the methods
	open, write, close error
	// stuck makes Write wait until its context ends.
	stuck bool

	mu                  sync.Mutex
	got, late, dead     []string
	opened, closedTimes int
}

func (s *rows) Open(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return s.open
}

func (s *rows) Write(ctx context.Context, b *result.Batch) error {
	if s.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Results {
		s.got = append(s.got, show(&b.Results[i]))
	}
	for i := range b.Late {
		s.late = append(s.late, string(b.Late[i].AppendJSON(nil)))
	}
	for i := range b.Dead {
		s.dead = append(s.dead, string(b.Dead[i].AppendJSON(nil)))
	}
	return s.write
}

func (s *rows) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closedTimes++
	return s.close
}

// count is how many results came.
func (s *rows) count() int { return len(s.all()) }

func (s *rows) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// show is a result as short text: query, key, window in milliseconds, timing,
// number, values.
func show(r *result.Result) string {
	var values []string
	for i, v := range r.Values {
		values = append(values, r.Query.Values[i]+"="+string(v.AppendJSON(nil)))
	}
	return fmt.Sprintf("%s %s [%d,%d) %s %d %s", r.Query.Name, r.KeyJSON, r.Start/1e6, r.End/1e6, r.Timing, r.Firing, strings.Join(values, " "))
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s are\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// checkSet is check for what comes in no promised order.
func checkSet(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	check(t, what, got, want...)
}

// quiet is a logger whose lines go nowhere.
var quiet = slog.New(slog.DiscardHandler)

// counting is a pipeline that counts events of a key, by tens of milliseconds
// of their time t; the rest is up to the test.
func counting(s source.Source) *pipeline.Builder {
	return pipeline.New("test").From(s).EventTime("t", event.UnixMilli).OutOfOrderness(0).Workers(2).Logger(quiet).
		Query("q").KeyBy("k").Window(window.Tumbling(10 * time.Millisecond)).Aggregate(aggregate.Count().As("n"))
}

func build(t *testing.T, b *pipeline.Builder) *pipeline.Pipeline {
	t.Helper()
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// outcome is what a run gave.
type outcome struct {
	pipeline.Summary
	err error
}

// start runs a pipeline beside the test, and ends the test if it does not end.
func start(t *testing.T, b *pipeline.Builder) (p *pipeline.Pipeline, stop context.CancelFunc, wait func() outcome) {
	t.Helper()
	p = build(t, b)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	done := make(chan outcome, 1)
	go func() {
		s, err := p.Run(ctx)
		done <- outcome{s, err}
	}()
	return p, stop, func() outcome {
		t.Helper()
		select {
		case o := <-done:
			if o.err == nil {
				checkLedgers(t, o.Summary)
			}
			return o
		case <-time.After(patience):
			stop()
			t.Fatal("the pipeline does not end")
			return outcome{}
		}
	}
}

// run runs a pipeline to its end without an error.
func run(t *testing.T, b *pipeline.Builder) pipeline.Summary {
	t.Helper()
	_, _, wait := start(t, b)
	o := wait()
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.Summary
}

// fails runs a pipeline that ends with an error that holds the text.
func fails(t *testing.T, b *pipeline.Builder, want string) outcome {
	t.Helper()
	_, _, wait := start(t, b)
	o := wait()
	if o.err == nil || !strings.Contains(o.err.Error(), want) {
		t.Errorf("the run ends with %v, want %q in it", o.err, want)
	}
	return o
}

func checkLedgers(t *testing.T, s pipeline.Summary) {
	t.Helper()
	for _, l := range s.Queries {
		if err := l.Check(); err != nil {
			t.Error(err)
		}
	}
}

// cancelled is a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

var errTest = errors.New("out of order")
