package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
)

func TestPortInUse(t *testing.T) {
	first := start(t, busy(), nil)
	second := New(Config{Listen: first.listener.Addr().String(), Pipeline: busy()})
	err := second.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another process listens on "+first.listener.Addr().String()) {
		t.Errorf("a second server starts with %v", err)
	}
	if err := second.Close(t.Context()); err != nil || second.URL() != "" {
		t.Errorf("one that did not start closes with %v, and is at %q", err, second.URL())
	}
	if err := New(Config{Listen: "nowhere.invalid:1", Pipeline: busy()}).Start(t.Context()); err == nil {
		t.Error("a server listens on a host that does not exist")
	}
}

func TestURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080",
		":8080":          "http://127.0.0.1:8080",
		"0.0.0.0:8080":   "http://127.0.0.1:8080",
		"[::]:8080":      "http://127.0.0.1:8080",
		"[::1]:8080":     "http://[::1]:8080",
		"box:8080":       "http://box:8080",
		"box":            "http://box",
	} {
		if got := URL(listen); got != want {
			t.Errorf("URL(%s) = %s, want %s", listen, got, want)
		}
	}
}

func TestCloseEndsStreams(t *testing.T) {
	s := start(t, busy(), nil)
	events := s.follow(t.Context(), "")
	next(t, events, "status")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for range events { // until its end
	}
	if _, err := s.client.Get(s.URL() + "/livez"); err == nil {
		t.Error("a closed server answers")
	}
}

// slow is a pipeline whose checkpoint does not end.
type slow struct {
	*fake
	entered chan struct{}
}

func (s slow) CheckpointNow(ctx context.Context) (string, error) {
	close(s.entered)
	<-ctx.Done()
	return "", ctx.Err()
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	p := slow{busy(), make(chan struct{})}
	s := start(t, p.fake, func(c *Config) { c.Pipeline = p })
	gone := make(chan error, 1)
	go func() {
		r := s.request(http.MethodPost, "/api/v1/checkpoints", "")
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := s.client.Do(r)
		if err == nil {
			response.Body.Close()
		}
		gone <- err
	}()
	<-p.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err == nil {
		t.Error("a close that cut a request off says nothing")
	}
	<-gone
}

// patient is a pipeline whose checkpoints take longer than a request may.
type patient struct {
	*fake
	took time.Duration
}

func (p patient) CheckpointNow(ctx context.Context) (string, error) {
	select {
	case <-time.After(p.took):
		return p.fake.CheckpointNow(ctx)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// TestLongRequestsMayTakeTheirTime goes beyond what other requests have for
// being answered.
func TestLongRequestsMayTakeTheirTime(t *testing.T) {
	const enough = time.Second
	p := patient{busy(), enough + enough/2}
	s := start(t, p.fake, func(c *Config) { c.Pipeline, c.writeTimeout = p, enough })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := s.follow(ctx, "")
	if status, body := s.act(http.MethodPost, "/api/v1/checkpoints", ""); status != http.StatusOK {
		t.Errorf("a long checkpoint is answered %d: %s", status, body)
	}
	s.cfg.Recent.Results([]result.Result{rowOf(keyA, 1)}, 0)
	next(t, events, "result")
}

func TestHalfARequestIsCutOff(t *testing.T) {
	s := start(t, busy(), func(c *Config) { c.headerTimeout = 50 * time.Millisecond })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || strings.Contains(string(answer), "200") {
		t.Errorf("half a request is answered %q, and ends with %v", answer, err)
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	s := start(t, busy(), nil)
	r := s.request(http.MethodGet, "/livez", "")
	r.Header.Set("X-Long", strings.Repeat("x", maxHeader+8<<10))
	if response, _ := s.do(r); response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of %d bytes is answered %d", maxHeader, response.StatusCode)
	}
}

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	s := start(t, busy(), nil)
	for _, r := range []*http.Request{
		s.request("GET", "/", ""), s.request("GET", "/livez", ""), s.request("GET", "/metrics", ""), s.request("GET", "/nothing", ""),
		s.request("DELETE", "/api/v1/status", ""), s.request("POST", "/api/v1/pause", ""), s.request("GET", "/ui/index.html", ""),
	} {
		response, _ := s.do(r)
		for name, want := range headers {
			if got := response.Header.Get(name); got != want && name != "Cache-Control" {
				t.Errorf("%s %s has %s %q", r.Method, r.URL.Path, name, got)
			}
		}
		if response.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s lets pages of other sites read", r.Method, r.URL.Path)
		}
	}
}

func TestWrongMethodsAndPaths(t *testing.T) {
	s := start(t, busy(), nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/api/v1/status", 405, "GET, HEAD"},
		{"OPTIONS", "/api/v1/pause", 405, "POST"},
		{"GET", "/api/v1/pause", 405, "POST"},
		{"DELETE", "/api/v1/checkpoints", 405, "GET, HEAD, POST"},
		{"PUT", "/", 405, "GET, HEAD"},
		{"GET", "/api/v1/nothing", 404, ""},
		{"GET", "/api/v1/queries/q", 404, ""},
		{"GET", "/index.html", 404, ""},
	} {
		response, body := s.do(s.request(c.method, c.path, ""))
		if response.StatusCode != c.status || response.Header.Get("Allow") != c.allow || !strings.HasPrefix(body, `{"error":"`) {
			t.Errorf("%s %s answers %d, Allow %q, %s", c.method, c.path, response.StatusCode, response.Header.Get("Allow"), body)
		}
	}
	response, body := s.do(s.request(http.MethodHead, "/api/v1/status", ""))
	if response.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD answers %d with %q", response.StatusCode, body)
	}
	response, body = s.do(s.request(http.MethodHead, "/api/v1/stream", ""))
	if response.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD of the stream answers %d with %q", response.StatusCode, body)
	}
}

func TestHostsOfAServerOnLoopback(t *testing.T) {
	s := start(t, busy(), nil)
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:80": 200, "127.0.0.1:9": 200, "[::1]": 200, "[::1]:8080": 200,
		"evil.example": 421, "evil.example:80": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:1": 421, "10.0.0.1": 421,
	} {
		r := s.request(http.MethodGet, "/api/v1/status", "")
		r.Host = host
		if response, body := s.do(r); response.StatusCode != want {
			t.Errorf("Host %s is answered %d: %s", host, response.StatusCode, body)
		}
	}
	for listen, want := range map[string]int{"127.0.0.2:80": 4, "[::1]:80": 4, "LocalHost:80": 4, ":80": 0, "0.0.0.0:80": 0, "box:80": 0, "10.0.0.1:80": 0, "x": 0} {
		if got := allowedHosts(listen); len(got) != want {
			t.Errorf("one that listens on %s may be called %q", listen, got)
		}
	}
}

func TestActions(t *testing.T) {
	var log bytes.Buffer
	s := start(t, busy(), func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: c.Level})) })
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/api/v1/pause", "", `{"phase":"paused"}`},
		{"POST", "/api/v1/resume", "", `{"phase":"running"}`},
		{"POST", "/api/v1/checkpoints", "", `{"checkpoint":"cp-8"}`},
		{"PUT", "/api/v1/log/level", `{"level":"error"}`, `{"level":"error"}`},
		{"PUT", "/api/v1/log/level", `{"level":"debug"}`, `{"level":"debug"}`},
	} {
		if status, body := s.act(c.method, c.path, c.body); status != http.StatusOK || strings.TrimSpace(body) != c.want {
			t.Errorf("%s %s answers %d with %s, want %s", c.method, c.path, status, body, c.want)
		}
	}
	if s.cfg.Level.Level() != slog.LevelDebug {
		t.Errorf("the level is %v", s.cfg.Level.Level())
	}
	if status, body := s.act("PUT", "/api/v1/log/level", `{"level":"info","more":1}`); status != http.StatusBadRequest {
		t.Errorf("an unknown member is answered %d: %s", status, body)
	}
	if text := log.String(); strings.Count(text, "\n") != 5 || strings.Contains(text, token) {
		t.Errorf("the log is\n%s", text)
	}
}

// TestNobodyActsWithoutTheToken tries everything but the token itself.
func TestNobodyActsWithoutTheToken(t *testing.T) {
	s := start(t, busy(), nil)
	for _, r := range s.routes() {
		if r.method == http.MethodGet {
			continue
		}
		for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer x", "Bearer " + token + "x", "Bearer " + token[1:], token, "Basic " + token, "Bearer ***"} {
			request := s.request(r.method, r.path, `{"level":"debug"}`)
			request.Header.Set("Authorization", auth)
			if response, body := s.do(request); response.StatusCode != http.StatusUnauthorized || strings.Contains(body, token) {
				t.Errorf("%s %s with %q answers %d: %s", r.method, r.path, auth, response.StatusCode, body)
			}
		}
	}
	if s.fake.Status().Phase != pipeline.Running || s.cfg.Level.Level() != slog.LevelInfo {
		t.Error("something was done")
	}
	open := start(t, busy(), func(c *Config) { c.Token = secret.Text{} })
	if status, body := open.act("POST", "/api/v1/pause", ""); status != http.StatusForbidden || !strings.Contains(body, "server.token") {
		t.Errorf("without a token in the config, pause answers %d: %s", status, body)
	}
}

func TestThePage(t *testing.T) {
	page := fstest.MapFS{
		"index.html": {Data: []byte("<p>hello")}, "app.js": {Data: []byte("1")}, "img/x.svg": {Data: []byte("<svg/>")}, "secret.key": {Data: []byte("no")},
	}
	s := start(t, busy(), func(c *Config) { c.Page = page })
	for path, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/ui/index.html": "text/html; charset=utf-8", "/ui/app.js": "text/javascript; charset=utf-8", "/ui/img/x.svg": "image/svg+xml",
	} {
		r := s.request(http.MethodGet, path, "")
		response, _ := s.do(r)
		if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != want {
			t.Errorf("%s is %d of type %q", path, response.StatusCode, response.Header.Get("Content-Type"))
		}
		r.Header.Set("If-None-Match", response.Header.Get("ETag"))
		if response, _ := s.do(r); response.StatusCode != http.StatusNotModified {
			t.Errorf("%s is sent again, %d", path, response.StatusCode)
		}
	}
	for _, path := range []string{"/ui/", "/ui/img", "/ui/secret.key", "/ui/none.js", "/ui/%2e%2e/page.go", "/ui/..%2fpage.html"} {
		if status, body := s.get(path); status != http.StatusNotFound {
			t.Errorf("%s is answered %d: %s", path, status, body)
		}
	}
}

func TestHealth(t *testing.T) {
	s := start(t, busy(), nil)
	for path, want := range map[string]string{"/livez": "ok\n", "/healthz": "ok\n", "/readyz": "ok\n", "/metrics": "processor_ready 1\n"} {
		if status, body := s.get(path); status != http.StatusOK || body != want {
			t.Errorf("%s answers %d with %q", path, status, body)
		}
	}
	verbose := "[+]recovered ok\n[+]running ok\n[+]source ok\n[+]sink kafka ok\n[+]outbox ok\nok\n"
	if status, body := s.get("/readyz?verbose"); status != http.StatusOK || body != verbose {
		t.Errorf("it is ready by %d\n%s", status, body)
	}
	for name, c := range map[string]struct {
		change func(*pipeline.Status)
		want   string
	}{
		"starting": {func(s *pipeline.Status) { s.Phase = pipeline.Starting }, "[-]recovered: the pipeline is starting\n"},
		"draining": {func(s *pipeline.Status) { s.Phase = pipeline.Draining }, "[-]running: the pipeline is draining\n"},
		"ended":    {func(s *pipeline.Status) { s.Phase = pipeline.Ended }, "[-]running: the pipeline is ended\n"},
		"source": {func(s *pipeline.Status) {
			s.Source = pipeline.TroubleStatus{Since: ago(11 * time.Second), Error: "no\nbroker"}
		},
			"[-]source: in trouble for 11s: no broker\n"},
		"sink":   {func(s *pipeline.Status) { s.Sinks[0].Trouble.Since = ago(time.Minute) }, "[-]sink kafka: in trouble for 1m0s: refused\n"},
		"failed": {func(s *pipeline.Status) { s.Sinks[0].Failed = true }, "[-]sink kafka: has refused rows for good: refused\n"},
		"outbox": {func(s *pipeline.Status) { s.State.OutboxBytes = 100 }, "[-]outbox: is full: 100 of 100 bytes wait for the slowest sink\n"},
	} {
		s.fake.mu.Lock()
		s.fake.status = busy().status
		s.fake.mu.Unlock()
		s.fake.set(c.change)
		if status, body := s.get("/readyz"); status != http.StatusServiceUnavailable || body != "not ready\n" {
			t.Errorf("%s: answers %d with %q", name, status, body)
		}
		if status, body := s.get("/readyz?verbose"); status != http.StatusServiceUnavailable || !strings.Contains(body, c.want) || strings.Count(body, "[-]") != 1 {
			t.Errorf("%s: answers %d with\n%s", name, status, body)
		}
		if Ready(s.fake.Status()) {
			t.Errorf("%s: is ready", name)
		}
		if status, _ := s.get("/livez"); status != http.StatusOK {
			t.Errorf("%s: does not live", name)
		}
	}
	ready := busy().status
	ready.Phase, ready.State, ready.Source.Since = pipeline.Paused, nil, ago(10*time.Second)
	if !Ready(ready) {
		t.Errorf("a pipeline that is paused, or whose source has just gone, is not ready:\n%v", Checks(ready))
	}
}

// raw is a request as a client that keeps to no rules would send it.
func raw(t *testing.T, s started, text string) *http.Response {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

func TestNoHostIsNotThisHost(t *testing.T) {
	s := start(t, busy(), nil)
	if response := raw(t, s, "GET /api/v1/status HTTP/1.0\r\n\r\n"); response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a request without a Host is answered %d", response.StatusCode)
	}
}

// TestTooManyConnections wants who comes beyond the last one to be cut off, and
// the next one to be served when another has gone.
func TestTooManyConnections(t *testing.T) {
	s := start(t, busy(), func(c *Config) { c.maxConns, c.headerTimeout = 2, time.Hour })
	ask := func() (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return conn, err
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			response.Body.Close()
		}
		return conn, err
	}
	var held net.Conn
	for range 2 {
		conn, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		held = conn
	}
	if _, err := ask(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third connection beside two: %v", err)
	}
	held.Close()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := ask(); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatalf("when another is gone: %v", err)
		}
	}
}
