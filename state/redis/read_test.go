package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

// fill applies n keys of a version.
func fill(t *testing.T, b state.Backend, n int, version string) map[string]string {
	t.Helper()
	want := map[string]string{}
	batch := new(state.Batch)
	for i := range n {
		key := fmt.Sprintf("w%06d", i)
		want[key] = version
		batch.Set([]byte(key), []byte(version))
	}
	apply(t, b, batch)
	return want
}

// TestScanGoesOnInACopy: only an Apply that changes what is still to come
// makes one, and it is gone when the scan has ended.
func TestScanGoesOnInACopy(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	b := openAt(t, storeAt(server.URL()))
	want := fill(t, b, 3*pageKeys, "1")
	for _, c := range []struct {
		name   string
		at     int // key at which the Apply happens
		change *state.Batch
		copied bool
	}{
		{"what has been read", 100, sets("w000050", "2"), false},
		{"what is in the page", 100, sets("w000500", "2"), false},
		{"what comes later", 100, sets("w002500", "2"), true},
		{"what comes later, in a later page", 1500, sets("w002500", "3"), true},
		{"outside of the range", 100, sets("a", "2", "x", "2"), false},
	} {
		copied, n := false, 0
		got := map[string]string{}
		err := b.Scan(t.Context(), []byte("w"), []byte("x"), func(key, value []byte) error {
			got[string(key)] = string(value)
			if n++; n == c.at {
				apply(t, b, c.change)
			}
			copied = copied || n%500 == 0 && copiesAt(server) != ""
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: the scan sees %s, want %s", c.name, shortly(got), shortly(want))
		}
		if copied != c.copied {
			t.Errorf("%s: copied is %v", c.name, copied)
		}
		if left := copiesAt(server); left != "" {
			t.Errorf("%s: copies are left: %s", c.name, left)
		}
		for op := range c.change.All() {
			if op.Key[0] == 'w' {
				want[string(op.Key)] = string(op.Value)
			}
		}
	}
}

// TestCopyLivesOn keeps a copy for longer than it lives by itself, and does
// not read on when it is gone.
func TestCopyLivesOn(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	s := storeAt(server.URL())
	s.Lease, s.Patience = 200*time.Millisecond, 400*time.Millisecond
	b := openAt(t, s)
	want := fill(t, b, 3*pageKeys, "1")
	scan := func(at func(n int)) (map[string]string, error) {
		got := map[string]string{}
		err := b.Scan(t.Context(), nil, nil, func(key, value []byte) error {
			got[string(key)] = string(value)
			at(len(got))
			return nil
		})
		return got, err
	}
	got, err := scan(func(n int) {
		if n == 10 {
			fill(t, b, 3*pageKeys, "2")
			<-time.After(2 * s.copies())
		}
	})
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("the scan sees %s, %v", shortly(got), err)
	}
	_, err = scan(func(n int) {
		if n == 10 {
			fill(t, b, 3*pageKeys, "3")
			server.CLI(append([]string{"del"}, strings.Fields(copiesAt(server))...)...)
		}
	})
	wantError(t, err, nil, "copy to read from is gone")
}

func TestScanErrorLeavesNoCopy(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	b := openAt(t, storeAt(server.URL()))
	fill(t, b, 2*pageKeys, "1")
	enough := errors.New("enough")
	err := b.Scan(t.Context(), nil, nil, func(_, _ []byte) error {
		fill(t, b, 2*pageKeys, "2")
		return enough
	})
	if err != enough || copiesAt(server) != "" || len(b.scans) > 0 {
		t.Errorf("the scan ends with %v and leaves %q, %v", err, copiesAt(server), b.scans)
	}
}

// TestLargeValuesComeInSmallPages bounds the memory of a page.
func TestLargeValuesComeInSmallPages(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	b := openAt(t, storeAt(server.URL()))
	batch := new(state.Batch)
	for i := range 10 {
		batch.Set(fmt.Append(nil, i), make([]byte, pageBytes/2))
	}
	apply(t, b, batch)
	p, err := b.request(nil).page(t.Context(), b.reader, nil, nil)
	if err != nil || len(p.items) != 4 || !p.more {
		t.Errorf("a page has %d keys and values, more: %v, %v", len(p.items), p.more, err)
	}
	if got := content(t, b); len(got) != 10 {
		t.Errorf("the scan sees %s", shortly(got))
	}
}

// TestTouches compares with trying every key.
func TestTouches(t *testing.T) {
	keys := []string{"", "a", "b", "c", "d"}
	draw := rapid.SampledFrom(keys)
	rapid.Check(t, func(t *rapid.T) {
		s := &scan{from: []byte(draw.Draw(t, "from")), to: []byte(draw.Draw(t, "to"))}
		if rapid.Bool().Draw(t, "end") {
			s.to = nil
		}
		op := state.Op{Kind: rapid.SampledFrom([]state.OpKind{state.Set, state.Delete, state.DeleteRange}).Draw(t, "kind")}
		op.Key, op.Value = []byte(draw.Draw(t, "key")), []byte(draw.Draw(t, "value"))
		want := false
		for _, k := range keys {
			hit := k == string(op.Key)
			if op.Kind == state.DeleteRange {
				hit = k >= string(op.Key) && k < string(op.Value)
			}
			want = want || hit && k >= string(s.from) && (s.to == nil || k < string(s.to))
		}
		if got := s.touches(op); want && !got {
			t.Fatalf("%q to %q is not touched by %v %q %q", s.from, s.to, op.Kind, op.Key, op.Value)
		} else if got && !want && op.Kind != state.DeleteRange {
			t.Fatalf("%q to %q is touched by %v %q", s.from, s.to, op.Kind, op.Key)
		}
	})
}

// TestViewOfARunningStore shows the moment it was opened, for as long as it is
// open.
func TestViewOfARunningStore(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	s := storeAt(server.URL())
	s.Lease, s.Patience = 400*time.Millisecond, 400*time.Millisecond
	b := openAt(t, s)
	want := fill(t, b, 2*pageKeys, "1")
	v, err := s.View(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, b, 2*pageKeys, "2")
	<-time.After(2 * s.copies())
	wantContent(t, v, want)
	if got, err := v.Get(t.Context(), []byte("w000001")); err != nil || string(got) != "1" {
		t.Errorf("Get of the view says %q, %v", got, err)
	}
	closed(t, v)
	closed(t, v)
	if left := copiesAt(server); left != "" {
		t.Errorf("copies are left: %s", left)
	}
	_, err = v.Get(t.Context(), []byte("w000001"))
	wantError(t, err, nil, "closed")
	if err := b.Err(); err != nil {
		t.Errorf("the backend has failed: %v", err)
	}
}

// TestViewIsOvertaken: what is not in use is read itself, until it is in use.
func TestViewIsOvertaken(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	s := storeAt(server.URL())
	b := openAt(t, s)
	want := fill(t, b, 2*pageKeys, "1")
	if err := b.Checkpoint(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	closed(t, b)
	v, err := s.View(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if copied := copiesAt(server); copied != "" {
		t.Errorf("there are copies: %s", copied)
	}
	wantContent(t, v, want)
	n := 0
	err = v.Scan(t.Context(), nil, nil, func(_, _ []byte) error {
		if n++; n == 1 {
			openAt(t, s)
		}
		return nil
	})
	wantError(t, err, state.ErrInUse, "try again, or view a checkpoint")
	if n != pageKeys {
		t.Errorf("%d keys were read, want a page", n)
	}
	closed(t, v)

	openAndClose := func() {
		b, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		apply(t, b, sets("x", "1"))
		closed(t, b)
	}
	server.CLI("del", "{processor:test}:lease") // of the one that was opened
	openAndClose()
	if v, err = s.View(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	openAndClose()
	wantError(t, v.Scan(t.Context(), nil, nil, nil), state.ErrInUse)
	closed(t, v)

	v, err = s.View(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, v, want)
	if err := s.Drop(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	wantError(t, v.Scan(t.Context(), nil, nil, nil), state.ErrNotFound, "dropped meanwhile")
	closed(t, v)
}

// TestViewChangesNothing: what is read is the same afterwards, byte by byte.
func TestViewChangesNothing(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no", "--enable-debug-command", "yes")
	s := storeAt(server.URL())
	b := openAt(t, s)
	fill(t, b, 10, "1")
	closed(t, b)
	before := server.CLI("debug", "digest")
	if len(before) != 40 {
		t.Fatalf("the digest is %q", before)
	}
	v, err := s.View(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	content(t, v)
	closed(t, v)
	if after := server.CLI("debug", "digest"); after != before {
		t.Error("a view has changed the store")
	}
}
