package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
)

// The forms of Sink.Compression.
const (
	// Gzip compresses requests.
	Gzip = "gzip"
	// None sends them as they are.
	None = "none"
)

// DefaultTimeout is how long one request may take.
const DefaultTimeout = 10 * time.Second

// Sink pushes the final rows of windows as gauges: a metric for each aggregate, a
// data point for each row that has a number for it. It delivers at least once: a
// request whose answer was lost is sent again, and rows may come again after a
// crash. The same window gives the same metric, attributes and time, so a backend
// that replaces points by these ends up right.
type Sink struct {
	// Endpoint is the base address, as http://localhost:4318; /v1/metrics is
	// added.
	Endpoint string
	// Headers are sent with each request. Their values do not show in messages.
	Headers map[string]secret.Text
	// Timeout bounds one request; 0 means DefaultTimeout.
	Timeout time.Duration
	// Compression is Gzip, the default, or None.
	Compression string
	// Pipeline is told as an attribute of the resource; Name names the sink in
	// messages.
	Pipeline, Name string
	// Version is told as that of the service; empty is not.
	Version string
	// Log takes what is no error of the pipeline; nil drops it.
	Log *slog.Logger

	trouble  sink.Troubles
	rejected atomic.Int64

	url    string
	client *http.Client
	points *points
	// told is when it was said last that a server has rejected points.
	told time.Time
	// wait is how long to wait before the nth retry; nil means backoff.
	wait func(n int) time.Duration
}

var (
	_ sink.Sink      = (*Sink)(nil)
	_ sink.Describer = (*Sink)(nil)
	_ sink.Replacer  = (*Sink)(nil)
	_ sink.Reporter  = (*Sink)(nil)
	_ sink.Rejecter  = (*Sink)(nil)
)

// Replaces reports that a later row of a window takes the place of an earlier
// one: its points have the same time.
func (s *Sink) Replaces() bool { return true }

// Describe says what of the queries cannot be told in metrics.
func (s *Sink) Describe(queries []*result.Query) error {
	for _, q := range queries {
		if err := checkQuery(q); err != nil {
			return fmt.Errorf("otlp sink: %w", err)
		}
	}
	return nil
}

// Open checks the settings. Whether somebody answers shows with the first rows.
func (s *Sink) Open(context.Context) error {
	url, err := metricsURL(s.Endpoint)
	if err != nil {
		return fmt.Errorf("otlp endpoint: %w", err)
	}
	switch {
	case s.Compression != "" && s.Compression != Gzip && s.Compression != None:
		return fmt.Errorf("otlp compression: %q is not known: use gzip or none", s.Compression)
	case s.Timeout < 0:
		return fmt.Errorf("otlp timeout: %s is negative", s.Timeout)
	}
	if err := CheckHeaders(s.Headers); err != nil {
		return fmt.Errorf("otlp headers: %w", err)
	}
	s.url, s.client, s.points = url, newClient(), newPoints(s.Pipeline, s.Version)
	return nil
}

// Write sends the rows and returns when the server has taken them.
func (s *Sink) Write(ctx context.Context, b *result.Batch) error {
	if s.client == nil {
		return errors.New("otlp sink: it is not open")
	}
	if len(b.Late) > 0 || len(b.Dead) > 0 {
		return errors.New("otlp sink: it sends results alone; send late events and dead letters to a file, Kafka or PostgreSQL")
	}
	s.points.reset() // what an error has left
	for i := range b.Results {
		r := &b.Results[i]
		if r.Timing == result.Early {
			continue
		}
		for v := range r.Query.Values {
			s.points.add(r, v)
			if s.points.n < maxPoints {
				continue
			}
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
	}
	return s.flush(ctx)
}

// flush sends the points that were collected.
func (s *Sink) flush(ctx context.Context) error {
	if s.points.n == 0 {
		return nil
	}
	body, err := s.points.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", s.title(), err)
	}
	if err := s.send(ctx, body); err != nil {
		return err
	}
	s.points.reset()
	return nil
}

// Close lets the connections go.
func (s *Sink) Close(context.Context) error {
	if s.client != nil {
		s.client.CloseIdleConnections()
		s.client = nil
	}
	return nil
}

// Trouble returns what went wrong last and since when the server has not taken
// rows, or nil while all is well.
func (s *Sink) Trouble() (since time.Time, err error) { return s.trouble.Trouble() }

// Retries is how many requests were sent again.
func (s *Sink) Retries() int64 { return s.trouble.Retries() }

// Rejected is how many points servers have refused of requests that they took.
func (s *Sink) Rejected() int64 { return s.rejected.Load() }

func (s *Sink) timeout() time.Duration { return cmp.Or(s.Timeout, DefaultTimeout) }

// title names the sink in messages.
func (s *Sink) title() string {
	return fmt.Sprintf("otlp sink %s (%s)", cmp.Or(s.Name, "otlp"), s.Endpoint)
}
