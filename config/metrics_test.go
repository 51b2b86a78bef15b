package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/llm-optimizer/processor/otlp"
	"github.com/llm-optimizer/processor/prometheus"
)

const metricsConfig = `
name: llm-health
source: {stdin: {}}
event: {time: {field: ts, format: unix_ms}}
queries:
  - name: q
    window: {tumbling: 1m}
    aggregate: {n: count()}
sinks:
  - prometheus: {}
  - prometheus: {prefix: llm_, max_series: 5, expire: 1h}
  - otlp: {headers: {Authorization: "Bearer ${KAFKA_PASSWORD}", X-Scope-OrgID: "7"}}
  - {name: cloud, otlp: {endpoint: "https://otlp.example.com/x", timeout: 3s, compression: none}}
`

// withServer adds what the sink prometheus needs.
func withServer(text string) string {
	if declared.child("server") == nil {
		return text
	}
	return text + "server: {}\n"
}

func TestMetricSinks(t *testing.T) {
	c := parseWith(t, withServer(metricsConfig), "PROCESSOR_SINKS__3__OTLP__HEADERS__APITOKEN=canary-7d1f")
	var got []string
	for _, s := range c.Spec.Sinks {
		switch to := s.Sink.(type) {
		case *prometheus.Sink:
			got = append(got, fmt.Sprint(to.Name, " ", to.Prefix, " ", to.MaxSeries, " ", to.Expire))
		case *otlp.Sink:
			got = append(got, fmt.Sprint(to.Name, " ", to.Pipeline, " ", to.Endpoint, " ", to.Timeout, " ", to.Compression, " ", to.Headers))
		}
	}
	want := []string{
		"prometheus processor_result_ 10000 10m0s", "prometheus-2 llm_ 5 1h0m0s",
		"otlp llm-health http://localhost:4318 10s gzip map[Authorization:*** X-Scope-OrgID:***]",
		"cloud llm-health https://otlp.example.com/x 3s none map[apitoken:***]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the sinks are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if h := c.Spec.Sinks[2].Sink.(*otlp.Sink).Headers["Authorization"]; h.Reveal() != "Bearer canary-7d1f" {
		t.Error("a header is lost")
	}
	if len(c.Collectors()) != 2 {
		t.Errorf("there are %d collectors", len(c.Collectors()))
	}
	c.Spec.Logger = slog.New(slog.DiscardHandler)
	if _, err := c.Build(); err != nil {
		t.Fatal(err)
	}
	if c.Spec.Sinks[0].Sink.(*prometheus.Sink).Log == nil || c.Spec.Sinks[3].Sink.(*otlp.Sink).Log == nil {
		t.Error("the sinks have no logger")
	}
	if text := fmt.Sprintf("%+v", c.Spec.Sinks[2].Sink); strings.Contains(text, "canary") {
		t.Error("a header shows")
	}
}

func TestMetricSinkDefaults(t *testing.T) {
	c := parseWith(t, withServer(metricsConfig))
	p := c.Spec.Sinks[0].Sink.(*prometheus.Sink)
	if p.Prefix != prometheus.DefaultPrefix || p.MaxSeries != prometheus.DefaultMaxSeries || p.Expire != prometheus.DefaultExpire {
		t.Errorf("the defaults are %+v", p)
	}
	if o := c.Spec.Sinks[2].Sink.(*otlp.Sink); o.Timeout != otlp.DefaultTimeout || o.Compression != otlp.Gzip || o.Timeout < time.Second {
		t.Errorf("the defaults are %+v", o)
	}
}

// Without a server nobody could fetch what the sink shows.
func TestThePrometheusSinkNeedsAServer(t *testing.T) {
	_, err := Loader{Environ: kafkaEnv}.Parse("test.yaml", []byte(metricsConfig))
	if refused := err != nil && strings.Contains(err.Error(), "sinks.0.prometheus: is fetched from /metrics"); refused != (declared.child("server") != nil) {
		t.Errorf("without a server it says %v", err)
	}
}

// What is configured runs: rows of windows come out as gauges and as points.
func TestMetricSinksRun(t *testing.T) {
	sent := 0
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/metrics" {
			t.Errorf("%s, %v", r.URL, err)
		}
		sent += strings.Count(string(body), "gpt-x") // once in each point
	}))
	t.Cleanup(web.Close)
	const text = `
name: llm-health
source: {stdin: {}}
event: {time: {field: ts, format: unix_s}}
watermark: {max_out_of_orderness: 0s, emit: every_event}
queries:
  - name: q
    key: [model]
    window: {tumbling: 1m}
    allowed_lateness: 1h
    aggregate: {n: count(), "sum.ms": sum(ms), top: "top_k(ms, 2)"}
sinks:
  - prometheus: {}
  - otlp: {endpoint: "http://SERVER", compression: none}
`
	in := strings.NewReader(`
{"ts":0,"model":"gpt-x","ms":1}
{"ts":61,"model":"gpt-x","ms":2}
{"ts":62,"model":"gpt-x","ms":3}
{"ts":125,"model":"gpt-x","ms":4}
{"ts":1,"model":"gpt-x","ms":5}
{"ts":70,"model":"gpt-x","ms":6}
`)
	c, err := Loader{Stdin: in}.Parse("test.yaml", []byte(withServer(strings.ReplaceAll(text, "http://SERVER", web.URL))))
	if err != nil {
		t.Fatal(err)
	}
	c.Spec.Logger = slog.New(slog.DiscardHandler)
	p, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Three windows, and two corrections.
	if want := 2 * (3 + 2); sent != want {
		t.Errorf("%d points were sent, want %d", sent, want)
	}
	r := client.NewRegistry()
	for _, one := range c.Collectors() {
		r.MustRegister(one)
	}
	want := `
# HELP processor_result_n The aggregate of the last final window of each key.
# TYPE processor_result_n gauge
processor_result_n{model="gpt-x",query="q"} 1
# HELP processor_result_sum_ms The aggregate of the last final window of each key.
# TYPE processor_result_sum_ms gauge
processor_result_sum_ms{model="gpt-x",query="q"} 4
# HELP processor_result_window_end_timestamp_seconds End of the window that is shown.
# TYPE processor_result_window_end_timestamp_seconds gauge
processor_result_window_end_timestamp_seconds{model="gpt-x",query="q"} 180
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "processor_result_n", "processor_result_sum_ms", "processor_result_top", "processor_result_window_end_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}
