package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/internal/logging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a log without times.
type book struct {
	bytes.Buffer
	*slog.Logger
}

func newBook() *book {
	b := &book{}
	untimed := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "since" {
			return slog.Attr{}
		}
		return a
	}
	b.Logger = slog.New(logging.New(slog.NewTextHandler(&b.Buffer, &slog.HandlerOptions{ReplaceAttr: untimed, Level: slog.LevelDebug})))
	return b
}

// lines takes the lines so far.
func (b *book) lines() []string {
	defer b.Reset()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func TestRepeatsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		for range 9 {
			b.Warn("no answer", "from", "a")
		}
		b.Info("no answer") // of another level: another message
		if got := b.lines(); len(got) != 6 || got[4] != `level=WARN msg="no answer" from=a` || got[5] != `level=INFO msg="no answer"` {
			t.Fatalf("the log has %q", got)
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		b.Warn("no answer", "from", "a")
		if got := b.String(); got != "" {
			t.Fatalf("within the period the log has %q", got)
		}
		time.Sleep(time.Nanosecond)
		b.Debug("something else")
		if got := b.lines(); len(got) != 2 || got[0] != `level=WARN msg="no answer" repeated=5` || got[1] != `level=DEBUG msg="something else"` {
			t.Errorf("after the period the log has %q", got)
		}
		b.Warn("no answer", "from", "a")
		if got := b.lines(); len(got) != 1 || got[0] != `level=WARN msg="no answer" from=a` {
			t.Errorf("in the next period the log has %q", got)
		}
		if err := logging.Flush(b.Logger); err != nil || b.Len() > 0 {
			t.Errorf("nothing was held back, and Flush says %q, %v", b.String(), err)
		}
	})
}

// What differs in its attributes is another fact, wherever they come from: none
// may go unsaid for the others. What was said of each is not repeated for ever.
func TestDifferentFactsAreTold(t *testing.T) {
	const queries = 8
	for name, say := range map[string]func(l *slog.Logger, query string){
		"of the line":    func(l *slog.Logger, query string) { l.Warn("dropped", "query", query) },
		"of the logger":  func(l *slog.Logger, query string) { l.With("query", query).Error("dropped") },
		"of its group":   func(l *slog.Logger, query string) { l.WithGroup(query).Warn("dropped", "n", 1) },
		"within a group": func(l *slog.Logger, query string) { l.Warn("dropped", slog.Group("of", "query", query)) },
	} {
		b := newBook()
		for range 7 {
			for i := range queries {
				say(b.Logger, fmt.Sprint("q", i))
			}
		}
		text := b.String()
		if got := len(b.lines()); got != queries*5 {
			t.Errorf("attributes %s: %d lines, want five of each of %d:\n%s", name, got, queries, text)
		}
		for i := range queries {
			if !strings.Contains(text, fmt.Sprint("q", i)) {
				t.Errorf("attributes %s: nothing is said of q%d", name, i)
			}
		}
		err := logging.Flush(b.Logger)
		if end := b.lines(); err != nil || len(end) != 1 || !strings.HasSuffix(end[0], fmt.Sprint("msg=dropped repeated=", queries*2)) {
			t.Errorf("attributes %s: at the end it says %q, %v", name, end, err)
		}
	}
}

// Even where every line is another fact there is an end to them.
func TestAFloodOfFactsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		for i := range 5000 {
			b.Warn("no answer", "try", i)
		}
		if got := b.lines(); len(got) != 100 || got[99] != `level=WARN msg="no answer" try=99` {
			t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
		}
		time.Sleep(10 * time.Second)
		b.Warn("no answer", "try", 0)
		if got := b.lines(); len(got) != 2 || got[0] != `level=WARN msg="no answer" repeated=4900` || got[1] != `level=WARN msg="no answer" try=0` {
			t.Errorf("after the period the log has %q", got)
		}
	})
}

// Lines that tell what goes on are the same whatever they have with them.
func TestInfoIsLimitedByItsMessage(t *testing.T) {
	b := newBook()
	for i := range 50 {
		b.With("a", i).Info("new partitions", "n", i)
	}
	if got := b.lines(); len(got) != 5 {
		t.Errorf("%d lines", len(got))
	}
}

// Each message has a period of its own, and what it held back is told with the
// first line after that, at the time of that line.
func TestPeriodsEndOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(logging.New(slog.NewJSONHandler(&out, nil)))
		began := time.Now()
		for _, text := range []string{"first", "second"} {
			for range 6 {
				log.Info(text)
			}
			time.Sleep(5 * time.Second)
		}
		for _, want := range []string{"first", "second"} {
			out.Reset()
			log.Info("other")
			first, _, _ := strings.Cut(out.String(), "\n")
			var line struct {
				Time, Since time.Time
				Msg         string
				Repeated    int
			}
			if err := json.Unmarshal([]byte(first), &line); err != nil {
				t.Fatal(err)
			}
			if line.Msg != want || line.Repeated != 1 || !line.Time.Equal(time.Now()) || !line.Since.Equal(began) {
				t.Errorf("after the period of %s began at %v: %s", want, began, first)
			}
			time.Sleep(5 * time.Second)
			began = began.Add(5 * time.Second)
		}
	})
}

func TestFlushTellsWhatWasHeldBack(t *testing.T) {
	b := newBook()
	with := b.With("sink", "kafka")
	for range 7 {
		with.Error("first")
		b.Error("second")
	}
	b.lines()
	if err := logging.Flush(with); err != nil {
		t.Fatal(err)
	}
	got := b.lines()
	if len(got) != 2 || got[0] != `level=ERROR msg=first sink=kafka repeated=2` || got[1] != `level=ERROR msg=second repeated=2` {
		t.Errorf("Flush says %q", got)
	}
	if err := logging.Flush(slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func TestDebugIsNotLimited(t *testing.T) {
	b := newBook()
	for range 100 {
		b.Debug("committed")
	}
	if got := b.lines(); len(got) != 100 {
		t.Errorf("%d of 100 lines", len(got))
	}
}

// Many different messages are no repeats, and what is remembered of them is
// bounded: those beyond go out.
func TestManyMessages(t *testing.T) {
	b := newBook()
	for i := range 2000 {
		for range 6 {
			b.Info(fmt.Sprint("message ", i))
		}
	}
	if got := len(b.lines()); got < 5*2000+1000 || got >= 6*2000 {
		t.Errorf("%d lines", got)
	}
}

func TestNothingIsLostAtOnce(t *testing.T) {
	b := newBook()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				b.Info("again")
			}
		})
	}
	all.Wait()
	if err := logging.Flush(b.Logger); err != nil {
		t.Fatal(err)
	}
	if got := b.lines(); len(got) != 6 || got[5] != "level=INFO msg=again repeated=795" {
		t.Errorf("the log has %q", got)
	}
}

func TestIDsOfTheTrace(t *testing.T) {
	b := newBook()
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(context.Background(), span)
	b.InfoContext(ctx, "within", "a", 1)
	b.Info("without")
	want := []string{"level=INFO msg=within a=1 trace_id=01000000000000000000000000000000 span_id=0200000000000000", "level=INFO msg=without"}
	if got := b.lines(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("the log has %q", got)
	}
}

// A Handler is one as package slog wants them.
func TestHandlerKeepsTheContract(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return logging.New(slog.NewJSONHandler(&out, nil))
	}, func(t *testing.T) map[string]any {
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	})
}
