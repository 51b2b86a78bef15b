package kafka

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

// lossyProxy stands before a broker, and can lose its answers.
type lossyProxy struct {
	lossy
	listener net.Listener
	mu       sync.Mutex
	broker   string
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

func newLossyProxy(t testing.TB) *lossyProxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossyProxy{listener: listener, conns: map[net.Conn]bool{}}
	p.running.Add(1)
	go p.accept()
	t.Cleanup(p.close)
	return p
}

func (p *lossyProxy) addr() string { return p.listener.Addr().String() }

func (p *lossyProxy) accept() {
	defer p.running.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		at := p.broker
		p.mu.Unlock()
		server, err := net.Dial("tcp", at)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.running.Add(2)
		go p.pipe(server, client)
		go p.pipe(lossyConn{client, &p.lossy}, server)
	}
}

func (p *lossyProxy) pipe(to io.WriteCloser, from net.Conn) {
	defer p.running.Done()
	io.Copy(to, from)
	to.Close()
	from.Close()
}

func (p *lossyProxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func TestSinkOnKafka(t *testing.T) {
	proxy := newLossyProxy(t)
	broker := kafkatest.Start(t, kafkatest.Advertised(proxy.addr()))
	proxy.mu.Lock()
	proxy.broker = broker.Addr()
	proxy.mu.Unlock()
	brokers := []string{proxy.addr()}

	t.Run("conforms", func(t *testing.T) {
		sinktest.RunMarker(t, func(t *testing.T) sinktest.Place { return markerPlace(t, brokers) })
	})
	t.Run("conforms without marks", func(t *testing.T) {
		sinktest.Run(t, func(t *testing.T) (sink.Sink, func() sinktest.Held) {
			topic := newTopic(t, brokers, 1)
			return sinkAt(brokers, topic), func() sinktest.Held { return heldInTheEnd(t, brokers, topic) }
		})
	})
	t.Run("a second instance", func(t *testing.T) { testSecondOnKafka(t, brokers) })
	t.Run("too slow", func(t *testing.T) { testSlowOnKafka(t, brokers) })
	t.Run("too long a timeout", func(t *testing.T) {
		s := sinkAt(brokers, newTopic(t, brokers, 1))
		s.Name, s.TransactionTimeout = s.Topic, time.Hour
		_, err := resume(t, s, sink.Mark{}, 0, false)
		says(t, err, "transaction_timeout", "transaction.max.timeout.ms")
	})
	t.Run("large rows", func(t *testing.T) { testLargeRows(t, brokers) })
	t.Run("marker topic", func(t *testing.T) { testMarkerTopic(t, brokers) })
	t.Run("crashes", func(t *testing.T) { testCrashesOnKafka(t, brokers, &proxy.lossy) })
	t.Run("the broker dies", func(t *testing.T) { testBrokerDies(t, broker, brokers) })
}

func testSecondOnKafka(t *testing.T, brokers []string) {
	topic := newTopic(t, brokers, 1)
	old, young := sinkAt(brokers, topic), sinkAt(brokers, topic)
	old.Name, young.Name = topic, topic
	resumed(t, old, sink.Mark{}, 0)
	token := commit(t, old, 1)
	write(t, old, rows(0, 3))
	if err := old.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if epoch := resumed(t, young, sink.Mark{Epoch: 1, Token: token}, 2); epoch != 1 {
		t.Fatalf("the new one finds epoch %d, want 1", epoch)
	}
	_, err := old.Commit(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: 2})
	says(t, err, "another instance", "same pipeline name")
	if err := old.Close(t.Context()); err != nil {
		t.Errorf("the old one closes with %v", err)
	}
	write(t, young, rows(10, 2))
	commit(t, young, 2)
	if got := heldInTheEnd(t, brokers, topic).IDs; len(got) != 2 {
		t.Errorf("%d rows are seen, want those of the new one", len(got))
	}
}

func testSlowOnKafka(t *testing.T, brokers []string) {
	topic := newTopic(t, brokers, 1)
	s := sinkAt(brokers, topic)
	s.Name, s.TransactionTimeout = topic, time.Second
	givenUp(t, s, heldInTheEnd)
}

// testLargeRows: what a topic takes is its own setting; rows aside are
// shortened to it, results are not.
func testLargeRows(t *testing.T, brokers []string) {
	for name, limit := range map[string]int{"small": 20_000, "large": 3_000_000} {
		topic, value := fmt.Sprintf("%s-%d", name, topicNumber.Add(1)), fmt.Sprint(limit)
		made, err := adminOf(t, brokers).CreateTopic(t.Context(), 1, 1, map[string]*string{"max.message.bytes": &value}, topic)
		if err != nil || made.Err != nil {
			t.Fatal(err, made.Err)
		}
		s := sinkAt(brokers, topic)
		s.Name, s.Compression = topic, "none"
		resumed(t, s, sink.Mark{}, 0)
		b := rows(0, 1)
		text := `{"text":"` + strings.Repeat("x", limit-1000) + `"}`
		b.Late = []result.LateEvent{{Query: "q", Event: []byte(`{"text":"` + strings.Repeat("x", limit) + `"}`)}, {Query: "q", Event: []byte(text)}}
		b.Dead = []result.DeadLetter{{Reason: "json", Err: "bad", Raw: []byte(strings.Repeat("x", limit))}, {Reason: "json", Raw: []byte(strings.Repeat("x", limit/2))}}
		write(t, s, b)
		commit(t, s, 1)
		settled(t, brokers, topic)
		got := read(t, brokers, topic, kgo.ReadCommitted())
		if len(got) != 5 || !strings.Contains(string(got[1].Value), `"event":null`) || len(got[2].Value) < limit-1000 ||
			!strings.Contains(string(got[3].Value), "raw holds the first 1024 of") || len(got[4].Value) < limit/2 {
			t.Errorf("%s: %d records", name, len(got))
			for _, r := range got {
				t.Logf("%d bytes: %.300s", len(r.Value), r.Value)
			}
		}
		b = rows(1, 1)
		b.Results[0].KeyJSON = `{"k":"` + strings.Repeat("x", limit) + `"}`
		err = s.Write(t.Context(), b)
		if err == nil {
			_, err = s.Commit(t.Context(), sink.Mark{Epoch: 2})
		}
		says(t, err, topic, "max.message.bytes")
		s.shut()
	}
}

func testMarkerTopic(t *testing.T, brokers []string) {
	topic := newTopic(t, brokers, 1)
	s := sinkAt(brokers, topic)
	s.Name, s.MarkerTopic = topic, "marks-"+topic
	resumed(t, s, sink.Mark{}, 0)
	settings := map[string]string{}
	eventually(t, "the broker tells the topic's settings", func() bool {
		found, err := adminOf(t, brokers).DescribeTopicConfigs(t.Context(), s.MarkerTopic)
		if err != nil || found[0].Err != nil {
			return false
		}
		for _, c := range found[0].Configs {
			settings[c.Key] = c.MaybeValue()
		}
		return true
	})
	for name, want := range markerSpec().Config {
		if settings[name] != want {
			t.Errorf("%s is %q, want %q", name, settings[name], want)
		}
	}
	token := commit(t, s, 1)
	s.shut()
	if _, err := adminOf(t, brokers).DeleteTopics(t.Context(), s.MarkerTopic); err != nil {
		t.Fatal(err)
	}
	again := sinkAt(brokers, topic)
	again.Name, again.MarkerTopic = s.Name, s.MarkerTopic
	eventually(t, "the end of the topic", func() bool {
		list, err := adminOf(t, brokers).ListTopics(context.Background(), s.MarkerTopic)
		return err == nil && !list.Has(s.MarkerTopic)
	})
	_, err := resume(t, again, sink.Mark{Epoch: 1, Token: token}, 1, false)
	says(t, err, "lost the mark", "epoch 1", "--redeliver")
}

// testCrashesOnKafka crashes at calls and between them, and loses answers.
func testCrashesOnKafka(t *testing.T, brokers []string, network *lossy) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var crashed, lost int
	for round := range 12 {
		s := &scene{t: t, brokers: brokers, network: network}
		s.fresh()
		f := follow(t, brokers, s.topic)
		o := someEpochs(random.IntN(3)+1, random.IntN(200)+1, 1, random.IntN(20)+1, 3)
		for range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			left := random.IntN(14)
			kind, wait := random.IntN(3), time.Duration(random.IntN(8_000))*time.Microsecond
			var timer *time.Timer
			err := s.live(ctx, o, func() error {
				switch left--; {
				case left >= 0:
				case kind == 0: // at the call
					return context.Canceled
				case timer == nil: // within it, or soon after
					timer = time.AfterFunc(wait, func() {
						if kind == 2 {
							network.cut.Store(true)
							pause(t.Context(), 5*time.Millisecond)
						}
						cancel()
					})
				}
				return nil
			})
			if timer != nil {
				timer.Stop()
			}
			cancel()
			if err != nil {
				crashed++
				if network.cut.Swap(false) {
					lost++
				}
			}
			pause(t.Context(), 10*time.Millisecond) // for a timer that was about to cut
			network.cut.Store(false)
		}
		if err := s.toTheEnd(o); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		all := len(o.All().IDs)
		eventually(t, "the concurrent reader has all", func() bool { return f.seen() >= all })
		if err := s.exact(f.held(t), o); err != nil {
			t.Fatalf("round %d, the concurrent reader: %v", round, err)
		}
		f.stop()
	}
	t.Logf("%d crashes, %d of them with lost answers", crashed, lost)
	if crashed < 15 || lost < 3 {
		t.Error("too little has happened")
	}
}

// testBrokerDies kills the broker in the middle of a transaction: the sink
// waits for it and goes on, or says that it cannot, and then the next life does.
func testBrokerDies(t *testing.T, broker *kafkatest.Broker, brokers []string) {
	topic := newTopic(t, brokers, 1)
	s := sinkAt(brokers, topic)
	s.Name = topic
	resumed(t, s, sink.Mark{}, 0)
	token := commit(t, s, 1)
	write(t, s, rows(0, 3))
	if err := s.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, s, rows(3, 2))
	broker.Kill()
	done := make(chan error, 1)
	go func() {
		_, err := s.Commit(context.Background(), sink.Mark{Incarnation: incarnation, Epoch: 2})
		done <- err
	}()
	eventually(t, "trouble is told", func() bool { _, err := s.Trouble(); return err != nil })
	eventually(t, "retries are counted", func() bool { return s.Retries() > 0 })
	broker.Restart(t)
	err := <-done
	t.Logf("the commit: %v", err)
	s.shut()
	again := sinkAt(brokers, topic)
	again.Name = topic
	epoch := resumed(t, again, sink.Mark{Epoch: 1, Token: token}, 2)
	if err == nil && epoch != 2 {
		t.Errorf("epoch %d is held after a commit of 2", epoch)
	}
	if epoch == 1 {
		write(t, again, rows(0, 5))
		commit(t, again, 2)
	}
	if got, want := heldInTheEnd(t, brokers, topic).IDs, rowIDs(rows(0, 5)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("seen are %v, want %v", got, want)
	}
	if _, err := again.Trouble(); err != nil {
		t.Errorf("there is still trouble: %v", err)
	}
}
