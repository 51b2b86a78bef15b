package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; who waits that long hangs.
const patience = 30 * time.Second

const token = "canary-4b1d"

var (
	errTest = errors.New("out of order")
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

// fake is a pipeline that is as the test says.
type fake struct {
	mu     sync.Mutex
	status pipeline.Status
	err    error
	// asked are the keys that Windows was asked for.
	asked []string
}

func ago(d time.Duration) *time.Time {
	t := noon.Add(-d)
	return &t
}

// busy is a pipeline with everything that a status can have.
func busy() *fake {
	lag, seconds := int64(12), 1.5
	return &fake{status: pipeline.Status{
		Name: "test", Phase: pipeline.Running, Now: noon, Started: noon.Add(-time.Hour),
		Watermark: ago(5 * time.Second), WatermarkSince: ago(time.Second), HeldBy: "events/0",
		Events: 100, Dead: 1, DeadByReason: map[string]int64{"not_json": 1}, Waited: map[string]float64{"outbox": 0.5},
		Queries: []pipeline.QueryStatus{
			{Name: "q", Window: "tumbling 1m", Keys: []string{"model", "tenant"}, Values: []string{"n"}, Functions: []string{"count()"},
				Results: map[string]int64{"on_time": 3}, Ledger: pipeline.Ledger{Query: "q", Read: 100, InWindows: 100}},
			{Name: "all", Window: "global"},
		},
		Partitions: []pipeline.PartitionStatus{
			{Name: "events/0", Topic: "events", Status: "active", Watermark: ago(5 * time.Second), NewestEvent: ago(0), LastRead: ago(0), LagRecords: &lag, LagSeconds: &seconds, Holds: true},
			{Name: "stdin", Status: "waiting"},
		},
		Source: pipeline.TroubleStatus{},
		Sinks:  []pipeline.SinkStatus{{Name: "kafka", Kind: "kafka", Takes: []string{"results"}, Queries: []string{"q"}, Rows: 3, Trouble: pipeline.TroubleStatus{Since: ago(time.Second), Error: "refused"}}},
		State:  &pipeline.StateStatus{Store: "state/test", Epoch: 7, EpochTime: noon, OutboxLimit: 100, CheckpointTime: ago(0), StoreBytes: -1},
	}}
}

// set changes what the pipeline is.
func (f *fake) set(change func(*pipeline.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

func (f *fake) failWith(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fake) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fake) Status() pipeline.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *fake) Windows(_ context.Context, query, key string, limit int) ([]pipeline.OpenWindow, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, key)
	w := pipeline.OpenWindow{Query: query, Start: ago(time.Minute), End: ago(0), Key: json.RawMessage(`{"model":"a","tenant":"<t>"}`), Values: json.RawMessage(`{"n":1}`), Events: 1}
	return []pipeline.OpenWindow{w}[:min(1, limit)], 1, f.err
}

func (f *fake) Why(_ context.Context, query string, _ int) (pipeline.Why, error) {
	s := f.Status()
	return pipeline.Why{
		Now: s.Now, Watermark: s.Watermark, Holder: &s.Partitions[0], Bound: 5, Reason: "because of " + query, Total: 1,
		Windows: []pipeline.OpenGroup{{Query: "q", Keys: 2, Start: ago(time.Minute), End: ago(0), ClosesAt: ago(0), Missing: 5}},
	}, f.failure()
}

func (f *fake) Explain() string { return "a plan" }
func (f *fake) Pause() error    { return f.turn(pipeline.Paused) }
func (f *fake) Resume() error   { return f.turn(pipeline.Running) }

func (f *fake) turn(p pipeline.Phase) error {
	f.set(func(s *pipeline.Status) { s.Phase = p })
	return f.failure()
}

func (f *fake) CheckpointNow(context.Context) (string, error) { return "cp-8", f.failure() }
func (f *fake) Checkpoints(context.Context) ([]string, error) {
	return []string{"cp-7"}, f.failure()
}

// started is a running server of a pipeline.
type started struct {
	*Server
	t      *testing.T
	fake   *fake
	client *http.Client
}

// start starts a server; change may set what is unusual about it.
func start(t *testing.T, f *fake, change func(*Config)) started {
	t.Helper()
	cfg := Config{
		Listen: "127.0.0.1:0", Token: secret.New(token), Name: "test.yaml", Pipeline: f, Level: new(slog.LevelVar),
		Recent: NewRecent(), Samples: NewSamples(), Logger: slog.New(slog.DiscardHandler),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "processor_ready 1\n") }),
	}
	if change != nil {
		change(&cfg)
	}
	s := New(cfg)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return started{s, t, f, &http.Client{Transport: transport}}
}

// request makes a request of the server.
func (s started) request(method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// do sends a request and reads the answer.
func (s started) do(r *http.Request) (*http.Response, string) {
	s.t.Helper()
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response, string(body)
}

// get asks for a path.
func (s started) get(path string) (status int, body string) {
	s.t.Helper()
	response, body := s.do(s.request(http.MethodGet, path, ""))
	return response.StatusCode, body
}

// act sends a request with the token.
func (s started) act(method, path, body string) (status int, answer string) {
	s.t.Helper()
	r := s.request(method, path, body)
	r.Header.Set("Authorization", "Bearer "+token)
	response, answer := s.do(r)
	return response.StatusCode, answer
}

var queryQ = &result.Query{Name: "q", Keys: []string{"model", "tenant"}, Values: []string{"n"}}

// rowOf is a result of query q.
func rowOf(key string, n int64) result.Result {
	return result.Result{
		Query: queryQ, Key: key, KeyJSON: key, Start: noon.UnixNano(), End: noon.Add(time.Minute).UnixNano(),
		Values: []event.Value{event.Int(n)}, Events: n, Watermark: noon.UnixNano(), EmittedAt: noon.Add(time.Duration(n)).UnixNano(),
	}
}

const (
	keyA = `{"model":"a","tenant":"T1"}`
	keyB = `{"model":"b","tenant":"T1"}`
)

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: has not come to pass", what)
		}
	}
}
