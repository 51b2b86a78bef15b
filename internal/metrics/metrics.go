// Package metrics shows a pipeline to Prometheus. One table declares every
// metric. Gauges and counters are read out of one snapshot of the pipeline when
// somebody asks; only histograms and one counter are fed as things happen.
package metrics

import (
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/llm-optimizer/processor/pipeline"
)

// Metrics are those of one pipeline, in a registry of their own.
type Metrics struct {
	version  string
	status   func() pipeline.Status
	ready    func() bool
	registry *prometheus.Registry

	processing, epochTook, epochStalled prometheus.Histogram
	result, endToEnd, write             *prometheus.HistogramVec
	epochBytes                          prometheus.Counter

	mu sync.Mutex
	// outages counts those of the source, since is when the last one began.
	outages int
	since   time.Time
}

// New makes the metrics of a process of some version. status and ready are asked
// at each scrape, by any goroutine, also before the pipeline runs and after it
// has ended; nil stands for a pipeline of which nothing is known.
func New(version string, status func() pipeline.Status, isReady func() bool) *Metrics {
	m := &Metrics{
		version: version, status: status, ready: isReady, registry: prometheus.NewRegistry(),
		processing: oneHistogram(processingLatency), epochTook: oneHistogram(epochDuration), epochStalled: oneHistogram(epochStall),
		result: histograms(resultLatency), endToEnd: histograms(endToEndLatency), write: histograms(sinkWrite),
		epochBytes: prometheus.NewCounter(prometheus.CounterOpts{Name: epochBytes.Name, Help: epochBytes.Help}),
	}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds what another part of the process shows, such as the sink
// prometheus.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Handler answers scrapes, in the text format, OpenMetrics or Protobuf, whichever
// is asked for. What one collector cannot tell does not hide the rest.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError,
	})
}

// The native form of histograms: buckets that grow by a tenth, so that a
// quantile is off by a twentieth at most.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
	nativeReset   = time.Hour
)

func histogramOpts(m *Metric) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: m.Name, Help: m.Help, Buckets: m.buckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: nativeReset,
	}
}

func oneHistogram(m *Metric) prometheus.Histogram { return prometheus.NewHistogram(histogramOpts(m)) }

func histograms(m *Metric) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(histogramOpts(m), m.Labels)
}

// Describe sends what the table declares; it is a prometheus.Collector's.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d.desc
	}
}

// Collect takes one snapshot of the pipeline and sends it; it is a
// prometheus.Collector's.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	var st pipeline.Status
	if m.status != nil {
		st = m.status()
	}
	if st.Now.IsZero() {
		st.Now = time.Now()
	}
	e := emitter{ch}
	e.set(buildInfo, 1, m.version, runtime.Version())
	e.set(ready, truth(m.ready != nil && m.ready()))
	e.set(paused, truth(st.Phase == pipeline.Paused))
	e.input(&st)
	e.time(&st)
	e.partitions(&st)
	e.queries(&st)
	e.state(&st)
	e.sinks(&st)
	e.errors(&st, m.sourceOutages(&st))
	e.process()
	m.histograms(ch, &st)
}

// histograms sends what was observed. A sink that has taken nothing yet shows
// zeros: rates need a first value.
func (m *Metrics) histograms(ch chan<- prometheus.Metric, st *pipeline.Status) {
	for _, h := range []*prometheus.HistogramVec{m.result, m.endToEnd, m.write} {
		for i := range st.Sinks {
			h.WithLabelValues(clean(st.Sinks[i].Name))
		}
		h.Collect(ch)
	}
	for _, one := range []prometheus.Metric{m.processing, m.epochTook, m.epochStalled, m.epochBytes} {
		ch <- one
	}
}

// sourceOutages counts the outages of the source that scrapes have seen.
func (m *Metrics) sourceOutages(st *pipeline.Status) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since := st.Source.Since; since != nil && !since.Equal(m.since) {
		m.since = *since
		m.outages++
	}
	return m.outages
}
