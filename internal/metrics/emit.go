package metrics

import (
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/llm-optimizer/processor/pipeline"
)

// emitter sends the values of a snapshot.
type emitter struct {
	ch chan<- prometheus.Metric
}

// set sends one value of a gauge or a counter.
func (e emitter) set(m *Metric, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.Type == counter {
		kind = prometheus.CounterValue
	}
	for i := range labels {
		labels[i] = clean(labels[i])
	}
	one, err := prometheus.NewConstMetric(m.desc, kind, v, labels...)
	if err != nil {
		one = prometheus.NewInvalidMetric(m.desc, err)
	}
	e.ch <- one
}

func (e emitter) count(m *Metric, n int64, labels ...string) { e.set(m, float64(n), labels...) }

// clean makes a label's value of a text. Names come from the configuration and
// are short; those that Go code gives may be anything.
func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// since is a time's distance from now in seconds, not below 0.
func since(now, t time.Time) float64 { return max(0, now.Sub(t).Seconds()) }

func (e emitter) input(st *pipeline.Status) {
	e.count(eventsDecoded, st.Events)
	e.count(recordsRead, st.Events+st.Dead)
	for reason, n := range st.DeadByReason {
		e.count(deadLetters, n, reason)
	}
	for _, at := range []string{"workers", "alignment", "outbox"} {
		e.set(backpressure, st.Waited[at], at)
	}
}

func (e emitter) time(st *pipeline.Status) {
	if st.Watermark != nil {
		e.set(watermarkTime, float64(st.Watermark.UnixNano())/1e9)
		e.set(watermarkLag, st.Now.Sub(*st.Watermark).Seconds())
	}
	if st.WatermarkSince != nil {
		e.set(watermarkStalled, since(st.Now, *st.WatermarkSince))
	}
}

func (e emitter) queries(st *pipeline.Status) {
	for i := range st.Queries {
		q := &st.Queries[i]
		l := &q.Run // a counter that begins with years looks like a rush
		e.count(queryEvents, l.InWindows, q.Name, "in_windows")
		e.count(queryEvents, l.Late, q.Name, "late")
		e.count(queryEvents, l.Dead, q.Name, "dead")
		e.count(queryEvents, l.Filtered, q.Name, "filtered")
		e.count(queryEvents, l.Unwindowed, q.Name, "unwindowed")
		e.count(queryEvents, l.Duplicate, q.Name, "duplicate")
		e.count(queryOverflow, l.Overflow, q.Name)
		for _, timing := range []string{"on_time", "early", "late", "retract"} {
			e.count(results, q.Results[timing], q.Name, timing)
		}
		e.count(openWindows, q.OpenWindows, q.Name)
		e.count(liveKeys, q.LiveKeys, q.Name)
		e.count(stateMemory, q.StateBytes, q.Name)
	}
}

func (e emitter) state(st *pipeline.Status) {
	s := st.State
	if s == nil {
		return
	}
	e.set(epoch, float64(s.Epoch))
	if !s.EpochTime.IsZero() {
		e.set(epochAge, since(st.Now, s.EpochTime))
	}
	if s.CheckpointTime != nil {
		e.set(checkpointAge, since(st.Now, *s.CheckpointTime))
	}
	e.count(checkpoints, s.Checkpoints, "ok")
	e.count(checkpoints, s.CheckpointFailures, "failed")
	e.set(recovery, s.RecoverySeconds)
	e.count(outbox, s.OutboxBytes)
	if s.OutboxLimit > 0 {
		e.count(outboxLimit, s.OutboxLimit)
	}
	if s.StoreBytes >= 0 {
		e.count(stateStore, s.StoreBytes)
	}
}

func (e emitter) sinks(st *pipeline.Status) {
	for i := range st.Sinks {
		s := &st.Sinks[i]
		e.count(sinkRows, s.Rows, s.Name)
		e.count(sinkRetries, s.Retries, s.Name)
		e.count(sinkRejected, s.Rejected, s.Name)
		e.set(sinkUp, truth(s.Trouble.Since == nil && !s.Failed), s.Name)
		e.count(sinkBehind, int64(s.Behind), s.Name)
	}
	e.set(sourceUp, truth(st.Source.Since == nil))
}

func (e emitter) errors(st *pipeline.Status, outages int) {
	var failed, sinks int64
	for i := range st.Sinks {
		sinks += st.Sinks[i].Retries
		if st.Sinks[i].Failed {
			sinks++
		}
	}
	if st.State != nil {
		failed = st.State.CheckpointFailures
	}
	e.count(errorsSeen, st.Dead, "decode")
	e.count(errorsSeen, int64(outages), "source")
	e.count(errorsSeen, sinks, "sink")
	e.count(errorsSeen, failed, "checkpoint")
}

func (e emitter) process() {
	if limit := memoryBound(root); limit > 0 {
		e.count(memoryLimit, limit)
	}
	e.count(memoryUsed, memoryInUse(root))
	e.set(cpuCores, float64(runtime.GOMAXPROCS(0)))
}
