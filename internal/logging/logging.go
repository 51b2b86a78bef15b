// Package logging is what stands between the log and where it is written: it
// adds the ids of the trace that a line belongs to, and does not say the same
// thing over and over.
package logging

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// Handler adds trace_id and span_id to a line whose context has a span, and
// limits repeats: of one message at one level five lines go out in ten seconds.
// Warnings and errors with other attributes are other facts: of them five go out
// with the same attributes, up to a hundred in all. The others are counted, and
// one more line with the message says how many they were (repeated). It comes
// with the first line, of any message, after the ten seconds, or with Flush.
// Debug lines are not limited: who asks for them wants all.
type Handler struct {
	next    slog.Handler
	repeats *repeats
	// with is the digest of the attributes and groups that next has.
	with digest
}

// New returns a Handler that writes to next.
func New(next slog.Handler) *Handler {
	return &Handler{next: next, repeats: &repeats{plain: next, seen: map[message]*tally{}}}
}

// Enabled is what next says.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// WithAttrs keeps to the same limits.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.next.WithAttrs(attrs), h.repeats, h.with.with(attrs...)}
}

// WithGroup keeps to the same limits. The ids of a trace are in the group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(name), h.repeats, h.with.with(slog.Group(name))}
}

// Handle writes a line, counts it, or both.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	write, due := h.repeats.judge(h.next, h.with, &r)
	err := tell(ctx, due)
	if !write {
		return err
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return errors.Join(err, h.next.Handle(ctx, r))
}

// Flush says of all lines that were held back how many they were. It is for the
// end of the process. Of a logger without a Handler there is nothing to say.
func Flush(log *slog.Logger) error {
	h, ok := log.Handler().(*Handler)
	if !ok {
		return nil
	}
	return tell(context.Background(), h.repeats.all())
}

// tell writes lines that say how often others were repeated.
func tell(ctx context.Context, due []repeated) error {
	var err error
	for _, d := range due {
		err = errors.Join(err, d.to.Handle(ctx, d.record()))
	}
	return err
}
