package top

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve answers as a running pipeline does.
func serve(t *testing.T, api *fakeAPI) *httptest.Server {
	t.Helper()
	reply := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			v = map[string]string{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, r *http.Request) {
		s, err := api.Status(r.Context())
		reply(w, s, err)
	})
	mux.HandleFunc("GET /api/v1/why", func(w http.ResponseWriter, r *http.Request) {
		if limit := r.FormValue("limit"); limit != "10" {
			t.Errorf("why was asked for with limit %q", limit)
		}
		y, err := api.Why(r.Context(), 10)
		reply(w, y, err)
	})
	mux.HandleFunc("GET /api/v1/queries/{query}/results", func(w http.ResponseWriter, r *http.Request) {
		rows, err := api.Results(r.Context(), r.PathValue("query"), 50)
		reply(w, rows, err)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func clientOf(t *testing.T, address string) *Client {
	t.Helper()
	c, err := NewClient(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestClient(t *testing.T) {
	api := &fakeAPI{}
	c := clientOf(t, serve(t, api).URL+"/")
	ctx := t.Context()
	if s, err := c.Status(ctx); err != nil || s.Name != "llm-health" || len(s.Partitions) != 4 {
		t.Errorf("status: %+v, %v", s, err)
	}
	if y, err := c.Why(ctx, 10); err != nil || y.Total != 14 || len(y.Windows) != 3 {
		t.Errorf("why: %+v, %v", y, err)
	}
	const odd = "a/b c?"
	if r, err := c.Results(ctx, odd, 50); err != nil || len(r.Rows) != 4 || r.Rows[0].Query != odd {
		t.Errorf("results: %+v, %v", r, err)
	}
	api.set(true)
	if _, err := c.Status(ctx); err == nil || err.Error() != "it answers 503 Service Unavailable: connect: connection refused" {
		t.Errorf("status: %v", err)
	}
}

func TestClientErrors(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved/api/v1/status":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/long/api/v1/status":
			_, _ = io.Copy(w, io.LimitReader(zeros{}, maxAnswer+10))
		default:
			fmt.Fprint(w, "<html>")
		}
	}))
	defer page.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct{ address, want string }{
		{page.URL, "is it the address of server.listen?"},
		{page.URL + "/moved", "it answers 302 Found"},
		{page.URL + "/long", "longer than 32.0 MiB"},
		{gone.URL, "connection refused"},
	} {
		if _, err := clientOf(t, c.address).Status(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.address, err, c.want)
		}
	}
	for _, address := range []string{"", "localhost:8080", "ftp://x", "http://", "http://x?y=1", "http://[::1"} {
		if _, err := NewClient(address); err == nil {
			t.Errorf("the address %q passes", address)
		}
	}
	if have := clientOf(t, "http://me:secret@x").Address(); strings.Contains(have, "secret") {
		t.Errorf("the address is shown as %s", have)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func options(api API, interval time.Duration) Options {
	return Options{API: api, Address: "http://127.0.0.1:8080", Interval: interval, Now: func() time.Time { return noon }, Look: Look{Color: true}}
}

func TestOnce(t *testing.T) {
	c := clientOf(t, serve(t, &fakeAPI{}).URL)
	var out strings.Builder
	if err := Once(t.Context(), options(c, time.Millisecond), &out); err != nil {
		t.Fatal(err)
	}
	golden(t, "once", out.String())
	out.Reset()
	if err := Once(t.Context(), options(c, 0), &out); err != nil || !strings.Contains(out.String(), "- events/s") {
		t.Errorf("without an interval: %v\n%s", err, out.String())
	}
	err := Once(t.Context(), options(&fakeAPI{down: true}, 0), &out)
	if err == nil || err.Error() != "no answer from http://127.0.0.1:8080: connect: connection refused" {
		t.Errorf("have %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Once(ended, options(&fakeAPI{}, time.Hour), &out); err == nil {
		t.Error("it should not wait on")
	}
}

// sharedBuffer is a writer that a test may look at meanwhile.
type sharedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *sharedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// has waits for a text.
func (b *sharedBuffer) has(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		have := b.buf.String()
		b.mu.Unlock()
		if strings.Contains(have, text) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%q does not come in\n%q", text, have)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestFollow(t *testing.T) {
	api := &fakeAPI{down: true}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out sharedBuffer
	ended := make(chan error)
	go func() { ended <- Follow(ctx, options(api, time.Millisecond), &out) }()
	out.has(t, "! no answer since 12:00:00")
	api.set(false)
	out.has(t, "Results of session_cost (4)")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	gone, lost := io.Pipe()
	_ = gone.Close()
	if err := Follow(t.Context(), options(api, time.Millisecond), lost); err == nil {
		t.Error("it goes on without a reader")
	}
}

// TestRun runs the program on pipes: it draws, answers a key and leaves nothing
// running.
func TestRun(t *testing.T) {
	for _, end := range []string{"q", "context"} {
		t.Run(end, func(t *testing.T) {
			c := clientOf(t, serve(t, &fakeAPI{}).URL)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in, keys := io.Pipe()
			defer keys.Close()
			var out sharedBuffer
			ended := make(chan error)
			o := options(c, time.Hour)
			o.Look = Look{}
			go func() { ended <- Run(ctx, o, in, &out, []string{"TERM=xterm"}) }()
			if end == "q" {
				_, _ = io.WriteString(keys, "?") // is read once it runs
				_, _ = io.WriteString(keys, "q")
			} else {
				cancel()
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
