package memory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, func(*testing.T) state.Store { return New() })
}

// TestTree compares edits with a map, and holds every tree that came before
// against what it was.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type known struct {
			root tree
			want map[uint16]byte
		}
		now := known{want: map[uint16]byte{}}
		var past []known
		for number := range rapid.Uint64Range(1, 30).Draw(t, "edits") {
			past = append(past, known{now.root, clone(now.want)})
			e := editOf(now.root, number+1)
			for range rapid.IntRange(1, 20).Draw(t, "ops") {
				change(t, e, now.want)
			}
			now.root = e.tree
			checkTree(t, now.root, now.want)
		}
		for _, p := range past {
			checkTree(t, p.root, p.want)
		}
	})
}

// change does one random thing to an edit and to the map.
func change(t *rapid.T, e *edit, want map[uint16]byte) {
	from := rapid.Uint16Range(0, 3000).Draw(t, "from")
	n := rapid.Uint16Range(0, 400).Draw(t, "n")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0, 1:
		value := rapid.Byte().Draw(t, "value")
		for k := from; k < from+n; k++ {
			e.set(keyOf(k), []byte{value})
			want[k] = value
		}
	case 2:
		for k := from; k < from+n; k += 2 {
			e.remove(keyOf(k))
			delete(want, k)
		}
	case 3:
		e.removeRange(keyOf(from), keyOf(from+n))
		for k := from; k < from+n; k++ {
			delete(want, k)
		}
	}
}

func checkTree(t *rapid.T, root tree, want map[uint16]byte) {
	var last []byte
	seen := 0
	for _, l := range root.leaves {
		if len(l.entries) == 0 || len(l.entries) > leafEntries {
			t.Fatalf("a leaf has %d entries", len(l.entries))
		}
		for _, e := range l.entries {
			if seen++; last != nil && bytes.Compare(e.key, last) <= 0 {
				t.Fatalf("key %x follows %x", e.key, last)
			}
			if last = e.key; want[binary.BigEndian.Uint16(e.key)] != e.value[0] {
				t.Fatalf("key %x has the value %x", e.key, e.value)
			}
		}
	}
	if seen != len(want) {
		t.Fatalf("%d keys, want %d", seen, len(want))
	}
	for k, v := range want {
		if got, ok := root.get(keyOf(k)); !ok || got[0] != v {
			t.Fatalf("get %d: %x, %v; want %x", k, got, ok, v)
		}
	}
}

func keyOf(k uint16) []byte { return binary.BigEndian.AppendUint16(nil, k) }

func clone(m map[uint16]byte) map[uint16]byte {
	c := make(map[uint16]byte, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// TestLeavesStayFew removes most keys one by one: what is left must not keep a
// leaf for each.
func TestLeavesStayFew(t *testing.T) {
	e := editOf(tree{}, 1)
	for k := range uint16(20000) {
		e.set(keyOf(k), nil)
	}
	for k := range uint16(20000) {
		if k%100 != 0 {
			e.remove(keyOf(k))
		}
	}
	if len(e.leaves) > 20 {
		t.Errorf("200 keys are in %d leaves", len(e.leaves))
	}
}

func TestAsideIsKept(t *testing.T) {
	ctx, s := t.Context(), New()
	b, err := s.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var batch state.Batch
	batch.Set([]byte("k"), []byte("v"))
	if err := b.Apply(ctx, &batch); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	aside, err := s.Reset(ctx)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.View(ctx, aside)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Get(ctx, []byte("k")); string(got) != "v" {
		t.Errorf("aside holds %q, %v", got, err)
	}
}

// TestClosed uses a backend after its Close, also when the store is open
// again.
func TestClosed(t *testing.T) {
	ctx, s := t.Context(), New()
	b, err := s.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	_, getErr := b.Get(ctx, nil)
	for what, err := range map[string]error{
		"Apply":      b.Apply(ctx),
		"Get":        getErr,
		"Scan":       b.Scan(ctx, nil, nil, func(_, _ []byte) error { return nil }),
		"Checkpoint": b.(state.Checkpointer).Checkpoint(ctx, "c"),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s of a closed backend says %v", what, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(ctx); !errors.Is(err, state.ErrInUse) {
		t.Errorf("closing twice gave the store away: %v", err)
	}
}

// BenchmarkApply sets 100,000 keys, by turns new and there already.
func BenchmarkApply(b *testing.B) {
	var batch state.Batch
	value := make([]byte, 250)
	for i := range uint64(100_000) {
		batch.Set(binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15), value)
	}
	s, err := New().Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(batch.Size()))
	for b.Loop() {
		if err := s.Apply(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
}
