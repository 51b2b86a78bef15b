package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicSpec is how to create a topic.
type TopicSpec struct {
	// Partitions and Replicas are how many; 0 leaves it to the brokers.
	Partitions int32
	Replicas   int16
	// Config has settings of the topic, such as "cleanup.policy": "compact".
	Config map[string]string
}

// queryInTopic stands for the name of a row's query.
const queryInTopic = "{query}"

// everyQuery stands for the query of a dead letter that is not one's alone.
const everyQuery = "all"

// topicFor fills in the query's name.
func topicFor(topic, query string) string { return strings.ReplaceAll(topic, queryInTopic, query) }

func legalTopic(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 249 {
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
	})
}

// known are the topics that can be told before there is a row.
func (s *Sink) known() []string {
	if !strings.Contains(s.Topic, queryInTopic) {
		return []string{s.Topic}
	}
	names := make([]string, 0, len(s.queries))
	for _, query := range s.queries {
		names = append(names, topicFor(s.Topic, query))
	}
	return names
}

// defaultBatchBytes is the brokers' default of max.message.bytes, rounded down.
const defaultBatchBytes = 1_000_012

// topicBook is what is known of the topics that are written to.
type topicBook struct {
	mu     sync.Mutex // the client asks from its own goroutines
	limits map[string]int32
}

// limit is how large a batch of records may be, uncompressed.
func (b *topicBook) limit(topic string) int32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit, ok := b.limits[topic]; ok {
		return limit
	}
	return defaultBatchBytes
}

func (b *topicBook) found(topic string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.limits[topic]
	return ok
}

func (b *topicBook) learn(topic string, limit int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limits == nil {
		b.limits = map[string]int32{}
	}
	b.limits[topic] = limit
}

// findTopics looks for the topics. One that is missing is an error here unless
// it is to be created.
func (s *Sink) findTopics(ctx context.Context) error {
	for _, part := range s.parts() {
		for _, topic := range part.known() {
			there, err := s.findTopic(ctx, topic)
			if err != nil {
				return err
			}
			if !there && part.Create == nil {
				return missing(s.about("describe", topic))
			}
		}
	}
	return nil
}

func missing(a about) error {
	return fmt.Errorf("kafka sink: %w", a.explain(kerr.UnknownTopicOrPartition))
}

// createTopics creates the topics that are missing.
func (s *Sink) createTopics(ctx context.Context) error {
	for _, part := range s.parts() {
		for _, topic := range part.known() {
			if err := s.haveTopic(ctx, topic, part.Create); err != nil {
				return err
			}
		}
	}
	if !s.resumed {
		return nil
	}
	return s.haveTopic(ctx, s.markerTopic(), markerSpec())
}

// haveTopic sees to it that a topic is there.
func (s *Sink) haveTopic(ctx context.Context, topic string, spec *TopicSpec) error {
	if s.topics.found(topic) {
		return nil
	}
	there, err := s.findTopic(ctx, topic)
	switch {
	case err != nil || there:
		return err
	case spec == nil:
		return missing(s.about("describe", topic))
	}
	if err := s.create(ctx, topic, spec); err != nil {
		return err
	}
	return s.awaitTopic(ctx, topic)
}

// awaitTopic waits until the brokers show a topic that was created: busy ones
// take a while, and the client soon gives up rows for a topic that they do not
// know. When that is not so in time the rows will tell.
func (s *Sink) awaitTopic(ctx context.Context, topic string) error {
	bounded, cancel := context.WithTimeout(ctx, contactPatience)
	defer cancel()
	for n := 1; ; n++ {
		there, err := s.findTopic(bounded, topic)
		switch {
		case there:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("wait for topic %s: %w", topic, context.Cause(ctx))
		case bounded.Err() != nil:
			s.topics.learn(topic, defaultBatchBytes)
			return nil
		case err != nil:
			return err
		}
		pause(bounded, backoff(n))
	}
}

// findTopic asks for a topic, and what it takes.
func (s *Sink) findTopic(ctx context.Context, topic string) (bool, error) {
	_, absent, err := (&topicFilter{names: []string{topic}}).find(ctx, s.client)
	if err == nil {
		err = absent[topic]
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for topic %s: %w", topic, s.about("describe", topic).explain(err))
	}
	s.topics.learn(topic, s.batchLimit(ctx, topic))
	return true, nil
}

// batchLimit is the topic's max.message.bytes. Whoever may not ask gets the
// default.
func (s *Sink) batchLimit(ctx context.Context, topic string) int32 {
	answer, err := kadm.NewClient(s.client).DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return defaultBatchBytes
	}
	for _, resource := range answer {
		for _, config := range resource.Configs {
			if config.Key != "max.message.bytes" || config.Value == nil {
				continue
			}
			// A batch must fit with its header.
			if n, err := strconv.ParseInt(*config.Value, 10, 64); err == nil && n > 2*batchHeader {
				return int32(min(n-batchHeader, largestBatch))
			}
		}
	}
	return defaultBatchBytes
}

// batchHeader is more than what stands before the records of a batch.
const batchHeader = 100

// create creates a topic. That somebody else does at the same time is fine.
func (s *Sink) create(ctx context.Context, topic string, spec *TopicSpec) error {
	partitions, replicas := spec.Partitions, spec.Replicas
	if partitions == 0 {
		partitions = -1
	}
	if replicas == 0 {
		replicas = -1
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, replicas
	for _, key := range slices.Sorted(maps.Keys(spec.Config)) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		value := spec.Config[key]
		c.Name, c.Value = key, &value
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, s.client)
	if err == nil && len(answer.Topics) == 1 {
		if err = kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil && answer.Topics[0].ErrorMessage != nil {
			err = fmt.Errorf("%w (%s)", err, *answer.Topics[0].ErrorMessage)
		}
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", topic, s.about("create", topic).explain(err))
	}
	return nil
}
