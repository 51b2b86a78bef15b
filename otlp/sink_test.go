package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server takes metrics.
type server struct {
	*httptest.Server
	// answer, if it is there, answers the nth request in its place.
	answer func(n int, w http.ResponseWriter) (done bool)

	mu       sync.Mutex
	asked    int
	requests []*collector.ExportMetricsServiceRequest
	headers  []http.Header
}

func newServer(t *testing.T, answer func(n int, w http.ResponseWriter) bool) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.answer != nil && s.answer(s.asked, w) {
		return
	}
	request, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.requests, s.headers = append(s.requests, request), append(s.headers, r.Header)
	w.Header().Set("Content-Type", protobuf)
}

func read(r *http.Request) (*collector.ExportMetricsServiceRequest, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/metrics" || r.Header.Get("Content-Type") != protobuf {
		return nil, fmt.Errorf("%s %s of %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	request := new(collector.ExportMetricsServiceRequest)
	return request, proto.Unmarshal(text, request)
}

// point is a data point and the metric that it is of.
type point struct {
	metric *metrics.Metric
	*metrics.NumberDataPoint
}

func (s *server) points() (all []point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, request := range s.requests {
		for _, r := range request.GetResourceMetrics() {
			for _, scope := range r.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					for _, p := range m.GetGauge().GetDataPoints() {
						all = append(all, point{m, p})
					}
				}
			}
		}
	}
	return all
}

// resultsOnly leaves out what the sink does not take, and counts it.
type resultsOnly struct {
	sink.Sink
	late, dead int
}

func (r *resultsOnly) Write(ctx context.Context, b *result.Batch) error {
	r.late, r.dead = r.late+len(b.Late), r.dead+len(b.Dead)
	return r.Sink.Write(ctx, &result.Batch{Results: b.Results})
}

// The rows of the suite follow from when their windows begin.
func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (sink.Sink, func() sinktest.Held) {
		web := newServer(t, nil)
		s := &resultsOnly{Sink: &Sink{Endpoint: web.URL}}
		return s, func() sinktest.Held {
			h := sinktest.Held{Late: s.late, Dead: s.dead}
			for _, p := range web.points() {
				if p.metric.GetName() != "processor.result.requests" {
					continue
				}
				start := int64(p.GetStartTimeUnixNano())
				r := result.Result{
					Query: &result.Query{Name: "sinktest", Keys: []string{"model"}, Seed: 7}, Start: start, End: int64(p.GetTimeUnixNano()), Identity: start,
					Key: string(event.AppendKeyValue(nil, event.Text(p.GetAttributes()[1].GetValue().GetStringValue()))),
				}
				h.IDs = append(h.IDs, fmt.Sprintf("%s-%d", r.WindowID(nil), start/60e9%2))
			}
			return h
		}
	})
}

var minute = &result.Query{
	Name: "q", Keys: []string{"model", "tenant", "n", "big", "ratio", "ok"},
	Values: []string{"requests", "p95_ms", "top", "last"}, Functions: []result.Function{{Name: "count"}, {Name: "percentile"}, {Name: "top_k"}, {Name: "last"}},
}

func row(timing result.Timing) result.Result {
	var key []byte
	for _, v := range []event.Value{event.Text("gpt-x"), {}, event.Int(1<<53 + 1), {Kind: event.Integer, Str: "18446744073709551615"}, event.Float(0.5), event.Bool(true)} {
		key = event.AppendKeyValue(key, v)
	}
	r := result.Result{
		Query: minute, Key: string(key), Start: 60e9, End: 120e9, Identity: 60e9, Timing: timing,
		Values: []event.Value{event.Float(812), {Kind: event.Integer, Num: 1 << 60, Str: "1"}, event.JSONValue("[]"), event.Text("x")},
	}
	if timing == result.Retract {
		r.Values = nil
	}
	return r
}

// opened is a sink that waits for nothing between tries.
func opened(t *testing.T, s *Sink) *Sink {
	t.Helper()
	if s.wait == nil {
		s.wait = func(int) time.Duration { return 0 }
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func write(ctx context.Context, s *Sink, rows ...result.Result) error {
	return s.Write(ctx, &result.Batch{Results: rows})
}

func TestPoints(t *testing.T) {
	web := newServer(t, nil)
	s := opened(t, &Sink{Endpoint: web.URL + "/", Pipeline: "llm-health", Version: "v1", Headers: map[string]secret.Text{"Authorization": secret.New("Bearer canary")}})
	if err := write(t.Context(), s, row(result.Early), row(result.OnTime), row(result.Late), row(result.Retract)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range web.points() {
		value := fmt.Sprint(p.GetAsDouble())
		if p.Value == nil {
			value = fmt.Sprint("flags ", p.GetFlags())
		}
		got = append(got, fmt.Sprintf("%s %s %d-%d %s %s", p.metric.GetName(), p.metric.GetUnit(), p.GetStartTimeUnixNano()/1e9, p.GetTimeUnixNano()/1e9, value, show(p.GetAttributes())))
	}
	const at = " query=string_value:\"q\" model=string_value:\"gpt-x\" n=int_value:9007199254740993 big=string_value:\"18446744073709551615\" ratio=double_value:0.5 ok=bool_value:true"
	want := []string{
		"processor.result.requests 1 60-120 812" + at, "processor.result.requests 1 60-120 812" + at, "processor.result.requests 1 60-120 flags 1" + at,
		"processor.result.p95_ms ms 60-120 1.152921504606847e+18" + at, "processor.result.p95_ms ms 60-120 1.152921504606847e+18" + at, "processor.result.p95_ms ms 60-120 flags 1" + at,
		"processor.result.last 1 60-120 flags 1" + at,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("it sends\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	resource := show(web.requests[0].GetResourceMetrics()[0].GetResource().GetAttributes())
	if resource != `service.name=string_value:"processor" processor.pipeline=string_value:"llm-health" service.version=string_value:"v1"` {
		t.Errorf("the resource is %s", resource)
	}
	if h := web.headers[0]; h.Get("Authorization") != "Bearer canary" || h.Get("Content-Encoding") != "gzip" {
		t.Errorf("the headers are %v", h)
	}
}

func show(list []*common.KeyValue) string {
	parts := make([]string, len(list))
	for i, a := range list {
		// The text form has one space or two, so that nobody relies on it.
		parts[i] = a.GetKey() + "=" + strings.ReplaceAll(strings.ReplaceAll(a.GetValue().String(), ":  ", ":"), ": ", ":")
	}
	return strings.Join(parts, " ")
}

func TestTimes(t *testing.T) {
	for name, c := range map[string]struct {
		r        result.Result
		at, from uint64
		ok       bool
	}{
		"a window":                {result.Result{Start: 1, End: 2}, 2, 1, true},
		"across 1970":             {result.Result{Start: -5, End: 2}, 2, 0, true},
		"before 1970":             {result.Result{Start: -5, End: -2}, 0, 0, false},
		"global":                  {result.Result{Start: event.MinTime, End: event.MaxTime, Watermark: 7, EmittedAt: 9}, 7, 0, true},
		"global, no watermark":    {result.Result{Start: event.MinTime, End: event.MaxTime, Watermark: event.MinTime, EmittedAt: 9}, 9, 0, true},
		"global, end of an input": {result.Result{Start: event.MinTime, End: event.MaxTime, Watermark: event.MaxTime, EmittedAt: 9}, 9, 0, true},
	} {
		if at, from, ok := times(&c.r); at != c.at && ok || from != c.from && ok || ok != c.ok {
			t.Errorf("%s: %d, %d, %v", name, at, from, ok)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	web := newServer(t, nil)
	s := opened(t, &Sink{Endpoint: web.URL, Compression: None})
	rows := make([]result.Result, 1234)
	for i := range rows {
		rows[i] = row(result.OnTime)
	}
	if err := write(t.Context(), s, rows...); err != nil {
		t.Fatal(err)
	}
	if n := len(web.points()); n != 2*1234 || len(web.requests) != 3 {
		t.Errorf("%d points came in %d requests", n, len(web.requests))
	}
	if web.headers[0].Get("Content-Encoding") != "" {
		t.Error("they are compressed")
	}
	if err := write(t.Context(), s); err != nil || web.asked != 3 {
		t.Errorf("nothing to send: %v, %d requests", err, web.asked)
	}
}

// status is an answer with a google.rpc.Status.
func status(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", protobuf)
	w.WriteHeader(code)
	body := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3)
	_, _ = w.Write(protowire.AppendString(protowire.AppendTag(body, 2, protowire.BytesType), message))
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) { status(w, http.StatusTooManyRequests, "slow down") },
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout) },
		func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, // the connection breaks
		func(w http.ResponseWriter) { // the answer is cut short
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusOK)
			panic(http.ErrAbortHandler)
		},
	}
	web := newServer(t, func(n int, w http.ResponseWriter) bool {
		if n <= len(answers) {
			answers[n-1](w)
			return true
		}
		return false
	})
	s := &Sink{Endpoint: web.URL}
	var troubles []string
	s.wait = func(int) time.Duration {
		since, err := s.Trouble()
		if since.IsZero() || err == nil {
			t.Error("while it tries again it tells of no trouble")
		}
		troubles = append(troubles, fmt.Sprint(err))
		return 0
	}
	opened(t, s)
	if err := write(t.Context(), s, row(result.OnTime)); err != nil {
		t.Fatal(err)
	}
	if s.Retries() != int64(len(answers)) || len(web.points()) != 2 {
		t.Errorf("%d retries, %d points", s.Retries(), len(web.points()))
	}
	if since, err := s.Trouble(); err != nil || !since.IsZero() {
		t.Errorf("when it has gone well the trouble is %v", err)
	}
	if !strings.Contains(troubles[0], "429") || !strings.Contains(troubles[0], "slow down") {
		t.Errorf("the troubles were %q", troubles)
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &Sink{Endpoint: "http://" + l.Addr().String(), Name: "otel"}
	s.wait = func(n int) time.Duration {
		if n == 3 {
			cancel(errors.New("enough"))
		}
		return 0
	}
	opened(t, s)
	err = write(ctx, s, row(result.OnTime))
	if err == nil || !strings.Contains(err.Error(), "otlp sink otel") || !strings.Contains(err.Error(), "enough; the last reason: ") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("it says %v", err)
	}
}

func TestATimeoutIsTriedAgain(t *testing.T) {
	hang := make(chan struct{})
	web := newServer(t, func(n int, _ http.ResponseWriter) bool {
		if n == 1 {
			<-hang
		}
		return n == 1
	})
	s := &Sink{Endpoint: web.URL, Timeout: 50 * time.Millisecond}
	s.wait = func(n int) time.Duration {
		if n == 0 {
			close(hang)
			s.Timeout = 0
		}
		return 0
	}
	opened(t, s)
	if err := write(t.Context(), s, row(result.OnTime)); err != nil || s.Retries() < 1 {
		t.Errorf("%v after %d retries", err, s.Retries())
	}
}

func TestWhatIsRefusedForGood(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
	}{
		"a status": {func(w http.ResponseWriter) { status(w, http.StatusBadRequest, "unknown\n unit") }, "400 Bad Request: unknown unit"},
		"a text": {func(w http.ResponseWriter) {
			http.Error(w, strings.Repeat("no", 5000), http.StatusRequestEntityTooLarge)
		}, "413 Request Entity Too Large: nono"},
		"not found": {func(w http.ResponseWriter) { http.NotFound(w, new(http.Request)) }, "4318"},
		"a redirection": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "/x")
			w.WriteHeader(http.StatusPermanentRedirect)
		}, "redirects"},
		"a secret": {func(w http.ResponseWriter) {
			http.Error(w, "bad token canary-1 of Bearer canary-1", http.StatusUnauthorized)
		}, "bad token *** of ***: check the headers"},
		"a broken one": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", protobuf)
			w.WriteHeader(http.StatusInternalServerError)
			w.Write([]byte{0x12, 0xff})
		}, "500"},
		"not for OTLP": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, "500 Internal Server Error"},
		"a strange body": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", protobuf)
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte{0xff})
		}, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			web := newServer(t, func(_ int, w http.ResponseWriter) bool { c.answer(w); return true })
			s := opened(t, &Sink{Endpoint: web.URL, Headers: map[string]secret.Text{"Authorization": secret.New("Bearer canary-1"), "X-Scope-OrgID": secret.New("4")}})
			err := write(t.Context(), s, row(result.OnTime))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") || len(err.Error()) > 1000 {
				t.Errorf("it says %v", err)
			}
			if web.asked != 1 || s.Retries() != 0 {
				t.Errorf("it was asked %d times", web.asked)
			}
			if _, trouble := s.Trouble(); trouble == nil {
				t.Error("it tells of no trouble")
			}
		})
	}
}

func TestAnUntrustedServerIsNotTriedAgain(t *testing.T) {
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	web.StartTLS()
	t.Cleanup(web.Close)
	s := opened(t, &Sink{Endpoint: web.URL})
	if err := write(t.Context(), s, row(result.OnTime)); err == nil || !strings.Contains(err.Error(), "certificate") || s.Retries() != 0 {
		t.Errorf("it says %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "Thu, 01 Jan 2026 00:00:30 GMT": 30 * time.Second, "Wed, 31 Dec 2025 00:00:30 GMT": 0, "-3": 0, "soon": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q is %v, want %v", value, got, want)
		}
	}
}

// A server that asks for a long pause gets it: the next request comes when ctx
// has ended, which is never.
func TestRetryAfterIsHonoured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	web := newServer(t, func(_ int, w http.ResponseWriter) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
		time.AfterFunc(300*time.Millisecond, cancel)
		return true
	})
	s := opened(t, &Sink{Endpoint: web.URL})
	if err := write(ctx, s, row(result.OnTime)); !errors.Is(err, context.Canceled) || web.asked != 1 {
		t.Errorf("%v after %d requests", err, web.asked)
	}
}

func TestRejectedPoints(t *testing.T) {
	web := newServer(t, func(n int, w http.ResponseWriter) bool {
		partial := &collector.ExportMetricsPartialSuccess{RejectedDataPoints: int64(n), ErrorMessage: "too old, says canary-1"}
		body, _ := proto.Marshal(&collector.ExportMetricsServiceResponse{PartialSuccess: partial})
		w.Header().Set("Content-Type", protobuf)
		_, _ = w.Write(body)
		return true
	})
	var log bytes.Buffer
	s := opened(t, &Sink{Endpoint: web.URL, Log: slog.New(slog.NewTextHandler(&log, nil)), Headers: map[string]secret.Text{"Key": secret.New("canary-1")}})
	for range 3 {
		if err := write(t.Context(), s, row(result.OnTime)); err != nil {
			t.Fatal(err)
		}
	}
	if s.Rejected() != 6 || web.asked != 3 {
		t.Errorf("%d are rejected, in %d requests", s.Rejected(), web.asked)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "too old, says ***") {
		t.Errorf("it logs %s", text)
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	good := "http://localhost:4318"
	for want, s := range map[string]*Sink{
		"no address of an HTTP server": {Endpoint: "localhost:4318"},
		"no URL":                       {Endpoint: "http://[::1"},
		"user or password":             {Endpoint: "http://u:canary@localhost:4318"},
		"query or fragment":            {Endpoint: good + "?x=1"},
		"/v1/metrics already":          {Endpoint: good + "/v1/metrics/"},
		"use gzip or none":             {Endpoint: good, Compression: "zstd"},
		"negative":                     {Endpoint: good, Timeout: -1},
		"no name of a header":          {Endpoint: good, Headers: map[string]secret.Text{"a b": secret.New("x")}},
		"set by the sink itself":       {Endpoint: good, Headers: map[string]secret.Text{"content-type": secret.New("x")}},
		"the end of a line":            {Endpoint: good, Headers: map[string]secret.Text{"Key": secret.New("canary\n")}},
	} {
		if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("it says %v, want %s", err, want)
		}
	}
	s := &Sink{Endpoint: good}
	if err := write(t.Context(), s, row(result.OnTime)); err == nil || !strings.Contains(err.Error(), "not open") {
		t.Errorf("before Open it says %v", err)
	}
	opened(t, s)
	if err := s.Write(t.Context(), &result.Batch{Late: make([]result.LateEvent, 1)}); err == nil || !strings.Contains(err.Error(), "results alone") {
		t.Errorf("of late events it says %v", err)
	}
	if err := s.Describe([]*result.Query{minute, {Name: "q", Keys: []string{"query"}}}); err == nil || !strings.Contains(err.Error(), "attribute query") {
		t.Errorf("of a key called query it says %v", err)
	}
	if !s.Replaces() {
		t.Error("queries that discard are not refused")
	}
	if err := s.Close(t.Context()); err != nil || s.Close(t.Context()) != nil {
		t.Error("it cannot be closed twice")
	}
	if u, err := metricsURL("https://otlp.example.com/base/"); err != nil || u != "https://otlp.example.com/base/v1/metrics" {
		t.Errorf("the address is %s, %v", u, err)
	}
}

func TestBackoff(t *testing.T) {
	for n := range 100 {
		if d := backoff(n); d < firstWait/2 || d > lastWait {
			t.Errorf("the wait before retry %d is %v", n+1, d)
		}
	}
}
