package redis

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

// untilBytes waits for a size that is as it should be.
func untilBytes(t *testing.T, b state.Backend, what string, ok func(n int64) bool) {
	t.Helper()
	for n := 0; !ok(b.(state.Sized).Bytes()); n++ {
		if n > 1200 {
			t.Fatalf("it says %d bytes, want %s", b.(state.Sized).Bytes(), what)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// TestBytes holds the size against what the server says of the keys when it
// looks at all values.
func TestBytes(t *testing.T) {
	server := redistest.Start(t)
	b := openAt(t, storeAt(server.URL()))
	if n := b.Bytes(); n != -1 && n < 1 {
		t.Errorf("at first it says %d bytes", n)
	}
	untilBytes(t, b, "something small", func(n int64) bool { return n > 0 && n < 10_000 })

	batch := new(state.Batch)
	for i := range 5000 {
		batch.Set(fmt.Appendf(nil, "key%05d", i), []byte(strings.Repeat("v", 100+i%800)))
	}
	apply(t, b, batch)
	exact := int64(0)
	for _, key := range b.names.store.all() {
		n, err := strconv.ParseInt(server.CLI("memory", "usage", key, "samples", "0"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		exact += n
	}
	if exact < batchBytes {
		t.Fatalf("the server says %d bytes of values of %d", exact, batchBytes)
	}
	untilBytes(t, b, fmt.Sprint("about ", exact), func(n int64) bool { return n > exact*8/10 && n < exact*12/10 })

	// A checkpoint is a store of its own.
	if err := b.Checkpoint(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	emptied := new(state.Batch)
	emptied.DeleteRange([]byte("key"), []byte("kez"))
	apply(t, b, emptied)
	untilBytes(t, b, "what little is left", func(n int64) bool { return n > 0 && n < 10_000 })
}

// batchBytes is what the values of TestBytes take at least.
const batchBytes = 5000 * 400

// TestBytesThatMayNotBeAsked: a user without MEMORY has a state all the same.
func TestBytesThatMayNotBeAsked(t *testing.T) {
	server := redistest.Start(t)
	server.CLI("acl", "setuser", "limited", "on", ">pw", "~*", "+@all", "-memory")
	s := storeAt("redis://limited:pw@" + server.Addr)
	b := openAt(t, s)
	for n := 0; server.CLI("hget", b.names.lease, "beat") != "3"; n++ {
		if n > 1200 {
			t.Fatal("the lease is not renewed")
		}
		<-time.After(20 * time.Millisecond)
	}
	apply(t, b, sets("a", "1"))
	if n, err := b.Bytes(), b.Err(); n != -1 || err != nil {
		t.Errorf("it says %d bytes and %v", n, err)
	}
}
