package kafka

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/source/sourcetest"
)

func TestSourceKeepsTheContract(t *testing.T) {
	c := fakeKafka(t, "events", 3)
	cl := clientOf(t, c.ListenAddrs())
	first, last := values("first", 1500), values("last", 3)
	produce(t, cl, "events", 0, first...)
	produce(t, cl, "events", 2, last...)
	sourcetest.Run(t, func() source.Source {
		return &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Stop: "latest"}
	}, slices.Concat(first, last)...)
}

func TestSourceReadsWhatComes(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cl := clientOf(t, c.ListenAddrs())
	produce(t, cl, "events", 0, "a", "b")
	p := openAt(t, &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, TopicPattern: "ev.*"}, 0)
	g := readUntil(t, p, count(2))
	produce(t, cl, "events", 0, "c")
	more := readUntil(t, p, count(1))
	sameValues(t, append(g.values, more.values...), []string{"a", "b", "c"})
	if len(g.token) != 16 || more.token != nil || more.next != 3 {
		t.Errorf("tokens %x and %x, next %d; want the topic's id once, and 3", g.token, more.token, more.next)
	}
}

func TestStart(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cl := clientOf(t, c.ListenAddrs())
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i, v := range []string{"a", "b", "c"} {
		r := &kgo.Record{Topic: "events", Value: []byte(v), Timestamp: at.Add(time.Duration(i) * time.Second)}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string][]string{
		"":         {"a", "b", "c"},
		"earliest": {"a", "b", "c"},
		at.Add(time.Second).Format(time.RFC3339Nano):            {"b", "c"},
		at.Add(500 * time.Millisecond).Format(time.RFC3339Nano): {"b", "c"},
		at.Add(time.Hour * 2).Format(time.RFC3339Nano):          nil,
		"latest": nil,
	} {
		start, err := ParseStart(text)
		if err != nil {
			t.Fatal(err)
		}
		p := openAt(t, &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Stop: "latest", Start: start}, 0)
		g := readUntil(t, p, nil)
		sameValues(t, g.values, want)
		if g.next != 3 || g.token == nil {
			t.Errorf("start %q: the position is %d and the token %x, want 3 and the topic's id", text, g.next, g.token)
		}
	}
}

// A run that began at the latest record and saw none is gone on with from
// there, not from what is the latest by then.
func TestStartLatestIsSaved(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cl := clientOf(t, c.ListenAddrs())
	produce(t, cl, "events", 0, "before")
	open := func() *Source {
		return &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Start: Start{Latest: true}}
	}
	first := readUntil(t, openAt(t, open(), 0), func(g *got) bool { return g.next > 0 })
	sameValues(t, first.values, nil)
	produce(t, cl, "events", 0, "between")
	again := readUntil(t, openAt(t, open(), first.next), count(1))
	sameValues(t, again.values, []string{"between"})
}

func TestTraits(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		s    *Source
		want source.Traits
	}{
		{&Source{}, source.Traits{Kind: "kafka", Live: true}},
		{&Source{Stop: "latest"}, source.Traits{Kind: "kafka"}},
		{&Source{Start: Start{Time: at}}, source.Traits{Kind: "kafka", Live: true, Since: at.UnixNano()}},
	} {
		if got := c.s.Traits(); got != c.want {
			t.Errorf("traits are %+v, want %+v", got, c.want)
		}
	}
	before := time.Now().UnixNano()
	s := &Source{Start: Start{Latest: true}}
	since := s.Traits().Since
	if since < before || since > time.Now().UnixNano() || s.Traits().Since != since {
		t.Errorf("since %d, want the time of the first call", since)
	}
}

func TestSourceSettings(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cluster := Cluster{Brokers: c.ListenAddrs()}
	for _, bad := range []struct {
		s    *Source
		says []string
	}{
		{&Source{Cluster: cluster}, []string{"no topics"}},
		{&Source{Cluster: cluster, Topics: []string{"a"}, TopicPattern: "b"}, []string{"one of them"}},
		{&Source{Cluster: cluster, TopicPattern: "("}, []string{"regular expression"}},
		{&Source{Cluster: cluster, Topics: []string{"a"}, Stop: "earliest"}, []string{"stop", "latest"}},
		{&Source{Cluster: cluster, Topics: []string{"a"}, Isolation: "committed"}, []string{"isolation", "read_committed"}},
		{&Source{Cluster: cluster, Topics: []string{"a"}, FetchBytes: -1}, []string{"at most"}},
		{&Source{Cluster: cluster, Topics: []string{"a"}, BufferBytes: -1}, []string{"positive"}},
		{&Source{Cluster: cluster, Topics: []string{"events", "none"}}, []string{`"none"`, "create it"}},
		{&Source{Cluster: cluster, TopicPattern: "none.*", Stop: "latest"}, []string{"none.*", "correct the pattern"}},
		{&Source{Topics: []string{"a"}}, []string{"brokers"}},
	} {
		_, err := bad.s.Open(t.Context())
		says(t, err, bad.says...)
		bad.s.Close()
	}
	for _, text := range []string{"first", "2026-01-01", "1960-01-01T00:00:00Z"} {
		_, err := ParseStart(text)
		says(t, err, text, "earliest, latest")
	}
}

func TestAttributes(t *testing.T) {
	c := fakeKafka(t, "events", 2)
	cl := clientOf(t, c.ListenAddrs())
	at := time.UnixMilli(1_700_000_000_123)
	for _, r := range []*kgo.Record{
		{Key: []byte("k1"), Value: []byte("v1"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("first")}, {Key: "h", Value: []byte("second")}}},
		{Key: []byte("bad \xff\xfe\"\n"), Value: nil, Headers: []kgo.RecordHeader{{Key: "other"}, {Key: "h"}}},
		{Key: []byte{}, Value: []byte("v3"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{}}}},
		{Value: []byte("v4")},
	} {
		r.Topic, r.Partition, r.Timestamp = "events", 1, at
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	s := &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Stop: "latest"}
	for _, path := range [][]string{{"$key"}, {"$header", "h"}, {"$timestamp"}, {"$offset"}, {"$partition"}, {"$topic"}} {
		if !s.Attribute(path) {
			t.Fatalf("%q is no attribute", path)
		}
	}
	for _, path := range [][]string{{"$header"}, {"$keys"}, {"$key", "x"}, {"$header", "a", "b"}, {"key"}} {
		if s.Attribute(path) {
			t.Errorf("%q is an attribute", path)
		}
	}
	p := opened(t, s)[1]
	if err := p.Open(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var chunk source.Chunk
	for range 2 { // the second time into the memory of the first
		if err := p.Read(t.Context(), &chunk); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if len(chunk.Spans) > 0 {
			break
		}
	}
	b := event.Batch{Data: chunk.Data}
	for col, want := range [][]event.Value{
		{event.Text("k1"), event.Text("bad \uFFFD\uFFFD\"\n"), event.Text(""), {}},
		{event.Text("first"), {}, event.Text(""), {}},
		{event.Int(at.UnixMilli()), event.Int(at.UnixMilli()), event.Int(at.UnixMilli()), event.Int(at.UnixMilli())},
		{event.Int(0), event.Int(1), event.Int(2), event.Int(3)},
		{event.Int(1), event.Int(1), event.Int(1), event.Int(1)},
		{event.Text("events"), event.Text("events"), event.Text("events"), event.Text("events")},
	} {
		a := &chunk.Attributes[col]
		if len(a.Kind) != 4 || len(a.Num) != 4 || len(a.Str) != 4 {
			t.Fatalf("column %d has %d kinds, %d numbers, %d texts, want 4 of each", col, len(a.Kind), len(a.Num), len(a.Str))
		}
		for row := range want {
			if got := b.Value(a, row); got != want[row] {
				t.Errorf("column %d of record %d is %+v, want %+v", col, row, got, want[row])
			}
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	p := openAt(t, &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}}, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Read(ctx, new(source.Chunk)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read returns %v, want that the time is over", err)
	}
}

// The end is where the log ended when the run began, however much comes.
func TestStopIsTheEndAtTheStart(t *testing.T) {
	c := fakeKafka(t, "events", 1)
	cl := clientOf(t, c.ListenAddrs())
	produce(t, cl, "events", 0, "a", "b")
	s := &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Stop: "latest"}
	parts := opened(t, s)
	produce(t, cl, "events", 0, "c", "d")
	if err := parts[0].Open(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	g := readUntil(t, parts[0], nil)
	sameValues(t, g.values, []string{"a", "b"})
	if g.next != 2 {
		t.Errorf("the position is %d, want 2", g.next)
	}
	if more, err := s.Discover(t.Context()); len(more) > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("discovered %v, error %v, want io.EOF", more, err)
	}
}
