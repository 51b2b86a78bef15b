package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// The defaults of Sink.
const (
	DefaultPrefix    = "processor_result_"
	DefaultMaxSeries = 10_000
	DefaultExpire    = 10 * time.Minute
)

// Sink keeps the last final window of each query and key for Prometheus to fetch:
// a gauge for each aggregate that is a number, and one for the window's end. It
// holds them in memory alone. A later window replaces an earlier one, and never
// the other way round: a correction counts for the window that is shown only.
//
// Register what Collector returns where Prometheus fetches from.
type Sink struct {
	// Name tells the sink from others in its own metric; "" means prometheus.
	Name string
	// Prefix begins the names of all metrics; "" means DefaultPrefix.
	Prefix string
	// MaxSeries bounds how many series there are; 0 means DefaultMaxSeries.
	MaxSeries int
	// Expire is how long a series is shown after its last row; 0 means
	// DefaultExpire.
	Expire time.Duration
	// Log takes what is no error of the pipeline; nil drops it.
	Log *slog.Logger

	// now is the clock.
	now func() time.Time

	mu      sync.Mutex
	layouts map[string][]*layout // by the query's name, one for each definition
	shown   map[place]*window
	series  int
	// oldest is not after any update of what is shown.
	oldest  time.Time
	dropped uint64
	warned  bool
}

// place is a query and a key.
type place struct{ query, key string }

var (
	_ sink.Sink      = (*Sink)(nil)
	_ sink.Describer = (*Sink)(nil)
	_ sink.Replacer  = (*Sink)(nil)
)

// Replaces reports that a later row of a window takes the place of an earlier
// one.
func (s *Sink) Replaces() bool { return true }

// prefixPattern is what a metric's name may begin with.
var prefixPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Describe tells the queries whose results come, and says what of them cannot be
// shown. Without it that is found out from the rows.
func (s *Sink) Describe(queries []*result.Query) error {
	if prefix := s.prefix(); !prefixPattern.MatchString(prefix) {
		return fmt.Errorf("prometheus prefix: %q does not begin a name of a metric: want letters, digits and underscores, not beginning with a digit", prefix)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var wrong []error
	for _, q := range queries {
		if _, err := s.layout(q); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

func (s *Sink) prefix() string { return cmp.Or(s.Prefix, DefaultPrefix) }

// layout returns how the rows of a query are shown. A query that was changed may
// still have rows of before in the outbox. The lock is held.
func (s *Sink) layout(q *result.Query) (*layout, error) {
	for _, l := range s.layouts[q.Name] {
		if l.of == q || l.fits(q) {
			return l, nil
		}
	}
	l, err := newLayout(s.prefix(), q)
	if err != nil {
		return nil, fmt.Errorf("prometheus sink: %w", err)
	}
	if s.layouts == nil {
		s.layouts = map[string][]*layout{}
	}
	s.layouts[q.Name] = append(s.layouts[q.Name], l)
	return l, nil
}

// Open makes the sink ready.
func (s *Sink) Open(context.Context) error {
	if s.MaxSeries < 0 || s.Expire < 0 {
		return errors.New("prometheus sink: max_series and expire cannot be negative")
	}
	return s.Describe(nil)
}

// Write takes over what is to be shown of the rows.
func (s *Sink) Write(_ context.Context, b *result.Batch) error {
	if len(b.Late) > 0 || len(b.Dead) > 0 {
		return errors.New("prometheus sink: it shows results alone; send late events and dead letters to a file, Kafka or PostgreSQL")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	for i := range b.Results {
		r := &b.Results[i]
		if r.Timing == result.Early {
			continue
		}
		l, err := s.layout(r.Query)
		if err != nil {
			return err
		}
		s.take(l, r, now)
	}
	return nil
}

// Close leaves what is shown until it expires: whoever fetches may come once more.
func (s *Sink) Close(context.Context) error { return nil }

func (s *Sink) clock() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// Collector is what shows the series. Its Describe sends nothing, as nobody
// knows beforehand which there will be.
func (s *Sink) Collector() prometheus.Collector { return collector{s} }
