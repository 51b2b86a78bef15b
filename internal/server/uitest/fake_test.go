package uitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

const (
	folder = "../ui"
	token  = "let-me-in"
	// policy is what the server sends with everything.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// row is a result as sinks write it, with meta.
type row struct {
	ID        string             `json:"id"`
	WindowID  string             `json:"window_id"`
	Query     string             `json:"query"`
	Key       json.RawMessage    `json:"key"`
	Start     time.Time          `json:"window_start"`
	End       time.Time          `json:"window_end"`
	Timing    string             `json:"timing"`
	Firing    int                `json:"firing"`
	Values    map[string]float64 `json:"values"`
	Events    int64              `json:"events"`
	Watermark time.Time          `json:"watermark"`
	Emitted   time.Time          `json:"emitted_at"`
}

// fake is a server with the API's answers, which a test may change.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	status  func(now time.Time) pipeline.Status
	rows    map[string][]row
	windows map[string][]pipeline.OpenWindow
	why     func(now time.Time) pipeline.Why
	late    []json.RawMessage
	dead    []json.RawMessage
	readers map[chan sent]bool
	actions []string
	hangUp  chan struct{}
}

func newFake(t *testing.T, w world) *fake {
	t.Helper()
	f := &fake{
		status: w.status, rows: w.rows, windows: w.windows, why: w.why, late: w.late, dead: w.dead,
		readers: map[chan sent]bool{}, hangUp: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, os.DirFS(folder), "index.html")
	})
	mux.Handle("GET /ui/", http.StripPrefix("/ui/", http.FileServerFS(os.DirFS(folder))))
	mux.HandleFunc("/api/v1/", f.api)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.breakStreams()
		f.Close()
	})
	return f
}

// api answers as the server does.
func (f *fake) api(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	if r.Method != http.MethodGet {
		f.act(w, r, name)
		return
	}
	if name == "stream" {
		f.stream(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if rest, ok := strings.CutPrefix(name, "queries/"); ok {
		query, what := path.Split(rest)
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		f.query(w, strings.TrimSuffix(query, "/"), what, r.URL.Query().Get("contains"), limit)
		return
	}
	switch name {
	case "status":
		answer(w, f.status(time.Now()))
	case "plan":
		answer(w, map[string]string{"config": "pipeline.yaml", "plan": planText})
	case "why":
		answer(w, f.why(time.Now()))
	case "late":
		answer(w, map[string]any{"rows": f.late, "total": len(f.late)})
	case "dead":
		answer(w, map[string]any{"rows": f.dead, "total": len(f.dead)})
	case "checkpoints":
		answer(w, map[string]any{"checkpoints": []string{"cp-000812", "cp-001412", "cp-002012"}})
	case "log/level":
		answer(w, map[string]string{"level": "info"})
	default:
		refuse(w, http.StatusNotFound, "there is no "+name)
	}
}

func (f *fake) query(w http.ResponseWriter, query, what, contains string, limit int) {
	switch what {
	case "results":
		found := []row{}
		for _, r := range f.rows[query] {
			if strings.Contains(string(r.Key), contains) {
				found = append(found, r)
			}
		}
		answer(w, map[string]any{"results": found[max(0, len(found)-limit):], "dropped": 0})
	case "windows":
		answer(w, map[string]any{"windows": f.windows[query], "total": len(f.windows[query])})
	default:
		refuse(w, http.StatusNotFound, "there is no "+what)
	}
}

func (f *fake) act(w http.ResponseWriter, r *http.Request, name string) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		refuse(w, http.StatusUnauthorized, "the token is wrong")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.actions = append(f.actions, r.Method+" "+name)
	answer(w, map[string]string{"phase": "paused"})
}

// sent is an event of a stream.
type sent struct {
	name string
	data any
}

// stream sends a status at once and often, and events as they are pushed.
func (f *fake) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	events := make(chan sent, 1024)
	f.mu.Lock()
	f.readers[events] = true
	hangUp := f.hangUp
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.readers, events)
		f.mu.Unlock()
	}()
	often := time.NewTicker(200 * time.Millisecond)
	defer often.Stop()
	send := func(event string, data any) {
		text, err := json.Marshal(data)
		if err == nil {
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text)
			w.(http.Flusher).Flush()
		}
	}
	for {
		f.mu.Lock()
		status := f.status(time.Now())
		f.mu.Unlock()
		send("status", status)
		select {
		case <-often.C:
		case e := <-events:
			send(e.name, e.data)
		case <-hangUp:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// push sends a row to whoever reads the stream.
func (f *fake) push(r row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows[r.Query] = append(f.rows[r.Query], r)
	f.sendAll("result", r)
}

// drop tells whoever reads the stream that rows were left out.
func (f *fake) drop(rows int, because string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sendAll("dropped", map[string]any{"rows": rows, "because": because})
}

func (f *fake) sendAll(name string, data any) {
	for reader := range f.readers {
		reader <- sent{name, data}
	}
}

// breakStreams ends the streams that are open.
func (f *fake) breakStreams() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.hangUp)
	f.hangUp = make(chan struct{})
}

func (f *fake) acted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.actions...)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}
