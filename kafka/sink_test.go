package kafka

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

func TestSinkConformsOnAFake(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	open := func(plain bool) sinktest.Open {
		return func(t *testing.T) (sink.Sink, func() sinktest.Held) {
			topic := newTopic(t, brokers, 1)
			s := sinkAt(brokers, topic)
			look := func() sinktest.Held { return held(t, brokers, topic) }
			if plain {
				return s.Plain(), look
			}
			return s, look
		}
	}
	t.Run("without marks", func(t *testing.T) { sinktest.Run(t, open(false)) })
	t.Run("plain", func(t *testing.T) { sinktest.Run(t, open(true)) })
	t.Run("with marks", func(t *testing.T) {
		sinktest.RunMarker(t, func(t *testing.T) sinktest.Place { return markerPlace(t, brokers) })
	})
}

// TestRecords holds what is in a record.
func TestRecords(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 1)
	s := sinkAt(brokers, topic)
	s.Meta = true
	resumed(t, s, sink.Mark{}, 0)
	b := rows(3, 1)
	r := &b.Results[0]
	r.Firing, r.Timing, r.EmittedAt = 4, result.Late, 1767225600_123456789
	b.Late = []result.LateEvent{{Query: "q", Source: result.Source{Topic: "in", Partition: 3, Offset: 9}, Event: []byte(`{"a":1}`)}}
	b.Dead = []result.DeadLetter{{Source: result.Source{Path: "f.jsonl"}, Reason: "json", Raw: []byte("{")}}
	write(t, s, b)
	commit(t, s, 1)
	got := read(t, brokers, topic, kgo.ReadCommitted())
	if len(got) != 3 {
		t.Fatalf("%d records, want 3", len(got))
	}
	id := string(r.WindowID(nil))
	if string(got[0].Key) != id || strings.TrimSpace(string(got[0].Value)) != string(r.AppendJSON(nil, true)) {
		t.Errorf("the result is %s: %s", got[0].Key, got[0].Value)
	}
	if at := got[0].Timestamp.UnixMilli(); at != 1767225600_123 {
		t.Errorf("its time is %d, want that of the firing", at)
	}
	want := `[query=model_minute key={"model":"gpt-3"} timing=late firing=4]`
	if headers := headersOf(got[0]); headers != want {
		t.Errorf("its headers are %s, want %s", headers, want)
	}
	if string(got[1].Key) != "in/3" || string(got[1].Value) != string(b.Late[0].AppendJSON(nil)) || headersOf(got[1]) != "[query=q]" {
		t.Errorf("the late event is %s %s %s", got[1].Key, headersOf(got[1]), got[1].Value)
	}
	if string(got[2].Key) != "f.jsonl/0" || string(got[2].Value) != string(b.Dead[0].AppendJSON(nil)) || len(got[2].Headers) != 0 {
		t.Errorf("the dead letter is %s %s %s", got[2].Key, headersOf(got[2]), got[2].Value)
	}
}

func headersOf(r *kgo.Record) string {
	var list []string
	for _, h := range r.Headers {
		list = append(list, h.Key+"="+string(h.Value))
	}
	return fmt.Sprint(list)
}

// TestEncodings: a row that becomes several records has a key for each, and one
// that says nothing in an encoding becomes none.
func TestEncodings(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	for encoding, want := range map[result.Encoding]int{result.Native: 2, result.WindowResult: 2, result.MetricPoint: 2, result.AnalyzerEvent: 2} {
		topic := newTopic(t, brokers, 3)
		s := sinkAt(brokers, topic)
		s.Name, s.Encoding = topic, encoding
		resumed(t, s, sink.Mark{}, 0)
		b := rows(0, 2)
		b.Results[1].Values, b.Results[1].Timing = nil, result.Retract
		write(t, s, b)
		commit(t, s, 1)
		got := read(t, brokers, topic, kgo.ReadCommitted())
		keys := map[string]bool{}
		for _, r := range got {
			keys[string(r.Key)] = true
			if !json.Valid(r.Value) || r.Partition != partitionHash("model_minute", b.Results[0].Key)%3 && r.Partition != partitionHash("model_minute", b.Results[1].Key)%3 {
				t.Errorf("%s: record %s in partition %d: %s", encoding, r.Key, r.Partition, r.Value)
			}
		}
		if len(got) != want || len(keys) != want {
			t.Errorf("%s: %d records with %d keys, want %d", encoding, len(got), len(keys), want)
		}
	}
}

// TestTheCommittedIsSeen: rows are seen when their transaction is committed,
// and not before; without transactions when Write has returned.
func TestTheCommittedIsSeen(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 2)
	s := sinkAt(brokers, topic)
	resumed(t, s, sink.Mark{}, 0)
	write(t, s, rows(0, 5))
	if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != 0 {
		t.Errorf("%d rows are seen before Commit", n)
	}
	commit(t, s, 1)
	if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != 5 {
		t.Errorf("%d rows are seen after Commit, want 5", n)
	}
	write(t, s, rows(5, 5))
	if err := s.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != 5 {
		t.Errorf("%d rows are seen after an abort, want 5", n)
	}
	plain := sinkAt(brokers, topic).Plain()
	if err := plain.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, plain, rows(10, 3))
	if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != 8 {
		t.Errorf("%d rows are seen without transactions, want 8", n)
	}
	if err := plain.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, marks := plain.(sink.Marker); marks {
		t.Error("a plain sink has marks")
	}
}

func TestTopicOfAQuery(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	s := sinkAt(brokers, "agg-{query}")
	if err := s.Describe([]*result.Query{sinkQuery, {Name: "other"}}); err != nil {
		t.Fatal(err)
	}
	says(t, s.Open(t.Context()), `"agg-model_minute"`, "does not exist", "kafka-topics.sh")
	s.Create = &TopicSpec{Partitions: 2, Config: map[string]string{"cleanup.policy": "compact"}}
	resumed(t, s, sink.Mark{}, 0)
	b := rows(0, 4)
	b.Results[2].Query = &result.Query{Name: "new", Values: sinkQuery.Values}
	b.Dead = []result.DeadLetter{{Reason: "json"}, {Reason: "type", Queries: []string{"other"}}}
	write(t, s, b)
	commit(t, s, 1)
	for topic, want := range map[string]int{"agg-model_minute": 3, "agg-other": 1, "agg-new": 1, "agg-all": 1} {
		if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != want {
			t.Errorf("%s has %d rows, want %d", topic, n, want)
		}
	}
	found, err := adminOf(t, brokers).ListTopics(t.Context(), "agg-new")
	if err != nil || len(found["agg-new"].Partitions) != 2 {
		t.Errorf("agg-new has %d partitions, want 2: %v", len(found["agg-new"].Partitions), err)
	}
}

// TestMissingTopic: a topic that only a row names.
func TestMissingTopic(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	s := sinkAt(brokers, "{query}-out")
	resumed(t, s, sink.Mark{}, 0)
	err := s.Write(t.Context(), rows(0, 1))
	says(t, err, `topic "model_minute-out" does not exist at 127.0.0.1`, "--create --topic model_minute-out")
	says(t, s.Write(t.Context(), rows(0, 1)), "failed before", "does not exist")
	_, err = s.Commit(t.Context(), sink.Mark{})
	says(t, err, "failed before")
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("closing says %v", err)
	}
}

func TestJoined(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	out, late, dead := newTopic(t, brokers, 1), newTopic(t, brokers, 1), newTopic(t, brokers, 1)
	s := sinkAt(brokers, out)
	if !s.Join(sink.LateEvents, sinkAt(brokers, late)) || !s.Join(sink.DeadLetters, sinkAt(brokers, dead)) {
		t.Fatal("it does not join")
	}
	resumed(t, s, sink.Mark{}, 0)
	b := rows(0, 2)
	b.Late = []result.LateEvent{{Query: "q", Event: []byte("{}")}}
	b.Dead = []result.DeadLetter{{Reason: "json"}, {Reason: "json"}, {Reason: "json"}}
	write(t, s, b)
	for topic, want := range map[string]int{out: 2, late: 1, dead: 3} {
		if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != 0 {
			t.Errorf("%s shows %d rows before Commit", topic, n)
		}
		defer func() {
			if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != want {
				t.Errorf("%s has %d rows, want %d", topic, n, want)
			}
		}()
	}
	commit(t, s, 1)
}

func TestJoin(t *testing.T) {
	for name, c := range map[string]struct {
		other sink.Sink
		want  bool
	}{
		"same cluster":       {sinkAt([]string{"a:1"}, "x"), true},
		"other brokers":      {sinkAt([]string{"b:1"}, "x"), false},
		"no kafka":           {&sink.File{}, false},
		"plain":              {sinkAt([]string{"a:1"}, "x").Plain(), false},
		"other user":         {&Sink{Cluster: Cluster{Brokers: []string{"a:1"}, SASL: &SASL{Mechanism: "plain"}}}, false},
		"with TLS":           {&Sink{Cluster: Cluster{Brokers: []string{"a:1"}, TLS: &TLS{}}}, false},
		"other compression":  {&Sink{Cluster: Cluster{Brokers: []string{"a:1"}}, Compression: "zstd"}, false},
		"other markers":      {&Sink{Cluster: Cluster{Brokers: []string{"a:1"}}, MarkerTopic: "m"}, false},
		"default markers":    {&Sink{Cluster: Cluster{Brokers: []string{"a:1"}}, MarkerTopic: "processor-epochs"}, true},
		"other time":         {&Sink{Cluster: Cluster{Brokers: []string{"a:1"}}, TransactionTimeout: 1}, false},
		"has joined another": {&Sink{Cluster: Cluster{Brokers: []string{"a:1"}}, late: &Sink{}}, false},
	} {
		if got := sinkAt([]string{"a:1"}, "out").Join(sink.LateEvents, c.other); got != c.want {
			t.Errorf("%s: joins %v", name, got)
		}
	}
	s := sinkAt(nil, "out")
	if s.Join(sink.LateEvents, s) || s.Join(9, sinkAt(nil, "x")) {
		t.Error("it joins itself, or rows it does not know")
	}
}

func TestSinkSettings(t *testing.T) {
	for _, c := range []struct {
		change func(*Sink)
		says   []string
	}{
		{func(s *Sink) { s.Topic = "" }, []string{"kafka topic: missing"}},
		{func(s *Sink) { s.Topic = "a b" }, []string{`kafka topic: "a b"`, "want"}},
		{func(s *Sink) { s.Topic = strings.Repeat("x", 250) }, []string{"249"}},
		{func(s *Sink) { s.MarkerTopic = ".." }, []string{"kafka marker_topic"}},
		{func(s *Sink) { s.Compression = "lz5" }, []string{"kafka compression", "lz5", "zstd"}},
		{func(s *Sink) { s.TransactionTimeout = -1 }, []string{"kafka transaction_timeout"}},
		{func(s *Sink) { s.Cluster.Brokers = nil }, []string{"kafka brokers", "HOST:PORT"}},
	} {
		s := sinkAt([]string{"127.0.0.1:1"}, "out")
		c.change(s)
		says(t, s.Open(t.Context()), c.says...)
	}
	s := sinkAt(nil, "out")
	says(t, s.Write(t.Context(), rows(0, 1)), "not open")
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("a sink that was never opened does not close: %v", err)
	}
	s.Encoding = result.AnalyzerEvent
	for _, name := range []string{"none", "gzip", "snappy", "lz4", "", "zstd"} {
		if _, err := compression(name); err != nil {
			t.Error(err)
		}
	}
}

// TestTooLarge: a row that the client itself refuses does not get lost among
// others that it takes.
func TestTooLarge(t *testing.T) {
	brokers := fakeBroker(t).ListenAddrs()
	topic := newTopic(t, brokers, 1)
	s := sinkAt(brokers, topic)
	resumed(t, s, sink.Mark{}, 0)
	b := rows(0, 3)
	b.Results[1].KeyJSON = `{"model":"` + strings.Repeat("x", 2<<20) + `"}`
	err := s.Write(t.Context(), b)
	if err == nil {
		_, err = s.Commit(t.Context(), sink.Mark{Epoch: 1})
	}
	says(t, err, topic, "max.message.bytes")
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(read(t, brokers, topic, kgo.ReadCommitted())); n != 0 {
		t.Errorf("%d rows are seen", n)
	}
}
