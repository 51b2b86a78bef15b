package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

// answering is the address of a pipeline that answers what top needs.
func answering(t *testing.T) string {
	t.Helper()
	now := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(pipeline.Status{
			Name: "llm-health", Phase: pipeline.Running, Now: now, Started: now.Add(-time.Hour), Events: 42,
			Queries: []pipeline.QueryStatus{{Name: "model_minute"}},
		})
	})
	mux.HandleFunc("GET /api/v1/why", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(pipeline.Why{Reason: "nothing is open"})
	})
	mux.HandleFunc("GET /api/v1/queries/model_minute/results", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"results":[{"query":"model_minute","key":{"model":"gpt-x"},"timing":"on_time","values":{"n":7}}],"dropped":0}`))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func TestTopOnce(t *testing.T) {
	c := execute(t, "", []string{"TERM=xterm"}, "top", "--once", "--interval", "0s", "--url", answering(t))
	if c.code != exitOK || c.stderr != "" {
		t.Fatalf("exit %d, stderr %q", c.code, c.stderr)
	}
	for _, want := range []string{"llm-health  running  up 1h00m", "42 events", "nothing is open", "model=gpt-x", "n=7"} {
		if !strings.Contains(c.stdout, want) {
			t.Errorf("%q is missing in\n%s", want, c.stdout)
		}
	}
	if strings.Contains(c.stdout, "\x1b") {
		t.Errorf("escape sequences in %q", c.stdout)
	}
}

func TestTopRefuses(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--once", "--url", gone.URL}, exitFailure, "no answer from " + gone.URL},
		{[]string{"--once", "--url", "localhost:8080"}, exitUsage, "not of the form http://HOST:PORT"},
		{[]string{"--once", "--interval", "1ms"}, exitUsage, "at least 100ms"},
		{[]string{"--interval", "0s"}, exitUsage, "at least 100ms"},
		{[]string{"--once", "--config", "/does/not/exist.yaml"}, exitUsage, "no such file"},
		{[]string{"--once", "--config", writeFile(t, "c.yaml", streamConfig)}, exitUsage, "has no server section"},
		{[]string{"--once", "--config", writeFile(t, "c.yaml", withServer("127.0.0.1:0"))}, exitUsage, "give --url"},
	} {
		have := execute(t, "", nil, append([]string{"top"}, c.args...)...)
		if have.code != c.code || have.stdout != "" || !strings.Contains(have.stderr, c.stderr) {
			t.Errorf("top %v: exit %d, stdout %q, stderr %q, want %d and %q", c.args, have.code, have.stdout, have.stderr, c.code, c.stderr)
		}
	}
}
