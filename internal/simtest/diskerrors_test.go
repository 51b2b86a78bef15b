package simtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/state"
)

// target is a kind of operation on a class of files, and about how many of them
// a life has.
type target struct {
	kind, class string
	about       int
}

var targets = []target{
	{"write", "log", 60},
	{"sync", "log", 40},
	{"create", "log", 2},
	{"write", "table", 8},
	{"sync", "table", 2},
	{"create", "table", 2},
	{"write", "manifest", 4},
	{"sync", "manifest", 4},
	{"create", "manifest", 2},
	{"create", "marker", 2},
	{"sync", "marker", 2},
	{"write", "guard", 40},
	{"sync", "guard", 4},
	{"sync", "folder", 8},
	{"create", "folder", 4},
	{"read", "folder", 6},
	{"write", "checkpoint", 20},
	{"sync", "checkpoint", 10},
	{"create", "checkpoint", 10},
	{"write", "output", 10},
	{"sync", "output", 10},
	{"create", "output", 3},
}

// classOf names the class of file that a path belongs to.
func classOf(name string) string {
	base := path.Base(name)
	switch {
	case strings.HasPrefix(name, "out"):
		return "output"
	case strings.Contains(name, "checkpoints"):
		return "checkpoint"
	case path.Ext(base) == ".log":
		return "log"
	case path.Ext(base) == ".sst":
		return "table"
	case strings.HasPrefix(base, "MANIFEST"):
		return "manifest"
	case strings.HasPrefix(base, "marker."), strings.HasPrefix(base, "CURRENT"):
		return "marker"
	case base == "GUARD":
		return "guard"
	case strings.ContainsAny(base, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
		return "other" // LOCK, OPTIONS
	}
	return "folder"
}

// badDisk lets an operation fail, or all from one on, and looks at what is
// done after that.
type badDisk struct {
	target
	at      int
	forever bool
	errno   syscall.Errno

	mu     sync.Mutex
	count  int
	struck int
	first  operation
	failed map[string]operation // by the path of a file that is not opened again
	paths  map[string]bool      // that have failed
	wrong  differences
}

func drawBadDisk(t *rapid.T) *badDisk {
	b := &badDisk{target: rapid.SampledFrom(targets).Draw(t, "target"), failed: map[string]operation{}, paths: map[string]bool{}}
	b.at = rapid.IntRange(1, b.about).Draw(t, "at")
	b.forever = rapid.Bool().Draw(t, "for ever")
	b.errno = rapid.SampledFrom([]syscall.Errno{syscall.EIO, syscall.ENOSPC}).Draw(t, "errno")
	return b
}

func (b *badDisk) String() string {
	return fmt.Sprintf("%s of a %s, number %d (for ever %v), fails with %v: %d did, first %v", b.kind, b.class, b.at, b.forever, b.errno, b.struck, b.first)
}

func (b *badDisk) ask(o operation) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judge(o)
	if o.kind != b.kind || classOf(o.path) != b.class {
		return nil
	}
	if b.count++; b.count < b.at || b.count > b.at && !b.forever {
		return nil
	}
	if b.struck++; b.struck == 1 {
		b.first = o
	}
	b.failed[o.path], b.paths[o.path] = o, true
	return &fs.PathError{Op: o.kind, Path: o.path, Err: b.errno}
}

// judge finds what must not be tried again: nobody knows what of a file is on
// the disk after a sync of it has failed, or after a write to what is only
// appended to, and to ask again gives an answer that means nothing.
func (b *badDisk) judge(o operation) {
	failed, ok := b.failed[o.path]
	switch {
	case !ok:
	case o.kind == "open", o.kind == "create":
		delete(b.failed, o.path)
	case o.kind == "sync" && failed.kind == "sync", (o.kind == "sync" || o.kind == "write") && (b.class == "log" || b.class == "output"):
		b.wrong.add("%v after %v had failed", o, failed)
	}
}

// check looks at how a life has ended.
func (b *badDisk) check(err error) (wrong differences) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wrong = b.wrong
	if b.struck == 0 {
		if err != nil {
			wrong.add("nothing has failed, but: %v", err)
		}
		return wrong
	}
	if err == nil {
		if b.class == "output" {
			wrong.add("an output has failed and nobody says so")
		}
		return wrong
	}
	text, owner := err.Error(), "the state in "
	if b.class == "output" {
		owner = "file sink"
	}
	if !errors.Is(err, b.errno) || !b.named(text) || !strings.Contains(text, owner) {
		wrong.add("the error does not say what has failed: %v", err)
	}
	if b.errno == syscall.ENOSPC && b.class != "output" && !strings.Contains(text, "disk is full") {
		wrong.add("the error does not say what to do: %v", err)
	}
	if errors.Is(err, state.ErrCorrupt) || errors.Is(err, state.ErrVersion) {
		wrong.add("an error of the disk is taken for damage: %v", err)
	}
	return wrong
}

// named reports whether a text has the path of the first failure, or of another
// one in the state: it may go on after the first, as after that of a checkpoint.
func (b *badDisk) named(text string) bool {
	if b.class == "output" {
		return strings.Contains(text, b.first.path)
	}
	for name := range b.paths {
		if strings.Contains(text, name) {
			return true
		}
	}
	return false
}

// acknowledged are the last epochs that sinks were given, as any of them knows.
type acknowledged struct {
	mu    sync.Mutex
	marks map[string]sink.Mark
}

// witness is an output that is told of no epoch that the state may forget.
type witness struct {
	*output
	name  string
	known *acknowledged
}

// Commit remembers the mark.
func (w *witness) Commit(ctx context.Context, m sink.Mark) ([]byte, error) {
	w.known.mu.Lock()
	w.known.marks[w.name] = m
	w.known.mu.Unlock()
	return w.output.Commit(ctx, m)
}

// Resume refuses a state that is behind.
func (w *witness) Resume(ctx context.Context, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	w.known.mu.Lock()
	last, ok := w.known.marks[w.name]
	w.known.mu.Unlock()
	if ok && (last.Incarnation != m.Incarnation || last.Epoch > newest) {
		return 0, fmt.Errorf("%s was given epoch %d of %x, and the state is at %d of %x", w.name, last.Epoch, last.Incarnation, newest, m.Incarnation)
	}
	return w.output.Resume(ctx, m, newest, redeliver)
}

// watch puts witnesses before the outputs.
func (a *acknowledged) watch(spec *pipeline.Spec) {
	for _, c := range []*sink.Config{&spec.Sinks[0], spec.LateEvents, spec.DeadLetters} {
		c.Sink = &witness{c.Sink.(*output), c.Name, a}
	}
}

// fail runs the program on a disk that fails, and reports whether it did. Then
// the process ends, or the power goes.
func (m *machine) fail(t *rapid.T, emit pipeline.Emit, known *acknowledged) (struck bool) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "disks"), 0))
	b := drawBadDisk(t)
	spec, chunks, slow := m.draw(t, emit, b.ask)
	if b.class == "checkpoint" {
		spec.State.CheckpointEvery = cmp.Or(spec.State.CheckpointEvery, 1)
	}
	if rapid.Bool().Draw(t, "on corruption") {
		spec.State.OnCorruption = pipeline.RestoreOnCorruption
	}
	known.watch(&spec)
	_, err := m.run(t, spec, chunks, slow)
	percent := rapid.SampledFrom([]int{100, 0, 50}).Draw(t, "kept")
	m.told = append(m.told, fmt.Sprintf("%v; %d %% kept; %v", b, percent, err))
	b.check(err).report(t, m.p, m)
	m.disks = m.crash(rng, percent)
	return b.struck > 0
}

// failing lets disks fail in some lives, and the last run end undisturbed.
func (m *machine) failing(t *rapid.T, emit pipeline.Emit, lives, struck *atomic.Int64) *Run {
	known := &acknowledged{marks: map[string]sink.Mark{}}
	for range rapid.IntRange(1, 3).Draw(t, "lives") {
		lives.Add(1)
		if m.fail(t, emit, known) {
			struck.Add(1)
		}
	}
	spec := m.spec(drawSetting(t, emit), m.store(nil), nil)
	known.watch(&spec)
	if _, err := m.run(t, spec, 1, 0); err != nil {
		t.Fatalf("the first run on a good disk: %v\n%v\n%v", err, m.p, m)
	}
	return m.end(t, emit)
}

// Whatever the disk refuses, and for however long: the run ends and says what
// has failed, nothing is tried again that must not be, and when the disk works
// again the outputs become those of a run that nothing disturbs.
func TestDiskErrors(t *testing.T) {
	for name, c := range map[string]struct {
		emit  pipeline.Emit
		shape func(*rapid.T) shape
		check func(*rapid.T, *machine, *Run)
	}{
		"exact":         {pipeline.EveryEvent, onePartition, exactly},
		"ends the same": {pipeline.Periodic, manyPartitions, finally},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lives, struck atomic.Int64
			rapid.Check(t, func(t *rapid.T) {
				p := drawProgram(t, c.shape(t))
				m := newMachine(t, &p)
				c.check(t, m, m.failing(t, c.emit, &lives, &struck))
			})
			if t.Logf("%d of %d lives met an error", struck.Load(), lives.Load()); struck.Load() < lives.Load()/4 {
				t.Errorf("only %d of %d lives met an error", struck.Load(), lives.Load())
			}
		})
	}
}
