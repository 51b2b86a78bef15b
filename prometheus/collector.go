package prometheus

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// collector shows what a sink holds. It is not the sink itself, as both have a
// Describe, which are two things.
type collector struct{ s *Sink }

// Describe sends nothing.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// dropped is the sink's own metric.
var dropped = prometheus.NewDesc("processor_prometheus_sink_dropped_series_total",
	"Series of rows that the sink prometheus has not shown, for max_series.", []string{"sink"}, nil)

// Collect sends what is shown now. The lock is not held while it does, as whoever
// reads may be slow.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, one := range c.s.snapshot() {
		ch <- one
	}
}

func (s *Sink) snapshot() []prometheus.Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(s.clock())
	list := make([]prometheus.Metric, 0, s.series+1)
	add := func(desc *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		one, err := prometheus.NewConstMetric(desc, kind, v, labels...)
		if err != nil {
			one = prometheus.NewInvalidMetric(desc, err)
		}
		list = append(list, one)
	}
	add(dropped, prometheus.CounterValue, float64(s.dropped), s.name())
	for _, w := range s.shown {
		for i, v := range w.values {
			if desc := w.layout.values[i]; desc != nil && !math.IsNaN(v) {
				add(desc, prometheus.GaugeValue, v, w.labels...)
			}
		}
		if w.bounded() {
			add(w.layout.end, prometheus.GaugeValue, float64(w.end)/1e9, w.labels...)
		}
	}
	return list
}
