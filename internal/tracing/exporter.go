package tracing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/llm-optimizer/processor/secret"
)

// exporter sends spans by another one, and keeps its errors to itself: they go
// to the log, not to whoever makes spans, and not to a handler that the whole
// process has in common.
type exporter struct {
	sdk.SpanExporter
	log     *slog.Logger
	to      string
	secrets []string
	// closing ends when nobody waits any more for what is being sent.
	closing context.Context
	giveUp  context.CancelFunc

	mu     sync.Mutex
	lost   int       // spans since the trouble began
	untold int       // of them, those that the log does not know of
	since  time.Time // when the trouble began; zero while there is none
	told   time.Time
}

// tellEvery is how often trouble that lasts is told.
const tellEvery = time.Minute

func newExporter(by sdk.SpanExporter, c Config, to string) *exporter {
	e := &exporter{SpanExporter: by, log: c.Log, to: to, secrets: secret.OfHeaders(c.Headers)}
	if e.log == nil {
		e.log = slog.Default()
	}
	e.closing, e.giveUp = context.WithCancel(context.Background())
	return e
}

// ExportSpans sends spans. Those that cannot be sent are lost.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.closing, cancel)()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.note(len(spans), err, time.Now())
	return nil
}

// note tells the log of trouble when it begins, each minute, and when it ends.
func (e *exporter) note(spans int, err error, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil && e.since.IsZero():
		return
	case err == nil:
		e.log.Info("spans can be sent again", "to", e.to, "after", now.Sub(e.since).Round(time.Millisecond), "lost", e.lost)
		e.lost, e.untold, e.since = 0, 0, time.Time{}
		return
	case e.since.IsZero():
		e.since = now
	}
	e.lost, e.untold = e.lost+spans, e.untold+spans
	if now.Sub(e.told) >= tellEvery {
		e.tell(err)
		e.told = now
	}
}

func (e *exporter) tell(err error) {
	e.log.Warn("spans cannot be sent; the pipeline goes on without them", "to", e.to, "lost", e.lost, "err", e.clean(err))
	e.untold = 0
}

// last tells what the log does not know yet, at the end.
func (e *exporter) last() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.untold > 0 {
		e.tell(errors.New("the collector did not take them before the end"))
	}
}

// clean takes the headers out of an error, should a server repeat them.
func (e *exporter) clean(err error) error { return secret.Redact(err, e.secrets...) }
