package metrics

import (
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

// Observer feeds the histograms: set it, or have its functions called, as the
// pipeline's.
func (m *Metrics) Observer() pipeline.Observer {
	return pipeline.Observer{Processed: m.processed, Delivered: m.delivered, Epoch: m.epochDone}
}

func (m *Metrics) processed(_ int, took time.Duration) { m.processing.Observe(took.Seconds()) }

func (m *Metrics) delivered(d pipeline.Delivered) {
	sink := clean(d.Sink)
	m.write.WithLabelValues(sink).Observe(d.Took.Seconds())
	if d.Fired >= 0 {
		m.result.WithLabelValues(sink).Observe(d.Fired.Seconds())
	}
	if d.Ended >= 0 {
		m.endToEnd.WithLabelValues(sink).Observe(d.Ended.Seconds())
	}
}

func (m *Metrics) epochDone(e pipeline.EpochDone) {
	m.epochTook.Observe(e.Took.Seconds())
	m.epochStalled.Observe(e.Stall.Seconds())
	if e.Bytes > 0 {
		m.epochBytes.Add(float64(e.Bytes))
	}
}
