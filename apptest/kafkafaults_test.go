package apptest

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/postgres/pgtest"
)

// fault is something that happens to the servers of a process that runs.
type fault struct {
	name string
	do   func(t *testing.T)
}

// endure lets faults happen to one process while events come, and wants results
// before and after each: it must go on by itself.
func endure(t *testing.T, b *kafkatest.Broker, s *site, f *feed, faults []fault) {
	t.Helper()
	follower := newSightings()
	b.Follow(t, "out", func(r *kgo.Record) { follower.add(r.Value) })
	r := s.start(t)
	progress := func(when, name string) {
		before := follower.count()
		await(t, "results "+when+": "+name, func() bool {
			select {
			case <-r.done:
				t.Fatalf("the process has ended, %s: %s\n%s", when, name, &r.err)
			default:
			}
			return follower.count() > before+20
		})
	}
	for _, x := range faults {
		ctx, cancel := context.WithCancel(t.Context())
		paced := make(chan error, 1)
		go func() { paced <- f.pace(ctx, 40, 10*time.Millisecond) }()
		progress("before", x.name)
		x.do(t)
		progress("after", x.name)
		cancel()
		if err := <-paced; err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	r.stop(t)
	drain(t, s, b, f, follower)
}

// TestKafkaBrokerFaults kills, restarts and freezes the broker, and the database
// beside it.
func TestKafkaBrokerFaults(t *testing.T) {
	b, pg := kafkatest.Start(t), pgtest.Start(t)
	s := newKafkaSite(t, b, kafkaAndPostgres)
	s.env = append(s.env, "DATABASE_URL="+pg.URL())
	f := newFeed(t, b, 200)
	endure(t, b, s, f, []fault{
		{"the broker is killed", func(t *testing.T) { b.Kill(); b.Restart(t) }},
		{"the database is killed", func(t *testing.T) { pg.Kill(); pg.Restart(t) }},
		{"the broker stops", func(t *testing.T) { b.Stop(); b.Restart(t) }},
		{"the database stops at once", func(t *testing.T) { pg.Quit(); pg.Restart(t) }},
		{"the broker freezes", func(*testing.T) { b.Pause(); time.Sleep(8 * time.Second); b.Continue() }},
		{"the database freezes", func(*testing.T) { pg.Pause(); time.Sleep(3 * time.Second); pg.Continue() }},
	})
	tableOf(t, pg).compare(t, "the table", f)
}

// TestKafkaNetworkFaults cuts, slows and silences the connections to the broker.
func TestKafkaNetworkFaults(t *testing.T) {
	b, proxy := kafkatest.Proxied(t)
	s := newKafkaSite(t, b, kafkaApp)
	heal := func(f func(*testing.T), length time.Duration) func(*testing.T) {
		return func(t *testing.T) {
			f(t)
			time.Sleep(length)
			proxy.Mend(t)
		}
	}
	endure(t, b, s, newFeed(t, b, 300), []fault{
		{"delays of 300 ms", heal(func(t *testing.T) { proxy.Latency(t, 300*time.Millisecond, 100*time.Millisecond) }, 3*time.Second)},
		{"cut connections", heal(func(*testing.T) { proxy.Cut() }, 3*time.Second)},
		{"resets", heal(func(t *testing.T) { proxy.Reset(t, 50*time.Millisecond) }, 3*time.Second)},
		{"connections that break in the middle", heal(func(t *testing.T) { proxy.CloseAfter(t, 100_000) }, 3*time.Second)},
		{"connections that are half open", heal(func(t *testing.T) { proxy.LoseAnswers(t) }, 5*time.Second)},
		{"a slow line", heal(func(t *testing.T) { proxy.Bandwidth(t, 200) }, 3*time.Second)},
	})
}
