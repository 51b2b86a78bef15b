package kafka

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicID is what Kafka knows a topic by: one that is created again under the
// same name has another.
type topicID [16]byte

// topic is what the cluster says of one.
type topic struct {
	name       string
	id         topicID
	partitions []int32
}

// topicFilter is which topics a source reads.
type topicFilter struct {
	names   []string
	pattern *regexp.Regexp // instead of names
}

func newTopicFilter(names []string, pattern string) (topicFilter, error) {
	if pattern == "" {
		return topicFilter{names: slices.Compact(slices.Sorted(slices.Values(names)))}, nil
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return topicFilter{}, fmt.Errorf("kafka source: the topic pattern %q is no regular expression: %w", pattern, err)
	}
	return topicFilter{pattern: re}, nil
}

func (f *topicFilter) String() string {
	if f.pattern != nil {
		return "topics like " + strings.TrimSuffix(strings.TrimPrefix(f.pattern.String(), `\A(?:`), `)\z`)
	}
	return "topics " + strings.Join(f.names, ", ")
}

// find asks the cluster for the topics, in the order of their names. missing
// has what it says of names that it does not show.
func (f *topicFilter) find(ctx context.Context, client *kgo.Client) (found []topic, missing map[string]error, err error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range f.names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the cluster for %s: %w", f, err)
	}
	missing = map[string]error{}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.Topic == nil || f.pattern != nil && (t.IsInternal || !f.pattern.MatchString(*t.Topic)) {
			continue
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			missing[*t.Topic] = err
			continue
		}
		one := topic{name: *t.Topic, id: t.TopicID}
		for j := range t.Partitions {
			one.partitions = append(one.partitions, t.Partitions[j].Partition)
		}
		slices.Sort(one.partitions)
		found = append(found, one)
	}
	slices.SortFunc(found, func(a, b topic) int { return strings.Compare(a.name, b.name) })
	return found, missing, nil
}
