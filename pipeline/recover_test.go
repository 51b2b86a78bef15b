package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/window"
)

// tape is a bounded source that goes on where it stopped: one record a chunk.
type tape struct {
	text string
	at   int
}

// events are records at times in milliseconds, of one key.
func events(times ...int) *tape {
	var t tape
	for _, at := range times {
		t.text += fmt.Sprintf(`{"t":%d,"k":"a"}`+"\n", at)
	}
	return &t
}

func (p *tape) Traits() source.Traits { return source.Traits{Kind: "tape"} }
func (p *tape) Open(context.Context) ([]source.Partition, error) {
	return []source.Partition{tapePartition{p}}, nil
}
func (p *tape) Discover(context.Context) ([]source.Partition, error) { return source.Fixed() }
func (p *tape) Close() error                                         { return nil }

type tapePartition struct{ *tape }

func (p tapePartition) Origin() event.Origin { return event.Origin{Path: "tape"} }
func (p tapePartition) Close() error         { return nil }

func (p tapePartition) Open(_ context.Context, at int64) error {
	p.at = int(at)
	return nil
}

func (p tapePartition) Read(ctx context.Context, c *source.Chunk) error {
	c.Reset()
	n := strings.IndexByte(p.text[p.at:], '\n') + 1
	if n == 0 || ctx.Err() != nil {
		return errors.Join(ctx.Err(), io.EOF)
	}
	c.Data, c.Offset = append(c.Data, p.text[p.at:p.at+n]...), int64(p.at)
	p.at += n
	c.Next = int64(p.at)
	return nil
}

// kept is a pipeline's state between its runs, and how it is run.
type kept struct {
	t     *testing.T
	store *memory.Store
	spec  pipeline.Spec
	log   *bytes.Buffer // of the last run
}

func keep(t *testing.T) *kept {
	k := &kept{t: t, store: memory.New(), spec: pipeline.DefaultSpec(), log: &bytes.Buffer{}}
	s := &k.spec
	s.Name, s.Workers = "test", 2
	s.Event.TimeField, s.Event.TimeFormat = "t", event.UnixMilli
	s.Watermark.MaxOutOfOrderness, s.Watermark.Emit = 0, pipeline.EveryEvent
	s.Queries = []query.Query{{
		Name: "q", Key: []query.KeyField{{Name: "k", Expr: "k"}}, Window: window.Tumbling(10 * time.Millisecond),
		Aggregates: []aggregate.Spec{aggregate.Count().As("n")},
	}}
	s.State.Store, s.State.CheckpointEvery = k.store, 0
	return k
}

func only(s sink.Sink) []sink.Config { return []sink.Config{named("out", s)} }

func named(name string, s sink.Sink) sink.Config { return sink.Config{Name: name, Sink: s} }

// run runs the pipeline once on a tape, as the spec is after change.
func (k *kept) run(src *tape, change func(*pipeline.Spec), sinks ...sink.Config) error {
	k.t.Helper()
	_, err := k.runFor(context.Background(), src, change, sinks...)
	return err
}

func (k *kept) runFor(ctx context.Context, src source.Source, change func(*pipeline.Spec), sinks ...sink.Config) (pipeline.Summary, error) {
	k.t.Helper()
	k.log.Reset()
	s := k.spec
	s.Source, s.Sinks = src, sinks
	s.Logger = slog.New(slog.NewTextHandler(k.log, nil))
	if change != nil {
		change(&s)
	}
	p, err := pipeline.Build(s)
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the test has no more patience"))
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		s, err := p.Run(ctx)
		done <- outcome{s, err}
	}()
	select {
	case o := <-done:
		return o.Summary, o.err
	case <-time.After(2 * patience):
		k.t.Fatal("the run does not end")
		return pipeline.Summary{}, nil
	}
}

// must runs a tape to its end.
func (k *kept) must(src *tape, change func(*pipeline.Spec), sinks ...sink.Config) {
	k.t.Helper()
	if err := k.run(src, change, sinks...); err != nil {
		k.t.Fatal(err)
	}
}

// refused wants a run that ends with an error which holds the words, and has
// changed nothing in the state.
func (k *kept) refused(src *tape, change func(*pipeline.Spec), sinks []sink.Config, words ...string) error {
	k.t.Helper()
	before, out := k.dump(""), sinks[0].Sink.(*rows)
	had := out.count()
	err := k.run(src, change, sinks...)
	if err == nil {
		k.t.Fatalf("the run is not refused, for %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			k.t.Errorf("it is refused with %q, want %q in it", err, w)
		}
	}
	if !maps.Equal(before, k.dump("")) {
		k.t.Errorf("a start that is refused (%v) has changed the state", err)
	}
	if out.count() != had {
		k.t.Errorf("a start that is refused (%v) has written rows", err)
	}
	return err
}

// dump is all that a store, or a checkpoint, holds.
func (k *kept) dump(checkpoint string) map[string]string {
	k.t.Helper()
	v, err := k.store.View(context.Background(), checkpoint)
	if err != nil {
		k.t.Fatal(err)
	}
	all := map[string]string{}
	err = v.Scan(context.Background(), nil, nil, func(key, value []byte) error {
		all[string(key)] = string(value)
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return all
}

// snapshot is what a store, or a checkpoint, says of itself.
func (k *kept) snapshot(checkpoint string) *epoch.Snapshot {
	k.t.Helper()
	v, err := k.store.View(context.Background(), checkpoint)
	if err != nil {
		k.t.Fatal(err)
	}
	s, err := epoch.Load(context.Background(), v)
	if err != nil {
		k.t.Fatal(err)
	}
	return s
}

// with opens the store between runs.
func (k *kept) with(fn func(state.Backend)) {
	k.t.Helper()
	b, err := k.store.Open(context.Background())
	if err != nil {
		k.t.Fatal(err)
	}
	defer b.Close()
	fn(b)
}

// checkpoint makes a checkpoint between runs.
func (k *kept) checkpoint(name string) {
	k.t.Helper()
	k.with(func(b state.Backend) {
		if err := b.(state.Checkpointer).Checkpoint(context.Background(), name); err != nil {
			k.t.Fatal(err)
		}
	})
}

func (k *kept) logged(words ...string) {
	k.t.Helper()
	for _, w := range words {
		if !strings.Contains(k.log.String(), w) {
			k.t.Errorf("the log has no %q:\n%s", w, k.log)
		}
	}
}

// unlogged wants the log without some words.
func (k *kept) unlogged(word string) {
	k.t.Helper()
	if strings.Contains(k.log.String(), word) {
		k.t.Errorf("the log has %q:\n%s", word, k.log)
	}
}

// counted are rows of the query, by the start of their windows.
func counted(n int, starts ...int) (want []string) {
	for _, s := range starts {
		want = append(want, fmt.Sprintf(`q {"k":"a"} [%d,%d) on_time 0 n=%d`, s, s+10, n))
	}
	return want
}

// vault is a sink with transactions: rows and mark are kept together.
type vault struct {
	rows

	pending []string
	mark    sink.Mark
	// redelivers counts the times that it was taken over.
	redelivers int
}

func (v *vault) Write(_ context.Context, b *result.Batch) error {
	for i := range b.Results {
		v.pending = append(v.pending, show(&b.Results[i]))
	}
	return v.write
}

func (v *vault) Resume(_ context.Context, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	v.pending = nil
	switch {
	case redeliver:
		v.redelivers++
		return m.Epoch, nil
	case v.mark.Incarnation == [16]byte{}:
		return m.Epoch, nil
	case v.mark.Incarnation != m.Incarnation || v.mark.Epoch > newest:
		return 0, fmt.Errorf("the vault is at epoch %d, the state at %d", v.mark.Epoch, newest)
	}
	return max(m.Epoch, v.mark.Epoch), nil
}

func (v *vault) Commit(_ context.Context, m sink.Mark) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.got, v.pending, v.mark = append(v.got, v.pending...), nil, m
	return []byte{}, nil
}

func TestGoingOnFromTheLastEpoch(t *testing.T) {
	k := keep(t)
	var plain rows
	var safe vault
	k.must(events(1, 2, 11), nil, named("plain", &plain), named("safe", &safe))
	k.logged("began a new state")
	k.must(events(1, 2, 11, 12, 21), nil, named("plain", &plain), named("safe", &safe))
	k.logged("recovered state", "open_windows=1")
	// The end of the input fires what is open; more input fires it again.
	want := append(counted(2, 0), counted(1, 10)...)
	want = append(want, `q {"k":"a"} [10,20) on_time 1 n=2`)
	want = append(want, counted(1, 20)...)
	check(t, "rows", plain.all(), want...)
	check(t, "rows of the vault", safe.all(), want...)
}

func TestTheStateOfAnotherPipelineIsRefused(t *testing.T) {
	k := keep(t)
	var out rows
	k.must(events(1, 11), nil, named("out", &out))
	for _, fresh := range []bool{false, true} {
		k.refused(events(1, 11), func(s *pipeline.Spec) { s.Name, s.State.Fresh = "other", fresh }, only(&out),
			`holds the state of the pipeline "test"`, `this one is "other"`)
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	k := keep(t)
	var out rows
	k.must(events(1, 11), nil, named("out", &out))
	k.checkpoint("before")
	k.with(func(b state.Backend) {
		rewriteHeader(t, b, func(payload []byte) { payload[0] = 99 })
	})
	err := k.refused(events(1, 11), func(s *pipeline.Spec) { s.State.OnCorruption = pipeline.RestoreOnCorruption }, only(&out),
		"version", "run the version of the program that wrote it", "--fresh")
	if !errors.Is(err, state.ErrVersion) {
		t.Errorf("%v is no ErrVersion", err)
	}
	k.must(events(1, 11), func(s *pipeline.Spec) { s.State.Fresh = true }, named("out", &out))
}

// rewriteHeader changes the header, which comes first.
func rewriteHeader(t *testing.T, b state.Backend, change func(payload []byte)) {
	t.Helper()
	var batch state.Batch
	err := b.Scan(context.Background(), nil, nil, func(key, value []byte) error {
		if batch.Len() > 0 {
			return nil
		}
		payload, err := epoch.Open(key, bytes.Clone(value))
		if err == nil {
			change(payload)
			batch.Set(bytes.Clone(key), epoch.Seal(nil, key, payload))
		}
		return err
	})
	if err == nil {
		err = b.Apply(context.Background(), &batch)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// undelivered leaves rows in the outbox that the sink slow lacks.
func undelivered(t *testing.T, k *kept, out sink.Sink) {
	t.Helper()
	err := k.run(events(1, 11, 21), nil, named("out", out), named("slow", &rows{write: errTest}))
	if !errors.Is(err, errTest) {
		t.Fatalf("the run ends with %v", err)
	}
	if s := k.snapshot(""); len(s.Behind()) == 0 || s.OutboxFirst == 0 {
		t.Fatalf("nothing waits for the sink: %+v", s)
	}
}

func TestASinkThatIsGoneAndLacksRows(t *testing.T) {
	k := keep(t)
	var out rows
	undelivered(t, k, &out)
	all := events(1, 11, 21, 31)
	k.refused(all, nil, only(&out), `sink "slow" lacks the rows of`, "--drop-sink slow")
	k.refused(all, func(s *pipeline.Spec) { s.State.DropSinks = []string{"out"} }, only(&out), "still configured")
	drop := func(s *pipeline.Spec) {
		s.State.DropSinks = []string{"slow"}
		s.Limits.Outbox = 1 // full of what nobody lacks any more
	}
	k.must(all, drop, named("out", &out))
	k.logged("rows are given up", `lacks the rows of`)
	got := slices.Compact(slices.Sorted(slices.Values(out.all())))
	checkSet(t, "rows", got, counted(1, 0, 10, 20, 30)...)
	s := k.snapshot("")
	if _, there := s.Places["slow"]; there || s.OutboxFirst != 0 {
		t.Errorf("the state still has rows (from epoch %d) or a place of the sink: %v", s.OutboxFirst, s.Places)
	}
	k.refused(all, drop, only(&out), "knows no sink of that name")
}

// A query that is removed is removed from the queries of its sinks too, which
// then do not take the rows of it that wait.
func TestRowsThatNoSinkTakesAnyMore(t *testing.T) {
	k := keep(t)
	other := k.spec.Queries[0]
	other.Name = "other"
	k.spec.Queries = append(k.spec.Queries, other)
	both := named("out", &rows{write: errTest})
	both.Queries = []string{"q", "other"}
	if err := k.run(events(1, 11, 21), nil, both); !errors.Is(err, errTest) {
		t.Fatalf("the run ends with %v", err)
	}
	k.spec.Queries = k.spec.Queries[:1]
	if err := k.run(events(1, 11, 21), nil, only(&rows{write: errTest})...); !errors.Is(err, errTest) {
		t.Fatalf("the run ends with %v", err)
	}
	k.unlogged("no sink takes them")
	var out rows
	one := named("out", &out)
	one.Queries = []string{"q"}
	k.must(events(1, 11, 21), nil, one)
	k.logged("no sink takes them any more", `results of query \"other\"`)
	check(t, "rows", out.all(), counted(1, 0, 10, 20)...)
	k.must(events(1, 11, 21), nil, one)
	k.unlogged("no sink takes them")
}

func TestASecondInstanceIsRefused(t *testing.T) {
	k := keep(t)
	k.must(events(1, 11), nil, named("out", &rows{}))
	k.with(func(state.Backend) {
		for _, fresh := range []bool{false, true} {
			err := k.run(events(1, 11), func(s *pipeline.Spec) { s.State.Fresh = fresh }, named("out", &rows{}))
			if !errors.Is(err, state.ErrInUse) {
				t.Errorf("fresh %v: the second instance ends with %v", fresh, err)
			}
		}
	})
}

// interrupter is a store that ends the run's context in a step of a start.
type interrupter struct {
	state.Store
	stop           context.CancelFunc
	onOpen, onScan bool
	closed         int
}

func (s *interrupter) Open(ctx context.Context) (state.Backend, error) {
	if s.onOpen {
		s.stop()
	}
	b, err := s.Store.Open(ctx)
	return &interrupted{b, s}, err
}

type interrupted struct {
	state.Backend
	s *interrupter
}

func (b *interrupted) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	if b.s.onScan {
		b.s.stop()
	}
	return b.Backend.Scan(ctx, from, to, fn)
}

func (b *interrupted) Close() error {
	b.s.closed++
	return b.Backend.Close()
}

// A signal while the state is being read ends the run in order: nothing was
// begun.
func TestAStopWhileTheStateIsRead(t *testing.T) {
	for _, onOpen := range []bool{true, false} {
		k := keep(t)
		k.must(events(1, 11), nil, named("out", &rows{}))
		before := k.dump("")
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		store := &interrupter{Store: k.store, stop: stop, onOpen: onOpen, onScan: !onOpen}
		var out rows
		s, err := k.runFor(ctx, events(1, 11, 21), func(s *pipeline.Spec) { s.State.Store = store }, named("out", &out))
		if err != nil || !s.Interrupted || out.opened > 0 {
			t.Errorf("on open %v: the run ends with %v, interrupted %v; the sink was opened %d times", onOpen, err, s.Interrupted, out.opened)
		}
		if !onOpen && store.closed != 1 {
			t.Errorf("the store was closed %d times", store.closed)
		}
		if !maps.Equal(before, k.dump("")) {
			t.Error("the state has changed")
		}
		k.logged("stopped before it began")
	}
}
