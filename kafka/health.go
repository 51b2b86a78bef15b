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

// Health knows what does not work: brokers that do not answer, brokers that
// answer and take no rows, and partitions that cannot be read. The zero Health
// knows of no trouble. Its methods may be called by any goroutine.
type Health struct {
	mu      sync.Mutex
	cluster *Cluster
	logger  *slog.Logger
	broken  map[party]trouble
	// told is since when the trouble lasts that the log knows of; zero if it
	// knows of none.
	told   time.Time
	handed handed
	// ofSink says that it is a sink's: the pipeline logs its trouble.
	ofSink  bool
	retries atomic.Int64
	// acked is how many rows the brokers have acknowledged.
	acked atomic.Int64
	// listening says that what the client has to say is of interest.
	listening atomic.Bool
}

// party is what does not work.
type party struct {
	kind partyKind
	name string
}

type partyKind string

const (
	aBroker    partyKind = "broker"
	aPartition partyKind = "partition"
	theRows    partyKind = "rows"
)

// words are what the log says when it begins, and when it is over, of a source; of
// a sink the pipeline says it.
var words = map[partyKind][2]string{
	aBroker:    {"kafka does not answer, trying again", "kafka answers again"},
	aPartition: {"nothing can be read of a kafka partition, trying again", "kafka can be read again"},
}

type trouble struct {
	err         error
	since, last time.Time
	times       int
}

// shows reports whether it is trouble already. A partition that moves is
// everyday, and so is, for the log, an idle connection that was closed.
func (t *trouble) shows(kind partyKind) bool { return kind != aPartition || t.times > 1 }

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

// Trouble returns the last error of what does not work, and since when it does
// not; nil while all that is needed works.
func (h *Health) Trouble() (since time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.look(time.Now())
	for who, t := range h.broken {
		if t.shows(who.kind) && (err == nil || t.since.Before(since)) {
			since, err = t.since, t.err
		}
	}
	return since, err
}

// Retries is how often a request, a connection or a transaction had to be tried
// once more, and rows that were refused for a while had to be sent once more.
func (h *Health) Retries() int64 { return h.retries.Load() }

// backoff is the pause before the n-th repetition, which it counts.
func (h *Health) backoff(n int) time.Duration {
	h.retries.Add(1)
	return backoff(n)
}

// OnBrokerConnect is called by the client.
func (h *Health) OnBrokerConnect(m kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	h.heardOf(m, err)
}

// OnBrokerE2E is called by the client.
func (h *Health) OnBrokerE2E(m kgo.BrokerMetadata, _ int16, e kgo.BrokerE2E) { h.heardOf(m, e.Err()) }

func (h *Health) heardOf(m kgo.BrokerMetadata, err error) {
	h.heard(party{aBroker, net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port)))}, err)
}

// heard notes how somebody gets on. It is called whenever anything comes from
// the brokers, and so is what looks at the rows that wait.
func (h *Health) heard(who party, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		if _, broken := h.broken[who]; broken {
			h.mended(who, now)
		}
	case !stopped(err):
		if who.kind == aBroker {
			err = about{cluster: h.cluster}.explain(err)
		}
		h.note(who, err, now, now)
	}
	h.look(now)
}

// look notes rows that have waited for too long, and forgets what nobody has
// needed for long. It is called with mu held, as are note and mended.
func (h *Health) look(now time.Time) {
	h.handed.move(h.acked.Load(), now)
	if since, err := h.handed.stuck(now); err != nil {
		h.note(party{kind: theRows}, err, since, now)
	}
	h.listening.Store(h.handed.quiet(now) > listenAfter)
	for who, t := range h.broken {
		if now.Sub(t.last) > forgotten {
			h.mended(who, now)
		}
	}
}

// note notes an error, and tells the log if it is the first one to be told.
func (h *Health) note(who party, err error, since, now time.Time) {
	t := h.broken[who]
	if t.times == 0 {
		t.since = since
	}
	t.times, t.last, t.err = t.times+1, now, err
	if h.broken == nil {
		h.broken = map[party]trouble{}
	}
	h.broken[who] = t
	if t.times > 1 && h.told.IsZero() && h.logger != nil && !h.ofSink {
		h.told = t.since
		args := []any{"error", t.err}
		if who.name != "" {
			args = append(args, string(who.kind), who.name)
		}
		h.logger.Warn(words[who.kind][0], args...)
	}
}

// mended forgets a trouble, and tells the log if it was the last one.
func (h *Health) mended(who party, now time.Time) {
	delete(h.broken, who)
	if len(h.broken) == 0 && !h.told.IsZero() {
		h.logger.Info(words[who.kind][1], "after", now.Sub(h.told).Round(time.Millisecond))
		h.told = time.Time{}
	}
}
