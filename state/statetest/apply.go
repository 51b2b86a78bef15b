package statetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/llm-optimizer/processor/state"
)

func checkSeveral(r *room) {
	b := r.open()
	b.apply(set("a", "0"), set("b", "0"), set("c", "0"))
	err := b.Apply(r.Context(),
		batchOf(set("a", "1"), remove("b")),
		new(state.Batch),
		batchOf(set("a", "2"), set("d", "2")))
	if err != nil {
		r.Fatal(err)
	}
	b.holds("a=2", "c=0", "d=2")
}

func checkOrder(r *room) {
	b := r.open()
	b.apply(
		set("a", "1"), remove("a"), removeRange("a", "z"), set("a", "2"),
		remove("b"), set("b", "1"), set("b", "2"),
		set("c", "1"), removeRange("c", "d"),
		set("d", "1"), removeRange("c", "d"), set("e", "1"), remove("e"),
		removeRange("f", "g"), set("f", "1"))
	b.holds("a=2", "b=2", "d=1", "f=1")
	b.apply(removeRange("a", "c"), set("b", "3"), remove("f"), set("f", "2"), removeRange("f", "f1"))
	b.holds("b=3", "d=1")
}

func checkNothing(r *room) {
	b := r.open()
	b.apply(set("a", "1"))
	b.apply()
	if err := b.Apply(r.Context()); err != nil {
		r.Errorf("Apply of no batch: %v", err)
	}
	b.apply(remove("not there"), removeRange("x", "y"))
	b.holds("a=1")
}

// checkReuse overwrites a batch's memory as soon as Apply has returned, as the
// engine does.
func checkReuse(r *room) {
	b := r.open()
	var batch state.Batch
	for i := range 3 {
		batch.Set(fmt.Appendf(nil, "key %d", i), fmt.Appendf(nil, "value %d", i))
		if err := b.Apply(r.Context(), &batch); err != nil {
			r.Fatal(err)
		}
		for op := range batch.All() {
			clear(op.Key)
			clear(op.Value)
		}
		batch.Reset()
	}
	b.holds("key 0=value 0", "key 1=value 1", "key 2=value 2")
}

func checkDeleteRange(r *room) {
	b := r.open()
	b.apply(set("a", ""), set("b", ""), set("b\x00", ""), set("b\xff", ""), set("c", ""), set("c\x00", ""))
	b.apply(removeRange("b", "b"), removeRange("c", "b"), removeRange("b", ""))
	b.holds("a=", "b=", "b\x00=", "b\xff=", "c=", "c\x00=")
	b.apply(removeRange("b\x00", "c"))
	b.holds("a=", "b=", "c=", "c\x00=")
	b.apply(removeRange("", "b"), removeRange("c\x00", "\xff\xff"))
	b.holds("b=", "c=")
}

// checkLargeBatch applies 100,000 operations at once (10,000 with -short),
// twice: the second time all keys are there and half of them go.
func checkLargeBatch(r *room) {
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	b := r.open()
	var batch state.Batch
	value := bytes.Repeat([]byte("v"), 250)
	for i := range uint32(n) {
		batch.Set(binary.BigEndian.AppendUint32(nil, i), binary.BigEndian.AppendUint32(value[:246], i))
	}
	if err := b.Apply(r.Context(), &batch); err != nil {
		r.Fatal(err)
	}
	if got := count(r, b); got != n {
		r.Fatalf("%d keys after an Apply of %d", got, n)
	}
	batch.Reset()
	for i := range uint32(n) {
		if key := binary.BigEndian.AppendUint32(nil, i); i%2 == 0 {
			batch.Delete(key)
		} else {
			batch.Set(key, binary.BigEndian.AppendUint32(value[:100], i))
		}
	}
	if err := b.Apply(r.Context(), &batch); err != nil {
		r.Fatal(err)
	}
	if got := count(r, b); got != n/2 {
		r.Fatalf("%d keys after half of %d are deleted", got, n)
	}
}

// count counts the keys; each must be at the end of its value.
func count(r *room, b state.Backend) (n int) {
	err := b.Scan(r.Context(), nil, nil, func(key, value []byte) error {
		n++
		if !bytes.HasSuffix(value, key) {
			return fmt.Errorf("key %x has the value %x", key, value)
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return n
}

func checkLargeValue(r *room) {
	large := make([]byte, 8<<20)
	for i := range large {
		large[i] = byte(i * 31 >> 7)
	}
	b := r.open()
	b.apply(set("a", "1"), set("large", string(large)), set("z", "2"))
	b.close()
	b = r.open()
	if got, err := b.Get(r.Context(), []byte("large")); err != nil || !bytes.Equal(got, large) {
		r.Errorf("a value of %d bytes comes back as %d bytes, %v", len(large), len(got), err)
	}
	b.rangeHolds([]byte("m"), nil, "z=2")
	b.apply(remove("large"))
	b.holds("a=1", "z=2")
}

// checkContext: after an error a backend is only closed.
func checkContext(r *room) {
	ended, cancel := context.WithCancel(r.Context())
	cancel()
	b := r.open()
	b.apply(set("a", "1"))
	_, err := b.Get(ended, []byte("a"))
	r.is("Get", err, context.Canceled)
	r.is("Scan", b.Scan(ended, nil, nil, func(_, _ []byte) error { return nil }), context.Canceled)
	r.is("Apply", b.Apply(ended, batchOf(set("a", "2"))), context.Canceled)
	b.close()
	r.open().holds("a=1")
}

func checkScanContext(r *room) {
	b := r.open()
	var batch state.Batch
	for i := range uint32(50_000) {
		batch.Set(binary.BigEndian.AppendUint32(nil, i), nil)
	}
	if err := b.Apply(r.Context(), &batch); err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	err := b.Scan(ctx, nil, nil, func(_, _ []byte) error {
		cancel()
		return nil
	})
	r.is("Scan", err, context.Canceled)
}
