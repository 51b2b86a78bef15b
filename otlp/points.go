package otlp

import (
	"fmt"
	"math"
	"slices"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

const (
	// maxPoints is the most that one request holds.
	maxPoints = 1000
	// prefix begins the names of metrics.
	prefix = "processor.result."
	// scopeName is the instrumentation scope.
	scopeName = "github.com/llm-optimizer/processor"
)

// points collects data points for a request.
type points struct {
	request *collector.ExportMetricsServiceRequest
	scope   *metrics.ScopeMetrics
	byName  map[string]*metrics.Gauge
	n       int
}

func newPoints(pipeline, version string) *points {
	attributes := []*common.KeyValue{text("service.name", "processor"), text("processor.pipeline", pipeline)}
	if version != "" {
		attributes = append(attributes, text("service.version", version))
	}
	scope := &metrics.ScopeMetrics{Scope: &common.InstrumentationScope{Name: scopeName, Version: version}}
	return &points{
		scope: scope, byName: map[string]*metrics.Gauge{},
		request: &collector.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
			Resource: &resource.Resource{Attributes: attributes}, ScopeMetrics: []*metrics.ScopeMetrics{scope},
		}}},
	}
}

// reset forgets all points.
func (p *points) reset() {
	p.scope.Metrics, p.n = nil, 0
	clear(p.byName)
}

func (p *points) encode() ([]byte, error) { return proto.Marshal(p.request) }

// add adds the point of a row's vth value, if there is one. A withdrawn window
// has points that say so.
func (p *points) add(r *result.Result, v int) {
	at, from, ok := times(r)
	if !ok || isList(r.Query, v) {
		return
	}
	point := &metrics.NumberDataPoint{TimeUnixNano: at, StartTimeUnixNano: from}
	switch {
	case r.Timing == result.Retract:
		point.Flags = uint32(metrics.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)
	case v < len(r.Values) && r.Values[v].Kind.IsNumber():
		point.Value = &metrics.NumberDataPoint_AsDouble{AsDouble: r.Values[v].Num}
	default:
		return // null, or a text
	}
	point.Attributes = attributes(r)
	gauge := p.gauge(r.Query.Values[v])
	gauge.DataPoints = append(gauge.DataPoints, point)
	p.n++
}

// isList reports whether a value never is a number.
func isList(q *result.Query, v int) bool {
	return v < len(q.Functions) && q.Functions[v].Name == "top_k"
}

// gauge is the metric of an aggregate.
func (p *points) gauge(aggregate string) *metrics.Gauge {
	g := p.byName[aggregate]
	if g == nil {
		g = new(metrics.Gauge)
		p.byName[aggregate] = g
		p.scope.Metrics = append(p.scope.Metrics, &metrics.Metric{
			Name: prefix + aggregate, Unit: result.Unit(aggregate), Data: &metrics.Metric_Gauge{Gauge: g},
		})
	}
	return g
}

// times are when a window ended and began. A global window, which never ends,
// has the time of its firing. What was before 1970 cannot be told: a beginning is
// left out, and a window that ended then gives no points.
func times(r *result.Result) (at, from uint64, ok bool) {
	end := r.End
	if end == event.MaxTime {
		if end = r.Watermark; end == event.MinTime || end == event.MaxTime {
			end = r.EmittedAt
		}
	}
	return uint64(max(0, end)), uint64(max(0, r.Start)), end > 0
}

// attributes are the query and the fields of the key that are not null, with
// their types.
func attributes(r *result.Result) []*common.KeyValue {
	list := make([]*common.KeyValue, 1, 1+len(r.Query.Keys))
	list[0] = text("query", r.Query.Name)
	rest := r.Key
	for _, name := range r.Query.Keys {
		v, after, ok := event.NextKeyField(rest)
		if !ok {
			break
		}
		rest = after
		if value := typed(v); value != nil {
			list = append(list, &common.KeyValue{Key: name, Value: value})
		}
	}
	return list
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: valid(value)}}}
}

// typed is a field of a key; nil for null. An integer beyond int64 is a text.
func typed(v event.Value) *common.AnyValue {
	switch v.Kind {
	case event.True, event.False:
		return &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: v.Kind == event.True}}
	case event.Number:
		if i := int64(v.Num); v.Num == math.Trunc(v.Num) && math.Abs(v.Num) < 1<<63 {
			return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: i}}
		}
		return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: v.Num}}
	case event.Integer:
		if i, ok := exact(v.Str); ok {
			return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: i}}
		}
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v.Str}}
	case event.String:
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: valid(v.Str)}}
	default:
		return nil
	}
}

// checkQuery says which names of a query would be two things.
func checkQuery(q *result.Query) error {
	if slices.Contains(q.Keys, "query") {
		return fmt.Errorf("query %s: the key field query would be the attribute query, which is the name of the query: give it another name", q.Name)
	}
	return nil
}
