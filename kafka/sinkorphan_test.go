package kafka

import (
	"context"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/sink"
)

// TestOrphansOnKafka leaves a transaction with a row and a mark behind that its
// coordinator has ended, or knows nothing of, without a control record in their
// partitions, as brokers do that are stopped in the midst of a commit. The row is
// in the topic once, whatever had become of it.
func TestOrphansOnKafka(t *testing.T) {
	broker := kafkatest.Start(t, kafkatest.Setting("transaction.partition.verification.enable=false"))
	for _, c := range []struct {
		name      string
		committed bool
		epoch     uint64
	}{{"not committed", false, 1}, {"committed", true, 2}} {
		t.Run(c.name, func(t *testing.T) {
			topic := newTopic(t, broker.Brokers(), 1)
			other := newTopic(t, broker.Brokers(), 1)
			first := sinkAt(broker.Brokers(), topic)
			first.Name = topic
			resumed(t, first, sink.Mark{}, 0)
			write(t, first, rows(0, 1))
			token := commit(t, first, 1)
			crash(first)
			leaveOrphan(t, first, topic, other, c.committed)

			second := sinkAt(broker.Brokers(), topic)
			second.Name = topic
			if epoch := resumed(t, second, sink.Mark{Epoch: 1, Token: token}, 2); epoch != c.epoch {
				t.Errorf("the topic holds epoch %d, want %d", epoch, c.epoch)
			}
			if c.epoch < 2 {
				write(t, second, rows(1, 1))
				commit(t, second, 2)
			}
			write(t, second, rows(2, 1))
			commit(t, second, 3)
			want := rowIDs(rows(0, 3))
			slices.Sort(want)
			if got := committedIDs(t, broker.Brokers(), topic); !slices.Equal(got, want) {
				t.Errorf("the topic holds %v, want %v", got, want)
			}
		})
	}
}

// leaveOrphan writes row 1 and the mark of epoch 2 as the sink would, in a
// transaction of which the coordinator knows only another topic, or nothing.
func leaveOrphan(t *testing.T, s *Sink, topic, other string, committed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	cl := clientOf(t, s.Cluster.Brokers, kgo.TransactionalID(s.identity()), kgo.MaxVersions(kversion.V2_8_0()), kgo.DefaultProduceTopic(other))
	defer cl.Close()
	producer, epoch, err := cl.ProducerID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if committed {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	row := rows(1, 1)
	id := row.Results[0].WindowID(nil)
	firing := kmsg.Header{Key: "firing", Value: []byte("0")}
	produceUnder(t, cl, s.identity(), topic, producer, epoch, kmsg.Record{Key: id, Value: []byte("{}"), Headers: []kmsg.Header{firing}})
	produceUnder(t, cl, s.identity(), s.markerTopic(), producer, epoch, kmsg.Record{
		Key: []byte(s.identity()), Value: appendMarker(nil, sink.Mark{Incarnation: incarnation, Epoch: 2}),
	})
	if committed {
		if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
}

// produceUnder writes a record to partition 0 of a topic as a part of a
// transaction, without a word to its coordinator.
func produceUnder(t *testing.T, cl *kgo.Client, id, topic string, producer int64, epoch int16, r kmsg.Record) {
	t.Helper()
	r.Length = int32(len(r.AppendTo(nil)) - 1)
	now := time.Now().UnixMilli()
	const transactional = 0x10
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: transactional, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: producer, ProducerEpoch: epoch, NumRecords: 1, Records: r.AppendTo(nil),
	}
	raw := batch.AppendTo(nil)
	batch.Length = int32(len(raw) - 12)
	raw = batch.AppendTo(nil)
	batch.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = batch.AppendTo(nil)
	to := kmsg.NewProduceRequestTopic()
	to.Topic, to.Partitions = topic, append(to.Partitions, p)
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID, req.Acks, req.TimeoutMillis, req.Topics = &id, -1, 10_000, append(req.Topics, to)
	answer, err := req.RequestWith(t.Context(), cl)
	if err == nil {
		err = kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("a record for topic %s: %v", topic, err)
	}
}
