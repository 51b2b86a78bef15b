package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/llm-optimizer/processor/sink"
)

// refuse answers requests of a kind with an error until it is removed.
func refuse(c *kfake.Cluster, key kmsg.Key, topic string, err *kerr.Error) *kfake.FaultHandle {
	return c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: topic, Err: err, Count: -1})
}

// troubleOf is the error alone.
func troubleOf(r interface{ Trouble() (time.Time, error) }) error {
	_, err := r.Trouble()
	return err
}

// lines counts the lines of a log with a text.
func lines(log *syncBuffer, text string) int { return strings.Count(log.String(), text) }

// Brokers that answer and refuse are a trouble of the sink, whatever they refuse:
// the client tries again for ever and says nothing.
func TestRefusalsAreTrouble(t *testing.T) {
	for i, c := range []struct {
		err   *kerr.Error
		plain bool
		ends  bool // of transactions are refused, not rows
		says  string
	}{
		{err: kerr.NotEnoughReplicas, says: "min.insync.replicas"},
		{err: kerr.NotEnoughReplicas, says: "min.insync.replicas", plain: true},
		{err: kerr.NotEnoughReplicasAfterAppend, says: "min.insync.replicas", plain: true},
		{err: kerr.NotLeaderForPartition, says: "no leader"},
		{err: kerr.KafkaStorageError, plain: true},
		{err: kerr.CoordinatorLoadInProgress, ends: true},
		{err: kerr.ConcurrentTransactions, ends: true},
	} {
		t.Run(fmt.Sprintf("%s plain %v", c.err.Message, c.plain), func(t *testing.T) {
			t.Parallel()
			broker := fakeBroker(t)
			brokers := broker.ListenAddrs()
			topic := newTopic(t, brokers, 1)
			var log syncBuffer
			s := sinkAt(brokers, topic)
			s.Log = slog.New(slog.NewTextHandler(&log, nil))
			if c.plain {
				ready(t, s)
			} else {
				resumed(t, s, sink.Mark{}, 0)
			}
			refused := refuse(broker, kmsg.Produce, topic, c.err)
			if c.ends {
				refused.Remove()
				refused = refuse(broker, kmsg.EndTxn, "", c.err)
			}
			deliver := func(first int) error {
				err := s.Write(t.Context(), rows(first, 3))
				if err == nil && !c.plain {
					_, err = s.Commit(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: uint64(first + 1)})
				}
				return err
			}
			began, done := time.Now(), make(chan error)
			go func() { done <- deliver(0) }()
			if i > 0 { // one waits for as long as it takes
				eventually(t, "rows that wait", func() bool { return waitLonger(s) })
				began = began.Add(-2 * stuckAfter)
			}
			eventually(t, "trouble with its reason", func() bool { return errors.Is(troubleOf(s), c.err) })
			since, err := s.Trouble()
			says(t, err, c.says)
			if since.Before(began) || since.After(time.Now().Add(-stuckAfter)) {
				t.Errorf("trouble since %v, want since rows wait, from %v on", since, began)
			}
			tries := s.Retries()
			eventually(t, "more attempts", func() bool { return s.Retries() > tries })

			refused.Remove()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := troubleOf(s); err != nil {
				t.Errorf("with all rows taken there is trouble: %v", err)
			}
			if n := lines(&log, "level=WARN") + lines(&log, "level=INFO"); n != 0 {
				t.Errorf("%d lines say what the pipeline does: %s", n, &log)
			}
			if err := deliver(3); err != nil {
				t.Fatal(err)
			}
			if n := len(committedIDs(t, brokers, topic)); n != 6 {
				t.Errorf("the topic has %d rows, want 6", n)
			}
		})
	}
}

// waitLonger makes it longer ago that rows were handed over, if some wait.
func waitLonger(s *Sink) bool {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	s.health.handed.moved = s.health.handed.moved.Add(-2 * stuckAfter)
	return s.health.handed.waits
}

// ready opens and starts a sink that writes without transactions.
func ready(t *testing.T, s *Sink) {
	t.Helper()
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The trouble outlasts the transaction that it ends, and ends when the rows are
// taken: written once more, or found to have been taken.
func TestTroubleOutlastsItsTransaction(t *testing.T) {
	for name, took := range map[string]bool{"lost": false, "taken": true} {
		t.Run(name, func(t *testing.T) {
			broker := fakeBroker(t)
			brokers := broker.ListenAddrs()
			topic := newTopic(t, brokers, 1)
			s := sinkAt(brokers, topic)
			resumed(t, s, sink.Mark{}, 0)
			write(t, s, rows(0, 3))
			token := commit(t, s, 1)
			if n := s.health.acked.Load(); n != 3 {
				t.Errorf("%d rows count as acknowledged, want 3", n)
			}
			if took {
				loseEnd(t, broker)
			} else {
				failNext(broker, kmsg.EndTxn)
			}
			write(t, s, rows(10, 3))
			if err := s.client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := troubleOf(s); err != nil {
				t.Fatalf("there is trouble already: %v", err)
			}
			if !waitLonger(s) || troubleOf(s) == nil {
				t.Fatal("rows that have waited for long are no trouble")
			}
			_, err := s.Commit(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: 2})
			if !errors.Is(err, sink.ErrUnclear) {
				t.Fatalf("the commit ends with %v, want that it is unclear", err)
			}
			held, err := s.Resume(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: 1, Token: token}, 2, false)
			if err != nil || took != (held == 2) {
				t.Fatalf("it holds epoch %d, error %v", held, err)
			}
			if err := troubleOf(s); (err == nil) != took {
				t.Errorf("taken %v, and the trouble is %v", took, err)
			}
			if !took {
				write(t, s, rows(10, 3))
				commit(t, s, 2)
			}
			if err := troubleOf(s); err != nil {
				t.Errorf("at the end there is trouble: %v", err)
			}
			if n := len(committedIDs(t, brokers, topic)); n != 6 {
				t.Errorf("the topic has %d rows, want 6", n)
			}
		})
	}
}

// loseEnd ends the next transaction as it is told to, by an answer that says
// nothing.
func loseEnd(t *testing.T, broker *kfake.Cluster) {
	cl := clientOf(t, broker.ListenAddrs())
	var again atomic.Bool // the one that is sent from here comes by, too
	broker.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if again.Swap(true) {
			return nil, nil, false
		}
		broker.SleepControl(func() {
			req := *r.(*kmsg.EndTxnRequest)
			if _, err := req.RequestWith(t.Context(), cl); err != nil {
				t.Error(err)
			}
		})
		resp := r.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil, true
	})
}

// Partitions that cannot be read are a trouble of the source, also where the
// brokers answer: they do not give what is there, or do not say where it ends.
func TestUnreadableIsTrouble(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets} {
		for _, code := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownServerError} {
			t.Run(key.Name()+" "+code.Message, func(t *testing.T) {
				t.Parallel()
				c := fakeKafka(t, "events", 2)
				cl := clientOf(t, c.ListenAddrs())
				produce(t, cl, "events", 0, "a")
				var log syncBuffer
				s := &Source{
					Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"},
					Log: slog.New(slog.NewTextHandler(&log, nil)),
				}
				parts := opened(t, s)
				for _, p := range parts {
					if err := p.Open(t.Context(), 0); err != nil {
						t.Fatal(err)
					}
				}
				readUntil(t, parts[0], count(1))
				refused := refuse(c, key, "events", code)
				produce(t, cl, "events", 0, "b")
				eventually(t, "trouble with its reason", func() bool { return errors.Is(troubleOf(s), code) })
				eventually(t, "a line in the log", func() bool { return lines(&log, "nothing can be read") > 0 })
				refused.Remove()
				sameValues(t, readUntil(t, parts[0], count(1)).values, []string{"b"})
				eventually(t, "the end of the trouble", func() bool { return troubleOf(s) == nil })
				if n, again := lines(&log, "nothing can be read"), lines(&log, "can be read again"); n != 1 || again != 1 {
					t.Errorf("%d lines say that nothing can be read, %d that it can be again, want one of each: %s", n, again, &log)
				}
			})
		}
	}
}

// An error alone is everyday, and so is a broker that nobody needs any more.
func TestTroubleThatIsNone(t *testing.T) {
	var log syncBuffer
	var h Health
	h.watch(&Cluster{}, slog.New(slog.NewTextHandler(&log, nil)))
	part, broker := party{aPartition, "topic t partition 0"}, party{aBroker, "a:1"}
	h.heard(part, kerr.NotLeaderForPartition)
	if err := troubleOf(&h); err != nil {
		t.Errorf("one error of a partition is trouble: %v", err)
	}
	h.heard(part, nil)
	for range 2 {
		h.heard(broker, errors.New("connection refused"))
	}
	h.mu.Lock()
	old := h.broken[broker]
	old.last = time.Now().Add(-2 * forgotten)
	h.broken[broker] = old
	h.mu.Unlock()
	if err := troubleOf(&h); err != nil {
		t.Errorf("a broker that nobody needs is trouble: %v", err)
	}
	for range 2 {
		h.heard(part, kerr.NotLeaderForPartition)
	}
	if err := troubleOf(&h); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("the trouble is %v, want that of the partition", err)
	}
	if n, again, unread := lines(&log, "does not answer"), lines(&log, "answers again"), lines(&log, "nothing can be read"); n != 1 || again != 1 || unread != 1 {
		t.Errorf("the log is %s, want one line of each trouble and of the end of one", &log)
	}
}

// Rows that wait are no trouble while others of them are acknowledged.
func TestSlowIsNoTrouble(t *testing.T) {
	var h Health
	h.handOver()
	h.handed.moved = time.Now().Add(-2 * stuckAfter)
	h.acked.Add(1)
	if err := troubleOf(&h); err != nil {
		t.Errorf("rows that are acknowledged are trouble: %v", err)
	}
	h.handed.moved = time.Now().Add(-2 * stuckAfter)
	if err := troubleOf(&h); err == nil {
		t.Error("rows of which none is acknowledged any more are no trouble")
	}
}

// TestWhatTheClientSays holds the texts of the client library in which the
// reasons of refusals are.
func TestWhatTheClientSays(t *testing.T) {
	for _, c := range []struct {
		msg     string
		keyvals []any
		want    *kerr.Error
		topic   string
	}{
		{"produced", []any{"to", "a.b[0{5=>7}], out_1[0{3=>4}, 2{retrying@-1,3(NOT_ENOUGH_REPLICAS: too few)}], z[1{skipped@1}]"}, kerr.NotEnoughReplicas, `topic "out_1"`},
		{"produced", []any{"to", "NOT_ENOUGH_REPLICAS[0{5=>7}]"}, nil, ""},
		{"produce partition load error, bumping", []any{"topic", "out", "err", kerr.LeaderNotAvailable}, kerr.LeaderNotAvailable, `topic "out"`},
		{"retrying request", []any{"request_error", nil, "response_error", fmt.Errorf("deep: %w", kerr.NotCoordinator)}, kerr.NotCoordinator, ""},
		{"EndTxn failed with CONCURRENT_TRANSACTIONS, which", nil, kerr.ConcurrentTransactions, ""},
		{"read FETCH v1", []any{"err", errors.New("cut"), "odd"}, nil, ""},
	} {
		h := Health{cluster: &Cluster{}}
		h.handOver()
		h.said(c.msg, c.keyvals)
		err := h.handed.refusal
		if c.want == nil {
			if err != nil {
				t.Errorf("%s: %v, want nothing", c.msg, err)
			}
			continue
		}
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.topic) {
			t.Errorf("%s: %v, want %v and %s", c.msg, err, c.want, c.topic)
		}
	}
}
