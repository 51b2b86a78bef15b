package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/prometheus"
	"github.com/llm-optimizer/processor/prometheus/promtest"
	"github.com/llm-optimizer/processor/result"
)

// A real Prometheus takes all that there is, native histograms too, and a sink's
// series beside it.
func TestPrometheusScrapes(t *testing.T) {
	m := observed(full)
	sink := new(prometheus.Sink)
	rows := &result.Batch{Results: []result.Result{{
		Query: &result.Query{Name: "q", Keys: []string{"model", "job"}, Values: []string{"requests"}},
		Key:   string(event.AppendKeyValue(event.AppendKeyValue(nil, event.Text("gpt-x \"\\\n")), event.Text("nightly"))),
		Start: 0, End: 60e9, Values: []event.Value{event.Float(812)},
	}}}
	if err := sink.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := m.Register(sink.Collector()); err != nil {
		t.Fatal(err)
	}
	// The address is known only when it listens, so it does before Prometheus
	// is there, which may be nowhere.
	web := httptest.NewServer(m.Handler())
	t.Cleanup(web.Close)
	s := promtest.Run(t, fmt.Sprintf(`
global: {scrape_interval: 250ms}
scrape_configs:
  - job_name: processor
    static_configs: [{targets: [%q]}]
`, strings.TrimPrefix(web.URL, "http://")))
	if up := s.Until(t, "up", func(is []promtest.Sample) bool { return len(is) == 1 && is[0].Value == 1 }); up[0].Labels["job"] != "processor" {
		t.Errorf("up is %v", up)
	}
	for _, d := range Table() {
		name := d.Name
		if d.Type == histogram {
			name += "_count"
		}
		s.Query(t, name)
	}
	for expr, want := range map[string]float64{
		`sum(processor_query_events_total{query="q"})`:                                                                                21,
		`processor_sink_up{sink="pg"}`:                                                                                                0,
		`processor_consumer_lag_records{partition="t/3"}`:                                                                             5,
		`processor_watermark_lag_seconds`:                                                                                             10,
		`histogram_quantile(0.5, sum by (le) (processor_end_to_end_latency_seconds_bucket))`:                                          7.5,
		`processor_result_requests{query="q",model="gpt-x \"\\\n",exported_job="nightly"}`:                                            812,
		`processor_result_window_end_timestamp_seconds{query="q"}`:                                                                    60,
		`processor_build_info{version="v1"} * on (instance) group_left processor_records_read_total`:                                  12,
		`count({__name__=~"processor_.+_bucket",le="+Inf"})`:                                                                          12,
		`processor_prometheus_sink_dropped_series_total{sink="prometheus"} + on () processor_outbox_bytes + scalar(processor_paused)`: 501,
	} {
		if got := s.Query(t, expr); len(got) != 1 || got[0].Value != want {
			t.Errorf("%s is %v, want %v", expr, got, want)
		}
	}
}
