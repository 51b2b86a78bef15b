package metrics

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/pipeline"
)

var update = flag.Bool("update", false, "rewrite docs/metrics.md")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(s int) *time.Time {
	t := time.Unix(1_767_225_600+int64(s), 0).UTC()
	return &t
}

func ptr[T any](v T) *T { return &v }

// full is a status with everything in it.
func full() pipeline.Status {
	return pipeline.Status{
		Name: "p", Phase: pipeline.Paused, Now: *at(100), Started: *at(0),
		Watermark: at(90), WatermarkSince: at(97), Events: 10, Dead: 2, Refused: 1,
		DeadByReason: map[string]int64{"json": 2}, Waited: map[string]float64{"workers": 1.5, "outbox": 2},
		Queries: []pipeline.QueryStatus{{
			Name:    "q",
			Ledger:  pipeline.Ledger{Query: "q", Read: 1021, InWindows: 1001, Late: 2, Dead: 3, Filtered: 4, Unwindowed: 5, Duplicate: 6, Overflow: 1},
			Run:     pipeline.Ledger{Query: "q", Read: 21, InWindows: 1, Late: 2, Dead: 3, Filtered: 4, Unwindowed: 5, Duplicate: 6, Overflow: 1},
			Results: map[string]int64{"on_time": 7, "late": 1}, OpenWindows: 8, LiveKeys: 9, StateBytes: 1000,
		}},
		Partitions: []pipeline.PartitionStatus{
			{Name: "t/3", Topic: "t", Partition: 3, Status: "active", Watermark: at(90), LagRecords: ptr(int64(5)), LagSeconds: ptr(1.5)},
			{Name: "data/a.jsonl", Path: "data/a.jsonl", Status: "ended", Watermark: at(90)},
			{Name: "data/b.jsonl", Path: "data/b.jsonl", Status: "idle", Watermark: at(80)},
			{Name: "other/b.jsonl", Path: "other/b.jsonl", Status: "idle", Watermark: at(70)},
			{Name: "stdin", Status: "waiting"},
		},
		Source: pipeline.TroubleStatus{Since: at(50), Error: "no answer"},
		Sinks: []pipeline.SinkStatus{
			{Name: "file", Kind: "file", Rows: 11},
			{Name: "pg", Kind: "postgres", Rows: 12, Behind: 3, Retries: 4, Rejected: 13, Trouble: pipeline.TroubleStatus{Since: at(60)}},
			{Name: "gone", Kind: "file", Failed: true},
		},
		State: &pipeline.StateStatus{
			Epoch: 17, EpochTime: *at(99), OutboxBytes: 500, OutboxLimit: 1000, StoreBytes: 2000, CheckpointTime: at(40),
			Checkpoints: 2, CheckpointFailures: 1, RecoverySeconds: 0.25,
		},
	}
}

// observed has been told of something of each kind.
func observed(status func() pipeline.Status) *Metrics {
	m := New("v1", status, func() bool { return true })
	o := m.Observer()
	o.Processed(100, 3*time.Millisecond)
	o.Delivered(pipeline.Delivered{Sink: "file", Rows: 2, Took: time.Millisecond, Fired: 20 * time.Millisecond, Ended: 6 * time.Second})
	o.Delivered(pipeline.Delivered{Sink: "file", Rows: 2, Took: time.Millisecond, Fired: 20 * time.Millisecond, Ended: -1})
	// Late events and dead letters have not fired.
	o.Delivered(pipeline.Delivered{Sink: "file", Rows: 1, Took: time.Millisecond, Fired: -1, Ended: -1})
	o.Epoch(pipeline.EpochDone{Number: 1, Took: 4 * time.Millisecond, Stall: time.Millisecond, Bytes: 4096})
	return m
}

// ours gathers with a registry that holds the collector against what it
// declares.
func ours(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dto.MetricFamily{}
	for _, f := range families {
		found[f.GetName()] = f
	}
	return found
}

func TestEveryMetricIsEmittedAndNoOther(t *testing.T) {
	found := ours(t, observed(full))
	for _, d := range Table() {
		f := found[d.Name]
		if f == nil {
			t.Errorf("%s is declared, and not emitted", d.Name)
			continue
		}
		delete(found, d.Name)
		if got := strings.ToLower(f.GetType().String()); got != d.Type || f.GetHelp() != d.Help {
			t.Errorf("%s is a %s (%s), declared as a %s (%s)", d.Name, got, f.GetHelp(), d.Type, d.Help)
		}
		for _, one := range f.GetMetric() {
			var labels []string
			for _, l := range one.GetLabel() {
				labels = append(labels, l.GetName())
			}
			if want := slices.Sorted(slices.Values(d.Labels)); !slices.Equal(labels, want) {
				t.Errorf("%s has the labels %v, declared %v", d.Name, labels, want)
			}
			if h := one.GetHistogram(); d.Type == histogram && (len(h.GetBucket()) != len(d.buckets) || h.Schema == nil) {
				t.Errorf("%s has %d buckets, want %d and native ones", d.Name, len(h.GetBucket()), len(d.buckets))
			}
		}
	}
	for name := range found {
		t.Errorf("%s is emitted, and not declared", name)
	}
}

// scrape reads what the handler answers.
func scrape(t *testing.T, m *Metrics, accept string) string {
	t.Helper()
	rec := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	req.Header.Set("Accept", accept)
	m.Handler().ServeHTTP(rec, req)
	text, err := io.ReadAll(rec.Result().Body)
	if err != nil || rec.Code != http.StatusOK {
		t.Fatalf("it answers %d and %v: %s", rec.Code, err, text)
	}
	return string(text)
}

func TestValues(t *testing.T) {
	text := scrape(t, observed(full), "text/plain")
	for _, want := range []string{
		`processor_events_decoded_total 10`,
		`processor_records_read_total 12`,
		`processor_dead_letters_total{reason="json"} 2`,
		`processor_query_events_total{outcome="in_windows",query="q"} 1`,
		`processor_query_events_total{outcome="late",query="q"} 2`,
		`processor_query_events_total{outcome="dead",query="q"} 3`,
		`processor_query_events_total{outcome="filtered",query="q"} 4`,
		`processor_query_events_total{outcome="unwindowed",query="q"} 5`,
		`processor_query_events_total{outcome="duplicate",query="q"} 6`,
		`processor_query_overflow_total{query="q"} 1`,
		`processor_results_total{query="q",timing="on_time"} 7`,
		`processor_results_total{query="q",timing="early"} 0`,
		`processor_results_total{query="q",timing="late"} 1`,
		`processor_processing_latency_seconds_count 1`,
		`processor_processing_latency_seconds_sum 0.003`,
		`processor_result_latency_seconds_sum{sink="file"} 0.04`,
		`processor_result_latency_seconds_count{sink="pg"} 0`,
		`processor_sink_write_seconds_count{sink="file"} 3`,
		`processor_end_to_end_latency_seconds_count{sink="file"} 1`,
		`processor_end_to_end_latency_seconds_bucket{sink="file",le="10"} 1`,
		`processor_end_to_end_latency_seconds_bucket{sink="file",le="5"} 0`,
		`processor_end_to_end_latency_seconds_bucket{sink="file",le="3600"} 1`,
		`processor_watermark_timestamp_seconds 1.76722569e+09`,
		`processor_watermark_lag_seconds 10`,
		`processor_watermark_stalled_seconds 3`,
		`processor_partition_watermark_lag_seconds{partition="t/3"} 10`,
		`processor_partition_watermark_lag_seconds{partition="b.jsonl"} 20`,
		`processor_partition_watermark_lag_seconds{partition="other/b.jsonl"} 30`,
		`processor_consumer_lag_records{partition="t/3"} 5`,
		`processor_consumer_lag_seconds{partition="t/3"} 1.5`,
		`processor_partitions{status="idle"} 2`,
		`processor_partitions{status="ended"} 1`,
		`processor_partitions{status="ahead"} 0`,
		`processor_open_windows{query="q"} 8`,
		`processor_live_keys{query="q"} 9`,
		`processor_state_memory_bytes{query="q"} 1000`,
		`processor_state_store_bytes 2000`,
		`processor_epoch 17`,
		`processor_epoch_age_seconds 1`,
		`processor_epoch_bytes_total 4096`,
		`processor_epoch_duration_seconds_sum 0.004`,
		`processor_epoch_stall_seconds_sum 0.001`,
		`processor_checkpoints_total{result="ok"} 2`,
		`processor_checkpoints_total{result="failed"} 1`,
		`processor_checkpoint_age_seconds 60`,
		`processor_recovery_seconds 0.25`,
		`processor_outbox_bytes 500`,
		`processor_outbox_limit_bytes 1000`,
		`processor_sink_rows_total{sink="pg"} 12`,
		`processor_sink_retries_total{sink="pg"} 4`,
		`processor_sink_rejected_total{sink="pg"} 13`,
		`processor_sink_rejected_total{sink="file"} 0`,
		`processor_sink_up{sink="file"} 1`,
		`processor_sink_up{sink="pg"} 0`,
		`processor_sink_up{sink="gone"} 0`,
		`processor_sink_behind_epochs{sink="pg"} 3`,
		`processor_source_up 0`,
		`processor_backpressure_seconds_total{at="workers"} 1.5`,
		`processor_backpressure_seconds_total{at="alignment"} 0`,
		`processor_backpressure_seconds_total{at="outbox"} 2`,
		`processor_errors_total{kind="decode"} 2`,
		`processor_errors_total{kind="source"} 1`,
		`processor_errors_total{kind="sink"} 5`,
		`processor_errors_total{kind="checkpoint"} 1`,
		`processor_paused 1`,
		`processor_ready 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
	for _, want := range []string{"processor_build_info{go_version=\"go", "\ngo_goroutines ", "\nprocess_start_time_seconds "} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(text, "a.jsonl") {
		t.Error("a partition that has ended is shown")
	}
	if text := scrape(t, observed(full), "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(text, "# EOF\n") {
		t.Error("who asks for OpenMetrics does not get it")
	}
}

func TestNothingIsKnownYet(t *testing.T) {
	for name, m := range map[string]*Metrics{
		"nothing to ask": New("", nil, nil),
		"a zero status":  New("", func() pipeline.Status { return pipeline.Status{} }, func() bool { return false }),
		"starting": New("", func() pipeline.Status {
			return pipeline.Status{Phase: pipeline.Starting, Sinks: []pipeline.SinkStatus{{}}, State: &pipeline.StateStatus{StoreBytes: -1}}
		}, nil),
	} {
		found := ours(t, m)
		for _, absent := range []*Metric{watermarkTime, watermarkLag, watermarkStalled, stateStore, epochAge, checkpointAge, outboxLimit} {
			if found[absent.Name] != nil {
				t.Errorf("%s: %s is shown, and not known", name, absent.Name)
			}
		}
		if found[ready.Name].GetMetric()[0].GetGauge().GetValue() != 0 || found[eventsDecoded.Name] == nil {
			t.Errorf("%s: what is known is not shown", name)
		}
		scrape(t, m, "")
	}
}

func TestNamesFollowConventions(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(observed(full))
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, d := range Table() {
		switch {
		case !strings.HasPrefix(d.Name, "processor_"):
			t.Errorf("%s does not begin with processor_", d.Name)
		case (d.Type == counter) != strings.HasSuffix(d.Name, "_total"):
			t.Errorf("%s is a %s", d.Name, d.Type)
		case d.Unit != "" && !strings.HasSuffix(strings.TrimSuffix(d.Name, "_total"), "_"+d.Unit):
			t.Errorf("%s does not end with its unit, %s", d.Name, d.Unit)
		}
	}
}

// No label is a value of data: of keys, of aggregates, of texts of errors.
func TestLabelsAreNames(t *testing.T) {
	known := []string{
		"v1", "json", "q", "file", "pg", "gone", "t/3", "b.jsonl", "other/b.jsonl",
		"in_windows", "late", "dead", "filtered", "unwindowed", "duplicate", "on_time", "early", "retract",
		"waiting", "active", "idle", "ahead", "ended", "ok", "failed", "workers", "alignment", "outbox", "decode", "source", "sink", "checkpoint",
	}
	st := full()
	st.Queries[0].Keys, st.Queries[0].Values = []string{"model-key"}, []string{"p95-value"}
	for name, f := range ours(t, observed(func() pipeline.Status { return st })) {
		for _, one := range f.GetMetric() {
			for _, l := range one.GetLabel() {
				if l.GetName() != "go_version" && !slices.Contains(known, l.GetValue()) {
					t.Errorf("%s has the label %s=%q", name, l.GetName(), l.GetValue())
				}
			}
		}
	}
}

func TestPartitionsAreBounded(t *testing.T) {
	st := full()
	st.Partitions = nil
	for i := range 1500 {
		p := pipeline.PartitionStatus{Topic: "t", Partition: int32(1499 - i), Status: "active", Watermark: at(0), LagRecords: ptr(int64(i))}
		st.Partitions = append(st.Partitions, p)
	}
	st.Partitions = append(st.Partitions,
		pipeline.PartitionStatus{Name: strings.Repeat("ü", 200) + "\xff", Status: "active", Watermark: at(0)},
		pipeline.PartitionStatus{Name: strings.Repeat("ü", 201) + "\xff", Status: "active", Watermark: at(0)})
	found := ours(t, observed(func() pipeline.Status { return st }))
	lags := found[partitionLag.Name].GetMetric()
	if len(lags) > maxPartitions || len(lags) < maxPartitions-1 {
		t.Errorf("%d partitions are shown", len(lags))
	}
	names := map[string]bool{}
	for _, one := range lags {
		name := one.GetLabel()[0].GetValue()
		names[name] = true
		if len(name) > maxPartitionName+len("…") {
			t.Errorf("a partition is called %s", name)
		}
	}
	if !names["t/0"] || !names["t/900"] || names["t/1499"] {
		t.Errorf("these are shown: %v", names)
	}
	for _, one := range found[partitions.Name].GetMetric() {
		if one.GetLabel()[0].GetValue() == "active" && one.GetGauge().GetValue() != 1502 {
			t.Errorf("%v are active", one.GetGauge().GetValue())
		}
	}
}

func TestOutagesOfTheSource(t *testing.T) {
	st := full()
	m := New("", func() pipeline.Status { return st }, nil)
	for i, since := range []*time.Time{nil, at(1), at(1), nil, at(5)} {
		st.Source.Since = since
		want := []int{0, 1, 1, 1, 2}[i]
		if text := scrape(t, m, ""); !strings.Contains(text, fmt.Sprintf("processor_errors_total{kind=\"source\"} %d\n", want)) {
			t.Errorf("scrape %d does not count %d outages", i, want)
		}
	}
}

func TestScrapesWhileThingsHappen(t *testing.T) {
	m := New("", full, nil)
	o := m.Observer()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 5000 {
			o.Processed(1, time.Duration(i)*time.Microsecond)
			o.Delivered(pipeline.Delivered{Sink: fmt.Sprint("sink-", i%3), Took: time.Duration(i) * time.Microsecond})
			o.Epoch(pipeline.EpochDone{Took: time.Millisecond, Bytes: 1})
		}
	}()
	for range 20 {
		scrape(t, m, "")
	}
	<-done
	if text := scrape(t, m, ""); !strings.Contains(text, "processor_epoch_bytes_total 5000\n") {
		t.Error("something was lost")
	}
}

func TestRegister(t *testing.T) {
	m := New("", nil, nil)
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "another"})
	if err := m.Register(g); err != nil {
		t.Fatal(err)
	}
	if text := scrape(t, m, ""); !strings.Contains(text, "\nanother 0\n") {
		t.Error("what was registered is not shown")
	}
	if err := m.Register(g); err == nil {
		t.Error("the same can be registered twice")
	}
}

func TestPageIsFresh(t *testing.T) {
	const file = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(file, Page(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, Page()) {
		t.Errorf("%s is stale: run go test ./internal/metrics -run Page -update", file)
	}
}

// What is called for each batch allocates nothing.
func TestObservingAllocatesNothing(t *testing.T) {
	m := New("", nil, nil)
	o := m.Observer()
	took := 100 * time.Microsecond
	if n := testing.AllocsPerRun(1000, func() {
		o.Processed(100, took)
		took = took%time.Second + 37*time.Microsecond
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func BenchmarkProcessed(b *testing.B) {
	o := New("", nil, nil).Observer()
	b.ReportAllocs()
	took := 100 * time.Microsecond
	for b.Loop() {
		o.Processed(100, took)
		took = took%time.Second + 37*time.Microsecond
	}
}

func BenchmarkDelivered(b *testing.B) {
	o := New("", nil, nil).Observer()
	b.ReportAllocs()
	for b.Loop() {
		o.Delivered(pipeline.Delivered{Sink: "file", Rows: 1, Took: time.Millisecond, Fired: time.Millisecond, Ended: time.Second})
	}
}

func BenchmarkScrape(b *testing.B) {
	st := full()
	for i := range 1000 {
		st.Partitions = append(st.Partitions, pipeline.PartitionStatus{Topic: "t", Partition: int32(100 + i), Status: "active", Watermark: at(0), LagRecords: ptr(int64(i))})
	}
	m := observed(func() pipeline.Status { return st })
	for b.Loop() {
		if _, err := m.registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
