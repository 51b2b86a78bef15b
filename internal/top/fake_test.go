package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) *time.Time {
	t := noon.Add(d)
	return &t
}

// fakeStatus is a pipeline that has run for some seconds.
func fakeStatus(after int64) pipeline.Status {
	lag, late := int64(1234), 12.5
	s := pipeline.Status{
		Name: "llm-health", Phase: pipeline.Running,
		Now: noon.Add(time.Duration(after) * time.Second), Started: noon.Add(-3*time.Hour - 12*time.Minute),
		Watermark: at(-12 * time.Second), WatermarkSince: at(-2 * time.Second), HeldBy: "feedback-events/3",
		Events: 1_000_000 + 12_345*after, Dead: 17, Refused: 3,
		Waited: map[string]float64{"outbox": 4.25, "workers": 0},
		Sinks: []pipeline.SinkStatus{
			{Name: "kafka", Kind: "kafka", Rows: 120_000 + 10*after, Epoch: 4711, Behind: 1},
			{Name: "postgres", Kind: "postgres", Rows: 90_000, Epoch: 4699, Behind: 12, Queued: 2, Retries: 7,
				Trouble: pipeline.TroubleStatus{Since: at(-90 * time.Second), Error: "dial tcp 127.0.0.1:5432: connect: connection refused"}},
		},
		State: &pipeline.StateStatus{
			Store: "pebble state/llm-health", Epoch: 4711, EpochTime: *at(-800 * time.Millisecond), EpochSeconds: 0.012, StallSeconds: 0.001,
			EpochChanges: 1234, EpochBytes: 1 << 20, OutboxBytes: 12 << 20, OutboxLimit: 1 << 30, StoreBytes: 300 << 20,
			Checkpoint: "000000000004600", CheckpointTime: at(-3 * time.Minute), Checkpoints: 19, CheckpointFailures: 0,
		},
	}
	for i, name := range []string{"model_minute", "tenant_five_minutes", "session_cost"} {
		n := int64(i + 1)
		s.Queries = append(s.Queries, pipeline.QueryStatus{
			Ledger: pipeline.Ledger{Query: name, Read: 5_000_000 + 12_345*after, Late: 3 * int64(i), Dead: 17, Filtered: 400_000 * n},
			Name:   name, Window: []string{"tumbling 1m", "sliding 5m by 1m", "session 30s"}[i],
			Results:     map[string]int64{"on_time": 40_000*n + 4*after, "late": n},
			OpenWindows: 812 * n, LiveKeys: 400 * n, StateBytes: n << 20,
		})
	}
	for i := range int32(4) {
		s.Partitions = append(s.Partitions, pipeline.PartitionStatus{
			Name: fmt.Sprintf("feedback-events/%d", i), Topic: "feedback-events", Partition: i,
			Status: []string{"active", "active", "idle", "active"}[i], Watermark: at(-time.Duration(4*i) * time.Second),
			NewestEvent: at(-time.Second), Position: 250_000 + after*3000, Events: 250_000 + after*3000,
			LagRecords: &lag, LagSeconds: &late, Holds: i == 3,
		})
	}
	return s
}

func fakeWhy() pipeline.Why {
	return pipeline.Why{
		Reason: "model_minute [12:00:00, 12:01:00) waits for the watermark to pass 12:01:00; feedback-events/3 holds it at 11:59:48.",
		Windows: []pipeline.OpenGroup{
			{Query: "tenant_five_minutes", Start: at(-5 * time.Minute), End: at(0), Keys: 12, Closed: true, ClosesAt: at(30 * time.Second), Missing: 42},
			{Query: "model_minute", Start: at(0), End: at(time.Minute), Keys: 812, Events: 44_000, ClosesAt: at(time.Minute), Missing: 72},
			{Query: "everything", Keys: 1, Missing: -1},
		},
		Total: 14,
	}
}

func fakeRows(query string) Results {
	var r Results
	for i := range 4 {
		r.Rows = append(r.Rows, Row{
			Query: query, Start: at(time.Duration(i-5) * time.Minute), End: at(time.Duration(i-4) * time.Minute),
			Timing: []string{"on_time", "late"}[i%2], Firing: int64(i % 2),
			Key:    json.RawMessage(fmt.Sprintf(`{"model":"gpt-%d","tenant":null}`, i)),
			Values: json.RawMessage(`{"requests":812,"cost_usd":1.93,"p95_ms":1840.2}`),
		})
	}
	return r
}

// fakeAPI answers as a pipeline that runs on by a second with each question;
// while it is down it does not.
type fakeAPI struct {
	mu      sync.Mutex
	seconds int64
	down    bool
	asked   []string // for results of which queries
}

func (f *fakeAPI) Status(context.Context) (pipeline.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return pipeline.Status{}, errors.New("connect: connection refused")
	}
	f.seconds++
	return fakeStatus(f.seconds), nil
}

func (f *fakeAPI) Why(context.Context, int) (pipeline.Why, error) { return fakeWhy(), nil }

func (f *fakeAPI) Results(_ context.Context, query string, _ int) (Results, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, query)
	return fakeRows(query), nil
}

func (f *fakeAPI) set(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// watching is a model that has had three answers.
func watching(t *testing.T, l Look) (*Model, *fakeAPI) {
	t.Helper()
	api := &fakeAPI{}
	m := NewModel(t.Context(), Options{
		API: api, Address: "http://127.0.0.1:8080", Interval: time.Millisecond, Now: func() time.Time { return noon.Add(time.Minute) }, Look: l,
	})
	for range 3 {
		m.Update(m.ask()())
	}
	return m, api
}
