package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collect starts a collector; names are the spans that it was sent, with the
// service and the value of a header.
func collect(t *testing.T) (url string, names func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	got := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &m) != nil {
			t.Errorf("%s: %d bytes that are no traces (%v)", r.URL, len(body), err)
		}
		mu.Lock()
		defer mu.Unlock()
		got["header "+r.Header.Get("Authorization")]++
		for _, of := range m.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				got[a.Key+" "+a.Value.GetStringValue()]++
			}
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					got[span.Name]++
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

// tracedConfig reads a file, keeps its state in a directory and has spans of
// all batches.
func tracedConfig(t *testing.T, telemetry string) string {
	t.Helper()
	dir := t.TempDir()
	in := writeFile(t, "in.jsonl", `{"ts":1,"k":"a","v":2}`+"\n"+`{"ts":9000,"k":"a","v":2}`+"\n")
	text := strings.Replace(streamConfig, "{stdin: {}}", `{file: {path: "`+in+`"}}`, 1)
	return writeFile(t, "traced.yaml", text+`state: {backend: pebble, path: "`+filepath.Join(dir, "state")+"\"}\n"+telemetry)
}

func TestTracesReachTheCollector(t *testing.T) {
	url, names := collect(t)
	file := tracedConfig(t, `telemetry: {endpoint: "`+url+`", sample: 1, service: stats, headers: {authorization: "${TOKEN}"}}`)
	c := execute(t, "", []string{"TOKEN=Bearer canary-1f"}, "--config", file)
	if c.code != 0 || strings.Contains(c.stdout+c.stderr, "canary") || strings.Contains(c.stderr, "spans cannot be sent") {
		t.Fatalf("exit code %d\n%s%s", c.code, c.stdout, c.stderr)
	}
	got := names()
	for _, want := range []string{
		"recovery", "epoch", "delivery", "batch", "service.name stats", "processor.pipeline test",
		"service.version " + describeVersion(), "header Bearer canary-1f",
	} {
		if got[want] == 0 {
			t.Errorf("the collector has no %q: %v", want, got)
		}
	}
}

// A collector that is not there costs nothing but a line of the log.
func TestARunWithoutItsCollector(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	c := execute(t, "", nil, "--config", tracedConfig(t, `telemetry: {endpoint: "`+s.URL+`"}`))
	if c.code != 0 || !strings.Contains(c.stdout, `"values":{"n":1,"sum":2}`) || strings.Count(c.stderr, "spans cannot be sent") != 1 {
		t.Errorf("exit code %d\n%s%s", c.code, c.stdout, c.stderr)
	}
}

func TestARunThatCannotBeTraced(t *testing.T) {
	url, names := collect(t)
	c := execute(t, "", nil, "--config", tracedConfig(t, `telemetry: {endpoint: "grpc://otel:4317"}`))
	if c.code != 2 || !strings.Contains(c.stderr, "telemetry.endpoint") {
		t.Errorf("exit code %d\n%s", c.code, c.stderr)
	}
	// validate and explain send nothing.
	file := tracedConfig(t, `telemetry: {endpoint: "`+url+`"}`)
	for _, verb := range []string{"validate", "explain"} {
		if c := execute(t, "", nil, verb, "--config", file); c.code != 0 || len(names()) > 0 {
			t.Errorf("%s: exit code %d, and the collector has %v", verb, c.code, names())
		}
	}
}
