package pebble

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/llm-optimizer/processor/state"
)

// class is a kind of operation on a kind of file: faults strike all of them,
// also the rare ones.
type class struct {
	kind errorfs.OpKind
	file string
}

func classOf(op errorfs.Op) class {
	name := path.Base(op.Path)
	file := "folder"
	switch {
	case strings.Contains(op.Path, checkpointsName+"/") && path.Ext(name) == "":
		file = "checkpoint"
	case path.Ext(name) == ".log", path.Ext(name) == ".sst":
		file = path.Ext(name)
	case strings.ContainsAny(name, "0123456789"):
		file = name[:strings.IndexAny(name, "0123456789")]
	}
	return class{op.Kind, file}
}

// faults counts the operations of each class and lets one fail, and all that
// follow it if it is for ever.
type faults struct {
	mu      sync.Mutex
	count   map[class]int
	class   class
	at      int // 0 is never
	forever bool
	err     error
	struck  bool
}

func (f *faults) String() string { return "faults" }

func (f *faults) MaybeError(op errorfs.Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := classOf(op)
	f.count[c]++
	if f.at > 0 && c == f.class && (f.count[c] == f.at || f.forever && f.count[c] > f.at) {
		f.struck = true
		return f.err
	}
	return nil
}

func (f *faults) hasStruck() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.struck
}

// TestFaults lets one operation of the file system fail, once or for ever, in
// each class. Something fails or nothing does, nothing hangs, and what was
// acknowledged is there when the file system works again, also if the power
// goes in between.
func TestFaults(t *testing.T) {
	counted := &faults{count: map[class]int{}}
	if err := runFaulty(t, 0, vfs.NewCrashableMem(), counted); err != nil {
		t.Fatal(err)
	}
	classes := slices.SortedFunc(maps.Keys(counted.count), func(a, b class) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	t.Logf("%d classes: %v", len(classes), classes)
	var struck atomic.Int64
	t.Run("classes", func(t *testing.T) {
		for i, c := range classes {
			t.Run(fmt.Sprintf("%d %s", c.kind, c.file), func(t *testing.T) {
				t.Parallel()
				strike(t, uint64(i), c, counted.count[c], &struck)
			})
		}
	})
	if int(struck.Load()) < len(classes)*int(strikes())*2/3 {
		t.Errorf("only %d faults struck in %d classes", struck.Load(), len(classes))
	}
}

// strikes is how many operations of a class fail.
func strikes() uint64 {
	if testing.Short() {
		return 2
	}
	return 6
}

// strike lets operations of a class fail, one in each run.
func strike(t *testing.T, seed uint64, c class, count int, struck *atomic.Int64) {
	for n := range strikes() {
		rng := rand.New(rand.NewPCG(seed, n))
		f := &faults{
			count: map[class]int{}, class: c, at: 1 + rng.IntN(count), forever: n%2 == 0,
			err: []error{syscall.EIO, syscall.ENOSPC, errorfs.ErrInjected}[n%3],
		}
		err := runFaulty(t, n, vfs.NewCrashableMem(), f)
		what := fmt.Sprintf("operation %d, for ever %v, %v", f.at, f.forever, f.err)
		if f.hasStruck() {
			struck.Add(1)
		} else if err != nil {
			t.Errorf("%s: nothing was wrong, but: %v", what, err)
		}
		if err != nil && errors.Is(f.err, syscall.ENOSPC) && !strings.Contains(err.Error(), "disk is full") {
			t.Errorf("%s: the error does not say that the disk is full: %v", what, err)
		}
	}
}

// runFaulty runs a history until something fails, and compares what is there
// then.
func runFaulty(t *testing.T, seed uint64, mem *vfs.MemFS, f *faults) error {
	rng := rand.New(rand.NewPCG(seed, 3))
	h := newHistory(rng, errorfs.Wrap(mem, f))
	err := h.run(t.Context(), 50)
	if b, ok := h.b.(state.Watched); ok && h.b != nil {
		if err != nil && isFailure(err) {
			select {
			case <-b.Failed():
			case <-time.After(time.Minute):
				t.Errorf("Failed is not closed after %v", err)
			}
		}
		_ = h.b.Close()
	}
	lost := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
	for name, fs := range map[string]vfs.FS{"as it is": mem, "after a power loss": lost} {
		s := &Store{Path: h.store.Path, FS: fs, MemtableBytes: 64 << 10, Idle: -1}
		if checkErr := h.expect(func() {}).check(t.Context(), s); checkErr != nil {
			t.Errorf("%s, after %v: %v", name, err, checkErr)
		}
	}
	return err
}

// isFailure tells an Apply from what a backend may go on after.
func isFailure(err error) bool { return strings.HasPrefix(err.Error(), "apply to ") }
