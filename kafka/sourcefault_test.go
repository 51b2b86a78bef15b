package kafka

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// failFetches answers the next n fetches that ask for something with an error,
// and returns how many are left.
func failFetches(c *kfake.Cluster, n int32, err *kerr.Error) *atomic.Int32 {
	left := new(atomic.Int32)
	left.Store(n)
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if len(req.Topics) == 0 || left.Load() <= 0 {
			return nil, nil, false
		}
		left.Add(-1)
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, err.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	return left
}

// What brokers say while they move, start or catch up costs nothing.
func TestFetchErrorsThatPass(t *testing.T) {
	for _, err := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.UnknownTopicID, kerr.UnknownTopicOrPartition, kerr.OffsetOutOfRange, kerr.KafkaStorageError,
		kerr.UnknownServerError, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.InconsistentTopicID, kerr.LeaderNotAvailable,
	} {
		t.Run(err.Message, func(t *testing.T) {
			t.Parallel()
			c := fakeKafka(t, "events", 1)
			cl := clientOf(t, c.ListenAddrs())
			want := values("v", 300)
			produce(t, cl, "events", 0, want[:200]...)
			left := failFetches(c, 8, err)
			p := openAt(t, &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}}, 100)
			g := readUntil(t, p, count(100))
			if n := left.Load(); n > 7 {
				t.Fatalf("%d of 8 errors were never met", n)
			}
			left.Store(3)
			produce(t, cl, "events", 0, want[200:]...)
			more := readUntil(t, p, count(100))
			sameValues(t, append(g.values, more.values...), want[100:])
		})
	}
}

// An error that stays ends the partition.
func TestFetchErrorsThatStay(t *testing.T) {
	for err, words := range map[*kerr.Error][]string{
		kerr.TopicAuthorizationFailed: {"may not read", `"events"`, "ACL"},
		kerr.CorruptMessage:           {"events"},
	} {
		t.Run(err.Message, func(t *testing.T) {
			t.Parallel()
			if kerr.IsRetriable(err) {
				t.Skip("the client tries it again")
			}
			c := fakeKafka(t, "events", 1)
			produce(t, clientOf(t, c.ListenAddrs()), "events", 0, "a")
			failFetches(c, 1<<30, err)
			p := openAt(t, &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}}, 0)
			_, got := tryReadUntil(p, nil)
			says(t, got, words...)
		})
	}
}

func TestLostRecords(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cl := clientOf(t, c.ListenAddrs())
	produce(t, cl, "events", 0, values("v", 100)...)
	adm := kadm.NewClient(cl)
	remove := func(to int64) {
		var offsets kadm.Offsets
		offsets.AddOffset("events", 0, to, -1)
		if _, err := adm.DeleteRecords(t.Context(), offsets); err != nil {
			t.Fatal(err)
		}
	}
	open := func(position int64) (source.Partition, error) {
		p := opened(t, &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}})[0]
		return p, p.Open(t.Context(), position)
	}
	remove(40)
	_, err := open(30)
	says(t, err, "topic events partition 0", "next offset to read is 30", "begins at 40", "ends at 100", "10 records", "--fresh")
	_, err = open(120)
	says(t, err, "next offset to read is 120", "ends at 100", "20 records", "--fresh")
	for _, fine := range []int64{0, 40, 100} { // 0: a new partition begins at what is there
		if _, err := open(fine); err != nil {
			t.Errorf("position %d: %v", fine, err)
		}
	}
	p, err := open(50)
	if err != nil {
		t.Fatal(err)
	}
	readUntil(t, p, count(50))
	// While it waits for more, everything goes, also what comes.
	fetches := failFetches(c, 1<<30, kerr.NotLeaderForPartition)
	produce(t, cl, "events", 0, values("v", 30)...)
	remove(120)
	fetches.Store(0)
	_, err = tryReadUntil(p, nil)
	says(t, err, "next offset to read is 100", "begins at 120", "20 records")
}

func TestRecreatedTopic(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cl := clientOf(t, c.ListenAddrs())
	produce(t, cl, "events", 0, "a", "b")
	s := func() *Source {
		return &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, DiscoverEvery: 50 * time.Millisecond}
	}
	p := openAt(t, s(), 0)
	g := readUntil(t, p, count(2))
	adm := adminOf(t, c.ListenAddrs())
	if _, err := adm.DeleteTopic(t.Context(), "events"); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	_, err := tryReadUntil(p, nil)
	says(t, err, "topic events was deleted and created again", "--fresh")

	later := s()
	parts := opened(t, later)
	saved := []source.Saved{{Origin: p.Origin(), Position: g.next, Token: g.token}}
	_, _, err = later.Recognize(t.Context(), parts, saved)
	says(t, err, "topic events was deleted and created again", "--fresh")
}

func TestDeletedTopic(t *testing.T) {
	for _, pattern := range []string{"", "ev.*"} {
		c := fakeKafka(t, "events", 1)
		produce(t, clientOf(t, c.ListenAddrs()), "events", 0, "a")
		s := &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, TopicPattern: pattern}
		if pattern == "" {
			s.Topics = []string{"events"}
		}
		p := openAt(t, s, 0)
		readUntil(t, p, count(1))
		if _, err := adminOf(t, c.ListenAddrs()).DeleteTopic(t.Context(), "events"); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		missing := map[string]error{"events": kerr.UnknownTopicOrPartition}
		s.consumer.Load().compare(nil, missing, now)
		s.consumer.Load().compare(nil, missing, now.Add(goneAfter-1))
		if err := p.(*partition).ended(); err != nil {
			t.Fatalf("given up too soon: %v", err)
		}
		s.consumer.Load().compare(nil, missing, now.Add(goneAfter))
		_, err := tryReadUntil(p, nil)
		if pattern == "" {
			says(t, err, "topic events has been deleted")
		} else if !errors.Is(err, io.EOF) {
			t.Errorf("a topic of a pattern ends with %v, want io.EOF", err)
		}
	}
}

func TestRecognize(t *testing.T) {
	id, other := topicID{1}, topicID{2}
	part := func(topic string, n int32, id topicID) *partition {
		return &partition{place: place{topic, n}, origin: event.Origin{Topic: topic, Partition: n}, id: id}
	}
	saved := func(topic string, n int32, token []byte) source.Saved {
		return source.Saved{Origin: event.Origin{Topic: topic, Partition: n}, Position: 7, Token: token}
	}
	a0, a1, a2, b0 := part("a", 0, id), part("a", 1, id), part("a", 2, id), part("b", 0, id)
	match, gone, err := recognize([]source.Partition{a0, a1, a2, b0}, []source.Saved{
		saved("a", 1, nil), saved("c", 0, id[:]), saved("a", 0, other[:]), saved("a", 0, id[:]),
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 0, -1, -1} {
		if match[i] != want {
			t.Errorf("partition %d is number %d of the saved ones, want %d", i, match[i], want)
		}
	}
	if len(gone) != 1 || gone[0] != 2 {
		t.Errorf("gone are %v, want the partition of the topic that was before", gone)
	}
	if !a0.known || a2.known || !a2.later || b0.later {
		t.Errorf("known %v %v, later %v %v; want true false, true false", a0.known, a2.known, a2.later, b0.later)
	}
	b0 = part("b", 0, id)
	if _, _, err := recognize([]source.Partition{b0}, []source.Saved{saved("a", 0, id[:])}, true); err != nil || !b0.later {
		t.Errorf("a new topic of a pattern: later %v, error %v", b0.later, err)
	}
	b0 = part("b", 0, id)
	if _, _, err := recognize([]source.Partition{b0}, nil, true); err != nil || b0.later {
		t.Errorf("the first run: later %v, error %v", b0.later, err)
	}
}

func TestDiscover(t *testing.T) {
	c := fakeKafka(t, "ev-1", 1)
	cl := clientOf(t, c.ListenAddrs())
	produce(t, cl, "ev-1", 0, "old")
	s := &Source{
		Cluster: Cluster{Brokers: c.ListenAddrs()}, TopicPattern: "ev-.", DiscoverEvery: 20 * time.Millisecond, Start: Start{Latest: true},
	}
	opened(t, s)
	adm := adminOf(t, c.ListenAddrs())
	for _, step := range []struct {
		do   func() error
		want place
	}{
		{func() error { _, err := adm.CreatePartitions(t.Context(), 1, "ev-1"); return err }, place{"ev-1", 1}},
		{func() error { _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "ev-2"); return err }, place{"ev-2", 0}},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		produce(t, clientOf(t, c.ListenAddrs()), step.want.topic, step.want.partition, "new")
		found, err := s.Discover(t.Context())
		if err != nil || len(found) != 1 || found[0].(*partition).place != step.want {
			t.Fatalf("discovered %v, error %v, want %s", found, err, step.want)
		}
		if err := found[0].Open(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		sameValues(t, readUntil(t, found[0], count(1)).values, []string{"new"}) // from the first record, whatever Start says
		if err := found[0].Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if found, err := s.Discover(ctx); len(found) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("discovered %v, error %v, want nothing more", found, err)
	}
}

// Quiet is only said when brokers have said it.
func TestQuietAndLag(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cl := clientOf(t, c.ListenAddrs())
	produce(t, cl, "events", 0, values("v", 50)...)
	s := &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}}
	p := openAt(t, s, 0)
	quiet := p.(source.Quieter).Quiet
	lag := func() source.Lag { return s.Lags()[0] }
	if !quiet().IsZero() || lag().Records != -1 {
		t.Errorf("before the first answer: quiet %v, lag %+v", quiet(), lag())
	}
	eventually(t, "behind", func() bool { return lag().Records == 50 })
	if !quiet().IsZero() {
		t.Error("quiet while it is behind")
	}
	readUntil(t, p, count(50))
	eventually(t, "quiet", func() bool { return !quiet().IsZero() && lag() == source.Lag{Origin: event.Origin{Topic: "events"}} })

	var broken atomic.Bool
	broken.Store(true)
	c.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if broken.Load() {
			return nil, errors.New("the connection is cut"), true
		}
		return nil, nil, false
	})
	since := quiet()
	eventually(t, "no longer known", func() bool { return quiet().IsZero() && lag().Records == -1 && lag().Seconds == -1 })
	if s.Retries() == 0 {
		t.Error("requests that failed were not tried again")
	}
	broken.Store(false)
	eventually(t, "quiet again", func() bool { return !quiet().IsZero() })
	if !quiet().After(since) {
		t.Error("it counts as quiet while nobody knew")
	}
	produce(t, cl, "events", 0, "more")
	readUntil(t, p, count(1))
	eventually(t, "quiet at last", func() bool { return !quiet().IsZero() && lag().Records == 0 })
}

// syncBuffer is a log for a test.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestMirror(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	produce(t, clientOf(t, c.ListenAddrs()), "events", 0, values("v", 50)...)
	var out syncBuffer
	s := &Source{
		Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Group: "llm-health",
		Log: slog.New(slog.NewTextHandler(&out, nil)),
	}
	p := openAt(t, s, 0)
	adm := adminOf(t, c.ListenAddrs())
	committed := func() int64 {
		offsets, err := adm.FetchOffsets(t.Context(), "llm-health")
		if err != nil {
			return -1
		}
		o, ok := offsets.Lookup("events", 0)
		if !ok {
			return -1
		}
		return o.At
	}
	saved := func(at int64) []source.Saved { return []source.Saved{{Origin: p.Origin(), Position: at}} }
	s.Acknowledge(saved(10))
	eventually(t, "mirrored", func() bool { return committed() == 10 })

	var refuse atomic.Int32
	refuse.Store(1 << 30)
	c.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if refuse.Add(-1) < 0 {
			return nil, nil, false
		}
		req := r.(*kmsg.OffsetCommitRequest)
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.GroupAuthorizationFailed.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	tries := func() int32 { return 1<<30 - refuse.Load() }
	s.Acknowledge(saved(20))
	eventually(t, "refused", func() bool { return tries() >= 1 })
	s.Acknowledge(saved(30))
	eventually(t, "refused again", func() bool { return tries() >= 2 })
	refuse.Store(0)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if at := committed(); at != 30 {
		t.Errorf("after Close the group is at %d, want 30", at)
	}
	if text := out.String(); strings.Count(text, "cannot be mirrored") != 1 || strings.Count(text, "again") != 1 {
		t.Errorf("the log is %q, want one line when it fails and one when it does not", text)
	}
}

// What one answer says of the end holds until the next one, or for a while.
func TestQuietNeedsAnswers(t *testing.T) {
	p := &partition{passed: 10, ends: ends{end: -1, stuck: -1}}
	now := time.Now()
	p.heardEnd(listed{offset: 10}, now.Add(-time.Second))
	if at := p.Quiet(); !at.Equal(now.Add(-time.Second)) {
		t.Errorf("quiet since %v, want since the answer", at)
	}
	p.heardEnd(listed{offset: 10}, now)
	if at := p.Quiet(); !at.Equal(now.Add(-time.Second)) {
		t.Errorf("quiet since %v, want since the first answer", at)
	}
	p.heardEnd(listed{err: kerr.OffsetNotAvailable}, now)
	if at := p.Quiet(); !at.IsZero() {
		t.Errorf("quiet since %v after an answer that says nothing", at)
	}
	p.heardEnd(listed{offset: 10}, now.Add(-2*lagPatience))
	if at := p.Quiet(); !at.IsZero() {
		t.Errorf("quiet since %v, by an answer long ago", at)
	}
	p.heardEnd(listed{offset: 10}, now)
	if at := p.Quiet(); !at.Equal(now) {
		t.Errorf("quiet since %v, want since somebody answers again", at)
	}
	p.heardEnd(listed{offset: 11}, now)
	if at := p.Quiet(); !at.IsZero() {
		t.Errorf("quiet since %v with a record to read", at)
	}
}
