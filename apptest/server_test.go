package apptest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

const servedConfig = `name: served
source: {generate: {events_per_second: 2000}}
event: {time: {field: timestamp, format: rfc3339}}
watermark: {max_out_of_orderness: 2s}
queries:
  - name: models
    key: [model]
    window: {tumbling: 1s}
    aggregate: {requests: count(), p95_ms: p95(latency_ms)}
sinks:
  - file: {path: results.jsonl}
  - prometheus: {}
state: {backend: pebble, path: state}
server: {listen: "${LISTEN}", token: "${TOKEN}"}
log: {level: debug}
`

// freeAddress is one that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask sends a request, with the token for an action.
func ask(t *testing.T, method, url string) (code int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if method != http.MethodGet {
		request.Header.Set("Authorization", "Bearer "+canary)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if csp := response.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("%s has the policy %q", url, csp)
	}
	return response.StatusCode, string(body)
}

// TestServed asks the program itself all that it can be asked: it gets ready,
// shows windows and results, obeys with a token, and never shows the token.
func TestServed(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir(), servedConfig, "")
	address := freeAddress(t)
	s.env = []string{"LISTEN=" + address, "TOKEN=" + canary}
	r := s.start(t)
	url := "http://" + address
	r.until(t, "readiness", func() bool {
		code, _ := ask(t, http.MethodGet, url+"/readyz")
		return code == http.StatusOK
	})
	r.until(t, "rows", func() bool { return s.size("results.jsonl") > 0 })
	r.until(t, "windows as metrics", func() bool {
		_, text := ask(t, http.MethodGet, url+"/metrics")
		return strings.Contains(text, `processor_result_requests{query="models"`) || strings.Contains(text, `processor_result_requests{model=`)
	})

	for path, says := range map[string]string{
		"/": "<html", "/livez": "ok", "/healthz": "ok", "/readyz?verbose": "[+]recovered ok", "/metrics": "processor_events_decoded_total",
		"/api/v1/status": `"phase":"running"`, "/api/v1/plan": "columns read", "/api/v1/queries": `"models"`,
		"/api/v1/partitions": `"generate"`, "/api/v1/sinks": `"file"`, "/api/v1/queries/models/results": `"timing":"on_time"`,
		"/api/v1/queries/models/keys": `"model"`, "/api/v1/queries/models/windows": `"window_end"`, "/api/v1/why": `"reason"`,
		"/api/v1/late": `"rows"`, "/api/v1/dead": `"rows"`, "/api/v1/state": `"epoch"`, "/api/v1/checkpoints": `"checkpoints"`,
		"/api/v1/log/level": `"debug"`, "/api/v1/openapi.json": `"openapi"`,
	} {
		code, text := ask(t, http.MethodGet, url+path)
		if code != http.StatusOK || !strings.Contains(strings.ReplaceAll(text, ": ", ":"), strings.ReplaceAll(says, ": ", ":")) {
			t.Errorf("%s answers %d and not %s:\n%.500s", path, code, says, text)
		}
		if strings.Contains(text, canary) {
			t.Errorf("%s shows the token", path)
		}
	}
	for _, args := range [][]string{{"why"}, {"top", "--once", "--interval", "0s"}} {
		if text := s.do(t, args...); !strings.Contains(text, "models") || strings.Contains(text, canary) {
			t.Errorf("%v says\n%s", args, text)
		}
	}
	streamed(t, url+"/api/v1/stream?query=models")

	for _, c := range []struct{ path, says string }{
		{"/api/v1/pause", `"paused"`}, {"/api/v1/resume", `"running"`}, {"/api/v1/checkpoints", `"checkpoint"`},
	} {
		if code, text := ask(t, http.MethodPost, url+c.path); code != http.StatusOK || !strings.Contains(text, c.says) {
			t.Errorf("%s answers %d: %s", c.path, code, text)
		}
	}

	// Another process cannot listen there, says so, and leaves this one alone.
	other := newSite(t, t.TempDir(), servedConfig, "")
	other.env = s.env
	o := other.start(t)
	if code := o.code(t); code != 1 || !strings.Contains(o.err.String(), address) || !strings.Contains(o.err.String(), "in use") {
		t.Errorf("a second process ends with %d\n%s", code, &o.err)
	}

	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := r.code(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &r.err)
	}
	if log := r.err.String() + o.err.String(); strings.Contains(log, canary) {
		t.Errorf("the log shows the token\n%s", log)
	}
}

// streamed waits for a status and a result in the stream.
func streamed(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	missing := map[string]bool{"event: status": true, "event: result": true}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for len(missing) > 0 && lines.Scan() {
		delete(missing, lines.Text())
	}
	if len(missing) > 0 {
		t.Errorf("the stream has no %v: %v", missing, lines.Err())
	}
}
