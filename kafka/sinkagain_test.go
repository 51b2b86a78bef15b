package kafka

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/llm-optimizer/processor/sink"
)

// A transaction whose end nobody has heard of is looked up, and the sink goes
// on: with the rows once more if it did not come to pass.
func TestUnclearEndOfTransaction(t *testing.T) {
	for name, request := range map[string]kmsg.Key{"end": kmsg.EndTxn, "produce": kmsg.Produce} {
		t.Run(name, func(t *testing.T) {
			broker := fakeBroker(t)
			brokers := broker.ListenAddrs()
			topic := newTopic(t, brokers, 2)
			s := sinkAt(brokers, topic)
			resumed(t, s, sink.Mark{}, 0)
			write(t, s, rows(0, 3))
			token := commit(t, s, 1)
			unclear := false
			failNext(broker, request)
			for epoch := uint64(2); epoch <= 4; {
				b := rows(int(epoch)*10, 3)
				err := s.Write(t.Context(), b)
				if err == nil {
					var next []byte
					if next, err = s.Commit(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: epoch}); err == nil {
						token = next
						epoch++
						continue
					}
				}
				if !errors.Is(err, sink.ErrUnclear) {
					t.Fatalf("epoch %d: %v", epoch, err)
				}
				unclear = true
				held, err := s.Resume(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: epoch - 1, Token: token}, 4, false)
				if err != nil {
					t.Fatal(err)
				}
				epoch = held + 1
			}
			if name == "end" && !unclear {
				t.Error("no transaction ended unclearly: that proves nothing")
			}
			var want []string
			for _, b := range []int{0, 20, 30, 40} {
				want = append(want, rowIDs(rows(b, 3))...)
			}
			slices.Sort(want)
			if got := committedIDs(t, brokers, topic); !slices.Equal(got, want) {
				t.Errorf("the topic holds %v, want %v", got, want)
			}
		})
	}
}

// failNext fails the next request of a kind, which is not done: the end of a
// transaction by an answer that says nothing, others by a lost connection.
func failNext(broker *kfake.Cluster, request kmsg.Key) {
	broker.ControlKey(int16(request), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if end, ok := r.ResponseKind().(*kmsg.EndTxnResponse); ok {
			end.ErrorCode = kerr.UnknownServerError.Code
			return end, nil, true
		}
		return nil, errors.New("cut"), true
	})
}

// committedIDs are those of the rows that readers of committed records see.
func committedIDs(t *testing.T, brokers []string, topic string) []string {
	t.Helper()
	settled(t, brokers, topic)
	var ids []string
	for _, r := range read(t, brokers, topic, kgo.ReadCommitted()) {
		ids = append(ids, string(r.Key)+"-"+header(r, "firing"))
	}
	slices.Sort(ids)
	return ids
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}
