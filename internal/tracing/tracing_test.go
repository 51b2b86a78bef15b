package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/llm-optimizer/processor/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "canary-71b0"

// server is a collector that keeps what it is sent.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	got  []*collector.ExportTraceServiceRequest
	auth string
	path string
}

func newServer(t *testing.T) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			in = z
		}
		body, err := io.ReadAll(in)
		var m collector.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(body, &m)); err != nil {
			t.Errorf("a request of %d bytes (%s): %v", len(body), r.Header.Get("Content-Type"), err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got, s.auth, s.path = append(s.got, &m), r.Header.Get("Authorization"), r.URL.Path
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	return s
}

func TestSpansArrive(t *testing.T) {
	s := newServer(t)
	tr, err := New(t.Context(), Config{
		Endpoint: s.URL, Headers: map[string]secret.Text{"authorization": secret.New("Bearer " + canary)},
		Service: "stats", Version: "v1", Pipeline: "llm-health",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tr.Tracer().Start(t.Context(), "epoch")
	span.End()
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) != 1 || s.auth != "Bearer "+canary || s.path != "/v1/traces" {
		t.Fatalf("%d requests to %s with %q", len(s.got), s.path, s.auth)
	}
	spans := s.got[0].ResourceSpans[0]
	if name := spans.ScopeSpans[0].Spans[0].Name; name != "epoch" {
		t.Errorf("the span is %s", name)
	}
	about := spans.Resource.String()
	for _, want := range []string{"service.name", "stats", "service.version", "v1", "processor.pipeline", "llm-health"} {
		if !strings.Contains(about, want) {
			t.Errorf("the resource lacks %s: %s", want, about)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://localhost:4318":         "http://localhost:4318/v1/traces",
		"https://otel:4318/":            "https://otel:4318/v1/traces",
		"https://otel/collect/v1/spans": "https://otel/collect/v1/spans",
	} {
		if u, err := tracesURL(endpoint); err != nil || u.String() != want {
			t.Errorf("%s is %v, %v; want %s", endpoint, u, err, want)
		}
	}
	for _, endpoint := range []string{"", "localhost:4318", "grpc://otel:4317", "http://", "http://me:" + canary + "@otel:4318", "http://a b" + canary} {
		_, err := New(t.Context(), Config{Endpoint: endpoint})
		if err == nil || !strings.Contains(err.Error(), "http://") || strings.Contains(err.Error(), canary) {
			t.Errorf("%s gives %v", endpoint, err)
		}
	}
}

// A collector that does not answer costs spans, and an end that is waited for.
func TestNoCollector(t *testing.T) {
	s := newServer(t)
	s.Close()
	var log bytes.Buffer
	tr, err := New(t.Context(), Config{
		Endpoint: s.URL, Headers: map[string]secret.Text{"x": secret.New(canary)}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tr.Tracer().Start(t.Context(), "epoch")
	span.End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Close(ctx); err != nil || !strings.Contains(log.String(), "lost=1") {
		t.Errorf("closing gives %v, and the log has %s", err, log.String())
	}
}

// refuser is an exporter that fails as told.
type refuser struct {
	*tracetest.InMemoryExporter
	err error
}

func (r *refuser) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error { return r.err }

func TestTroubleIsToldNowAndThen(t *testing.T) {
	var log bytes.Buffer
	by := &refuser{InMemoryExporter: tracetest.NewInMemoryExporter()}
	e := newExporter(by, Config{
		Headers: map[string]secret.Text{"x": secret.New(canary)}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}, "http://otel")
	defer e.giveUp()
	lines := func() int { return strings.Count(log.String(), "\n") }
	if err := e.ExportSpans(t.Context(), nil); err != nil || lines() != 0 {
		t.Errorf("what goes well gives %v and %s", err, log.String())
	}
	by.err = errors.New("refused: " + canary)
	for range 3 {
		if err := e.ExportSpans(t.Context(), make([]sdk.ReadOnlySpan, 2)); err != nil {
			t.Errorf("an error gets out: %v", err)
		}
	}
	if lines() != 1 || strings.Contains(log.String(), canary) || !strings.Contains(log.String(), "lost=2") {
		t.Errorf("after three failures the log has\n%s", log.String())
	}
	e.note(2, by.err, time.Now().Add(tellEvery))
	if lines() != 2 || !strings.Contains(log.String(), "lost=8") {
		t.Errorf("a minute later the log has\n%s", log.String())
	}
	e.note(5, nil, time.Now())
	if lines() != 3 || !strings.Contains(log.String(), "again") {
		t.Errorf("when it is over the log has\n%s", log.String())
	}
	e.note(1, by.err, time.Now())
	e.last()
	e.last()
	if lines() != 4 || !strings.Contains(log.String(), "lost=1 ") {
		t.Errorf("at the end the log has\n%s", log.String())
	}
}
