package decode

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

// want is what a record of testdata/collector should become: its event time and
// fields by their paths. A path that is not there is null.
type want struct {
	time   string
	fields map[string]event.Value
}

var collected = map[string]want{
	"user_feedback": {"2026-09-24T12:00:41.120394Z", values{
		"type": text("user_feedback"), "id": text("0f9c1c1e-55b0-4f0e-9a55-1d1f6a3b7c01"), "user_id": text("u-118"), "session_id": text("s-77"),
		"rating": num(4), "liked": event.Bool(true), "dwell_time_seconds": num(23.5), "comment": {}, "metadata.tenant": text("acme"), "metadata.prompt_version": text("v12"),
	}},
	"user_feedback_nulls": {"2026-09-24T12:00:41.120394871Z", values{
		"type": text("user_feedback"), "user_id": {}, "rating": {}, "liked": {}, "dwell_time_seconds": {}, "response_edited": event.Bool(true), "metadata.tenant": {},
	}},
	"user_feedback_absent": {"2026-09-24T12:00:41Z", values{
		"user_id": {}, "rating": {}, "liked": {}, "comment": {}, "task_completed": event.Bool(true),
	}},
	"performance_metrics": {"2026-09-24T12:00:02.81Z", values{
		"type": text("performance_metrics"), "model": text("gpt-4o-2024-08-06"), "config_id": {}, "latency_ms": num(812.5), "input_tokens": num(1890),
		"cost": num(0.006845), "quality_score": num(0.91), "error": {}, "metrics.ttft_ms": num(240), "metrics.cached_input_tokens": num(1024), "metadata.tenant": {},
	}},
	// What was NaN comes as null: to be counted, not only to be skipped.
	"performance_metrics_nan": {"2026-09-24T12:00:02.000000001Z", values{
		"latency_ms": {}, "cost": {}, "input_tokens": num(0), "error": text(`upstream "503"`), "metrics.ttft_ms": {}, "config_id": text("4a1b0a0e-2b1d-4f0c-8a5e-7a0b9c1d2e3f"),
	}},
	"performance_metrics_absent": {"2026-09-24T12:00:02Z", values{
		"config_id": {}, "quality_score": {}, "error": {}, "latency_ms": num(0.1), "cost": num(1e-9),
		"input_tokens": integer("18446744073709551615", 1<<64), "output_tokens": integer("9007199254740993", 1<<53),
	}},
	"model_response": {"2026-09-24T12:00:02.82Z", values{
		"type": text("model_response"), "session_id": text("s-77"), "response_length": num(1043), "config.temperature": num(0.2),
		"context.tenant": text("acme"), "context.feature": text("search"),
	}},
	"model_response_no_context": {"2026-09-24T12:00:02.999999999Z", values{"context.tenant": {}, "config.temperature": {}, "response_length": num(0)}},
	"system_health": {"2026-09-24T12:00:05Z", values{
		"type": text("system_health"), "component": text("gateway-eu"), "status": text("degraded"), "cpu_usage": num(81), "memory_usage": num(7516192768), "error_rate": num(0.4),
	}},
	"experiment_result": {"2026-09-24T12:05:00Z", values{
		"type": text("experiment_result"), "experiment_id": text("prompt-v12-vs-v13"), "metric_value": num(0.63), "sample_size": num(412), "confidence": {}, "is_winner": event.Bool(false),
	}},
	"experiment_result_nan": {"2026-09-24T12:05:00Z", values{"metric_value": {}, "confidence": num(0.95), "is_winner": {}}},

	"types_feedback_event": {"2026-09-24T12:00:03Z", values{
		"type": {}, "source": text("observatory"), "event_type": text("metric"), "data.latency_ms": num(812.5), "data.cost": num(0.006845),
		"metadata.model_id": text("gpt-4o"), "metadata.user_id": text("u-118"), "latency_ms": {}, // it is no CloudEvent, so members of data are no fields
	}},
	"types_feedback_event_minimal": {"2026-09-24T12:00:03.1Z", values{"source": text("user"), "event_type": text("feedback"), "data.latency_ms": {}}},

	// A CloudEvent has its time in another field.
	"cloudevent": {"2026-09-24T12:00:03Z", values{
		"specversion": text("1.0"), "type": text("com.llmdevops.observatory.metric.v1"), "source": text("llm-observatory"), "id": text("evt-8841"),
		"model": text("gpt-4o"), "data.model": text("gpt-4o"), "latency_ms": num(812.5), "timestamp": {},
	}},
	"cloudevent_base64": {"2026-09-24T12:00:03.5Z", values{"id": text("evt-8842"), "model": text("gpt-4o"), "data.latency_ms": num(812.5), "latency_ms": num(812.5)}},
	// The event inside has a time of its own, which is the better one; its type
	// and id are hidden by the envelope's.
	"cloudevent_of_collector": {"2026-09-24T12:00:02.81Z", values{
		"type": text("com.llmdevops.collector.event.v1"), "data.type": text("performance_metrics"), "id": text("evt-8843"), "data.id": text("b0c25f5e-0521-4c08-8f61-8d89d54b3308"),
		"cost": num(0.006845),
	}},

	"metric_point": {"2026-09-24T12:00:03Z", values{
		"name": text("llm.latency"), "value": num(812.5), "unit": text("ms"), "tags.model": text("gpt-4o"),
		"aggregation.aggregation_type": text("percentile"), "aggregation.count": num(2), "aggregation.percentiles": event.JSONValue(`[[50,750.0],[95,806.2]]`),
	}},
	"metric_point_plain": {"2026-09-24T12:00:03.000000003Z", values{"value": num(812.5), "tags.model": {}, "aggregation.count": {}}},
}

type values = map[string]event.Value

func text(s string) event.Value { return event.Text(s) }

// TestCollectorShapes reads every shape that the Collector and its neighbours
// write, with the settings of the preset collector: one stream holds them all.
func TestCollectorShapes(t *testing.T) {
	files, err := filepath.Glob("testdata/collector/*.json")
	if err != nil || len(files) != len(collected) {
		t.Fatalf("%d files for %d shapes, %v", len(files), len(collected), err)
	}
	paths := []string{"timestamp"}
	for _, w := range collected {
		for p := range w.fields {
			if !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
		}
	}
	slices.Sort(paths)
	d := mustNew(t, fields(paths...), Options{Format: "auto", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"})
	var stream strings.Builder
	for _, file := range files {
		record, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stream.Write(record)
	}
	b := decodeLines(d, stream.String())
	if b.N != len(files) || len(b.Dead) > 0 {
		t.Fatalf("%d of %d records are events, dead: %+v", b.N, len(files), b.Dead)
	}
	for row, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		w, ok := collected[name]
		if !ok {
			t.Errorf("nothing is known of %s", file)
			continue
		}
		if got := string(event.AppendTime(nil, b.Time[row])); got != w.time {
			t.Errorf("%s is of %s, want %s", name, got, w.time)
		}
		all := rowValues(b, row)
		for path, v := range w.fields {
			if got := all[slices.Index(paths, path)]; !sameValue(got, v) {
				t.Errorf("%s: %s is %+v, want %+v", name, path, got, v)
			}
		}
	}
}

// The time of each shape is found wherever the others have theirs.
func TestCollectorShapesWithoutTime(t *testing.T) {
	d := mustNew(t, fields("type"), Options{Format: "auto", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"})
	for name := range collected {
		record, err := os.ReadFile(filepath.Join("testdata", "collector", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{`"timestamp":`, `"time":`} {
			record = []byte(strings.ReplaceAll(string(record), field, `"elsewhere":`))
		}
		b := decodeLines(d, string(record))
		if b.N != 0 || len(b.Dead) != 1 || b.Dead[0].Reason != "no_time" {
			t.Errorf("%s without its time: %d events, dead %+v", name, b.N, b.Dead)
		}
	}
	// In binary mode the envelope is in the headers of a record, which the
	// decoder does not see: it is a plain event.
	b := decodeLines(d, `{"model":"gpt-4o","latency_ms":812.5}`)
	if b.N != 0 || len(b.Dead) != 1 || b.Dead[0].Reason != "no_time" {
		t.Errorf("a CloudEvent in binary mode: %d events, dead %+v", b.N, b.Dead)
	}
}
