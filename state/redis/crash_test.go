package redis

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

// history is what a store holds after each of some random Applies.
type history struct {
	rand   *rand.Rand
	states []map[string]string
}

func newHistory(seed uint64) *history {
	return &history{rand.New(rand.NewPCG(seed, 1)), []map[string]string{{}}}
}

func (h *history) last() map[string]string { return h.states[len(h.states)-1] }

// next draws an Apply: sets, deletes and ranges, small and large.
func (h *history) next() []*state.Batch {
	want := maps.Clone(h.last())
	batches := []*state.Batch{new(state.Batch), new(state.Batch)}
	for _, b := range batches {
		for range 1 + h.rand.IntN(200) {
			key := fmt.Sprintf("k%03d", h.rand.IntN(300))
			switch h.rand.IntN(12) {
			case 0:
				b.Delete([]byte(key))
				delete(want, key)
			case 1:
				to := fmt.Sprintf("k%03d", h.rand.IntN(300))
				b.DeleteRange([]byte(key), []byte(to))
				maps.DeleteFunc(want, func(k, _ string) bool { return k >= key && k < to })
			default:
				value := fmt.Sprintf("%d-%0*d", len(h.states), h.rand.IntN(300), 0)
				b.Set([]byte(key), []byte(value))
				want[key] = value
			}
		}
	}
	h.states = append(h.states, want)
	return batches
}

// TestKilledServer kills the server between and within Applies: the backend
// goes on with the server that comes back, and nothing that was acknowledged
// is lost.
func TestKilledServer(t *testing.T) {
	server := redistest.Start(t)
	b := openAt(t, storeAt(server.URL()))
	h := newHistory(1)
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		for range 3 {
			apply(t, b, h.next()...)
		}
		server.Kill()
		restarted := make(chan struct{})
		go func() {
			defer close(restarted)
			server.Restart()
		}()
		apply(t, b, h.next()...)
		<-restarted
		wantContent(t, b, h.last())
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			<-time.After(time.Duration(rand.IntN(4000)) * time.Microsecond)
			server.Restart() // kills it first
		}()
		for range 3 {
			apply(t, b, h.next()...)
		}
		<-killed
		wantContent(t, b, h.last())
	}
	closed(t, b)
	server.Restart()
	wantContent(t, openAt(t, storeAt(server.URL())), h.last())
	if got, want := server.CLI("hget", "{processor:test}:meta", "applied"), fmt.Sprint(len(h.states)-1); got != want {
		t.Errorf("%s Applies took effect, want %s", got, want)
	}
}

// TestCutConnections cuts the connections after every so many bytes in either
// direction. Each Apply has to succeed, and to take effect once.
func TestCutConnections(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	proxy := redistest.NewProxy(t, server.Addr)
	s := storeAt(proxy.URL())
	s.Lease = 20 * time.Second // its renewals are not what is cut here
	b := openAt(t, s)
	h := newHistory(2)
	steps := map[int][]int{redistest.ToServer: cuts(t, 40_000), redistest.ToClient: cuts(t, 1200)}
	n := 0
	for direction, list := range steps {
		for _, k := range list {
			proxy.CutAfter(direction, int64(k))
			apply(t, b, h.next()...)
			if n++; n%5 == 0 {
				wantContent(t, b, h.last())
			}
		}
	}
	closed(t, b)
	if proxy.Cuts() < n/3 {
		t.Errorf("only %d of %d cuts happened", proxy.Cuts(), n)
	}
	wantContent(t, openAt(t, storeAt(server.URL())), h.last())
	if got, want := server.CLI("hget", "{processor:test}:meta", "applied"), fmt.Sprint(len(h.states)-1); got != want {
		t.Errorf("%s Applies took effect, want %s", got, want)
	}
}

// cuts are bytes after which to cut: the first ones closely, then up to limit.
func cuts(t *testing.T, limit int) (list []int) {
	step := 60
	if testing.Short() {
		step = 15
	}
	for k := range 20 {
		list = append(list, 7*k)
	}
	for k := range step {
		list = append(list, 140+k*limit/step)
	}
	return list
}

// TestUnknownOutcome gives up at the first cut: whether the last Apply took
// effect is open, but it did so as a whole, and all before it did.
func TestUnknownOutcome(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	proxy := redistest.NewProxy(t, server.Addr)
	did, didNot := 0, 0
	for i, k := range append(cuts(t, 30_000), cuts(t, 900)...) {
		direction := redistest.ToServer
		if i >= len(cuts(t, 1)) {
			direction = redistest.ToClient
		}
		s := storeAt(proxy.URL())
		s.Prefix = fmt.Sprintf("processor:%d", i)
		s.Patience = time.Nanosecond
		patient := *s
		patient.Patience = 20 * time.Second
		b := openAt(t, &patient)
		b.writer.patience = s.Patience
		h := newHistory(uint64(i))
		for range 2 {
			apply(t, b, h.next()...)
		}
		proxy.CutAfter(direction, int64(k))
		err := b.Apply(t.Context(), h.next()...)
		proxy.CutAfter(direction, -1)
		_ = b.Close() // it may not be able to give back the lease
		again := openAt(t, &patient)
		got := content(t, again)
		closed(t, again)
		switch {
		case maps.Equal(got, h.states[3]):
			did++
		case err == nil:
			t.Fatalf("cut %d: an Apply that was acknowledged did not take effect", k)
		case maps.Equal(got, h.states[2]):
			didNot++
		default:
			t.Fatalf("cut %d: the store holds %s, want %s or %s", k, shortly(got), shortly(h.states[2]), shortly(h.states[3]))
		}
	}
	if did == 0 || didNot == 0 {
		t.Errorf("%d took effect and %d did not: want some of each", did, didNot)
	}
}

// TestCutCalls cuts the connection within the other calls: they too happen
// once.
func TestCutCalls(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	proxy := redistest.NewProxy(t, server.Addr)
	step := 61
	if testing.Short() {
		step = 211
	}
	for direction := range 2 {
		for k := 0; k < 1800; k += step {
			s := storeAt(proxy.URL())
			s.Prefix = fmt.Sprintf("processor:%d-%d", direction, k)
			b := openAt(t, s)
			apply(t, b, sets("a", "1"))
			proxy.CutAfter(direction, int64(k))
			for _, name := range []string{"c", "d"} {
				if err := b.Checkpoint(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			apply(t, b, sets("a", "2"))
			closed(t, b)
			proxy.CutAfter(direction, int64(k))
			if err := s.Drop(t.Context(), "d"); err != nil {
				t.Fatal(err)
			}
			proxy.CutAfter(direction, int64(k))
			aside, err := s.Restore(t.Context(), "c")
			if err != nil || aside == "" {
				t.Fatalf("Restore says %q, %v", aside, err)
			}
			b = openAt(t, s)
			wantContent(t, b, map[string]string{"a": "1"})
			closed(t, b)
			proxy.CutAfter(direction, int64(k))
			if aside, err = s.Reset(t.Context()); err != nil || aside == "" {
				t.Fatalf("Reset says %q, %v", aside, err)
			}
			if list, err := s.Checkpoints(t.Context()); err != nil || fmt.Sprint(list) != "[c]" {
				t.Fatalf("the checkpoints are %v, %v", list, err)
			}
			wantContent(t, openAt(t, s), map[string]string{})
		}
	}
	if proxy.Cuts() == 0 {
		t.Error("nothing was cut")
	}
}

// TestLostReplies loses the reply to each call that changes something: the
// repetition finds that it took effect.
func TestLostReplies(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	proxy := redistest.NewProxy(t, server.Addr)
	for round := range 2 { // from the second on the server knows the scripts
		lose := func(what string, f func() error) {
			t.Helper()
			before := proxy.Cuts()
			if round > 0 {
				proxy.CutReply(what)
			}
			if err := f(); err != nil {
				t.Fatal(err)
			}
			if proxy.Cuts() != before+round {
				t.Errorf("%d replies to %s were lost", proxy.Cuts()-before, what)
			}
		}
		// A store each for what moves one aside: a name that is taken is
		// another reply to lose.
		for _, last := range []string{"restore", "reset", "restore anew"} {
			s := storeAt(proxy.URL())
			s.Prefix = fmt.Sprint("processor:", last, round)
			var b *backend
			lose(acquireScript.Hash(), func() error { b = openAt(t, s); return nil })
			apply(t, b, sets("a", "1"))
			lose("exec", func() error { return b.Apply(t.Context(), sets("a", "2")) })
			lose(checkpointScript.Hash(), func() error { return b.Checkpoint(t.Context(), "c") })
			lose(checkpointScript.Hash(), func() error { return b.Checkpoint(t.Context(), "d") })
			apply(t, b, sets("a", "3"))
			lose(releaseScript.Hash(), b.Close)
			lose(dropScript.Hash(), func() error { return s.Drop(t.Context(), "d") })
			if last == "restore anew" {
				server.CLI("unlink", b.names.store.keys, b.names.store.values, b.names.store.meta)
			}
			want, aside, err := map[string]string{"a": "2"}, "", error(nil)
			lose(replaceScript.Hash(), func() error {
				if last == "reset" {
					want = map[string]string{}
					aside, err = s.Reset(t.Context())
				} else {
					aside, err = s.Restore(t.Context(), "c")
				}
				return err
			})
			if last == "restore anew" && aside != "" {
				t.Errorf("where no store was, %q is aside", aside)
			}
			if last != "restore anew" && server.CLI("hget", aside+":values", "a") != "3" {
				t.Errorf("%q is aside, which is not what the store was", aside)
			}
			wantContent(t, openAt(t, s), want)
			if list, err := s.Checkpoints(t.Context()); err != nil || fmt.Sprint(list) != "[c]" {
				t.Errorf("the checkpoints are %v, %v", list, err)
			}
		}
	}
}

// TestLostReplyBesideAScan: the repetition must not copy the store once more,
// which is no longer what the scan began with.
func TestLostReplyBesideAScan(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	proxy := redistest.NewProxy(t, server.Addr)
	b := openAt(t, storeAt(proxy.URL()))
	want := fill(t, b, 2*pageKeys, "1")
	got := map[string]string{}
	err := b.Scan(t.Context(), nil, nil, func(key, value []byte) error {
		if got[string(key)] = string(value); len(got) == 10 {
			proxy.CutReply("exec")
			fill(t, b, 2*pageKeys, "2")
		}
		return nil
	})
	if err != nil || proxy.Cuts() != 1 || !maps.Equal(got, want) {
		t.Errorf("after %d cuts the scan sees %s, %v", proxy.Cuts(), shortly(got), err)
	}
}

// TestReplicaForAWhile: a server that has become a replica takes nothing until
// it is the primary again.
func TestReplicaForAWhile(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	b := openAt(t, storeAt(server.URL()))
	apply(t, b, sets("a", "1"))
	server.CLI("replicaof", "127.0.0.1", "1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-time.After(200 * time.Millisecond)
		server.CLI("replicaof", "no", "one")
	}()
	want := fill(t, b, 20_000, "1") // more than is sent at once
	<-done
	want["a"] = "1"
	wantContent(t, b, want)
}

// TestScanEndsWithinAnApply leaves the copy to the Apply that makes it.
func TestScanEndsWithinAnApply(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	b := openAt(t, storeAt(server.URL()))
	fill(t, b, 2*pageKeys, "1")
	s, _, err := b.begin(t.Context(), nil, nil)
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	batches := []*state.Batch{sets("w001999", "2")}
	overtaken := b.overtake(batches)
	b.end(s)
	if err := b.commit(t.Context(), batches, overtaken); err != nil {
		t.Fatal(err)
	}
	b.overtook(overtaken, true)
	if left := copiesAt(server); len(overtaken) != 1 || left != "" {
		t.Errorf("%d scans were overtaken, and left %q", len(overtaken), left)
	}
}
