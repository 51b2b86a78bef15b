package kafkatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// Proxy stands between clients and a broker and does to what they say what a
// network may. The package's own calls of the broker go past it.
type Proxy struct {
	proxy *toxiproxy.Proxy
	addr  string
}

// Proxied starts a broker whose clients reach it by a proxy. Both end with the
// test.
func Proxied(t testing.TB, opts ...Option) (*Broker, *Proxy) {
	t.Helper()
	p := listening(t)
	t.Cleanup(func() {
		p.Mend(t) // what a toxic holds back does not end with its connection
		p.proxy.Stop()
	})
	b := Start(t, append(opts, Advertised(p.addr))...)
	p.proxy.Stop()
	p.proxy.Upstream = b.addr
	p.start(t)
	return b, p
}

// listening returns a proxy that listens, with nothing behind it yet.
func listening(t testing.TB) *Proxy {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics log by the global logger
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	var last error
	for range 3 {
		addr, err := servertest.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		p := &Proxy{addr: addr, proxy: toxiproxy.NewProxy(server, "kafka", addr, "")}
		if last = p.proxy.Start(); last == nil {
			return p
		}
	}
	t.Fatalf("starting the proxy: %v", last)
	return nil
}

// Addr is HOST:PORT where the proxy listens.
func (p *Proxy) Addr() string { return p.addr }

// Latency delays everything that the broker says, by d and up to jitter more
// or less.
func (p *Proxy) Latency(t testing.TB, d, jitter time.Duration) {
	t.Helper()
	p.add(t, "latency", "downstream", map[string]any{"latency": d.Milliseconds(), "jitter": jitter.Milliseconds()})
}

// Bandwidth lets so many kilobytes a second pass in each direction.
func (p *Proxy) Bandwidth(t testing.TB, kilobytes int64) {
	t.Helper()
	p.both(t, "bandwidth", map[string]any{"rate": kilobytes})
}

// Silence lets nothing pass any more, and keeps the connections open; after a
// time above 0 they are closed. Mend closes those that it has silenced.
func (p *Proxy) Silence(t testing.TB, after time.Duration) {
	t.Helper()
	p.both(t, "timeout", map[string]any{"timeout": after.Milliseconds()})
}

// LoseAnswers is Silence of the broker alone: what clients say still reaches
// it.
func (p *Proxy) LoseAnswers(t testing.TB) {
	t.Helper()
	p.add(t, "timeout", "downstream", map[string]any{"timeout": 0})
}

// Reset resets every connection, a time after its client has said something.
// Those that were made before are closed.
func (p *Proxy) Reset(t testing.TB, after time.Duration) {
	t.Helper()
	p.add(t, "reset_peer", "upstream", map[string]any{"timeout": after.Milliseconds()})
}

// CloseAfter closes each connection after so many more bytes of the broker's.
func (p *Proxy) CloseAfter(t testing.TB, bytes int64) {
	t.Helper()
	p.add(t, "limit_data", "downstream", map[string]any{"bytes": bytes})
}

// Cut closes all connections and refuses new ones, until Mend.
func (p *Proxy) Cut() { p.proxy.Stop() }

// Mend undoes all of the above.
func (p *Proxy) Mend(t testing.TB) {
	t.Helper()
	p.proxy.Toxics.ResetToxics(context.Background())
	p.start(t)
}

// start listens, if it does not.
func (p *Proxy) start(t testing.TB) {
	t.Helper()
	if err := p.proxy.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		t.Fatalf("starting the proxy: %v", err)
	}
}

func (p *Proxy) both(t testing.TB, kind string, attributes map[string]any) {
	t.Helper()
	p.add(t, kind, "upstream", attributes)
	p.add(t, kind, "downstream", attributes)
}

func (p *Proxy) add(t testing.TB, kind, direction string, attributes map[string]any) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		t.Fatalf("adding %s to the proxy: %v", text, err)
	}
}
