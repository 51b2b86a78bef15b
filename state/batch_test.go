package state

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestBatchKeepsOperations compares a batch, also one used again, with a list.
func TestBatchKeepsOperations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Batch
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			b.Reset()
			var want []Op
			size := 0
			for range rapid.IntRange(0, 30).Draw(t, "ops") {
				op := drawOp(t)
				add(&b, op)
				want = append(want, op)
				size += len(op.Key) + len(op.Value)
			}
			if b.Len() != len(want) || b.Size() != size {
				t.Fatalf("Len %d, Size %d; want %d, %d", b.Len(), b.Size(), len(want), size)
			}
			compareOps(t, &b, want)
		}
	})
}

func drawOp(t *rapid.T) Op {
	op := Op{Kind: rapid.SampledFrom([]OpKind{Set, Delete, DeleteRange}).Draw(t, "kind")}
	op.Key = drawBytes(t, "key")
	if op.Kind != Delete {
		op.Value = drawBytes(t, "value")
	}
	return op
}

// drawBytes draws mostly short ones and some larger than a chunk.
func drawBytes(t *rapid.T, label string) []byte {
	n := rapid.SampledFrom([]int{0, 1, 9, 100, 100_000, chunkBytes - 1, chunkBytes, chunkBytes + 1}).Draw(t, label+" length")
	return bytes.Repeat([]byte{rapid.Byte().Draw(t, label)}, n)
}

func add(b *Batch, op Op) {
	switch op.Kind {
	case Set:
		b.Set(op.Key, op.Value)
	case Delete:
		b.Delete(op.Key)
	case DeleteRange:
		b.DeleteRange(op.Key, op.Value)
	}
}

func compareOps(t *rapid.T, b *Batch, want []Op) {
	i := 0
	for op := range b.All() {
		if i == len(want) || op.Kind != want[i].Kind || !bytes.Equal(op.Key, want[i].Key) || !bytes.Equal(op.Value, want[i].Value) {
			t.Fatalf("operation %d is of kind %d with a key of %d and a value of %d bytes", i, op.Kind, len(op.Key), len(op.Value))
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d operations, want %d", i, len(want))
	}
}

// TestBatchCopies overwrites what a batch was given.
func TestBatchCopies(t *testing.T) {
	var b Batch
	key, value := []byte("key"), []byte("value")
	b.Set(key, value)
	clear(key)
	clear(value)
	for op := range b.All() {
		if string(op.Key) != "key" || string(op.Value) != "value" {
			t.Errorf("the batch holds %q and %q", op.Key, op.Value)
		}
	}
}

// TestBatchSlicesAreApart appends to what All yields: neighbours must not
// change.
func TestBatchSlicesAreApart(t *testing.T) {
	var b Batch
	b.Set([]byte("a"), []byte("1"))
	b.Set([]byte("b"), []byte("2"))
	for op := range b.All() {
		_ = append(op.Key, "xx"...)
		_ = append(op.Value, "yy"...)
	}
	var got []string
	for op := range b.All() {
		got = append(got, fmt.Sprintf("%s=%s", op.Key, op.Value))
	}
	if !slices.Equal(got, []string{"a=1", "b=2"}) {
		t.Errorf("the batch holds %v", got)
	}
}

func TestBatchAllStops(t *testing.T) {
	var b Batch
	b.Delete([]byte("a"))
	b.Delete([]byte("b"))
	seen := 0
	for range b.All() {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d operations were yielded", seen)
	}
}

// TestBatchAllocatesNothingOnceWarm: the engine fills batches every epoch.
func TestBatchAllocatesNothingOnceWarm(t *testing.T) {
	var b Batch
	key, value := make([]byte, 40), make([]byte, 250)
	fill := func() {
		b.Reset()
		for range 10_000 {
			b.Set(key, value)
		}
	}
	fill()
	if n := testing.AllocsPerRun(10, fill); n > 0 {
		t.Errorf("filling a warm batch allocates %v times", n)
	}
}

// TestBatchGivesMemoryBack: what one batch out of the ordinary needed is not
// kept for ever, whether it had many bytes, large values or many operations.
func TestBatchGivesMemoryBack(t *testing.T) {
	for name, fill := range map[string]func(b *Batch){
		"many bytes": func(b *Batch) {
			for range 500 {
				b.Set(nil, make([]byte, 200_000))
			}
		},
		"large values": func(b *Batch) {
			for range 10 {
				b.Set(nil, make([]byte, 10<<20))
			}
		},
		"many operations": func(b *Batch) {
			for range 3_000_000 {
				b.Delete([]byte{1})
			}
		},
	} {
		var b Batch
		fill(&b)
		b.Reset()
		held := 0
		for _, c := range b.chunks[:cap(b.chunks)] {
			held += cap(c.data) + 16*cap(c.ops)
		}
		if held > 32<<20 {
			t.Errorf("%s: an empty batch holds %d MiB", name, held>>20)
		}
	}
}
