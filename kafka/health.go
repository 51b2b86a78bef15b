package kafka

import (
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Health knows which brokers do not answer. The zero Health knows of no
// trouble. Its methods may be called by any goroutine.
type Health struct {
	mu      sync.Mutex
	cluster *Cluster
	logger  *slog.Logger
	broken  map[string]trouble
	told    bool
	retries atomic.Int64
}

type trouble struct {
	err         error
	since, last time.Time
}

// forgotten is when a broker counts as gone: one that is needed is tried more
// often than that.
const forgotten = 30 * time.Second

var (
	_ kgo.HookBrokerConnect = (*Health)(nil)
	_ kgo.HookBrokerE2E     = (*Health)(nil)
)

func (h *Health) watch(c *Cluster, logger *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cluster, h.logger = c, logger
}

// Trouble returns the last error of a connection that does not work, and since
// when it does not; nil while all that is needed works.
func (h *Health) Trouble() (since time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for at, t := range h.broken {
		switch {
		case time.Since(t.last) > forgotten:
			delete(h.broken, at)
		case err == nil || t.since.Before(since):
			since, err = t.since, t.err
		}
	}
	return since, err
}

// Retries is how often a request, a connection or a transaction had to be tried
// once more.
func (h *Health) Retries() int64 { return h.retries.Load() }

// backoff is the pause before the n-th repetition, which it counts.
func (h *Health) backoff(n int) time.Duration {
	h.retries.Add(1)
	return backoff(n)
}

// OnBrokerConnect is called by the client.
func (h *Health) OnBrokerConnect(m kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	h.heard(m, err)
}

// OnBrokerE2E is called by the client.
func (h *Health) OnBrokerE2E(m kgo.BrokerMetadata, _ int16, e kgo.BrokerE2E) { h.heard(m, e.Err()) }

func (h *Health) heard(m kgo.BrokerMetadata, err error) {
	at := net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port)))
	h.mu.Lock()
	defer h.mu.Unlock()
	t, broken := h.broken[at]
	if err == nil {
		if !broken {
			return
		}
		delete(h.broken, at)
		if len(h.broken) == 0 && h.told && h.logger != nil {
			h.told = false
			h.logger.Info("kafka answers again", "broker", at, "after", time.Since(t.since).Round(time.Millisecond))
		}
		return
	}
	if stopped(err) {
		return
	}
	now := time.Now()
	if !broken {
		t.since = now
	}
	t.last, t.err = now, about{cluster: h.cluster}.explain(err)
	if h.broken == nil {
		h.broken = map[string]trouble{}
	}
	h.broken[at] = t
	if broken && !h.told && h.logger != nil { // one error alone is everyday: an idle connection that was closed
		h.told = true
		h.logger.Warn("kafka does not answer, trying again", "broker", at, "error", t.err)
	}
}
