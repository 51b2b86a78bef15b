package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A log may end with offsets that hold nothing for a reader: records of an
// aborted transaction whose marker lies behind the start of an open one, or
// what compaction has removed. The client passes them in silence, so a position
// before them would never reach the end. They are found out by fetching them
// once more, aside.

// decompress is for those fetches.
var decompress = kgo.DefaultDecompressor()

// passInvisible moves the position of a partition past offsets that hold
// nothing, if there are some. An error is why nothing can be read: the client
// tries again for ever what may pass, and says nothing.
func (c *consumer) passInvisible(ctx context.Context, p *partition) error {
	p.mu.Lock()
	from, end := p.passed, p.end
	p.mu.Unlock()
	for from < end {
		to, err := c.invisible(ctx, p, from)
		if err != nil || to <= from || !p.skip(from, to) {
			return err
		}
		from = to
	}
	return nil
}

// skip moves the position from an offset to another if it is still there.
func (p *partition) skip(from, to int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.passed != from || len(p.queue.fetched) > 0 {
		return false
	}
	p.passed, p.tail = to, max(p.tail, to)
	p.ready.set()
	return true
}

// invisible returns the offset up to which there is nothing to read from
// another on.
func (c *consumer) invisible(ctx context.Context, p *partition, from int64) (to int64, err error) {
	leader, _, err := c.client.PartitionLeader(p.place.topic, p.place.partition)
	if err == nil && leader < 0 {
		err = kerr.LeaderNotAvailable
	}
	if err != nil {
		return from, err
	}
	resp, err := c.client.Broker(int(leader)).Request(ctx, c.fetchOnce(p, from))
	if err != nil {
		return from, err
	}
	r := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return from, err
	}
	opts := kgo.ProcessFetchPartitionOpts{Offset: from, Topic: p.place.topic, Partition: p.place.partition, IsolationLevel: c.isolation()}
	got, to := kgo.ProcessFetchPartition(opts, &r.Topics[0].Partitions[0], decompress, nil)
	if got.Err != nil || len(got.Records) > 0 {
		return from, got.Err
	}
	return to, nil
}

// fetchOnce is a request for what lies at an offset, outside of any session.
func (c *consumer) fetchOnce(p *partition, from int64) *kmsg.FetchRequest {
	const enough = 64 << 10 // one batch comes whole in any case
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = p.place.partition, from, enough
	part.CurrentLeaderEpoch, part.LogStartOffset = -1, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = p.place.topic, p.id
	t.Partitions = append(t.Partitions, part)
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.SessionEpoch = -1, -1
	req.MinBytes, req.MaxBytes, req.MaxWaitMillis = 0, enough, 0
	if c.committed {
		req.IsolationLevel = 1
	}
	req.Topics = append(req.Topics, t)
	return req
}

func (c *consumer) isolation() kgo.IsolationLevel {
	if c.committed {
		return kgo.ReadCommitted()
	}
	return kgo.ReadUncommitted()
}
