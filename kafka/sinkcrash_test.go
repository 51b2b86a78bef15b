package kafka

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

// lossy is a network that can lose all that a broker answers.
type lossy struct {
	cut atomic.Bool
}

func (l *lossy) listen(network, address string) (net.Listener, error) {
	inner, err := net.Listen(network, address)
	return lossyListener{inner, l}, err
}

type lossyListener struct {
	net.Listener
	lossy *lossy
}

func (l lossyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return lossyConn{conn, l.lossy}, err
}

type lossyConn struct {
	net.Conn
	lossy *lossy
}

func (c lossyConn) Write(b []byte) (int, error) {
	if c.lossy.cut.Load() {
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// follower reads committed records while they are written.
type follower struct {
	client *kgo.Client
	done   chan struct{}
	mu     sync.Mutex
	text   bytes.Buffer
	count  int
}

func follow(t testing.TB, brokers []string, topic string) *follower {
	cl := clientOf(t, brokers, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond), kgo.AlwaysRetryEOF())
	f := &follower{client: cl, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for {
			fetches := cl.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			f.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) {
				f.text.Write(bytes.TrimRight(r.Value, "\n"))
				f.text.WriteByte('\n')
				f.count++
			})
			f.mu.Unlock()
		}
	}()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *follower) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *follower) stop() {
	f.client.Close()
	<-f.done
}

func (f *follower) held(t testing.TB) sinktest.Held {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, err := sinktest.Lines(f.text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// scene is a broker with a topic, and lives of a sink that writes there.
type scene struct {
	t       testing.TB
	broker  *kfake.Cluster
	network *lossy
	brokers []string
	topic   string
	lives   int
}

func newScene(t testing.TB, opts ...kfake.Opt) *scene {
	s := &scene{t: t, network: &lossy{}}
	s.broker = fakeBroker(t, append(opts, kfake.ListenFn(s.network.listen))...)
	s.brokers = s.broker.ListenAddrs()
	s.fresh()
	return s
}

// fresh gives the scene a new topic.
func (s *scene) fresh() { s.topic, s.lives = newTopic(s.t, s.brokers, 1), 0 }

// live is one life; its error is its end by a crash.
func (s *scene) live(ctx context.Context, o *sinktest.Outbox, next func() error) error {
	s.lives++
	k := sinkAt(s.brokers, s.topic)
	k.Name = s.topic
	err := o.Run(ctx, k, next)
	k.shut()
	return err
}

// toTheEnd lives until a life comes to its end, and compares.
func (s *scene) toTheEnd(o *sinktest.Outbox) error {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	var err error
	for range 10 {
		if err = s.live(ctx, o, func() error { return nil }); err == nil {
			return s.exact(heldInTheEnd(s.t, s.brokers, s.topic), o)
		}
	}
	return fmt.Errorf("after ten lives still: %w", err)
}

func (s *scene) exact(got sinktest.Held, o *sinktest.Outbox) error {
	want := o.All()
	if !slices.Equal(got.IDs, want.IDs) || got.Late != want.Late || got.Dead != want.Dead {
		return fmt.Errorf("seen are %d rows %v, %d late, %d dead; want %d rows %v, %d late, %d dead",
			len(got.IDs), got.IDs, got.Late, got.Dead, len(want.IDs), want.IDs, want.Late, want.Dead)
	}
	return nil
}

// someEpochs are epochs of rows.
func someEpochs(commits ...int) *sinktest.Outbox {
	o := &sinktest.Outbox{}
	first := 0
	for _, n := range commits {
		o.Epochs = append(o.Epochs, sinktest.Epoch{Rows: []*result.Batch{rows(first, n), rows(first+n, 1)}, Commit: true, Record: true})
		first += n + 1
	}
	return o
}

// TestAnswers gives each request of a sink each error once, in either version
// of transactions. Whatever it comes to, rows are seen once; and an error that
// passes does not end the run.
func TestAnswers(t *testing.T) {
	requests := []kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.FindCoordinator, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn, kmsg.CreateTopics, kmsg.DescribeConfigs}
	passing := []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.ConcurrentTransactions, kerr.LeaderNotAvailable, kerr.RequestTimedOut, kerr.NotEnoughReplicas}
	final := []*kerr.Error{kerr.InvalidTxnState, kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.UnknownServerError, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.TransactionAbortable, kerr.InvalidProducerIDMapping, kerr.TopicAuthorizationFailed, kerr.CorruptMessage}
	for name, opts := range map[string][]kfake.Opt{"new": nil, "old": {kfake.MaxVersions(kversion.V3_5_0())}} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, opts...)
			var fired, passed int
			for _, request := range requests {
				for i, code := range slices.Concat(passing, final) {
					s.fresh()
					fault := s.broker.Fault(kfake.Fault{Keys: []kmsg.Key{request}, Err: code, When: s.after(request)})
					if err := s.toTheEnd(someEpochs(2, 3)); err != nil {
						t.Fatalf("%s answered with %s: %v", request.Name(), code.Message, err)
					}
					if fault.Hits() > 0 {
						fired++
						if i < len(passing) && s.lives == 1 {
							passed++
						}
					}
					fault.Remove()
				}
			}
			t.Logf("%d faults fired, %d of those that pass did not end the run", fired, passed)
			if fired < 80 || passed < 30 {
				t.Errorf("only %d faults fired, %d of them without a new start", fired, passed)
			}
		})
	}
}

// after lets the first request of a kind pass that comes often.
func (s *scene) after(request kmsg.Key) func(kmsg.Request) bool {
	var n atomic.Int64
	return func(kmsg.Request) bool {
		switch request {
		case kmsg.Produce, kmsg.EndTxn:
			return n.Add(1) == 2
		}
		return true
	}
}

// TestCrashes is the law of the sink: whatever crashes when, whatever answer is
// lost, readers of committed records see each row once and in order, while it
// happens and afterwards.
func TestCrashes(t *testing.T) {
	var lost, crashed, healed atomic.Int64
	for name, opts := range map[string][]kfake.Opt{"new": nil, "old": {kfake.MaxVersions(kversion.V3_5_0())}} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, opts...)
			rapid.Check(t, func(r *rapid.T) {
				s.fresh()
				f := follow(t, s.brokers, s.topic)
				defer f.stop()
				o := drawEpochs(r)
				for range rapid.IntRange(1, 5).Draw(r, "crashes") {
					if rapid.Bool().Draw(r, "by a lost answer") {
						heals := rapid.Bool().Draw(r, "heals")
						if s.loseAnswer(o, rapid.SampledFrom([]kmsg.Key{kmsg.EndTxn, kmsg.EndTxn, kmsg.Produce, kmsg.InitProducerID, kmsg.Fetch, kmsg.CreateTopics}).Draw(r, "of"), rapid.IntRange(1, 4).Draw(r, "nth"), heals) {
							lost.Add(1)
							if heals {
								healed.Add(1)
							}
						}
						continue
					}
					left := rapid.IntRange(0, 12).Draw(r, "calls")
					if err := s.live(t.Context(), o, func() error {
						if left--; left < 0 {
							return context.Canceled
						}
						return nil
					}); err != nil {
						crashed.Add(1)
					}
				}
				if err := s.toTheEnd(o); err != nil {
					r.Fatal(err)
				}
				all := len(o.All().IDs) + o.All().Late + o.All().Dead
				eventually(t, "the concurrent reader has all", func() bool { return f.seen() >= all })
				if err := s.exact(f.held(t), o); err != nil {
					r.Fatalf("the concurrent reader: %v", err)
				}
			})
		})
	}
	t.Logf("%d crashes, %d lost answers, %d of them healed", crashed.Load(), lost.Load(), healed.Load())
	if crashed.Load() < 20 || lost.Load() < 20 || healed.Load() < 5 {
		t.Error("too little has happened")
	}
}

func drawEpochs(r *rapid.T) *sinktest.Outbox {
	o := &sinktest.Outbox{}
	first := 0
	for range rapid.IntRange(1, 5).Draw(r, "epochs") {
		e := sinktest.Epoch{Commit: rapid.Bool().Draw(r, "commit"), Record: rapid.Bool().Draw(r, "record")}
		for range rapid.IntRange(0, 2).Draw(r, "batches") {
			n := rapid.IntRange(1, 4).Draw(r, "rows")
			b := rows(first, n)
			if rapid.Bool().Draw(r, "aside") {
				b.Late = []result.LateEvent{{Query: "q", Event: []byte(`{}`)}}
				b.Dead = []result.DeadLetter{{Reason: "json"}}
			}
			e.Rows = append(e.Rows, b)
			first += n
		}
		o.Epochs = append(o.Epochs, e)
	}
	return o
}

// loseAnswer lives until the nth request of a kind has been done and its answer
// is lost; the process dies then, or the network heals. It reports whether it
// came to that.
func (s *scene) loseAnswer(o *sinktest.Outbox, request kmsg.Key, nth int, heals bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	var fired atomic.Bool
	ended, watched := make(chan struct{}), make(chan struct{})
	cut := make(chan struct{})
	s.broker.ControlKey(int16(request), func(kmsg.Request) (kmsg.Response, error, bool) {
		s.broker.KeepControl()
		select {
		case <-ended:
			s.broker.DropControl()
			return nil, nil, false
		default:
		}
		if nth--; nth == 0 {
			s.network.cut.Store(true)
			fired.Store(true)
			close(cut)
			s.broker.DropControl()
		}
		return nil, nil, false
	})
	go func() {
		defer close(watched)
		select {
		case <-cut:
			pause(ctx, 20*time.Millisecond)
			if !heals {
				cancel()
			}
			s.network.cut.Store(false)
		case <-ended:
		}
	}()
	s.live(ctx, o, func() error { return nil })
	close(ended)
	<-watched
	return fired.Load()
}
