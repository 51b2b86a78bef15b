package simtest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/state/pebble"
)

// machine runs a program again and again on its disks.
type machine struct {
	p *program
	disks
	lines *lines
	topic bool
	lives int
	// newest is the last epoch that a run has called durable.
	newest uint64
	told   []string // what happened
}

func newMachine(t *rapid.T, p *program) *machine {
	m := &machine{p: p, disks: newDisks(), lines: newLines(), topic: rapid.Bool().Draw(t, "kind")}
	p.topic = &m.topic
	return m
}

func (m *machine) String() string { return fmt.Sprintf("lives: %q", m.told) }

// spec is the program with state and outputs on the disks.
func (m *machine) spec(s setting, store *pebble.Store, h hook) pipeline.Spec {
	spec := m.p.spec(s)
	spec.Sinks = []sink.Config{{Name: "rows", Sink: m.output("rows", h, m.lines)}}
	spec.LateEvents = &sink.Config{Name: "late", Sink: m.output("late", h, m.lines)}
	spec.DeadLetters = &sink.Config{Name: "dead", Sink: m.output("dead", h, m.lines)}
	spec.State.Store = store
	spec.State.Epoch = time.Millisecond
	spec.Logger = slog.New(slog.DiscardHandler)
	return spec
}

// run runs a spec to its end, and fails if it hangs.
func (m *machine) run(t fataler, spec pipeline.Spec, chunks int, slow time.Duration) (pipeline.Summary, error) {
	t.Helper()
	src := &stopper{Source: spec.Source.(*Source), chunks: chunks, slow: slow}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src.stop = cancel
	spec.Source = src
	hung := time.AfterFunc(10*time.Second, func() { panic(fmt.Sprintf("a run hangs\n%v\n%v", m.p, m)) })
	defer hung.Stop()
	p, err := pipeline.Build(spec)
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	m.lives++
	summary, err := p.Run(ctx)
	m.newest = max(m.newest, summary.Epoch)
	return summary, err
}

// draw draws a life whose disks ask h before each operation.
func (m *machine) draw(t *rapid.T, emit pipeline.Emit, h hook) (spec pipeline.Spec, chunks int, slow time.Duration) {
	store := m.store(h)
	store.Idle = rapid.SampledFrom([]time.Duration{-1, -1, time.Millisecond}).Draw(t, "tidy")
	spec = m.spec(drawSetting(t, emit), store, h)
	spec.State.CheckpointEvery = rapid.SampledFrom([]time.Duration{0, time.Millisecond, 5 * time.Millisecond}).Draw(t, "checkpoints")
	spec.State.Retain = rapid.IntRange(1, 3).Draw(t, "retain")
	chunks = rapid.SampledFrom([]int{0, 0, 0, 3, 20}).Draw(t, "stop after")
	slow = rapid.SampledFrom([]time.Duration{0, time.Millisecond, 3 * time.Millisecond}).Draw(t, "slow")
	return spec, chunks, slow
}

// lose runs the program until the power goes off, if it is not done before.
func (m *machine) lose(t *rapid.T, emit pipeline.Emit, percent int) {
	m.losing(t, emit, percent, func(*pipeline.Spec) {})
}

// losing does so with a changed spec.
func (m *machine) losing(t *rapid.T, emit pipeline.Emit, percent int, change func(*pipeline.Spec)) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "disks"), 0))
	p := &power{left: rapid.IntRange(1, rapid.SampledFrom([]int{70, 200, 600}).Draw(t, "at most")).Draw(t, "power off at")}
	var rest disks
	p.gone = func() { rest = m.crash(rng, percent) }
	spec, chunks, slow := m.draw(t, emit, p.ask)
	change(&spec)
	_, err := m.run(t, spec, chunks, slow)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !p.off {
		t.Fatalf("run: %v\n%v\n%v", err, m.p, m)
	}
	if !p.off {
		rest = m.copied()
	}
	m.told = append(m.told, fmt.Sprintf("%d operations, off at %v: %v", p.used, p.at, err))
	m.disks = rest
}

// restore goes back to the newest checkpoint, if there is one.
func (m *machine) restore(t *rapid.T) {
	store := m.store(nil)
	names, err := store.Checkpoints(t.Context())
	if err != nil {
		t.Fatalf("checkpoints: %v", err)
	}
	if len(names) == 0 {
		return
	}
	if _, err := store.Restore(t.Context(), names[len(names)-1]); err != nil {
		t.Fatalf("restore: %v\n%v", err, m)
	}
	m.told = append(m.told, "restored "+names[len(names)-1])
}

// end runs the program with nothing to disturb it, to its end, and once more.
func (m *machine) end(t *rapid.T, emit pipeline.Emit) *Run {
	summary := m.last(t, emit)
	run, wrong := m.lines.run(m.disks)
	wrong.report(t, m.p, m)
	run.Summary = summary
	if m.last(t, emit); len(m.disks.lines("rows", &wrong)) != len(run.Rows) {
		t.Fatalf("a run without new input gave rows\n%v", m.p)
	}
	return run
}

func (m *machine) last(t *rapid.T, emit pipeline.Emit) pipeline.Summary {
	summary, err := m.run(t, m.spec(drawSetting(t, emit), m.store(nil), nil), 0, 0)
	if err != nil || summary.Interrupted {
		t.Fatalf("the last run: %v\n%v\n%v", err, m.p, m)
	}
	return summary
}

// suffer lets the power go off some times and returns what is there in the end.
func (m *machine) suffer(t *rapid.T, emit pipeline.Emit, percent int) *Run {
	for range rapid.IntRange(1, 4).Draw(t, "lives") {
		m.lose(t, emit, percent)
		if rapid.IntRange(0, 7).Draw(t, "restore") == 0 {
			m.restore(t)
		}
	}
	return m.end(t, emit)
}

// Whenever the power goes off, and whatever it takes with it: with one
// partition and every_event the files hold the lines of a run that nothing
// disturbs, in its order.
func TestPowerLossIsExact(t *testing.T) {
	underPowerLoss(t, func(t *rapid.T, percent int) {
		p := drawProgram(t, onePartition(t))
		m := newMachine(t, &p)
		run := m.suffer(t, pipeline.EveryEvent, percent)
		exactly(t, m, run)
	})
}

// onePartition is a shape whose rows are the same in each run.
func onePartition(t *rapid.T) shape {
	return shape{partitions: 1, onlySessions: rapid.IntRange(0, 2).Draw(t, "sessions") == 0}
}

// manyPartitions is a shape whose windows hold the same in the end of each run.
func manyPartitions(t *rapid.T) shape {
	s := rapid.SampledFrom([]shape{{noSessions: true}, {ownSessionKeys: true}, {withinBound: true}}).Draw(t, "shape")
	s.everyWindowFires, s.partitions = true, rapid.IntRange(1, 4).Draw(t, "partitions")
	return s
}

func exactly(t *rapid.T, m *machine, run *Run) {
	out := m.p.model(t, m.topic)
	d := compareRows(out.Rows, run.Rows)
	_, more := stories(m.p, run.Rows)
	d = append(d, more...)
	d = append(d, compareLateEvents(out.Late, run.Late)...)
	d = append(d, compareLedgers(out.Ledgers, run)...)
	d = append(d, compareDead(m.p, out, run)...)
	d.report(t, m.p, m)
}

// With several partitions and periodic firings, what the windows hold in the
// end, what is late and the ledger survive it, and no row is there twice.
func TestPowerLossEndsTheSame(t *testing.T) {
	underPowerLoss(t, func(t *rapid.T, percent int) {
		p := drawProgram(t, manyPartitions(t))
		m := newMachine(t, &p)
		run := m.suffer(t, pipeline.Periodic, percent)
		finally(t, m, run)
	})
}

func finally(t *rapid.T, m *machine, run *Run) {
	out := m.p.model(t, m.topic)
	d := compareFinal(m.p, out, run.Rows, len(m.p.feeds) > 1)
	d = append(d, compareLateEvents(out.Late, run.Late)...)
	d = append(d, compareLedgers(out.Ledgers, run)...)
	d = append(d, compareDead(m.p, out, run)...)
	d.report(t, m.p, m)
}

// underPowerLoss checks a property with none, half and all of what was not
// synced kept.
func underPowerLoss(t *testing.T, property func(t *rapid.T, percent int)) {
	for _, percent := range []int{0, 50, 100} {
		t.Run(fmt.Sprintf("%d %% kept", percent), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { property(t, percent) })
		})
	}
}
