package kafka

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestATopicThatIsNotEverywhereYet: brokers that are busy do not show a topic for
// a while that they have just said to have created.
func TestATopicThatIsNotEverywhereYet(t *testing.T) {
	c := fakeBroker(t)
	var created atomic.Bool
	var asked atomic.Int32
	c.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		created.Store(true)
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		const often = 8
		req := r.(*kmsg.MetadataRequest)
		if len(req.Topics) != 1 || !created.Load() || asked.Add(1) > often {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		one := kmsg.NewMetadataResponseTopic()
		one.Topic, one.TopicID, one.ErrorCode = req.Topics[0].Topic, req.Topics[0].TopicID, kerr.UnknownTopicOrPartition.Code
		resp.Topics = append(resp.Topics, one)
		broker := kmsg.NewMetadataResponseBroker()
		host, port, _ := strings.Cut(c.ListenAddrs()[0], ":")
		n, _ := strconv.Atoi(port)
		broker.Host, broker.Port = host, int32(n)
		resp.Brokers = append(resp.Brokers, broker)
		return resp, nil, true
	})
	s := sinkAt(c.ListenAddrs(), "fresh")
	s.Create = &TopicSpec{Partitions: 1}
	plain := s.Plain()
	if err := plain.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer plain.Close(t.Context())
	write(t, plain, rows(0, 3))
	if n := len(read(t, c.ListenAddrs(), "fresh", kgo.ReadUncommitted())); n != 3 {
		t.Errorf("there are %d rows, want 3", n)
	}
}
