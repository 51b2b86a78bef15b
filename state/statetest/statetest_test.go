package statetest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/state/statetest"
)

// brokenBy is the variable that makes this test binary run the suite on a
// broken store.
const brokenBy = "STATETEST_BROKEN"

// faults are stores that break the contract in one way each, and the check
// that has to find it.
var faults = map[string]struct {
	foundBy string
	fault   bug
}{
	"only the first batch":        {"several batches are one Apply", bug{apply: firstOnly}},
	"deletes last":                {"operations take effect in their order", bug{apply: deletesLast}},
	"a batch at a time":           {"scan and get beside apply", bug{apply: oneByOne}},
	"forgets an empty value":      {"get", bug{apply: noEmpty}},
	"keeps the context waiting":   {"a context that has ended", bug{apply: anyContext}},
	"end is inclusive":            {"bounds of a scan", bug{scan: inclusive}},
	"swallows errors":             {"an error ends a scan", bug{scan: swallow}},
	"a scan in two pieces":        {"a scan that an apply overtakes", bug{scan: inPieces}},
	"a checkpoint of the present": {"a checkpoint does not change", bug{live: true}},
}

func TestSuiteFindsFaults(t *testing.T) {
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$", "-rapid.nofailfile")
			cmd.Env = append(os.Environ(), brokenBy+"="+name)
			out, err := cmd.CombinedOutput()
			if want := "--- FAIL: TestBroken/" + strings.ReplaceAll(f.foundBy, " ", "_"); err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite ends with %v and does not say %q:\n%s", err, want, out)
			}
		})
	}
}

// TestBroken runs the suite on the broken store that the environment names.
func TestBroken(t *testing.T) {
	f, ok := faults[os.Getenv(brokenBy)]
	if !ok {
		t.Skip("only TestSuiteFindsFaults has use for it")
	}
	statetest.Run(t, func(*testing.T) state.Store { return &broken{Store: memory.New(), bug: f.fault} })
}

// bug is what is wrong with a store.
type bug struct {
	apply func(context.Context, state.Backend, []*state.Batch) error
	scan  func(context.Context, state.Backend, []byte, []byte, func(k, v []byte) error) error
	live  bool // a View of a checkpoint is one of the store
}

type broken struct {
	state.Store
	bug
}

func (s *broken) Open(ctx context.Context) (state.Backend, error) {
	b, err := s.Store.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &brokenBackend{b, b.(state.Checkpointer), s.bug}, nil
}

func (s *broken) View(ctx context.Context, checkpoint string) (state.Backend, error) {
	if v, err := s.Store.View(ctx, checkpoint); err != nil || !s.live {
		return v, err
	}
	return s.Store.View(ctx, "")
}

type brokenBackend struct {
	state.Backend
	state.Checkpointer
	bug
}

func (b *brokenBackend) Apply(ctx context.Context, batches ...*state.Batch) error {
	if b.apply == nil {
		return b.Backend.Apply(ctx, batches...)
	}
	return b.apply(ctx, b.Backend, batches)
}

func (b *brokenBackend) Scan(ctx context.Context, from, to []byte, fn func(k, v []byte) error) error {
	if b.scan == nil {
		return b.Backend.Scan(ctx, from, to, fn)
	}
	return b.scan(ctx, b.Backend, from, to, fn)
}

func firstOnly(ctx context.Context, b state.Backend, batches []*state.Batch) error {
	return b.Apply(ctx, batches[:min(1, len(batches))]...)
}

// oneByOne leaves readers a moment between two batches.
func oneByOne(ctx context.Context, b state.Backend, batches []*state.Batch) error {
	for _, batch := range batches {
		if err := b.Apply(ctx, batch); err != nil {
			return err
		}
		<-time.After(100 * time.Microsecond)
	}
	return nil
}

func anyContext(ctx context.Context, b state.Backend, batches []*state.Batch) error {
	return b.Apply(context.WithoutCancel(ctx), batches...)
}

// deletesLast does what is set before what is deleted.
func deletesLast(ctx context.Context, b state.Backend, batches []*state.Batch) error {
	var sets, deletes state.Batch
	for _, batch := range batches {
		for op := range batch.All() {
			switch op.Kind {
			case state.Set:
				sets.Set(op.Key, op.Value)
			case state.Delete:
				deletes.Delete(op.Key)
			case state.DeleteRange:
				deletes.DeleteRange(op.Key, op.Value)
			}
		}
	}
	return b.Apply(ctx, &sets, &deletes)
}

func noEmpty(ctx context.Context, b state.Backend, batches []*state.Batch) error {
	var kept state.Batch
	for _, batch := range batches {
		for op := range batch.All() {
			switch {
			case op.Kind == state.DeleteRange:
				kept.DeleteRange(op.Key, op.Value)
			case op.Kind == state.Delete || len(op.Value) == 0:
				kept.Delete(op.Key)
			default:
				kept.Set(op.Key, op.Value)
			}
		}
	}
	return b.Apply(ctx, &kept)
}

func inclusive(ctx context.Context, b state.Backend, from, to []byte, fn func(k, v []byte) error) error {
	if to != nil {
		to = append(append([]byte(nil), to...), 0)
	}
	return b.Scan(ctx, from, to, fn)
}

func swallow(ctx context.Context, b state.Backend, from, to []byte, fn func(k, v []byte) error) error {
	if err := b.Scan(ctx, from, to, fn); ctx.Err() != nil {
		return err
	}
	return nil
}

// inPieces reads the second half of a range later than the first.
func inPieces(ctx context.Context, b state.Backend, from, to []byte, fn func(k, v []byte) error) error {
	middle := []byte("v\x00\x00\x00\x00\x00\x00\x10\x00")
	if string(from) != "v" {
		return b.Scan(ctx, from, to, fn)
	}
	if err := b.Scan(ctx, from, middle, fn); err != nil {
		return err
	}
	return b.Scan(ctx, middle, to, fn)
}
