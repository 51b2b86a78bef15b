package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/state/pebble"
)

// damage flips a bit in the value of every key of a kind that the open store
// holds: window, outbox or the rest.
func damage(t *testing.T, b state.Backend, kind string) {
	t.Helper()
	var batch state.Batch
	err := b.Scan(context.Background(), nil, nil, func(key, value []byte) error {
		is := "rest"
		if _, ok := epoch.ParseWindowKey(key); ok {
			is = "window"
		} else if _, _, ok := epoch.ParseOutboxKey(key); ok {
			is = "outbox"
		}
		if is == kind {
			value = bytes.Clone(value)
			value[len(value)/2] ^= 4
			batch.Set(bytes.Clone(key), value)
		}
		return nil
	})
	if err == nil {
		err = b.Apply(context.Background(), &batch)
	}
	if err != nil || batch.Len() == 0 {
		t.Fatalf("damaging a %s: %v", kind, err)
	}
}

func restoring(s *pipeline.Spec) { s.State.OnCorruption = pipeline.RestoreOnCorruption }

// aged is a state with two checkpoints and a later epoch, each of another run;
// in each the window of the last event is open, and rows wait for a sink.
func aged(t *testing.T, out *rows) *kept {
	t.Helper()
	k := keep(t)
	for i, last := range []string{"old", "new", ""} {
		times := []int{1, 11, 21, 31}[:i+2]
		if err := k.run(events(times...), nil, named("out", out), named("slow", &rows{write: errTest})); !errors.Is(err, errTest) {
			t.Fatal(err)
		}
		if last != "" {
			k.checkpoint(last)
		}
	}
	return k
}

func TestDamageIsRefused(t *testing.T) {
	for _, kind := range []string{"window", "outbox", "rest"} {
		var out rows
		k := aged(t, &out)
		k.with(func(b state.Backend) { damage(t, b, kind) })
		err := k.refused(events(1, 11, 21, 31, 41), nil, append(only(&out), named("slow", &rows{})),
			"the state in memory", "checksum", "restore the checkpoint new", "state.on_corruption: restore", "--fresh")
		if !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%s: %v is no ErrCorrupt", kind, err)
		}
		k.must(events(1, 11), func(s *pipeline.Spec) { s.State.Fresh = true }, named("out", &out))
	}
}

func TestDamageIsRestored(t *testing.T) {
	for _, kind := range []string{"window", "outbox", "rest"} {
		var out rows
		k := aged(t, &out)
		k.with(func(b state.Backend) { damage(t, b, kind) })
		was := k.snapshot("new").Record.Number
		out.got = nil
		var late rows
		k.must(events(1, 11, 21, 31, 41), restoring, named("out", &out), named("slow", &late))
		k.logged("went back to a checkpoint", "checkpoint=new", "damaged=aside-1", fmt.Sprintf("epoch=%d", was))
		// What the checkpoint knows that out holds does not come again; slow has
		// had none.
		want := counted(1, 0, 10, 20, 30, 40)
		checkSet(t, kind+": rows of out", onceEach(out.all(), counted(1, 0, 10)), slices.Clone(want)...)
		checkSet(t, kind+": rows of slow", onceEach(late.all(), nil), want...)
	}
}

// What --fresh has left behind is not brought back by damage to the new state.
func TestDamageDoesNotBringBackAnEarlierState(t *testing.T) {
	var out rows
	k := aged(t, &out)
	k.must(events(1, 11), func(s *pipeline.Spec) { s.State.Fresh = true }, named("out", &out))
	k.checkpoint("own")
	k.must(events(1, 11, 21), nil, named("out", &out))
	fresh := k.snapshot("").Header.Incarnation
	if err := k.store.Drop(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	k.with(func(b state.Backend) { damage(t, b, "window") })
	k.must(events(1, 11, 21, 31), restoring, named("out", &out))
	k.logged("checkpoint=own")
	if got := k.snapshot("").Header.Incarnation; got != fresh {
		t.Errorf("the state is %x, want %x", got, fresh)
	}
	if err := k.store.Drop(t.Context(), "own"); err != nil {
		t.Fatal(err)
	}
	k.with(func(b state.Backend) { damage(t, b, "window") })
	for _, change := range []func(*pipeline.Spec){nil, restoring} {
		k.refused(events(1, 11, 21, 31), change, only(&out), "there is no checkpoint to restore; begin anew with --fresh")
		k.logged("checkpoints are of an earlier state", "[new]")
	}
}

// onceEach is each row once, of those that are optional all.
func onceEach(got, optional []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(got), optional...))))
}

// A checkpoint that is damaged as well is left for the one before; the last
// resort is to refuse.
func TestDamagedCheckpoints(t *testing.T) {
	var out rows
	k := aged(t, &out)
	spoil := func(checkpoint string) {
		if _, err := k.store.Restore(context.Background(), checkpoint); err != nil {
			t.Fatal(err)
		}
		k.with(func(b state.Backend) {
			damage(t, b, "window")
			if err := k.store.Drop(context.Background(), checkpoint); err != nil {
				t.Fatal(err)
			}
		})
		k.checkpoint("spoiled-" + checkpoint)
	}
	spoil("new")
	slow := named("slow", &rows{})
	k.must(events(1, 11, 21, 31, 41), restoring, named("out", &out), slow)
	k.logged("checkpoint=spoiled-new", "checkpoint=old")

	spoil("old")
	err := k.run(events(1), restoring, named("out", &out), slow)
	if !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "there is no checkpoint to restore; begin anew with --fresh") {
		t.Errorf("the run ends with %v", err)
	}
}

// unrestorable is a store that finds one of its checkpoints damaged when it is
// to be restored.
type unrestorable struct {
	state.Store
	bad string
	err error
}

func (s *unrestorable) Restore(ctx context.Context, checkpoint string) (string, error) {
	if checkpoint == s.bad {
		return "", s.err
	}
	return s.Store.Restore(ctx, checkpoint)
}

func TestACheckpointThatCannotBeRestored(t *testing.T) {
	var out rows
	k := aged(t, &out)
	k.with(func(b state.Backend) { damage(t, b, "window") })
	store := &unrestorable{k.store, "new", errTest}
	on := func(s *pipeline.Spec) { restoring(s); s.State.Store = store }
	err := k.run(events(1, 11, 21, 31), on, named("out", &out), named("slow", &rows{}))
	if !errors.Is(err, errTest) || !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "restoring checkpoint new") {
		t.Errorf("the run ends with %v, want what is wrong with the state and with the checkpoint", err)
	}
	store.err = fmt.Errorf("its table is %w", state.ErrCorrupt)
	k.must(events(1, 11, 21, 31), on, named("out", &out), named("slow", &rows{}))
	k.logged("cannot restore a checkpoint", "checkpoint=old")
}

// A sink that knows a later epoch than the checkpoint refuses: whether rows may
// come twice is for the user to say.
func TestASinkIsAheadOfARestoredState(t *testing.T) {
	k := keep(t)
	var safe vault
	k.must(events(1, 11), nil, named("safe", &safe))
	k.checkpoint("c")
	k.must(events(1, 11, 21, 31), nil, named("safe", &safe))
	k.with(func(b state.Backend) { damage(t, b, "rest") })
	had := safe.count()
	if err := k.run(events(1, 11, 21, 31), restoring, named("safe", &safe)); err == nil || !strings.Contains(err.Error(), "resuming sink safe: the vault is at epoch") {
		t.Fatalf("the run ends with %v", err)
	}
	if safe.count() != had || safe.redelivers > 0 {
		t.Errorf("the sink has %d rows more, and was taken over %d times", safe.count()-had, safe.redelivers)
	}
	again := func(s *pipeline.Spec) { restoring(s); s.State.Redeliver = true }
	k.must(events(1, 11, 21, 31, 41), again, named("safe", &safe))
	if safe.redelivers != 1 {
		t.Errorf("the sink was taken over %d times", safe.redelivers)
	}
	checkSet(t, "rows", onceEach(safe.all(), nil), counted(1, 0, 10, 20, 30, 40)...)
}

func TestCheckpointsAreNamedAndRetained(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("far", 5*3600))
	store := memory.New()
	b, err := store.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, c := range []struct {
		at     time.Duration
		retain int
		want   string
	}{
		{0, 2, "20260301-070000"},
		{0, 2, "20260301-070000 20260301-070000-1"},
		{0, 2, "20260301-070000-1 20260301-070000-2"},
		{0, 2, "20260301-070000-2 20260301-070000"}, // a name that has become free
		{time.Hour, 2, "20260301-070000 20260301-080000"},
		{-time.Hour, 2, "20260301-080000 20260301-060000"}, // the clock was set back: the oldest goes all the same
		{0, 0, "20260301-080000 20260301-060000 20260301-070000"},
		{2 * time.Hour, 1, "20260301-090000"},
		{2 * time.Hour, -1, "20260301-090000 20260301-090000-1"},
	} {
		if err := pipeline.Checkpoint(ctx, store, b.(state.Checkpointer), now.Add(c.at), c.retain); err != nil {
			t.Fatal(err)
		}
		names, err := store.Checkpoints(ctx)
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Fatalf("after one at %v that retains %d there are %s (%v), want %s", c.at, c.retain, got, err, c.want)
		}
	}
}

// A checkpoint that fails costs none of those that are there.
func TestACheckpointThatFails(t *testing.T) {
	ctx := context.Background()
	k := keep(t)
	k.must(events(1, 11), nil, named("out", &rows{}))
	k.checkpoint("precious")
	err := pipeline.Checkpoint(ctx, k.store, failingCheckpointer{}, time.Now(), 1)
	if !errors.Is(err, errTest) || !strings.Contains(err.Error(), "making checkpoint") {
		t.Errorf("it fails with %v", err)
	}
	if names, _ := k.store.Checkpoints(ctx); !slices.Equal(names, []string{"precious"}) {
		t.Errorf("there are %q", names)
	}
}

type failingCheckpointer struct{}

func (failingCheckpointer) Checkpoint(context.Context, string) error { return errTest }

// hangingStore is a store whose checkpoints take as long as they may.
type hangingStore struct {
	state.Store
	began chan struct{}
}

func (s *hangingStore) Open(ctx context.Context) (state.Backend, error) {
	b, err := s.Store.Open(ctx)
	return &hangingBackend{b, s}, err
}

type hangingBackend struct {
	state.Backend
	s *hangingStore
}

func (b *hangingBackend) Checkpoint(ctx context.Context, _ string) error {
	close(b.s.began)
	<-ctx.Done()
	return ctx.Err()
}

// The end of a run does not wait for a checkpoint, which may copy for long.
func TestTheEndGivesACheckpointUp(t *testing.T) {
	k := keep(t)
	store := &hangingStore{Store: k.store, began: make(chan struct{})}
	src := &feed{lines: make(chan string)}
	go func() {
		<-store.began
		close(src.lines)
	}()
	_, err := k.runFor(context.Background(), src, func(s *pipeline.Spec) {
		s.State.Store, s.State.CheckpointEvery = store, time.Millisecond
	}, named("out", &rows{}))
	if err != nil {
		t.Error(err)
	}
	k.unlogged("cannot make a checkpoint")
}

// stuck is a sink whose Write does not come back before it is let go.
type stuck struct {
	rows
	entered, let, left chan struct{}
}

func (s *stuck) Write(context.Context, *result.Batch) error {
	close(s.entered)
	<-s.let
	close(s.left)
	return nil
}

// A sink that is stuck with rows of an earlier run holds nothing of the state,
// which would keep it from being closed.
func TestAStuckSinkDoesNotKeepTheStateOpen(t *testing.T) {
	store := &pebble.Store{Path: "state", FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)}
	k := keep(t)
	k.spec.State.Store = store
	if err := k.run(events(1, 11, 21), nil, named("slow", &rows{write: errTest})); !errors.Is(err, errTest) {
		t.Fatal(err)
	}
	s := &stuck{entered: make(chan struct{}), let: make(chan struct{}), left: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		<-s.entered
		stop()
	}()
	src := &feed{lines: make(chan string)}
	_, err := k.runFor(ctx, src, func(s *pipeline.Spec) { s.ShutdownTimeout = time.Millisecond }, named("slow", s))
	close(s.let)
	<-s.left
	for _, w := range []string{"not drained within the shutdown timeout", "sink slow does not come back from writing"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("the run ends with %v, want %q in it", err, w)
		}
	}
	var out rows
	k.must(events(1, 11, 21), nil, named("slow", &out))
	check(t, "rows", out.all(), counted(1, 0, 10, 20)...)
}

// Of two things that go wrong both are told: rows may be missing where a sink
// did not close.
func TestASourceAndASinkFail(t *testing.T) {
	for _, durable := range []bool{false, true} {
		k := keep(t)
		src := lines(`{"t":1,"k":"a"}`)
		src.read = errors.New("the source is broken")
		_, err := k.runFor(context.Background(), src, func(s *pipeline.Spec) {
			if !durable {
				s.State.Store = nil
			}
		}, named("out", &rows{close: errTest}))
		if err == nil || strings.Count(err.Error(), "the source is broken") != 1 || strings.Count(err.Error(), "closing sink out: out of order") != 1 {
			t.Errorf("durable %v: the run ends with %v", durable, err)
		}
	}
}
