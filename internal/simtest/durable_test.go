package simtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/state/statetest"
)

// errCrash is what a table answers from its crash on.
var errCrash = errors.New("the sink has crashed")

// table is a sink like a database: rows and mark become visible together, and
// what was not committed is gone when it opens again.
type table struct {
	Collector // what is committed
	mark      sink.Mark

	pending Collector
	// calls until it crashes; 0 is never. after lets the call take effect.
	calls int
	after bool
	dead  bool
}

func (s *table) Open(context.Context) error {
	s.pending, s.dead = Collector{}, false
	return nil
}

func (s *table) Resume(_ context.Context, m sink.Mark, newest uint64, _ bool) (uint64, error) {
	known := uint64(0)
	if len(m.Token) > 0 {
		known = binary.BigEndian.Uint64(m.Token)
	}
	switch {
	case s.mark.Incarnation == [16]byte{}:
		return m.Epoch, nil
	case s.mark.Incarnation != m.Incarnation || s.mark.Epoch > newest || s.mark.Epoch < known:
		return 0, fmt.Errorf("the table is at epoch %d of %x, the state at %d (%d) of %x", s.mark.Epoch, s.mark.Incarnation, known, newest, m.Incarnation)
	}
	return max(s.mark.Epoch, m.Epoch), nil
}

// crashes counts a call, and reports whether it fails.
func (s *table) crashes() bool {
	if s.calls > 0 {
		s.calls--
		s.dead = s.calls == 0
	}
	return s.dead
}

func (s *table) Write(ctx context.Context, b *result.Batch) error {
	if s.dead || s.crashes() {
		return errCrash
	}
	return s.pending.Write(ctx, b)
}

func (s *table) Commit(ctx context.Context, m sink.Mark) ([]byte, error) {
	if s.dead {
		return nil, errCrash
	}
	crash := s.crashes()
	if crash && !s.after {
		return nil, errCrash
	}
	if err := s.Collector.Write(ctx, &s.pending.Batch); err != nil {
		return nil, err
	}
	s.pending, s.mark = Collector{}, m
	if crash {
		return nil, errCrash
	}
	return binary.BigEndian.AppendUint64(nil, m.Epoch), nil
}

// stopper is a source that asks for a stop after some chunks.
type stopper struct {
	*Source
	mu     sync.Mutex
	chunks int
	stop   func()
	// slow is how long each chunk takes, so that epochs end between them.
	slow time.Duration
}

func (s *stopper) Open(ctx context.Context) ([]source.Partition, error) {
	parts, err := s.Source.Open(ctx)
	for i, p := range parts {
		parts[i] = &stoppable{Feed: p.(*Feed), s: s}
	}
	return parts, err
}

type stoppable struct {
	*Feed
	s *stopper
}

func (p *stoppable) Read(ctx context.Context, c *source.Chunk) error {
	p.s.mu.Lock()
	if p.s.chunks--; p.s.chunks == 0 {
		p.s.stop()
	}
	p.s.mu.Unlock()
	time.Sleep(p.s.slow)
	return p.Feed.Read(ctx, c)
}

// life is a program's many runs on one state.
type life struct {
	p                *program
	store            *memory.Store
	rows, late, dead table
	delivery         pipeline.Delivery
}

// live runs the program once. It ends by itself, by a stop, or by a crash of
// the state or of a sink, and reports whether it came to the end of its input.
func (l *life) live(t *rapid.T, s setting, how string) (ended bool, summary pipeline.Summary) {
	faulty := statetest.NewFaulty(l.store, 0, statetest.Before)
	src := &stopper{Source: l.p.source(s)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	src.stop = cancel
	src.slow = rapid.SampledFrom([]time.Duration{0, time.Millisecond, 3 * time.Millisecond}).Draw(t, "slow")
	n := rapid.IntRange(1, 12).Draw(t, "after")
	victim := rapid.SampledFrom([]*table{&l.rows, &l.rows, &l.rows, &l.late, &l.dead}).Draw(t, "victim")
	for _, tab := range []*table{&l.rows, &l.late, &l.dead} {
		tab.calls, tab.after = 0, false
	}
	switch how {
	case "stop":
		src.chunks = n
	case "state before":
		faulty.Arm(n, statetest.Before)
	case "state after":
		faulty.Arm(n, statetest.After)
	case "sink before", "sink after":
		victim.calls, victim.after = n, how == "sink after"
	}
	spec := l.p.spec(s)
	spec.Source = src
	spec.Sinks = []sink.Config{{Name: "rows", Sink: &l.rows}}
	spec.LateEvents = &sink.Config{Name: "late", Sink: &l.late}
	spec.DeadLetters = &sink.Config{Name: "dead", Sink: &l.dead}
	spec.State.Store = faulty
	spec.State.Epoch = rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second}).Draw(t, "epoch")
	spec.Delivery = l.delivery
	spec.Logger = slog.New(slog.DiscardHandler)
	p, err := pipeline.Build(spec)
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	summary, err = p.Run(ctx)
	switch {
	case errors.Is(err, statetest.ErrFault), errors.Is(err, errCrash):
		return false, summary
	case err != nil:
		t.Fatalf("run (%s): %v\n%v\n%v", how, err, l.p, s)
	}
	return !summary.Interrupted, summary
}

var endings = []string{"stop", "state before", "state after", "sink before", "sink after"}

// lives runs the program with crashes, and with other settings each time, until
// it has read all; then once more.
func (l *life) lives(t *rapid.T, emit pipeline.Emit) (run *Run, last setting) {
	for range rapid.IntRange(1, 4).Draw(t, "lives") {
		l.live(t, drawSetting(t, emit), rapid.SampledFrom(endings).Draw(t, "ending"))
	}
	last = drawSetting(t, emit)
	_, summary := l.live(t, last, "")
	rows := len(l.rows.Results)
	if _, again := l.live(t, drawSetting(t, emit), ""); len(l.rows.Results) != rows || again.Results != 0 {
		t.Fatalf("a run without new input gave %d rows more, by its own count %d\n%v", len(l.rows.Results)-rows, again.Results, l.p)
	}
	return &Run{Rows: l.rows.Results, Late: l.late.Late, Dead: l.dead.Dead, Summary: summary}, last
}

// Whatever crashes and whenever, with one partition and every_event each row,
// its number and its order are those of a run that nothing disturbs.
func TestRestartsAreExact(t *testing.T) {
	for _, s := range []shape{{partitions: 1, limited: true}, {partitions: 1, onlySessions: true}} {
		t.Run(fmt.Sprint("sessions only ", s.onlySessions), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := drawProgram(t, s)
				l := &life{p: &p, store: memory.New(), delivery: pipeline.ExactlyOnce}
				topic := rapid.Bool().Draw(t, "kind")
				p.topic = &topic
				run, last := l.lives(t, pipeline.EveryEvent)
				out := p.model(t, topic)
				d := compareRows(out.Rows, run.Rows)
				_, more := stories(&p, run.Rows)
				d = append(d, more...)
				d = append(d, compareLateEvents(out.Late, run.Late)...)
				d = append(d, compareLedgers(out.Ledgers, run)...)
				d = append(d, compareDead(&p, out, run)...)
				d.report(t, p, last)
			})
		})
	}
}

// A bounded input that has ended may go on: each later run gives what one is
// promised of an input that ended there, whatever crashes between.
func TestMoreInputIsExact(t *testing.T) {
	for name, s := range map[string]shape{
		"limits":           {partitions: 1, onlyPanes: true, limited: true},
		"all windows":      {partitions: 1},
		"only sessions":    {partitions: 1, onlySessions: true},
		"windows of panes": {partitions: 1, onlyPanes: true},
		"ends of time":     {partitions: 1, extreme: true},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := drawProgram(t, s)
				topic := rapid.Bool().Draw(t, "kind")
				p.topic = &topic
				all := p.feeds[0]
				l := &life{store: memory.New(), delivery: pipeline.ExactlyOnce}
				cuts := rapid.SliceOfN(rapid.IntRange(0, len(all)), 1, 4).Draw(t, "cuts")
				slices.Sort(cuts)
				for _, n := range cuts {
					part := p
					part.feeds = [][]record{all[:n]}
					l.p = &part
					if n > 0 {
						l.live(t, drawSetting(t, pipeline.EveryEvent), rapid.SampledFrom(endings).Draw(t, "ending"))
					}
					if ended, _ := l.live(t, drawSetting(t, pipeline.EveryEvent), ""); !ended {
						t.Fatalf("did not come to the end of the input\n%v", part)
					}
					p.ends = append(p.ends, len(part.steps(0, topic)))
				}
				l.p = &p
				run, last := l.lives(t, pipeline.EveryEvent)
				out := p.model(t, topic)
				d := compareRows(out.Rows, run.Rows)
				d = append(d, compareLedgers(out.Ledgers, run)...)
				d.report(t, p, last)
			})
		})
	}
}

// With several partitions and periodic firings, what the windows hold in the
// end, what is late and the ledger survive every crash.
func TestRestartsEndTheSame(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape shape
	}{
		{"one partition", shape{}},
		{"windows without sessions", shape{everyWindowFires: true, noSessions: true}},
		{"sessions within a partition", shape{everyWindowFires: true, ownSessionKeys: true}},
		{"sessions over partitions within the bound", shape{everyWindowFires: true, withinBound: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c.shape.partitions = 1
				if c.shape.everyWindowFires {
					c.shape.partitions = rapid.IntRange(2, 4).Draw(t, "partitions")
				}
				p := drawProgram(t, c.shape)
				topic := rapid.Bool().Draw(t, "kind")
				p.topic = &topic
				l := &life{p: &p, store: memory.New(), delivery: pipeline.ExactlyOnce}
				run, last := l.lives(t, pipeline.Periodic)
				out := p.model(t, topic)
				d := compareFinal(&p, out, run.Rows, len(p.feeds) > 1)
				d = append(d, compareLateEvents(out.Late, run.Late)...)
				d = append(d, compareLedgers(out.Ledgers, run)...)
				d = append(d, compareDead(&p, out, run)...)
				d.report(t, p, last)
			})
		})
	}
}
