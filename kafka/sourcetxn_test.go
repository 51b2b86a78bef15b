package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/source"
)

// producerOf is a transactional producer.
func producerOf(t testing.TB, brokers []string, id string) *kgo.Client {
	return clientOf(t, brokers, kgo.TransactionalID(id))
}

// transactions are what every test of them reads: committed and aborted ones,
// and at the end an aborted one whose marker lies behind the start of one that
// stays open.
func transactions(t *testing.T, brokers []string) (committed, all []string) {
	a, b := producerOf(t, brokers, "a-"+t.Name()), producerOf(t, brokers, "b-"+t.Name())
	for i := range 20 {
		vs := values(string(rune('a'+i)), 30)
		end := kgo.TransactionEndTry(i%2 == 0)
		transact(t, a, end, "events", 0, vs...)
		if all = append(all, vs...); bool(end) {
			committed = append(committed, vs...)
		}
	}
	if err := a.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, a, "events", 0, "aborted 1", "aborted 2")
	if err := b.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, b, "events", 0, "open")
	if err := a.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	return committed, append(all, "aborted 1", "aborted 2", "open")
}

func checkTransactions(t *testing.T, brokers []string) {
	committed, all := transactions(t, brokers)
	for isolation, want := range map[string][]string{"": committed, "read_committed": committed, "read_uncommitted": all} {
		s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{"events"}, Stop: "latest", Isolation: isolation}
		p := openAt(t, s, 0)
		g := readUntil(t, p, nil) // ends, though no record tells where
		sameValues(t, g.values, want)
		if lag := s.Lags()[0]; lag.Records > 0 {
			t.Errorf("isolation %q: lag %+v at the end", isolation, lag)
		}
		again := openAt(t, &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{"events"}, Stop: "latest", Isolation: isolation}, g.next)
		sameValues(t, readUntil(t, again, nil).values, nil)
	}
	// A reader that does not stop finds out that it has all.
	s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{"events"}}
	p := openAt(t, s, 0)
	sameValues(t, readUntil(t, p, count(len(committed))).values, committed)
	eventually(t, "quiet", func() bool { return !p.(source.Quieter).Quiet().IsZero() })
	c := producerOf(t, brokers, "b-"+t.Name()) // takes over: what was open is aborted
	transact(t, c, kgo.TryCommit, "events", 0, "last")
	sameValues(t, readUntil(t, p, count(1)).values, []string{"last"})
}

func TestTransactions(t *testing.T) {
	checkTransactions(t, fakeKafka(t, "events", 1).ListenAddrs())
}

// Markers that follow the records of a full chunk belong to it: a position
// before them would point at what retention may remove.
func TestPositionsPassMarkers(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	a := producerOf(t, c.ListenAddrs(), "a")
	big := slices.Repeat([]string{string(make([]byte, chunkBytes/2))}, 2)
	transact(t, a, kgo.TryCommit, "events", 0, big...)
	p := openAt(t, &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}}, 0)
	if g := readUntil(t, p, count(2)); g.next != 3 {
		t.Errorf("the position is %d, want 3, behind the marker", g.next)
	}
}
