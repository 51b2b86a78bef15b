package engine

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// Tracing makes spans of batches: from when the source has handed a chunk over
// to when what became of it was handed to the shards. A nil Tracing makes none.
type Tracing struct {
	Tracer trace.Tracer
	// Share is the share of batches that have a span, from 0 to 1.
	Share float64
	// Parents is 1 + the place among Chunk.Attributes of the column with the
	// traceparents (W3C Trace Context) of the records; 0 is none.
	Parents int
}

// maxLinks is how many traces a span is linked with at most: a batch holds
// thousands of records, and a collector shows a handful of links.
const maxLinks = 8

// begin draws whether a chunk that has just been read has a span.
func (t *Tracing) begin(w *work) {
	if t == nil {
		return
	}
	if w.span = nil; rand.Float64() < t.Share {
		_, w.span = t.Tracer.Start(context.Background(), "batch", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer))
	}
}

// combined notes in a batch's span what is in it. The span ends when the
// partition is flushed. The chunk must not have been given back.
func (t *Tracing) combined(p *partition, w *work) {
	p.spans = append(p.spans, w.span)
	if !w.span.IsRecording() {
		return
	}
	w.span.SetAttributes(
		attribute.String("processor.partition", partitionName(&p.origin)),
		attribute.Int64("processor.offset", firstOffset(&w.chunk)),
		attribute.Int("processor.events", w.batch.N),
		attribute.Int("processor.dead_letters", len(w.batch.Dead)),
	)
	if at := t.Parents - 1; at >= 0 && at < len(w.chunk.Attributes) {
		link(w.span, &w.chunk.Attributes[at], w.chunk.Data)
	}
}

// endSpans ends the spans of the batches that a flush has handed over.
func (p *partition) endSpans() {
	for i, s := range p.spans {
		s.End()
		p.spans[i] = nil
	}
	p.spans = p.spans[:0]
}

// link links a span with the traces that records came with: the first few that
// differ. What is no traceparent is passed over.
func link(span trace.Span, parents *event.Column, data []byte) {
	var seen [][]byte
	linked := 0
	for i, ref := range parents.Str {
		if parents.Kind[i] != event.String {
			continue
		}
		text := data[ref.Off : ref.Off+ref.Len]
		if known(seen, text) {
			continue
		}
		// Broken ones take places, too: they must not be parsed for each record.
		if seen = append(seen, text); len(seen) > 4*maxLinks {
			return
		}
		if from := parseParent(text); from.IsValid() {
			span.AddLink(trace.Link{SpanContext: from})
			if linked++; linked == maxLinks {
				return
			}
		}
	}
}

func known(seen [][]byte, text []byte) bool {
	for _, s := range seen {
		if bytes.Equal(s, text) {
			return true
		}
	}
	return false
}

// parseParent reads a traceparent; what is none is not valid.
func parseParent(text []byte) trace.SpanContext {
	carrier := propagation.MapCarrier{"traceparent": string(text)}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// partitionName is a topic and its partition, or a path.
func partitionName(o *event.Origin) string {
	if o.Topic != "" {
		return o.Topic + "/" + strconv.Itoa(int(o.Partition))
	}
	return o.Path
}

// firstOffset is the position of a chunk's first record.
func firstOffset(c *source.Chunk) int64 {
	if len(c.Offsets) > 0 {
		return c.Offsets[0]
	}
	return c.Offset
}
