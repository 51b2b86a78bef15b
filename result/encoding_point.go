package result

import (
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// appendPoints appends a record for each number of the row.
func (e *Encoder) appendPoints(dst []byte, records []Record, r *Result) ([]byte, []Record) {
	e.tags = r.appendTags(e.tags[:0]) // all points of a row share them
	for i := range r.Values {
		if !isNumber(r.Values[i]) {
			continue
		}
		from := len(dst)
		dst = e.appendPoint(dst, r, i)
		records = append(records, Record{Name: r.Query.Values[i], From: from, To: len(dst)})
		dst = append(dst, '\n')
	}
	return dst, records
}

// appendPoint appends the i-th value as one record.
func (e *Encoder) appendPoint(dst []byte, r *Result, i int) []byte {
	name := r.Query.Values[i]
	if e.Encoding == AnalyzerEvent {
		dst = append(dst, `{"type":"Metric","timestamp":"`...)
		dst = event.AppendTime(dst, r.pointTime())
		dst = append(dst, `","name":`...)
		e.parts = appendAnalyzerName(e.parts[:0], name)
		dst = event.AppendString(dst, e.parts)
		dst = append(dst, `,"value":`...)
	} else {
		dst = append(dst, `{"name":`...)
		dst = event.AppendString(dst, name)
		dst = append(dst, `,"value":`...)
	}
	dst = r.Values[i].AppendJSON(dst)
	dst = append(dst, `,"unit":"`...)
	dst = append(dst, Unit(name)...)
	if e.Encoding == AnalyzerEvent {
		dst = append(dst, `","labels":`...)
		dst = append(dst, e.tags...)
		return e.appendMeta(dst, r)
	}
	dst = append(dst, `","timestamp":"`...)
	dst = event.AppendTime(dst, r.pointTime())
	dst = append(dst, `","tags":`...)
	dst = append(dst, e.tags...)
	dst = r.appendAggregation(dst, i)
	return e.appendMeta(dst, r)
}

// pointTime is the window's end; of a global window, which has none, the
// watermark of the firing, or else when it fired.
func (r *Result) pointTime() int64 {
	switch {
	case r.End != event.MaxTime:
		return r.End
	case r.Watermark != event.MinTime && r.Watermark != event.MaxTime:
		return r.Watermark
	default:
		return r.EmittedAt
	}
}

// aggregationType is the name of a function in a MetricAggregation; empty for
// those that it does not know.
func aggregationType(function string) string {
	switch function {
	case "avg":
		return "average"
	case "sum", "min", "max", "count", "percentile":
		return function
	default:
		return ""
	}
}

// summary is what a MetricAggregation cannot do without. What is not known is
// null.
type summary struct{ count, sum, avg, least, most event.Value }

// summary looks for it among the values with the same input as the i-th.
func (r *Result) summary(i int) (s summary, ok bool) {
	input := r.Query.Functions[i].Input
	for k, v := range r.Values {
		f := &r.Query.Functions[k]
		if f.Input != input || !isNumber(v) {
			continue
		}
		switch f.Name {
		case "count":
			s.count = v
		case "sum":
			s.sum = v
		case "avg":
			s.avg = v
		case "min":
			s.least = v
		case "max":
			s.most = v
		}
	}
	if isNumber(s.avg) && !isNumber(s.sum) {
		s.sum = event.Float(s.avg.Num * s.count.Num)
	}
	return s, isNumber(s.count) && isUnsigned(s.count) && isNumber(s.sum) && isNumber(s.least) && isNumber(s.most)
}

// appendAggregation appends the aggregation of a point where the row holds all
// that it must have: count, sum (or avg), min and max of the same input. Nothing
// is made up.
func (r *Result) appendAggregation(dst []byte, i int) []byte {
	if len(r.Query.Functions) < len(r.Values) {
		return dst
	}
	kind := aggregationType(r.Query.Functions[i].Name)
	s, ok := r.summary(i)
	if kind == "" || !ok {
		return dst
	}
	dst = append(append(dst, `,"aggregation":{"aggregation_type":"`...), kind...)
	dst = s.count.AppendJSON(append(dst, `","count":`...))
	dst = s.sum.AppendJSON(append(dst, `,"sum":`...))
	dst = s.least.AppendJSON(append(dst, `,"min":`...))
	dst = s.most.AppendJSON(append(dst, `,"max":`...))
	return append(r.appendPercentiles(append(dst, `,"percentiles":[`...), i), "]}"...)
}

// appendPercentiles appends the percentiles with the same input as the i-th.
// Their p is a u8 there, so p99.9 cannot be among them.
func (r *Result) appendPercentiles(dst []byte, i int) []byte {
	first := true
	for k, v := range r.Values {
		f := &r.Query.Functions[k]
		p := int64(f.Param)
		if f.Name != "percentile" || f.Input != r.Query.Functions[i].Input || float64(p) != f.Param || !isNumber(v) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = strconv.AppendInt(append(dst, '['), p, 10)
		dst = append(v.AppendJSON(append(dst, ',')), ']')
	}
	return dst
}
