package uitest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

// hostile keys would run if any of them became markup.
var hostile = []string{
	`<img src=x onerror=window.pwned=1>`,
	`</script><script>window.pwned=1</script>`,
}

const planText = `pipeline llm-health
  source   kafka feedback-events, 6 partitions
  reads    timestamp, type, model, metadata.tenant, latency_ms, cost, error
  query    model_minute   tumbling 1m by model, tenant; lateness 30s
           one pane of 1m; count and quantile sketch are shared
  query    tenant_cost    sliding 5m by 1m, by tenant; 5 panes
  query    user_session   session, gap 30s, by user
  sinks    kafka aggregated-metrics, postgres llm_stats, file out/results.jsonl`

// world is what a fake server knows at its start.
type world struct {
	status  func(now time.Time) pipeline.Status
	rows    map[string][]row
	windows map[string][]pipeline.OpenWindow
	why     func(now time.Time) pipeline.Why
	late    []json.RawMessage
	dead    []json.RawMessage
}

type modelKey struct {
	Model  string `json:"model"`
	Tenant string `json:"tenant"`
}

var models = []modelKey{
	{"claude-opus", "acme"}, {"gpt-x", "acme"}, {"gpt-x", "globex"}, {"mistral-large", "globex"}, {"llama-70b", "initech"},
	{"gemini-pro", "initech"}, {"claude-haiku", "umbrella"}, {"qwen-72b", "hooli"}, {"command-r", "hooli"},
	{hostile[0], "mallory"}, {hostile[1], "mallory"},
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// modelRow is the row of a window of model_minute.
func modelRow(key modelKey, n int, end time.Time) row {
	i := 0.0
	for _, c := range key.Model + key.Tenant {
		i = math.Mod(i*1.37+float64(c), 11)
	}
	wave := math.Sin(float64(n)/7+i) + 0.4*math.Sin(float64(n)*1.7+2*i)
	requests := math.Round(240 + 60*i + 45*wave)
	p50 := 300 + 40*i + 50*wave
	id := fmt.Sprintf("%s-%s-%d", key.Model, key.Tenant, end.Unix())
	return row{
		ID: id + "-0", WindowID: id, Query: "model_minute", Key: raw(key),
		Start: end.Add(-time.Minute), End: end, Timing: "on_time",
		Values: map[string]float64{
			"requests": requests, "errors": math.Round(requests / 170), "cost_usd": math.Round(requests*i*0.7) / 1000,
			"p50_ms": math.Round(p50*10) / 10, "p95_ms": math.Round((2.3*p50+30*wave)*10) / 10, "p99_ms": math.Round((3.4*p50+160*math.Abs(wave))*10) / 10,
		},
		Events: int64(requests), Watermark: end, Emitted: end.Add(2 * time.Second),
	}
}

func sessionRow(n int, end time.Time) row {
	id := "s-" + strconv.Itoa(n)
	user := map[string]string{"user": "user-" + strconv.Itoa(n%5)}
	return row{
		ID: id + "-0", WindowID: id, Query: "user_session", Key: raw(user),
		Start: end.Add(-time.Duration(40+n%50) * time.Second), End: end, Timing: "on_time",
		Values: map[string]float64{"turns": float64(2 + n%9), "rating": 3 + float64(n%5)/2}, Events: int64(2 + n%9), Watermark: end, Emitted: end,
	}
}

// lively is a pipeline with something to see in every part.
func lively(now time.Time) world {
	minute := now.Truncate(time.Minute)
	w := world{rows: map[string][]row{}, windows: map[string][]pipeline.OpenWindow{}, status: livelyStatus(now)}
	for n := range 40 {
		end := minute.Add(time.Duration(n-40) * time.Minute)
		for _, key := range models {
			w.rows["model_minute"] = append(w.rows["model_minute"], modelRow(key, n, end))
		}
		w.rows["user_session"] = append(w.rows["user_session"], sessionRow(n, end.Add(time.Duration(n*7%60)*time.Second)))
	}
	correction := modelRow(models[0], 39, minute.Add(-time.Minute))
	correction.Timing, correction.Firing, correction.ID = "late", 1, correction.WindowID+"-1"
	w.rows["model_minute"] = append(w.rows["model_minute"], correction)
	for i, key := range models {
		for n := range 2 {
			end := minute.Add(time.Duration(n) * time.Minute)
			start := end.Add(-time.Minute)
			values := modelRow(key, 41+n, end).Values
			w.windows["model_minute"] = append(w.windows["model_minute"], pipeline.OpenWindow{
				Query: "model_minute", Start: &start, End: &end, Key: raw(key), Values: raw(values), Events: int64(120 + 13*i), Closed: n == 0,
			})
		}
	}
	w.why = livelyWhy
	for n := range 5 {
		w.late = append(w.late, raw(map[string]any{
			"query": "model_minute", "source": map[string]any{"topic": "feedback-events", "partition": n % 3, "offset": 91000 + n},
			"timestamp": now.Add(-3 * time.Minute), "watermark": now.Add(-12 * time.Second), "late_by_ms": 168000 + 900*n,
			"event": map[string]any{"type": "performance_metrics", "model": hostile[0], "latency_ms": 812 + n},
		}))
		w.dead = append(w.dead, raw(map[string]any{
			"source": map[string]any{"topic": "feedback-events", "partition": 2, "offset": 77000 + n},
			"reason": "invalid_json", "error": "unexpected end of the object at byte 41", "raw": `{"type":"performance_metrics","model":"` + hostile[1],
		}))
	}
	return w
}

func livelyWhy(now time.Time) pipeline.Why {
	minute := now.Truncate(time.Minute)
	mark, since := now.Add(-12*time.Second), now.Add(-time.Second)
	why := pipeline.Why{
		Now: now, Watermark: &mark, WatermarkSince: &since, Bound: 5, Total: 4,
		Holder: &pipeline.PartitionStatus{Name: "feedback-events/3", Status: "active", Holds: true},
		Reason: "The next window closes when feedback-events/3 delivers an event 5 s beyond its end; it is the partition that is furthest behind.",
	}
	group := func(query string, start, end time.Time, keys int64, closed bool) {
		closes := end
		why.Windows = append(why.Windows, pipeline.OpenGroup{
			Query: query, Start: &start, End: &end, Keys: keys, Events: keys * 131, Closed: closed, ClosesAt: &closes, Missing: max(0, end.Sub(mark).Seconds()),
		})
	}
	group("model_minute", minute.Add(-time.Minute), minute, 11, true)
	group("user_session", minute.Add(-20*time.Second), minute.Add(41*time.Second), 1, false)
	group("model_minute", minute, minute.Add(time.Minute), 11, false)
	group("tenant_cost", minute.Add(-4*time.Minute), minute.Add(time.Minute), 6, false)
	return why
}

// livelyStatus has counters that grow with the clock.
func livelyStatus(started time.Time) func(time.Time) pipeline.Status {
	return func(now time.Time) pipeline.Status {
		passed := now.Sub(started).Seconds()
		events := int64(4_180_000 + 8420*passed + 900*math.Sin(passed/3))
		mark, since := now.Add(-12400*time.Millisecond), now.Add(-300*time.Millisecond)
		trouble, reason := now.Add(-95*time.Second), "connect to 127.0.0.1:5432: connection refused"
		checkpoint := started.Add(-4 * time.Minute)
		ledger := func(name string, share float64) pipeline.Ledger {
			filtered := int64(share * float64(events))
			return pipeline.Ledger{Query: name, Read: events, Late: 412, Dead: 57, Filtered: filtered, Duplicate: 930, InWindows: events - 412 - 57 - filtered - 930, Results: 9000}
		}
		rows := int64(9000 + 11*passed/6)
		results := []string{"results"}
		return pipeline.Status{
			Name: "llm-health", Phase: pipeline.Running, Now: now, Started: started, Watermark: &mark, WatermarkSince: &since, HeldBy: "feedback-events/3",
			Events: events, Dead: 57, DeadByReason: map[string]int64{"invalid_json": 41, "wrong_type": 12, "no_time": 4},
			Waited: map[string]float64{"workers": 0.02 * passed, "alignment": 0, "outbox": 0.31 * passed},
			Queries: []pipeline.QueryStatus{
				{
					Name: "model_minute", Window: "tumbling 1m", Keys: []string{"model", "tenant"}, Ledger: ledger("model_minute", 0.28),
					Values:    []string{"requests", "errors", "cost_usd", "p50_ms", "p95_ms", "p99_ms"},
					Functions: []string{"count()", "count(error != null)", "sum(cost)", "p50(latency_ms)", "p95(latency_ms)", "p99(latency_ms)"},
					Results:   map[string]int64{"on_time": rows, "late": 38}, OpenWindows: 22, LiveKeys: 11, StateBytes: 1 << 20,
				},
				{
					Name: "tenant_cost", Window: "sliding 5m by 1m", Keys: []string{"tenant"}, Values: []string{"cost_usd"}, Functions: []string{"sum(cost)"},
					Ledger: ledger("tenant_cost", 0), Results: map[string]int64{}, OpenWindows: 30, LiveKeys: 6, StateBytes: 212_000,
				},
				{
					Name: "user_session", Window: "session gap 30s", Keys: []string{"user"}, Values: []string{"turns", "rating"}, Functions: []string{"count()", "avg(rating)"},
					Ledger: ledger("user_session", 0.69), Results: map[string]int64{"on_time": int64(4000 + passed)}, OpenWindows: 118, LiveKeys: 118, StateBytes: 340_000,
				},
			},
			Partitions: livelyPartitions(now, events),
			Sinks: []pipeline.SinkStatus{
				{Name: "aggregated-metrics", Kind: "kafka", Takes: results, Queries: []string{"model_minute", "tenant_cost", "user_session"}, Rows: rows, Epoch: 2214},
				{Name: "llm_stats", Kind: "postgres", Takes: results, Queries: []string{"model_minute", "tenant_cost"}, Rows: 8104, Epoch: 2120, Behind: 94, Retries: 17, Trouble: pipeline.TroubleStatus{Since: &trouble, Error: reason}},
				{Name: "dead.jsonl", Kind: "file", Takes: []string{"dead_letters"}, Queries: []string{}, Rows: 57, Epoch: 2214},
			},
			State: &pipeline.StateStatus{
				Store: "pebble at state/llm-health", Epoch: uint64(2214 + passed), EpochTime: now.Add(-640 * time.Millisecond), EpochSeconds: 0.0183, StallSeconds: 0.0004,
				EpochChanges: 318, EpochBytes: 48_200, OutboxBytes: 212 << 20, OutboxLimit: 1 << 30, StoreBytes: 318 << 20,
				Checkpoint: "cp-002012", CheckpointTime: &checkpoint, Checkpoints: 3, Recovered: 801, RecoverySeconds: 0.42,
			},
		}
	}
}

func livelyPartitions(now time.Time, events int64) []pipeline.PartitionStatus {
	var list []pipeline.PartitionStatus
	for i := range 6 {
		lag, behind := int64(120*i*i%700), float64(i*i%5)/2
		mark, read := now.Add(-time.Duration(4000+900*i)*time.Millisecond), now.Add(-time.Duration(20*i)*time.Millisecond)
		p := pipeline.PartitionStatus{
			Name: fmt.Sprintf("feedback-events/%d", i), Topic: "feedback-events", Partition: int32(i), Status: "active",
			Watermark: &mark, NewestEvent: &mark, LastRead: &read, Position: events / 6, Events: events / 6, LagRecords: &lag, LagSeconds: &behind,
		}
		switch i {
		case 3:
			held := now.Add(-12400 * time.Millisecond)
			p.Holds, p.Watermark = true, &held
		case 5:
			quiet := now.Add(-7 * time.Minute)
			p.Status, p.Watermark, p.LastRead = "idle", &quiet, &quiet
		}
		list = append(list, p)
	}
	return list
}

// quiet is a pipeline that has only just begun: nothing to see anywhere.
func quiet(now time.Time) world {
	return world{
		rows: map[string][]row{}, windows: map[string][]pipeline.OpenWindow{}, why: func(at time.Time) pipeline.Why { return pipeline.Why{Now: at} },
		status: func(at time.Time) pipeline.Status {
			return pipeline.Status{
				Name: "new", Phase: pipeline.Running, Now: at, Started: now,
				Queries: []pipeline.QueryStatus{{Name: "per_minute", Window: "tumbling 1m", Values: []string{"n"}, Functions: []string{"count()"}}},
			}
		},
	}
}
