package pebble

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crash is what is on the disk after the power went, and what has to be.
type crash struct {
	fs    *vfs.MemFS
	found found
	at    string
}

// crashes takes the power away before randomly chosen operations of the file
// system and goes on.
type crashes struct {
	mem     *vfs.MemFS
	h       *history
	rng     *rand.Rand // of the operations, which come from several goroutines
	percent int
	every   int
	list    []crash
	busy    atomic.Bool
}

func (c *crashes) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || !c.busy.CompareAndSwap(false, true) {
		return nil
	}
	defer c.busy.Store(false)
	if c.rng.IntN(c.every) > 0 {
		return nil
	}
	one := crash{at: fmt.Sprintf("%d of %s", op.Kind, op.Path)}
	one.found = c.h.expect(func() {
		one.fs = c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.percent, RNG: c.rng})
	})
	c.list = append(c.list, one)
	return nil
}

func (c *crashes) String() string { return "crashes" }

// TestCrash takes the power away thousands of times, also while the store is
// opened again after a crash: every acknowledged Apply is there, an Apply that
// was not is there as a whole or not at all, and the same holds for
// checkpoints, Restore and Reset.
func TestCrash(t *testing.T) {
	runs := 60
	if testing.Short() {
		runs = 9
	}
	var total atomic.Int64
	t.Run("runs", func(t *testing.T) {
		for run := range runs {
			t.Run(strconv.Itoa(run), func(t *testing.T) {
				t.Parallel()
				percent := []int{0, 50, 100}[run%3]
				list := crashAll(t, uint64(run), percent)
				total.Add(int64(len(list)))
				for i, c := range list {
					if err := c.check(t, uint64(run), i, percent); err != nil {
						t.Fatalf("with %d %% of what was not synced, crash %d before operation %s: %v", percent, i, c.at, err)
					}
				}
			})
		}
	})
	t.Logf("%d crashes", total.Load())
	if int(total.Load()) < 10*runs {
		t.Errorf("only %d crashes in %d runs", total.Load(), runs)
	}
}

// crashAll runs one history and returns its crashes.
func crashAll(t *testing.T, seed uint64, percent int) []crash {
	mem := vfs.NewCrashableMem()
	c := &crashes{mem: mem, rng: rand.New(rand.NewPCG(seed, 1)), percent: percent, every: 12}
	c.h = newHistory(rand.New(rand.NewPCG(seed, 2)), errorfs.Wrap(mem, c))
	if err := c.h.run(t.Context(), 50); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if err := c.h.b.Close(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return c.list
}

// check opens the store after the crash. Some are opened under a second crash
// before.
func (c crash) check(t *testing.T, seed uint64, n, percent int) error {
	if n%4 == 0 {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		again := &crashes{mem: c.fs, h: &history{contents: c.found.contents}, rng: rng, percent: percent, every: 10}
		s := &Store{Path: "state/health", FS: errorfs.Wrap(c.fs, again), MemtableBytes: 64 << 10, Idle: -1}
		if err := c.found.check(t.Context(), s); err != nil {
			return err
		}
		for _, second := range again.list[:min(len(again.list), 3)] {
			s := &Store{Path: "state/health", FS: second.fs, MemtableBytes: 64 << 10, Idle: -1}
			if err := c.found.check(t.Context(), s); err != nil {
				return fmt.Errorf("and a second one before operation %s: %w", second.at, err)
			}
		}
		return nil
	}
	return c.found.check(t.Context(), &Store{Path: "state/health", FS: c.fs, MemtableBytes: 64 << 10, Idle: -1})
}
