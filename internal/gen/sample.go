package gen

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/event"
)

// sampleStart is the time of the first recorded event.
var sampleStart = time.Date(2026, 9, 24, 12, 0, 0, 0, time.UTC).UnixNano()

const (
	collectorLines  = 400
	cloudEventLines = 60
	// sampleStep is the time between two lines: 400 make six minutes.
	sampleStep = int64(900 * time.Millisecond)
	// sampleSessions is few, so that a session has more than one request.
	sampleSessions = 14
)

// Collector is examples/data/collector.jsonl: six minutes of a small
// Collector in its five shapes, a little out of order, with what goes wrong
// in practice: nulls that were NaN, two events from a replay that are far too
// late, one object with a key twice, and one line cut short.
func Collector() []byte {
	s := &sample{t: NewTraffic(20260924, 0), r: rand.New(rand.NewPCG(20260924, 7))}
	s.t.talking = sampleSessions
	var out []byte
	for i := range collectorLines {
		at := sampleStart + int64(i)*sampleStep + s.r.Int64N(sampleStep)
		line := s.line(i, at, time.Duration(int64(i)*sampleStep))
		out = append(out, blemish(i, line)...)
	}
	return out
}

// blemish spoils a few chosen lines.
func blemish(i int, line string) string {
	switch i {
	case 97, 245:
		return replaceNumber(line, `"latency_ms":`, "null")
	case 151, 301:
		return replaceNumber(line, `"cost":`, "null")
	case 188:
		// The first value is the one that does not count.
		return strings.Replace(line, `"model":`, `"model":"unset","model":`, 1)
	case 262:
		return line[:len(line)*2/3] + "\n"
	default:
		return line
	}
}

// replaceNumber puts another value in the place of a number.
func replaceNumber(line, key, value string) string {
	before, rest, found := strings.Cut(line, key)
	if !found {
		return line
	}
	return before + key + value + rest[strings.IndexByte(rest, ','):]
}

type sample struct {
	t *Traffic
	r *rand.Rand
}

// line is the i-th line. The places of blemishes are performance metrics.
func (s *sample) line(i int, at int64, elapsed time.Duration) string {
	switch {
	case i == 120 || i == 333:
		// A buffer that was down on disk, replayed.
		return s.performance(at-int64(14*time.Minute)-int64(i)*int64(time.Second), elapsed)
	case i%50 == 40:
		return s.experiment(i, at)
	case i%17 == 5:
		return s.health(i, at)
	case i%4 == 2 && s.t.served > 0:
		return s.response(at)
	case i%2 == 1:
		return s.performance(at, elapsed)
	default:
		return string(s.t.Append(nil, at, elapsed))
	}
}

// performance is a request's metrics. One in four of these comes from a gateway that
// adds no metadata.
func (s *sample) performance(at int64, elapsed time.Duration) string {
	t := s.t
	line := string(t.appendPerformance(nil, at, elapsed, &t.sessions[t.r.IntN(t.talking)]))
	if s.r.IntN(4) == 0 {
		line, _, _ = strings.Cut(line, `,"metadata":`)
		line += "}\n"
	}
	return line
}

// head begins an object as every shape of the Collector does.
func (s *sample) head(kind string, at int64) []byte {
	dst := append([]byte(`{"type":"`), kind...)
	dst = appendUUID(append(dst, `","id":"`...), s.r)
	dst = append(dst, `","timestamp":"`...)
	dst = event.AppendTime(dst, at-at%1000) // microseconds
	return append(dst, `",`...)
}

// response is the answer to the newest request.
func (s *sample) response(at int64) string {
	t := s.t
	req := &t.recent[(t.served-1)%recentRequests]
	dst := s.head("model_response", at)
	dst = append(dst, `"request_id":"`...)
	dst = append(dst, req.id[:]...)
	dst = append(dst, `","session_id":"`...)
	dst = t.appendSession(dst, &req.session)
	dst = append(dst, `","model":"`...)
	dst = append(dst, req.model...)
	dst = append(dst, `","prompt_hash":"`...)
	dst = strconv.AppendUint(dst, s.r.Uint64N(1<<16), 16)
	dst = append(dst, `","response_hash":"`...)
	dst = strconv.AppendUint(dst, s.r.Uint64N(1<<16), 16)
	dst = append(dst, `","response_length":`...)
	dst = strconv.AppendInt(dst, 40+s.r.Int64N(2400), 10)
	dst = append(dst, `,"config":{"temperature":0.2},"context":{`...)
	dst = t.appendTenant(dst, &req.session)
	dst = append(dst, `,"feature":"`...)
	dst = append(dst, [...]string{"search", "chat", "summary"}[s.r.IntN(3)]...)
	return string(append(dst, "\"}}\n"...))
}

// health is a heartbeat of one of two gateways; one of them has a bad minute.
func (s *sample) health(i int, at int64) string {
	component, status, cpu, depth, errs := "gateway-eu", "healthy", 30+s.r.IntN(25), s.r.IntN(4), "0.01"
	if i%2 == 0 {
		component = "gateway-us"
	} else if i > 200 && i < 290 {
		status, cpu, depth, errs = "degraded", 81+s.r.IntN(15), 12+s.r.IntN(40), "0.4"
	}
	dst := s.head("system_health", at)
	dst = append(dst, `"component":"`...)
	dst = append(dst, component...)
	dst = append(dst, `","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","cpu_usage":`...)
	dst = appendFixed(dst, float64(cpu), 1)
	dst = append(dst, `,"memory_usage":`...)
	dst = strconv.AppendInt(dst, 6<<30+s.r.Int64N(2<<30), 10)
	dst = append(dst, `,"active_requests":`...)
	dst = strconv.AppendInt(dst, int64(8+s.r.IntN(70)), 10)
	dst = append(dst, `,"queue_depth":`...)
	dst = strconv.AppendInt(dst, int64(depth), 10)
	dst = append(dst, `,"error_rate":`...)
	dst = append(dst, errs...)
	return string(append(dst, ",\"metrics\":{}}\n"...))
}

// experiment is an interim result of a prompt test; the first has no value yet.
func (s *sample) experiment(i int, at int64) string {
	dst := s.head("experiment_result", at)
	dst = append(dst, `"experiment_id":"prompt-v12-vs-v13","variant_id":"`...)
	dst = appendUUID(dst, s.r)
	dst = append(dst, `","metric_name":"task_completed","metric_value":`...)
	if i < 50 {
		dst = append(dst, `null`...)
	} else {
		dst = appendFixed(dst, 0.5+0.2*s.r.Float64(), 3)
	}
	dst = append(dst, `,"sample_size":`...)
	dst = strconv.AppendInt(dst, int64(i), 10)
	return string(append(dst, ",\"confidence\":null,\"is_winner\":false,\"data\":{}}\n"...))
}

// CloudEvents is examples/data/cloudevents.jsonl: a minute of metrics in
// CloudEvents envelopes.
func CloudEvents() []byte {
	t, r := NewTraffic(20260925, 0), rand.New(rand.NewPCG(20260925, 7))
	t.talking = sampleSessions
	var dst []byte
	for i := range cloudEventLines {
		at := sampleStart + int64(i)*int64(time.Second) - r.Int64N(int64(MaxDisorder))
		m := t.pick()
		s := &t.sessions[t.r.IntN(t.talking)]
		o := t.run(m, time.Duration(i)*time.Second, s.version)
		dst = append(dst, `{"specversion":"1.0","type":"com.llmdevops.observatory.metric.v1","source":"llm-observatory","id":"evt-`...)
		dst = strconv.AppendInt(dst, int64(8800+i), 10)
		dst = append(dst, `","time":"`...)
		dst = appendMillis(dst, at)
		dst = append(dst, `","datacontenttype":"application/json","data":{"model":"`...)
		dst = append(dst, models[m].name...)
		dst = append(dst, `","latency_ms":`...)
		dst = appendFixed(dst, o.latency, 1)
		dst = append(dst, `,"input_tokens":`...)
		dst = strconv.AppendInt(dst, int64(o.in), 10)
		dst = append(dst, `,"output_tokens":`...)
		dst = strconv.AppendInt(dst, int64(o.out), 10)
		dst = append(dst, `,"cost":`...)
		dst = appendFixed(dst, o.cost, 6)
		dst = append(dst, `,"metadata":{`...)
		dst = t.appendTenant(dst, s)
		dst = append(dst, "}}}\n"...)
	}
	return dst
}
