package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

// TestResume: what a sink that has committed up to epoch 5 says to states that
// know more, less or something else.
func TestResume(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 1)
	first := sinkAt(brokers, topic)
	resumed(t, first, sink.Mark{}, 0)
	token2 := commit(t, first, 2)
	write(t, first, rows(0, 1))
	token5 := commit(t, first, 5)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	later := binary.BigEndian.AppendUint64([]byte{markerVersion}, 7)
	later = append(later, token5[9:]...)
	for name, c := range map[string]struct {
		mark   sink.Mark
		newest uint64
		change func(*Sink)
		want   uint64
		says   []string
	}{
		"the same":             {sink.Mark{Epoch: 5, Token: token5}, 5, nil, 5, nil},
		"rows since":           {sink.Mark{Epoch: 5, Token: token5}, 9, nil, 5, nil},
		"epochs without rows":  {sink.Mark{Epoch: 8, Token: token5}, 9, nil, 8, nil},
		"an older place":       {sink.Mark{Epoch: 2, Token: token2}, 6, nil, 5, nil},
		"no place yet":         {sink.Mark{Epoch: 0}, 6, nil, 5, nil},
		"had no marks":         {sink.Mark{Epoch: 1, Token: []byte{}}, 6, nil, 5, nil},
		"another state":        {sink.Mark{Incarnation: [16]byte{1}, Epoch: 5, Token: token5}, 5, nil, 0, []string{"another state", "epoch 5", "--redeliver"}},
		"a new state":          {sink.Mark{Incarnation: [16]byte{1}}, 0, nil, 0, []string{"another state", "deleted", "--redeliver"}},
		"an older state":       {sink.Mark{Epoch: 2, Token: token2}, 4, nil, 0, []string{"up to epoch 5", "ends at epoch 4", "restored", "--redeliver"}},
		"marks were lost":      {sink.Mark{Epoch: 7, Token: later}, 7, nil, 0, []string{"up to epoch 5", "up to 7", "lost", "--redeliver"}},
		"the topic is another": {sink.Mark{Epoch: 5, Token: token5}, 5, func(s *Sink) { s.MarkerTopic = "other" }, 0, []string{"topic other", "lost the mark", "epoch 5", "--redeliver"}},
		"the sink is new":      {sink.Mark{Epoch: 3}, 3, func(s *Sink) { s.Name = "new" }, 3, nil},
		"a later format":       {sink.Mark{Epoch: 3, Token: append([]byte{9}, token5[1:]...)}, 3, nil, 0, []string{"format 9", "reads format 1"}},
		"a damaged token":      {sink.Mark{Epoch: 3, Token: token5[:9]}, 3, nil, 0, []string{"damaged"}},
		"without a name":       {sink.Mark{Epoch: 3}, 3, func(s *Sink) { s.Name = "" }, 0, []string{"pipeline", "name"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := sinkAt(brokers, topic)
			if c.change != nil {
				c.change(s)
			}
			epoch, err := resume(t, s, c.mark, c.newest, false)
			if c.says != nil {
				says(t, err, c.says...)
			} else if err != nil || epoch != c.want {
				t.Errorf("it holds epoch %d (%v), want %d", epoch, err, c.want)
			}
			s.shut()
		})
	}
}

// TestRedeliver takes over what does not fit, and leaves a mark of its own.
func TestRedeliver(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 1)
	first := sinkAt(brokers, topic)
	resumed(t, first, sink.Mark{}, 0)
	commit(t, first, 5)
	first.shut()

	s := sinkAt(brokers, topic)
	epoch, err := resume(t, s, sink.Mark{Incarnation: [16]byte{1}, Epoch: 2}, 3, true)
	if err != nil || epoch != 2 {
		t.Fatalf("taken over at %d: %v", epoch, err)
	}
	write(t, s, rows(0, 1))
	token, err := s.Commit(t.Context(), sink.Mark{Incarnation: [16]byte{1}, Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	s.shut()
	again := sinkAt(brokers, topic)
	if epoch, err := resume(t, again, sink.Mark{Incarnation: [16]byte{1}, Epoch: 3, Token: token}, 3, false); err != nil || epoch != 3 {
		t.Errorf("afterwards it holds epoch %d: %v", epoch, err)
	}
}

// TestRefusalHarmsNobody: a copy that refuses has not fenced the healthy one.
func TestRefusalHarmsNobody(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 1)
	healthy := sinkAt(brokers, topic)
	resumed(t, healthy, sink.Mark{}, 0)
	commit(t, healthy, 4)
	write(t, healthy, rows(0, 2))

	_, err := resume(t, sinkAt(brokers, topic), sink.Mark{Epoch: 2}, 2, false)
	says(t, err, "ends at epoch 2")
	commit(t, healthy, 5)
	if n := len(held(t, brokers, topic).IDs); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// TestSecondInstance: the new one goes on, the old one says that it is not
// alone.
func TestSecondInstance(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	for name, step := range map[string]func(*testing.T, *Sink) error{
		"idle":   func(*testing.T, *Sink) error { return nil },
		"writes": func(t *testing.T, s *Sink) error { return s.Write(t.Context(), rows(0, 3)) },
	} {
		t.Run(name, func(t *testing.T) {
			topic := newTopic(t, brokers, 1)
			old, young := sinkAt(brokers, topic), sinkAt(brokers, topic)
			old.Name, young.Name = topic, topic
			resumed(t, old, sink.Mark{}, 0)
			token := commit(t, old, 1)
			if err := step(t, old); err != nil {
				t.Fatal(err)
			}
			if epoch := resumed(t, young, sink.Mark{Epoch: 1, Token: token}, 2); epoch != 1 {
				t.Fatalf("the new one finds epoch %d, want 1", epoch)
			}
			err := old.Write(t.Context(), rows(3, 3))
			if err == nil {
				_, err = old.Commit(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: 2})
			}
			says(t, err, "another instance", "llm-health/"+topic, "same pipeline name")
			if err := old.Close(t.Context()); err != nil {
				t.Errorf("the old one closes with %v", err)
			}
			write(t, young, rows(10, 2))
			commit(t, young, 2)
			if got := held(t, brokers, topic).IDs; len(got) != 2 {
				t.Errorf("%d rows are seen, want those of the new one", len(got))
			}
		})
	}
}

// TestOthersTransactions: a transaction of another pipeline that hangs in the
// marker topic hides nothing of ours.
func TestOthersTransactions(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 1)
	s := sinkAt(brokers, topic)
	resumed(t, s, sink.Mark{}, 0)
	commit(t, s, 1)
	other := clientOf(t, brokers, kgo.TransactionalID("other"))
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, other, defaultMarkerTopic, 0, "hangs")
	write(t, s, rows(0, 1))
	token := commit(t, s, 2)
	s.shut()
	if epoch := resumed(t, sinkAt(brokers, topic), sink.Mark{Epoch: 0}, 3); epoch != 2 {
		t.Errorf("it finds epoch %d behind the open transaction, want 2", epoch)
	}
	if epoch := resumed(t, sinkAt(brokers, topic), sink.Mark{Epoch: 2, Token: token}, 3); epoch != 2 {
		t.Errorf("it finds epoch %d at its token, want 2", epoch)
	}
}

// TestMarkerTopicIsOurs: what is no mark under our key, and a topic that cannot
// be one.
func TestMarkerTopicIsOurs(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic, markers, wide := newTopic(t, brokers, 1), newTopic(t, brokers, 1), newTopic(t, brokers, 2)
	s := sinkAt(brokers, topic)
	s.MarkerTopic = wide
	_, err := resume(t, s, sink.Mark{}, 0, false)
	says(t, err, "2 partitions", "marker_topic")
	for value, want := range map[string]string{
		"nonsense": "no mark",
		`{"version":2,"incarnation":"x","epoch":1}`:                                 "format 2",
		`{"version":1,"incarnation":"6b61","epoch":1}`:                              "incarnation of 2 bytes",
		`{"version":1,"incarnation":"zz","epoch":1}`:                                "no mark",
		`{"version":1,"incarnation":"00000000000000000000000000000000","epoch":-1}`: "no mark",
	} {
		cl := clientOf(t, brokers)
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: markers, Key: []byte("llm-health/kafka"), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		s := sinkAt(brokers, topic)
		s.MarkerTopic = markers
		_, err := resume(t, s, sink.Mark{}, 0, false)
		says(t, err, want, markers)
		if _, err := adminOf(t, brokers).DeleteTopics(t.Context(), markers); err != nil {
			t.Fatal(err)
		}
		markers = newTopic(t, brokers, 1)
	}
}

// TestMarkersFollowTransactions holds the rules of what is committed.
func TestMarkersFollowTransactions(t *testing.T) {
	const key = "p/s"
	value := func(epoch uint64) []byte { return appendMarker(nil, sink.Mark{Epoch: epoch}) }
	control := func(kind kmsg.ControlRecordKeyType) []byte { return (&kmsg.ControlRecordKey{Type: kind}).AppendTo(nil) }
	type rec struct {
		producer int64
		control  bool
		key      string
		value    []byte
	}
	mark := func(producer int64, epoch uint64) rec { return rec{producer, false, key, value(epoch)} }
	abort := func(producer int64) rec { return rec{producer, true, string(control(0)), nil} }
	done := func(producer int64) rec { return rec{producer, true, string(control(1)), nil} }
	for name, c := range map[string]struct {
		records []rec
		stable  int64
		want    uint64
	}{
		"nothing":                    {nil, 0, 0},
		"committed":                  {[]rec{mark(1, 5), done(1)}, 2, 5},
		"aborted":                    {[]rec{mark(1, 5), abort(1)}, 2, 0},
		"aborted after a commit":     {[]rec{mark(1, 4), done(1), mark(1, 5), abort(1)}, 4, 4},
		"open":                       {[]rec{mark(1, 4), done(1), mark(1, 5)}, 2, 4},
		"behind another's":           {[]rec{{9, false, "x", nil}, mark(1, 5), done(1)}, 0, 5},
		"another's end":              {[]rec{mark(1, 5), done(9)}, 0, 0},
		"its control record is gone": {[]rec{mark(1, 5)}, 1, 5},
		"the last counts":            {[]rec{mark(1, 9), done(1), mark(2, 3), done(2)}, 4, 3},
		"two of one transaction":     {[]rec{mark(1, 4), mark(1, 5), done(1)}, 3, 5},
	} {
		f := markers{open: map[int64]*marker{}}
		for i, r := range c.records {
			record := recordWith(r.control, r.producer)
			record.Key, record.Value, record.Offset = []byte(r.key), r.value, int64(i)
			if err := f.take(record, key); err != nil {
				t.Fatal(err)
			}
		}
		got := f.result(c.stable)
		if got == nil && c.want != 0 || got != nil && got.epoch != c.want {
			t.Errorf("%s: %+v, want epoch %d", name, got, c.want)
		}
	}
}

// recordWith makes a record with attributes that only a fetched one has.
func recordWith(control bool, producer int64) *kgo.Record {
	r := &kgo.Record{ProducerID: producer}
	batch := kmsg.NewRecordBatch()
	batch.Magic, batch.Attributes, batch.NumRecords, batch.ProducerID = 2, 0b10000, 1, producer
	if control {
		batch.Attributes |= 0b100000
	}
	one := kmsg.Record{}
	one.Length = int32(len(one.AppendTo(nil)) - 1)
	batch.Records = one.AppendTo(nil)
	batch.Length = int32(len(batch.AppendTo(nil)) - 12)
	part := kmsg.NewFetchResponseTopicPartition()
	part.RecordBatches = batch.AppendTo(nil)
	got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, DisableCRCValidation: true}, &part, nil, nil)
	if len(got.Records) == 1 {
		r.Attrs = got.Records[0].Attrs
	}
	return r
}

// TestTransactionTimeout: one that the brokers do not grant.
func TestTransactionTimeout(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	s := sinkAt(brokers, newTopic(t, brokers, 1))
	s.TransactionTimeout = 24 * time.Hour
	_, err := resume(t, s, sink.Mark{}, 0, false)
	says(t, err, "transaction_timeout", "transaction.max.timeout.ms")
	if !errors.Is(err, kerr.InvalidTransactionTimeout) {
		t.Errorf("%v is no INVALID_TRANSACTION_TIMEOUT", err)
	}
}

// TestSlowTransaction: one that the brokers have aborted is told from one that
// was taken over.
func TestSlowTransaction(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	s := sinkAt(brokers, newTopic(t, brokers, 1))
	s.TransactionTimeout = 50 * time.Millisecond
	givenUp(t, s, held)
}

// givenUp lets the brokers abort a sink's transaction, of which nothing is to be
// seen.
func givenUp(t *testing.T, s *Sink, held func(testing.TB, []string, string) sinktest.Held) {
	t.Helper()
	resumed(t, s, sink.Mark{}, 0)
	write(t, s, rows(0, 1))
	if err := s.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the abort of the transaction", func() bool {
		found, err := adminOf(t, s.Cluster.Brokers).DescribeTransactions(context.Background(), s.identity())
		return err == nil && found[s.identity()].State != "Ongoing"
	})
	_, err := s.Commit(t.Context(), sink.Mark{Epoch: 1})
	says(t, err, "longer than transaction_timeout")
	if n := len(held(t, s.Cluster.Brokers, s.Topic).IDs); n != 0 {
		t.Errorf("%d rows are seen", n)
	}
}

// TestTheMarkerIsReadAgain: what the old instance commits between our first
// look and the moment it is fenced counts.
func TestTheMarkerIsReadAgain(t *testing.T) {
	broker := fakeBroker(t)
	brokers := broker.ListenAddrs()
	topic := newTopic(t, brokers, 1)
	old := sinkAt(brokers, topic)
	resumed(t, old, sink.Mark{}, 0)
	token := commit(t, old, 1)
	write(t, old, rows(0, 2))
	broker.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.DropControl()
		broker.SleepControl(func() { commit(t, old, 2) })
		return nil, nil, false
	})
	if epoch := resumed(t, sinkAt(brokers, topic), sink.Mark{Epoch: 1, Token: token}, 3); epoch != 2 {
		t.Errorf("it finds epoch %d, want 2", epoch)
	}
}
