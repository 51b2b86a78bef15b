package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("topic %s partition %d", p.topic, p.partition) }

// Offsets that ListOffsets knows by a number instead of a time.
const (
	atEnd   = -1
	atStart = -2
)

// listed is the answer for one place.
type listed struct {
	offset int64
	err    error
}

// errNoAnswer stands for a partition that an answer left out.
var errNoAnswer = errors.New("the brokers' answer does not have the partition")

// listOffsets asks the leaders of the places for an offset: that of the end, of
// the start, or of the first record at or after a time in milliseconds, which
// is -1 if there is none. The end of what is committed is where the first open
// transaction begins. Each place has its own answer.
func listOffsets(ctx context.Context, client *kgo.Client, places []place, at int64, committed bool) map[place]listed {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if committed {
		req.IsolationLevel = 1
	}
	byTopic := map[string]int{}
	for _, p := range places {
		i, ok := byTopic[p.topic]
		if !ok {
			i = len(req.Topics)
			byTopic[p.topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = p.topic
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.partition, at
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	answers := make(map[place]listed, len(places))
	unanswered := errNoAnswer
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			unanswered = shard.Err
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				answers[place{t.Topic, p.Partition}] = listed{p.Offset, kerr.ErrorForCode(p.ErrorCode)}
			}
		}
	}
	for _, p := range places {
		if _, ok := answers[p]; !ok {
			answers[p] = listed{err: unanswered}
		}
	}
	return answers
}

// bounds are the offsets of a partition at some moment.
type bounds struct {
	low  int64 // of the first record
	high int64 // after the last one
	// latest is the end for the isolation: high, or where the first open
	// transaction begins.
	latest int64
}

// bounds asks for the bounds of all places, and fails if one has none.
func (c *consumer) bounds(ctx context.Context, places []place) (map[place]bounds, error) {
	lows := listOffsets(ctx, c.client, places, atStart, false)
	highs := listOffsets(ctx, c.client, places, atEnd, false)
	ends := highs
	if c.committed {
		ends = listOffsets(ctx, c.client, places, atEnd, true)
	}
	all := make(map[place]bounds, len(places))
	for _, p := range places {
		low, high, end := lows[p], highs[p], ends[p]
		for _, err := range []error{low.err, high.err, end.err} {
			if err != nil {
				return nil, fmt.Errorf("asking for the offsets of %s: %w", p, c.explain(p.topic, err))
			}
		}
		all[p] = bounds{low: low.offset, high: high.offset, latest: end.offset}
	}
	return all, nil
}
