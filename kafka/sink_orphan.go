package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// An orphan is a transaction that its coordinator takes for ended, while the
// control records that end it are in none of its partitions. Brokers leave some
// behind: a coordinator that does not find the leader of a partition takes it for
// deleted and passes it over, "these partitions are likely deleted already and
// hence can be skipped" (Kafka's TransactionMarkerChannelManager; seen with 4.3
// whenever a broker without replicas was stopped in the midst of a commit). The
// next transaction of the producer would make its records visible with its own:
// rows that the mark says are missing, and that were written again.

// errOrphan says that a transaction could not be ended yet.
var errOrphan = errors.New("a transaction has ended without control records in its partitions")

// wasCommitted asks what has come of a transaction whose mark was seen before it
// had ended. That the coordinator has ended one by a commit can only be said of
// this one, as no other can be newer.
func (s *Sink) wasCommitted(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, contactPatience)
	defer cancel()
	for n := 1; bounded.Err() == nil; n++ {
		described, err := kadm.NewClient(s.client).DescribeTransactions(bounded, s.identity())
		if err != nil {
			return false // an old broker: what is not known to be committed is aborted
		}
		state := described[s.identity()].State
		if !strings.HasPrefix(state, "Prepare") {
			return state == "CompleteCommit"
		}
		pause(bounded, backoff(n))
	}
	return false
}

// adopt ends an orphan, by the same producer: it puts the partitions of all
// topics into a transaction of their own, without records, and ends that.
func (s *Sink) adopt(ctx context.Context, commit bool) error {
	bounded, cancel := context.WithTimeout(ctx, contactPatience)
	defer cancel()
	if err := s.endAll(bounded, commit); err != nil {
		return fmt.Errorf("%w: end it: %w", errOrphan, s.about("write", s.markerTopic()).explain(err))
	}
	return s.takeOver(ctx) // which waits for the end
}

func (s *Sink) endAll(ctx context.Context, commit bool) error {
	producer, epoch, err := s.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	topics, err := s.allPartitions(ctx)
	if err != nil {
		return err
	}
	// Clients of before KIP-890 say themselves which partitions they write to.
	client, err := s.Cluster.client(s.Log, &s.health, kgo.MaxVersions(kversion.V2_8_0()))
	if err != nil {
		return err
	}
	defer client.Close()
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Topics = s.identity(), producer, epoch, topics
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = s.identity(), producer, epoch, commit
	return again(ctx, func() error {
		added, err := add.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		for _, t := range added.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("partition %d of topic %s: %w", p.Partition, t.Topic, err)
				}
			}
		}
		ended, err := end.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(ended.ErrorCode)
	})
}

// again does something until it works or an error is final.
func again(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if err == nil || !retriable(err) || ctx.Err() != nil {
			return err
		}
		pause(ctx, backoff(n))
	}
}

// allPartitions are those of the topics that rows and marks may be in.
func (s *Sink) allPartitions(ctx context.Context) ([]kmsg.AddPartitionsToTxnRequestTopic, error) {
	names := []string{s.markerTopic()}
	for _, part := range s.parts() {
		for _, query := range append(slices.Clone(s.queries), everyQuery) {
			names = append(names, topicFor(part.Topic, query))
		}
	}
	slices.Sort(names)
	found, err := kadm.NewClient(s.client).Metadata(ctx, slices.Compact(names)...)
	if err != nil {
		return nil, err
	}
	var topics []kmsg.AddPartitionsToTxnRequestTopic
	for _, t := range found.Topics {
		if errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
			continue // nothing has been written to it
		}
		if t.Err != nil {
			return nil, t.Err
		}
		topic := kmsg.NewAddPartitionsToTxnRequestTopic()
		topic.Topic, topic.Partitions = t.Topic, t.Partitions.Numbers()
		topics = append(topics, topic)
	}
	return topics, nil
}

// settleOrphan ends the transaction of a mark that is still open although the
// transactional id was taken over, if there is one, and reads the mark again.
// committed is a mark whose transaction is known to have ended by a commit, or nil.
func (j *judgement) settleOrphan(ctx context.Context, epoch uint64, committed *marker) (uint64, error) {
	deadline := time.Now().Add(readPatience)
	for {
		producer, _, err := j.client.ProducerID(ctx)
		if err != nil {
			return 0, j.about("write", "").explain(err)
		}
		if j.open == nil || j.open.producer != producer {
			return epoch, nil
		}
		commit := committed != nil && committed.offset == j.open.offset
		j.warn(ctx, "kafka has ended a transaction without telling its partitions: ending it there", "sink", j.identity(), "epoch", j.open.epoch, "commit", commit)
		err = j.adopt(ctx, commit)
		if err == nil {
			epoch, err = j.read(ctx)
		}
		if err != nil {
			return 0, err
		}
		if j.open != nil && time.Now().After(deadline) {
			return 0, fmt.Errorf("kafka sink %s: %w: its mark is at offset %d of topic %s", j.identity(), errOrphan, j.open.offset, j.markerTopic())
		}
	}
}
