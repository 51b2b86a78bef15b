package examples

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/llm-optimizer/processor/config"
)

// TestCollectorShapes runs a pipeline over every shape of the Collector from
// one config, as a user would write it: none is a
// dead letter and each meets the query that is for it.
func TestCollectorShapes(t *testing.T) {
	shapes, err := filepath.Glob("../internal/decode/testdata/collector/*.json")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	file := filepath.Join(out, "collector.yaml")
	if err := os.WriteFile(file, []byte(shapesConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, []string{"OUT=" + out})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(out, "dead.jsonl")); err == nil && len(text) > 0 {
		t.Errorf("dead letters:\n%s", text)
	}
	want := map[string]int64{
		"metrics": 3, "responses": 2, "feedback": 3, "health": 1, "experiments": 2, "types": 2, "cloudevents": 3, "points": 2,
	}
	for _, q := range s.Queries {
		if q.Read != int64(len(shapes)) || q.InWindows != want[q.Query] || q.Read != q.InWindows+q.Filtered {
			t.Errorf("%s read %d of %d records, %d of them in windows, want %d: %+v", q.Query, q.Read, len(shapes), q.InWindows, want[q.Query], q)
		}
	}
}

const shapesConfig = `
name: collector
source: {file: {path: "../internal/decode/testdata/collector/*.json"}}
event: {format: auto, time: {field: timestamp, format: rfc3339}}
watermark: {max_out_of_orderness: 10m}
queries:
  - {name: metrics, where: 'type == "performance_metrics"', window: {global: {}}, aggregate: {n: count(), unmeasured: count(latency_ms == null), cost: sum(cost)}}
  - {name: responses, where: 'type == "model_response"', key: [context.tenant], window: {global: {}}, aggregate: {n: count(), length: avg(response_length)}}
  - {name: feedback, where: 'type == "user_feedback"', window: {global: {}}, aggregate: {n: count(), rating: avg(rating), liked: count(liked == true)}}
  - {name: health, where: 'type == "system_health"', key: [component], window: {global: {}}, aggregate: {n: count(), memory: max(memory_usage)}}
  - {name: experiments, where: 'type == "experiment_result"', window: {global: {}}, aggregate: {n: count(), value: avg(metric_value)}}
  - {name: types, where: event_type != null && specversion == null, window: {global: {}}, aggregate: {n: count(), latency: avg(data.latency_ms)}}
  - {name: cloudevents, where: specversion != null, key: [model], window: {global: {}}, aggregate: {n: count(), latency: avg(latency_ms)}}
  - {name: points, where: name != null && value != null, key: {model: tags.model}, window: {global: {}}, aggregate: {n: count(), value: avg(value)}}
sinks: [{file: {path: "${OUT}/results.jsonl"}}]
dead_letters: {file: {path: "${OUT}/dead.jsonl"}}
`
