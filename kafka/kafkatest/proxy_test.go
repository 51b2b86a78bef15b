package kafkatest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestProxy(t *testing.T) {
	b, p := Proxied(t)
	if got := b.Brokers(); !slices.Equal(got, []string{p.Addr()}) || p.Addr() == b.Addr() {
		t.Fatalf("clients are given %v, the proxy is at %s and the broker at %s", got, p.Addr(), b.Addr())
	}
	b.CreateTopic(t, "a", 1, nil)
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...), kgo.DefaultProduceTopic("a"), kgo.DisableClientMetrics(),
		kgo.AlwaysRetryEOF(), kgo.ProduceRequestTimeout(time.Second), kgo.RequestTimeoutOverhead(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write := func(ctx context.Context, value string) error {
		return c.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr()
	}
	if err := write(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []struct {
		name   string
		begin  func()
		passes bool
	}{
		{"latency", func() { p.Latency(t, 20*time.Millisecond, 10*time.Millisecond) }, true},
		{"bandwidth", func() { p.Bandwidth(t, 100) }, true},
		{"silence", func() { p.Silence(t, 0) }, false},
		{"silence that ends", func() { p.Silence(t, 100*time.Millisecond) }, false},
		{"lost answers", func() { p.LoseAnswers(t) }, false},
		{"reset", func() { p.Reset(t, 0) }, false},
		{"close after", func() { p.CloseAfter(t, 10) }, false},
		{"cut", p.Cut, false},
	} {
		t.Run(fault.name, func(t *testing.T) {
			fault.begin()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- write(ctx, fault.name) }()
			if !fault.passes {
				select {
				case err := <-done:
					t.Errorf("writing goes on: %v", err)
					done <- err
				case <-time.After(300 * time.Millisecond):
				}
				b.Produce(t, "a", 0, "past the proxy")
				p.Mend(t)
			}
			if err := <-done; err != nil {
				t.Errorf("when it is over writing says %v", err)
			}
			p.Mend(t)
		})
	}
}
