package pipeline_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/window"
)

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns what was logged since the last call.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// ailing is a sink with troubles.
type ailing struct {
	seen
	sink.Troubles
}

// TestTroubleOfASinkIsLogged once when it begins, again while it lasts, and when
// it is over; and an error that a slow sink causes names it.
func TestTroubleOfASinkIsLogged(t *testing.T) {
	a, out, log := newTap("a"), &ailing{}, &logged{}
	watched(t, &taps{start: []*tap{a}}, func(s *pipeline.Spec) {
		s.Logger = slog.New(slog.NewTextHandler(log, nil))
		s.Sinks = []sink.Config{named("out", out)}
	}, func(t *testing.T, p *pipeline.Pipeline, _ func()) {
		wait := func(d time.Duration) string {
			time.Sleep(d)
			synctest.Wait()
			return log.take()
		}
		wait(time.Second)
		out.Note(errors.New("no route to host"))
		if got := wait(1500 * time.Millisecond); got != "" {
			t.Errorf("a trouble that is over at once is told: %s", got)
		}
		out.Note(nil)
		wait(5 * time.Second)
		out.Note(errors.New("no route to host"))
		if got := wait(30 * time.Second); strings.Count(got, "\n") != 1 || !strings.Contains(got, `level=WARN msg="a sink takes no rows, trying again" sink=out`) || !strings.Contains(got, "no route to host") {
			t.Errorf("in half a minute of trouble it is told: %s", got)
		}
		if got := wait(time.Minute); strings.Count(got, "\n") != 1 {
			t.Errorf("in the next minute: %s", got)
		}
		out.Note(nil)
		if got := wait(time.Minute); strings.Count(got, "\n") != 1 || !strings.Contains(got, `level=INFO msg="a sink takes rows again" sink=out after=1m`) {
			t.Errorf("when it is over: %s", got)
		}
	})
}

// TestSinksAreShownBeforeTheyAreOpen with what keeps them from it.
func TestSinksAreShownBeforeTheyAreOpen(t *testing.T) {
	s, out := pipeline.DefaultSpec(), &ailing{}
	out.Note(errors.New("no route to host"))
	s.Name, s.Source, s.Logger = "ailing", &taps{}, quiet
	s.Event.TimeField, s.Event.TimeFormat = "t", event.UnixSec
	s.Sinks = []sink.Config{named("out", out)}
	s.Queries = []query.Query{{Name: "q", Window: window.Global(), Aggregates: []aggregate.Spec{aggregate.Count()}}}
	p, err := pipeline.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	if all := p.Status().Sinks; len(all) != 1 || all[0].Name != "out" || all[0].Trouble.Error != "no route to host" {
		t.Errorf("sinks are %+v", all)
	}
}
