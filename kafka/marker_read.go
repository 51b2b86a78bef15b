package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// markerReader finds the last committed marker of a key.
//
// It reads records whatever their transaction has come to, and works that out
// from the control records. A reader of committed records alone would be held
// up by any open transaction in the topic, also one of another pipeline that
// has crashed: it would miss what we have committed after that one began.
type markerReader struct {
	client *kgo.Client
	about  about
	topic  string
	key    string
	// open is, of what was read last, the newest marker whose transaction has
	// not ended; nil if there is none.
	open *marker
}

// log is the marker topic's one partition as it is now.
type markerLog struct {
	id     [16]byte
	leader int32
	// start is the first offset there is, stable the first of an open
	// transaction, end the next one that will be written.
	start, stable, end int64
}

// readPatience is how long the marker topic may have no leader.
const readPatience = 60 * time.Second

// last returns the last committed marker at or after an offset, nil if there
// is none or no such topic. When nothing is found there the whole topic is
// read.
func (r *markerReader) last(ctx context.Context, from int64) (*marker, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	var m *marker
	err := again(ctx, func() (err error) {
		if m, err = r.try(ctx, from); errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil // there is no mark
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the mark of %s in topic %s: %w", r.key, r.topic, r.about.explain(err))
	}
	return m, nil
}

func (r *markerReader) try(ctx context.Context, from int64) (*marker, error) {
	log, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	at := max(from, log.start)
	if at < log.end {
		m, err := r.scan(ctx, log, at)
		if m != nil || err != nil || at == log.start {
			return m, err
		}
	}
	return r.scan(ctx, log, log.start)
}

// look asks where the log begins and ends.
func (r *markerReader) look(ctx context.Context) (markerLog, error) {
	admin := kadm.NewClient(r.client)
	meta, err := admin.Metadata(ctx, r.topic)
	if err != nil {
		return markerLog{}, err
	}
	topic := meta.Topics[r.topic]
	if topic.Err != nil {
		return markerLog{}, topic.Err
	}
	if len(topic.Partitions) != 1 {
		return markerLog{}, fmt.Errorf("it has %d partitions, want one: set marker_topic to another name, or create the topic anew", len(topic.Partitions))
	}
	partition := topic.Partitions[0]
	if partition.Err != nil {
		return markerLog{}, partition.Err
	}
	log := markerLog{id: topic.ID, leader: partition.Leader}
	for _, ask := range []struct {
		list func(context.Context, ...string) (kadm.ListedOffsets, error)
		to   *int64
	}{{admin.ListStartOffsets, &log.start}, {admin.ListCommittedOffsets, &log.stable}, {admin.ListEndOffsets, &log.end}} {
		listed, err := ask.list(ctx, r.topic)
		if err == nil {
			err = listed.Error()
		}
		if err != nil {
			return markerLog{}, err
		}
		offset, ok := listed.Lookup(r.topic, 0)
		if !ok {
			return markerLog{}, kerr.UnknownTopicOrPartition
		}
		*ask.to = offset.Offset
	}
	return log, nil
}

// scan reads from an offset to the end.
func (r *markerReader) scan(ctx context.Context, log markerLog, at int64) (*marker, error) {
	found := markers{open: map[int64]*marker{}}
	for empty := 0; at < log.end; {
		records, next, err := r.fetch(ctx, log, at)
		if err != nil {
			return nil, err
		}
		for _, record := range records {
			if err := found.take(record, r.key); err != nil {
				return nil, err
			}
		}
		if next > at {
			at, empty = next, 0
			continue
		}
		if empty++; empty > 20 {
			return nil, fmt.Errorf("there is nothing at offset %d, before the end at %d", at, log.end)
		}
		pause(ctx, backoff(1))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	m := found.result(log.stable)
	r.open = found.newest()
	return m, nil
}

// fetch reads some records and says where the next ones are.
func (r *markerReader) fetch(ctx context.Context, log markerLog, at int64) ([]*kgo.Record, int64, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 500, 1, fetchBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.topic, log.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = 0, at, fetchBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, r.client.Broker(int(log.leader)))
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		return nil, at, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, at, errors.New("the broker's answer lacks the partition")
	}
	got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: at, IsolationLevel: kgo.ReadUncommitted(), Topic: r.topic,
	}, &answer.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return got.Records, next, got.Err
}

// fetchBytes is how much of the marker topic is read at once.
const fetchBytes = 1 << 20

// markers follows the transactions of the records of one key.
type markers struct {
	last *marker
	// open are by producer the markers whose transaction has not ended.
	open map[int64]*marker
}

func (f *markers) take(record *kgo.Record, key string) error {
	if record.Attrs.IsControl() {
		var control kmsg.ControlRecordKey
		if err := control.ReadFrom(record.Key); err != nil {
			return fmt.Errorf("a control record at offset %d: %w", record.Offset, err)
		}
		m, ours := f.open[record.ProducerID]
		if !ours || control.Type != kmsg.ControlRecordKeyTypeCommit && control.Type != kmsg.ControlRecordKeyTypeAbort {
			return nil
		}
		delete(f.open, record.ProducerID)
		if control.Type == kmsg.ControlRecordKeyTypeCommit {
			f.settle(m)
		}
		return nil
	}
	if string(record.Key) != key {
		return nil
	}
	m, err := parseMarker(record.Value, record.Offset)
	if err != nil {
		return fmt.Errorf("the record at offset %d: %w", record.Offset, err)
	}
	m.producer = record.ProducerID
	if record.Attrs.IsTransactional() {
		f.open[record.ProducerID] = m
		return nil
	}
	f.settle(m)
	return nil
}

// settle notes a marker that was committed.
func (f *markers) settle(m *marker) {
	if f.last == nil || m.offset > f.last.offset {
		f.last = m
	}
}

// result is the last marker. What is before the first open transaction and was
// not aborted is committed, also if the control record that said so is gone.
func (f *markers) result(stable int64) *marker {
	for producer, m := range f.open {
		if m.offset < stable {
			f.settle(m)
			delete(f.open, producer)
		}
	}
	return f.last
}

// newest is the last marker whose transaction has not ended, as result leaves
// them.
func (f *markers) newest() (last *marker) {
	for _, m := range f.open {
		if last == nil || m.offset > last.offset {
			last = m
		}
	}
	return last
}
