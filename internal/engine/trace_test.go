package engine

import (
	"fmt"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/llm-optimizer/processor/event"
)

// parentColumn is a column of texts; empty ones are null.
func parentColumn(texts ...string) (c event.Column, data []byte) {
	for _, text := range texts {
		kind := event.String
		if text == "" {
			kind = event.Null
		}
		c.Kind = append(c.Kind, kind)
		c.Str = append(c.Str, event.Ref{Off: uint32(len(data)), Len: uint32(len(text))})
		data = append(data, text...)
	}
	return c, data
}

func parentText(n int) string { return fmt.Sprintf("00-%032x-%016x-01", n, n) }

func TestLinks(t *testing.T) {
	var many, broken []string
	for n := range 100 {
		many = append(many, parentText(n/2+1))
		broken = append(broken, fmt.Sprint("broken ", n))
	}
	for name, c := range map[string]struct {
		texts []string
		want  int
	}{
		"none":       {[]string{"", ""}, 0},
		"one twice":  {[]string{parentText(1), parentText(1)}, 1},
		"no parents": {[]string{"x", "00-" + fmt.Sprintf("%032x-%016x", 0, 1) + "-01", "", parentText(2)}, 1},
		"the first":  {many, maxLinks},
		"broken":     {append(broken, parentText(1)), 0},
	} {
		r := tracetest.NewSpanRecorder()
		_, span := sdk.NewTracerProvider(sdk.WithSpanProcessor(r)).Tracer("test").Start(t.Context(), "batch")
		column, data := parentColumn(c.texts...)
		link(span, &column, data)
		span.End()
		links := r.Ended()[0].Links()
		seen := map[string]bool{}
		for _, l := range links {
			seen[l.SpanContext.TraceID().String()] = true
		}
		if len(links) != c.want || len(seen) != c.want {
			t.Errorf("%s: %d links with %d traces, want %d", name, len(links), len(seen), c.want)
		}
	}
}

// Without tracing a chunk costs a look at a pointer.
func TestNoTracing(t *testing.T) {
	var none *Tracing
	w := &work{}
	if n := testing.AllocsPerRun(100, func() { none.begin(w) }); n != 0 || w.span != nil {
		t.Errorf("%v allocations, and the span is %v", n, w.span)
	}
}

// BenchmarkNoSpan is what a batch costs that is not drawn.
func BenchmarkNoSpan(b *testing.B) {
	r := tracetest.NewSpanRecorder()
	t := &Tracing{Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(r)).Tracer("test")}
	w := &work{}
	for b.Loop() {
		t.begin(w)
	}
}
