package prometheus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// windowEnd is the name, after the prefix, of the metric that says which window
// is shown.
const windowEnd = "window_end_timestamp_seconds"

// layout is how the rows of a query are shown.
type layout struct {
	of *result.Query
	// values are the metrics of the aggregates, nil for one that has none; end
	// is that of the window.
	values []*prometheus.Desc
	end    *prometheus.Desc
	// series is how many a key may have.
	series int
}

// fits reports whether the rows of a query are shown like that.
func (l *layout) fits(q *result.Query) bool {
	return slices.Equal(l.of.Keys, q.Keys) && slices.Equal(l.of.Values, q.Values)
}

// newLayout makes the metrics of a query, or says what cannot be.
func newLayout(prefix string, q *result.Query) (*layout, error) {
	labels, err := labelsOf(q)
	if err != nil {
		return nil, err
	}
	l := &layout{of: q, values: make([]*prometheus.Desc, len(q.Values)), series: 1}
	end := prefix + windowEnd
	l.end = prometheus.NewDesc(end, "End of the window that is shown.", labels, nil)
	taken := map[string]string{end: "the end of the window"}
	for i, name := range q.Values {
		if i < len(q.Functions) && q.Functions[i].Name == "top_k" {
			continue // a list is no number
		}
		metric := metricName(prefix, name)
		if before, ok := taken[metric]; ok {
			return nil, fmt.Errorf("query %s: the aggregate %s would be the metric %s, as is %s: give it another name, or the sink another prefix", q.Name, name, metric, before)
		}
		if reserved(metric) {
			return nil, fmt.Errorf("query %s: the aggregate %s would be the metric %s, which the processor itself may have: give it another name, or the sink another prefix", q.Name, name, metric)
		}
		taken[metric] = name
		l.values[i] = prometheus.NewDesc(metric, "The aggregate of the last final window of each key.", labels, nil)
		l.series++
	}
	return l, nil
}

// labelsOf are the labels of a query's metrics: query, and the fields of the key.
func labelsOf(q *result.Query) ([]string, error) {
	labels := []string{"query"}
	for _, field := range q.Keys {
		label := labelName(field)
		switch i := slices.Index(labels, label); {
		case label == "le" || label == "quantile":
			return nil, fmt.Errorf("query %s: the key field %s would be the label %s, which Prometheus has for itself: give it another name", q.Name, field, label)
		case i == 0:
			return nil, fmt.Errorf("query %s: the key field %s would be the label query, which is the name of the query: give it another name", q.Name, field)
		case i > 0:
			return nil, fmt.Errorf("query %s: the key fields %s and %s would both be the label %s: give one of them another name", q.Name, q.Keys[i-1], field, label)
		}
		labels = append(labels, label)
	}
	return labels, nil
}

// others are the metrics that are at the same address as ours: of the processor
// itself, of Go, of the process.
var others = []string{"processor_", "go_", "process_", "promhttp_"}

// reserved reports whether a metric's name may be another's. Those that begin
// like the default prefix are ours, but for one, a histogram.
func reserved(metric string) bool {
	if rest, ok := strings.CutPrefix(metric, DefaultPrefix); ok {
		return rest == "latency_seconds" || strings.HasPrefix(rest, "latency_seconds_")
	}
	return slices.ContainsFunc(others, func(p string) bool { return strings.HasPrefix(metric, p) })
}

// labels are the values of the labels for a row's key.
func (l *layout) labels(key string) []string {
	values := make([]string, 1, 1+len(l.of.Keys))
	values[0] = strings.ToValidUTF8(l.of.Name, "\uFFFD")
	for range l.of.Keys {
		v, rest, _ := event.NextKeyField(key) // a key that ends early has nulls
		values, key = append(values, labelValue(v)), rest
	}
	return values
}
