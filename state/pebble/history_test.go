package pebble

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/state"
)

// history does random things to a store and knows what has to be there
// afterwards, whenever the power goes.
type history struct {
	rng   *rand.Rand
	store *Store
	b     state.Backend
	now   map[string]string

	mu sync.Mutex
	// contents are what the store has held, one after the other: the one that
	// was acknowledged last has the index acked, and another one follows it
	// while something is being done.
	contents []string
	acked    int
	// kept are the checkpoints that have been asked for, by name.
	kept map[string]*kept
}

// kept is a checkpoint: what it holds, and whether it is known to be there,
// or not there.
type kept struct {
	content     string
	now         map[string]string
	made, going bool
}

func newHistory(rng *rand.Rand, fs vfs.FS) *history {
	return &history{
		rng:      rng,
		store:    &Store{Path: "state/health", FS: fs, MemtableBytes: 64 << 10, Idle: -1},
		now:      map[string]string{},
		contents: []string{""},
		kept:     map[string]*kept{},
	}
}

// run does things until one fails, and ends with the store open or not.
func (h *history) run(ctx context.Context, steps int) (err error) {
	if h.b, err = h.store.Open(ctx); err != nil {
		return err
	}
	for range steps {
		if err := h.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) step(ctx context.Context) error {
	switch n := h.rng.IntN(40); {
	case n < 2:
		return h.checkpoint(ctx)
	case n == 2:
		return h.drop(ctx)
	case n == 3:
		return h.reopen(ctx, h.restore)
	case n == 4 && h.rng.IntN(3) == 0:
		return h.reopen(ctx, h.reset)
	case n == 5:
		return h.reopen(ctx, func(context.Context) error { return nil })
	}
	return h.apply(ctx)
}

// begin says that the store may hold something else from now on; done, that it
// does.
func (h *history) begin(next map[string]string) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.contents = append(h.contents[:h.acked+1], dumpOf(next))
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.acked, h.now = len(h.contents)-1, next
	}
}

func dumpOf(m map[string]string) string {
	var s strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&s, "%s=%s\n", k, m[k])
	}
	return s.String()
}

func (h *history) apply(ctx context.Context) error {
	next := maps.Clone(h.now)
	var b state.Batch
	for range 1 + h.rng.IntN(20) {
		key := fmt.Sprintf("k%03d", h.rng.IntN(300))
		switch n := h.rng.IntN(10); {
		case n == 0:
			to := fmt.Sprintf("k%03d", h.rng.IntN(300))
			b.DeleteRange([]byte(key), []byte(to))
			maps.DeleteFunc(next, func(k, _ string) bool { return k >= key && k < to })
		case n < 3:
			b.Delete([]byte(key))
			delete(next, key)
		default:
			value := strings.Repeat(string(rune('a'+h.rng.IntN(26))), h.rng.IntN(h.valueBytes()))
			b.Set([]byte(key), []byte(value))
			next[key] = value
		}
	}
	done := h.begin(next)
	if err := h.b.Apply(ctx, &b); err != nil {
		return err
	}
	done()
	return nil
}

// valueBytes makes some Applies larger than a memtable.
func (h *history) valueBytes() int {
	if h.rng.IntN(30) == 0 {
		return 20_000
	}
	return 400
}

func (h *history) checkpoint(ctx context.Context) error {
	name := fmt.Sprintf("c%d", h.rng.IntN(5))
	h.mu.Lock()
	if h.kept[name] != nil {
		h.mu.Unlock()
		return nil
	}
	k := &kept{content: dumpOf(h.now), now: h.now}
	h.kept[name] = k
	h.mu.Unlock()
	if err := h.b.(state.Checkpointer).Checkpoint(ctx, name); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	k.made = true
	return nil
}

// pick returns the name of a checkpoint, "" if there is none.
func (h *history) pick() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := slices.Sorted(maps.Keys(h.kept))
	if len(names) == 0 {
		return ""
	}
	return names[h.rng.IntN(len(names))]
}

func (h *history) drop(ctx context.Context) error {
	name := h.pick()
	if name == "" {
		return nil
	}
	h.mu.Lock()
	h.kept[name].going = true
	h.mu.Unlock()
	if err := h.store.Drop(ctx, name); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.kept, name)
	return nil
}

// reopen does something to the closed store.
func (h *history) reopen(ctx context.Context, do func(context.Context) error) (err error) {
	if err = h.b.Close(); err != nil {
		return err
	}
	h.b = nil
	if err := do(ctx); err != nil {
		return err
	}
	h.b, err = h.store.Open(ctx)
	return err
}

func (h *history) restore(ctx context.Context) error {
	name := h.pick()
	if name == "" {
		return nil
	}
	done := h.begin(h.kept[name].now)
	if _, err := h.store.Restore(ctx, name); err != nil {
		return err
	}
	done()
	return nil
}

func (h *history) reset(ctx context.Context) error {
	done := h.begin(map[string]string{})
	if _, err := h.store.Reset(ctx); err != nil {
		return err
	}
	done()
	return nil
}

// found is what a store may and must hold at a moment.
type found struct {
	contents    []string
	checkpoints map[string]kept
}

// expect says what a crash at this moment may leave. What has been done when
// it begins has to be there; what has not begun when it ends must not.
func (h *history) expect(crash func()) found {
	h.mu.Lock()
	acked := h.acked
	before := map[string]kept{}
	for name, k := range h.kept {
		before[name] = *k
	}
	h.mu.Unlock()
	crash()
	h.mu.Lock()
	defer h.mu.Unlock()
	f := found{contents: slices.Clone(h.contents[acked:]), checkpoints: map[string]kept{}}
	for name, k := range h.kept {
		f.checkpoints[name] = kept{content: k.content, made: before[name].made && !k.going}
	}
	for name, k := range before {
		if h.kept[name] == nil {
			f.checkpoints[name] = kept{content: k.content}
		}
	}
	return f
}

// check opens a store and compares.
func (f found) check(ctx context.Context, s *Store) error {
	b, err := s.Open(ctx)
	if err != nil {
		return fmt.Errorf("open after the crash: %w", err)
	}
	content, err := contentOf(ctx, b)
	if err := closeAfter(b, err); err != nil {
		return err
	}
	if !slices.Contains(f.contents, content) {
		return fmt.Errorf("the store holds\n%.2000s\nwant one of %d contents, the acknowledged one is\n%.2000s", content, len(f.contents), f.contents[0])
	}
	return f.checkCheckpoints(ctx, s)
}

func (f found) checkCheckpoints(ctx context.Context, s *Store) error {
	names, err := s.Checkpoints(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		want, ok := f.checkpoints[name]
		if !ok {
			return fmt.Errorf("checkpoint %s is there", name)
		}
		v, err := s.View(ctx, name)
		if err != nil {
			return err
		}
		content, err := contentOf(ctx, v)
		if err := closeAfter(v, err); err != nil {
			return err
		}
		if content != want.content {
			return fmt.Errorf("checkpoint %s holds\n%.2000s\nwant\n%.2000s", name, content, want.content)
		}
	}
	for name, k := range f.checkpoints {
		if k.made && !slices.Contains(names, name) {
			return fmt.Errorf("checkpoint %s is not there", name)
		}
	}
	return nil
}

func contentOf(ctx context.Context, b state.Backend) (string, error) {
	var s strings.Builder
	err := b.Scan(ctx, nil, nil, func(k, v []byte) error {
		fmt.Fprintf(&s, "%s=%s\n", k, v)
		return nil
	})
	return s.String(), err
}

func closeAfter(b state.Backend, err error) error {
	if closeErr := b.Close(); err == nil {
		err = closeErr
	}
	return err
}

// TestHistory holds the test's own idea of a store against one that is left
// alone.
func TestHistory(t *testing.T) {
	for seed := range uint64(20) {
		fs := vfs.NewMem()
		h := newHistory(rand.New(rand.NewPCG(seed, 0)), fs)
		if err := h.run(t.Context(), 60); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := h.b.Close(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := h.expect(func() {}).check(t.Context(), h.store); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
