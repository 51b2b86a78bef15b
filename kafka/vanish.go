package kafka

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// goneAfter is how long a topic must be missing before it counts as deleted: a
// broker that has just started may not know it yet.
const goneAfter = 30 * time.Second

// compare holds the topics that are read against what the cluster shows now.
func (c *consumer) compare(found []topic, missing map[string]error, now time.Time) {
	shown := map[string]topicID{}
	for _, t := range found {
		shown[t.name] = t.id
	}
	c.mu.Lock()
	var changed, gone []string
	for name, k := range c.topics {
		id, there := shown[name]
		switch err := missing[name]; {
		case there && id == k.id:
			k.missing = time.Time{}
		case there:
			changed = append(changed, name)
		case err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition):
			// It is there, and has a trouble of its own.
		case k.missing.IsZero():
			k.missing = now
		case now.Sub(k.missing) >= goneAfter:
			gone = append(gone, name)
			delete(c.topics, name)
		}
	}
	c.mu.Unlock()
	for _, name := range changed {
		c.endTopic(name, (*partition).recreated)
	}
	for _, name := range gone {
		c.deleted(name)
	}
}

// deleted ends the partitions of a topic that is gone. Named in the config it
// is an error, one of a pattern is just no longer there.
func (c *consumer) deleted(name string) {
	if c.filter.pattern == nil {
		c.endTopic(name, func(p *partition) error {
			return fmt.Errorf("topic %s has been deleted while it was read: create it again and start over with --fresh, or take it out of the topics", name)
		})
		return
	}
	c.log.Warn("a kafka topic of the pattern has been deleted; what was not read of it is lost", "topic", name)
	c.endTopic(name, func(*partition) error { return io.EOF })
	c.client.PurgeTopicsFromClient(name) // one of the same name is another topic
}

// endTopic ends the open partitions of a topic with an error.
func (c *consumer) endTopic(name string, why func(*partition) error) {
	for _, p := range c.opened() {
		if p.place.topic == name {
			p.fail(why(p))
		}
	}
}
