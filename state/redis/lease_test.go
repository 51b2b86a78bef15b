package redis

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

func TestSecondInstanceIsRefused(t *testing.T) {
	server := redistest.Start(t)
	s := storeAt(server.URL())
	b := openAt(t, s)
	within(t, func(ctx context.Context) {
		// What counts is the lease of the one who has it.
		_, err := (&Store{URL: s.URL, Prefix: s.Prefix, Lease: time.Minute}).Open(ctx)
		wantError(t, err, state.ErrInUse, "process "+fmt.Sprint(os.Getpid()), s.String())
	})
	apply(t, b, sets("a", "1"))
	if err := b.Err(); err != nil {
		t.Errorf("the first instance has failed: %v", err)
	}
}

// TestTakeoverOfAnExpiredLease: who comes waits for the lease's end; who comes
// back writes no more.
func TestTakeoverOfAnExpiredLease(t *testing.T) {
	server := redistest.Start(t)
	s := storeAt(server.URL())
	s.Lease = 500 * time.Millisecond
	first := openAt(t, s)
	apply(t, first, sets("a", "1"))
	first.stop() // it is held up, longer than its lease
	<-first.kept
	second := openAt(t, s)
	apply(t, second, sets("a", "2"))
	err := first.Apply(t.Context(), sets("a", "3", "b", "3"))
	wantError(t, err, state.ErrInUse, "taken the store over")
	wantFailed(t, first, state.ErrInUse)
	wantError(t, first.Apply(t.Context(), sets("a", "3")), state.ErrInUse)
	wantError(t, first.Scan(t.Context(), nil, nil, nil), state.ErrInUse)
	wantError(t, first.Checkpoint(t.Context(), "c"), state.ErrInUse)
	closed(t, first) // does not take the lease from the second
	wantContent(t, second, map[string]string{"a": "2"})
	_, err = s.Open(t.Context())
	wantError(t, err, state.ErrInUse)
}

// TestLeaseOfItsOwn: a lease that has run out while nobody else came is taken
// again.
func TestLeaseOfItsOwn(t *testing.T) {
	server := redistest.Start(t)
	s := storeAt(server.URL())
	b := openAt(t, s)
	server.CLI("del", b.names.lease)
	for n := 0; server.CLI("exists", b.names.lease) != "1"; n++ {
		if n > 600 {
			t.Fatal("the lease is not renewed")
		}
		<-time.After(50 * time.Millisecond)
	}
	b.stop()
	<-b.kept
	server.CLI("del", b.names.lease)
	apply(t, b, sets("a", "1"))
	if left := server.CLI("pttl", b.names.lease); left[0] == '-' {
		t.Errorf("after an Apply the lease has %s ms left", left)
	}
}

// TestFencedWithinATransaction takes the store over between what Apply looks
// at and its EXEC.
func TestFencedWithinATransaction(t *testing.T) {
	server := redistest.Start(t)
	first := openAt(t, storeAt(server.URL()))
	apply(t, first, sets("a", "1"))
	conn := first.writer.client.Conn()
	defer func() { _ = conn.Close() }()
	if _, err := first.watch(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	tx := newTransaction(t.Context(), conn, first.names.store)
	tx.command("multi")
	for op := range sets("a", "2").All() {
		tx.op(op)
	}
	tx.close()
	server.CLI("del", "{processor:test}:lease")
	second := openAt(t, storeAt(server.URL()))
	if _, err := tx.exec(); err != errOverwritten {
		t.Errorf("EXEC after a takeover: %v", err)
	}
	wantContent(t, second, map[string]string{"a": "1"})
	wantFailed(t, first, state.ErrInUse) // its keeper sees it too
}

// TestLateTransaction: a transaction that is still on its way when its
// instance closes does not take effect afterwards.
func TestLateTransaction(t *testing.T) {
	server := redistest.Start(t)
	first := openAt(t, storeAt(server.URL()))
	other, err := first.store.newLink(1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	conn := other.client.Conn()
	defer func() { _ = conn.Close() }()
	if _, err := first.watch(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	tx := newTransaction(t.Context(), conn, first.names.store)
	tx.command("multi")
	tx.command("del", first.names.store.keys)
	closed(t, first)
	if _, err := tx.exec(); err != errOverwritten {
		t.Errorf("EXEC after Close: %v", err)
	}
}

// TestTakeoverOfADeadProcess does not wait for the lease, which is long, as
// the process that has it is seen to be gone.
func TestTakeoverOfADeadProcess(t *testing.T) {
	server := redistest.Start(t)
	sleeper := exec.Command("sleep", "600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	id := newIdentity()
	id.pid = fmt.Sprint(sleeper.Process.Pid)
	id.start, _ = startOf(id.pid)
	if id.boot == "-" || id.start == "-" {
		t.Skip("SKIPPED takeover of a dead process: the system does not tell about processes")
	}
	s := storeAt(server.URL())
	s.Lease = time.Hour
	first := openAt(t, s)
	first.stop()
	<-first.kept
	server.CLI("hset", first.names.lease, "owner", id.String())
	server.CLI("hset", first.names.store.meta, "owner", id.String())

	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := s.Open(ctx)
	wantError(t, err, context.DeadlineExceeded) // it lives, and may renew its lease

	_ = sleeper.Process.Kill() // it does what it can
	for range 600 {
		if start, _ := startOf(id.pid); start == "-" {
			break // it has ended, and nobody has waited for it
		}
		<-time.After(10 * time.Millisecond)
	}
	within(t, func(ctx context.Context) {
		b, err := s.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		closed(t, b)
	})
	_ = sleeper.Wait() // it was killed
}

func TestGone(t *testing.T) {
	self := newIdentity()
	if self.boot == "-" {
		t.Skip("SKIPPED identity: the system does not tell about processes")
	}
	change := func(f func(*identity)) identity {
		id := self
		f(&id)
		return id
	}
	for _, c := range []struct {
		name  string
		other identity
		want  bool
	}{
		{"itself", self, false},
		{"another instance in this process", change(func(id *identity) { id.random = "x" }), false},
		{"a process that had the same number", change(func(id *identity) { id.start = "1" }), true},
		{"a process that is no more", change(func(id *identity) { id.pid = "999999999" }), true},
		{"another machine", change(func(id *identity) { id.pid, id.boot = "999999999", "x" }), false},
		{"another container", change(func(id *identity) { id.pid, id.namespace = "999999999", "x" }), false},
		{"something else", identity{}, false},
	} {
		if got := self.gone(c.other); got != c.want {
			t.Errorf("%s: gone is %v", c.name, got)
		}
	}
	unknown := change(func(id *identity) { id.boot, id.namespace = "-", "-" })
	if unknown.gone(change(func(id *identity) { id.boot, id.namespace, id.pid = "-", "-", "999999999" })) {
		t.Error("gone although the system does not tell")
	}
	if back, ok := parseIdentity(self.String()); !ok || back != self {
		t.Errorf("%q is read as %v", self, back)
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add(newIdentity().String())
	f.Add("a b c d e f")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := parseIdentity(text)
		if ok && id.String() != text {
			t.Errorf("%q is read as %q", text, id)
		}
		if id.describe() == "" {
			t.Errorf("%q is described as %q", text, id.describe())
		}
	})
}
