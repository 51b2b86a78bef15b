package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/window"
)

// hung is a sink whose server is gone until the channel is closed.
type hung struct {
	sink.Troubles
	back chan struct{}
}

func (s *hung) Open(context.Context) error  { return nil }
func (s *hung) Close(context.Context) error { return nil }

func (s *hung) Write(ctx context.Context, _ *result.Batch) error {
	select {
	case <-s.back:
		s.Note(nil)
		return nil
	default:
		s.Note(errors.New("connection refused"))
	}
	select {
	case <-s.back:
		s.Note(nil)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestASinkThatTakesNothingIsSeen wants a pipeline that waits for a sink to say
// so while it waits, and to do what it is told.
func TestASinkThatTakesNothingIsSeen(t *testing.T) {
	t.Parallel()
	a, out := newTap("a"), &hung{back: make(chan struct{})}
	s := pipeline.DefaultSpec()
	s.Name, s.Source, s.Logger = "blocked", &taps{start: []*tap{a}, found: make(chan *tap)}, quiet
	s.Event.TimeField, s.Event.TimeFormat = "t", event.UnixSec
	s.Watermark.MaxOutOfOrderness, s.Watermark.Emit = 0, pipeline.EveryEvent
	s.Sinks = []sink.Config{named("out", out)}
	s.Queries = []query.Query{{
		Name: "q", Key: []query.KeyField{{Name: "k", Expr: "k"}}, Window: window.Tumbling(time.Second), Aggregates: []aggregate.Spec{aggregate.Count().As("n")},
	}}
	p, err := pipeline.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.Run(ctx)
		done <- err
	}()
	const events = 1000
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range events {
			select {
			case a.lines <- at(10 * i):
			case <-ctx.Done():
				return
			}
		}
	}()
	eventually(t, "reading waits for the sink", func() bool { return p.Status().Waited["outbox"] > 0.02 })
	before := p.Status().Waited["outbox"]
	eventually(t, "the wait grows while it lasts", func() bool { return p.Status().Waited["outbox"] > before+0.02 })

	asked, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	why, err := p.Why(asked, "", 1)
	if err != nil || why.Unseen == "" || !strings.Contains(why.Reason, "sink out (in trouble since ") || !strings.Contains(why.Reason, "connection refused") {
		t.Errorf("why is %+v, %v", why, err)
	}
	for range 3 {
		if err := p.Pause(); err != nil || p.Status().Phase != pipeline.Paused {
			t.Errorf("paused: %v, it is %s", err, p.Status().Phase)
		}
	}
	if why, err := p.Why(asked, "", 1); err != nil || !strings.Contains(why.Reason, "is paused") {
		t.Errorf("while paused why is %+v, %v", why, err)
	}
	if err := p.Resume(); err != nil || p.Status().Phase != pipeline.Running {
		t.Errorf("resumed: %v, it is %s", err, p.Status().Phase)
	}
	close(out.back)
	eventually(t, "all is read", func() bool { return p.Status().Events == events })
	<-sent
	if waited := p.Status().Waited["outbox"]; waited <= before {
		t.Errorf("it has waited for %v s, before it was over %v", waited, before)
	}
	if why, err := p.Why(ctx, "q", 1); err != nil || why.Unseen != "" || len(why.Windows) != 1 || strings.Contains(why.Reason, "sink") {
		t.Errorf("afterwards why is %+v, %v", why, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestASinkThatIsToBlame is named when the end takes too long.
func TestASinkThatIsToBlame(t *testing.T) {
	t.Parallel()
	src := &feed{lines: make(chan string), live: true}
	p, stop, wait := start(t, counting(src).To(&hung{back: make(chan struct{})}).ShutdownTimeout(20*time.Millisecond))
	src.lines <- `{"t":1,"k":"a"}`
	src.lines <- `{"t":11,"k":"a"}`
	eventually(t, "the sink is in trouble", func() bool { return p.Status().Sinks[0].Trouble.Since != nil })
	stop()
	if o := wait(); o.err == nil || !strings.Contains(o.err.Error(), "has taken no rows since ") || !strings.Contains(o.err.Error(), ": connection refused") {
		t.Errorf("the run ends with %v", o.err)
	}
}
