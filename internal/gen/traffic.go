package gen

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// MaxDisorder is how far Traffic puts an event behind its place in time.
const MaxDisorder = 2 * time.Second

// model is a language model as traffic sees it: median latency, prices in
// dollars per million tokens, and its share of the requests in percent.
type model struct {
	name            string
	medianMS        float64
	in, out, share  float64
	tokensPerSecond float64
}

var models = [...]model{
	{"gpt-4o-2024-08-06", 620, 2.50, 10.00, 30, 85},
	{"gpt-4o-mini-2024-07-18", 380, 0.15, 0.60, 26, 110},
	{"claude-sonnet-4-20250514", 840, 3.00, 15.00, 22, 70},
	{"gemini-2.5-flash", 310, 0.30, 2.50, 14, 160},
	{"llama-3.3-70b-instruct", 540, 0.60, 0.70, 8, 60},
}

var (
	tenants        = [...]string{"acme", "globex", "initech", "umbrella"}
	promptVersions = [...]string{"v11", "v12", "v13"}
	failures       = [...]string{"timeout", "rate_limited", "upstream 503", "context_length_exceeded"}
)

const (
	// openSessions talk at the same time; each lasts a while, then another
	// user takes its place.
	openSessions = 300
	users        = 4000
	// recentRequests can still be rated.
	recentRequests = 256
	// feedbackShare of the events are user_feedback.
	feedbackShare = 0.08
)

// Incidents come in a rhythm of event time, one model at a time, so that a
// dashboard has something to find: for each period, errors in one part of it
// and high latency in another.
const (
	incidentPeriod = 2 * time.Minute
	errorsFrom     = 20 * time.Second
	errorsTo       = 35 * time.Second
	slowFrom       = 60 * time.Second
	slowTo         = 85 * time.Second
)

// session is one user's conversation.
type session struct {
	id, user int
	tenant   int
	version  int
	left     int // requests to come
}

// request is what feedback refers to.
type request struct {
	id      [36]byte
	model   string
	session session
}

// Traffic is an endless stream of performance_metrics and user_feedback
// events. It is a function of its seed and part; the times are the caller's.
type Traffic struct {
	r        *rand.Rand
	sessions [openSessions]session
	talking  int // how many of the sessions are in use
	opened   int
	recent   [recentRequests]request
	served   int
	part     int
}

// NewTraffic returns the stream of a seed and partition.
func NewTraffic(seed uint64, part int) *Traffic {
	t := &Traffic{
		r:       rand.New(rand.NewPCG(seed, uint64(part)*0x9e3779b97f4a7c15+2)),
		talking: openSessions, part: part,
	}
	for i := range t.sessions {
		t.open(&t.sessions[i])
	}
	return t
}

// open begins another session: short ones are common, long ones exist.
func (t *Traffic) open(s *session) {
	t.opened++
	user := int(math.Pow(t.r.Float64(), 2) * users)
	*s = session{
		id:   t.opened,
		user: user,
		// A user belongs to one tenant; the first one is the largest.
		tenant:  [...]int{0, 0, 0, 0, 1, 1, 1, 2, 2, 3}[user%10],
		version: [...]int{0, 1, 1, 1, 1, 1, 1, 2, 2, 2}[t.r.IntN(10)],
		left:    4 + int(100*t.r.ExpFloat64()),
	}
}

// Append appends the next event and a line end. The event's place in time is
// at, in nanoseconds since 1970, and its timestamp up to MaxDisorder before
// that; elapsed is the time since the beginning of the stream, by which
// incidents come.
func (t *Traffic) Append(dst []byte, at int64, elapsed time.Duration) []byte {
	// Most events come at once, few are much behind.
	u := t.r.Float64()
	at -= int64(u * u * u * u * float64(MaxDisorder))
	if t.served > 0 && t.r.Float64() < feedbackShare {
		return t.appendFeedback(dst, at)
	}
	s := &t.sessions[t.r.IntN(t.talking)]
	if s.left--; s.left <= 0 {
		t.open(s)
	}
	return t.appendPerformance(dst, at, elapsed, s)
}

// pick draws a model by its share.
func (t *Traffic) pick() int {
	x := t.r.Float64() * 100
	for i := range models {
		if x -= models[i].share; x < 0 {
			return i
		}
	}
	return 0
}

// outcome is how a request went.
type outcome struct {
	in, out, cached         int
	latency, ttft, cost     float64
	quality                 float64
	failed, rated, streamed bool
}

func (t *Traffic) run(i int, elapsed time.Duration, version int) outcome {
	r, m := t.r, &models[i]
	o := outcome{in: 60 + int(900*r.ExpFloat64()), out: 8 + int(220*r.ExpFloat64())}
	o.ttft = m.medianMS * math.Exp(0.45*r.NormFloat64())
	o.streamed = r.Float64() < 0.8
	failing := 0.012
	hurt := int(elapsed/incidentPeriod) % len(models)
	phase := elapsed % incidentPeriod
	if i == hurt && phase >= errorsFrom && phase < errorsTo {
		failing = 0.45
	}
	if i == (hurt+2)%len(models) && phase >= slowFrom && phase < slowTo {
		o.ttft *= 2.6
	}
	o.latency = o.ttft + 1000*float64(o.out)/m.tokensPerSecond
	if o.failed = r.Float64() < failing; o.failed {
		o.out, o.latency = 0, o.ttft*0.6
		return o
	}
	if r.Float64() < 0.35 {
		o.cached = o.in / 2
	}
	o.cost = (float64(o.in-o.cached)*m.in + float64(o.cached)*m.in/2 + float64(o.out)*m.out) / 1e6
	o.rated = r.Float64() < 0.9
	// The newest prompt is a little better.
	o.quality = min(1, max(0, 0.80+0.03*float64(version)+0.09*r.NormFloat64()))
	return o
}

func (t *Traffic) appendPerformance(dst []byte, at int64, elapsed time.Duration, s *session) []byte {
	i := t.pick()
	o := t.run(i, elapsed, s.version)
	req := &t.recent[t.served%recentRequests]
	t.served++
	appendUUID(req.id[:0], t.r)
	req.model, req.session = models[i].name, *s

	dst = append(dst, `{"type":"performance_metrics","id":"`...)
	dst = appendUUID(dst, t.r)
	dst = append(dst, `","timestamp":"`...)
	dst = appendMillis(dst, at)
	dst = append(dst, `","request_id":"`...)
	dst = append(dst, req.id[:]...)
	dst = append(dst, `","model":"`...)
	dst = append(dst, models[i].name...)
	dst = append(dst, `","config_id":null,"latency_ms":`...)
	dst = appendFixed(dst, o.latency, 1)
	dst = append(dst, `,"input_tokens":`...)
	dst = strconv.AppendInt(dst, int64(o.in), 10)
	dst = append(dst, `,"output_tokens":`...)
	dst = strconv.AppendInt(dst, int64(o.out), 10)
	dst = append(dst, `,"cost":`...)
	dst = appendFixed(dst, o.cost, 6)
	dst = append(dst, `,"quality_score":`...)
	if o.rated {
		dst = appendFixed(dst, o.quality, 3)
	} else {
		dst = append(dst, `null`...)
	}
	dst = append(dst, `,"error":`...)
	if o.failed {
		dst = append(dst, '"')
		dst = append(dst, failures[t.r.IntN(len(failures))]...)
		dst = append(dst, '"')
	} else {
		dst = append(dst, `null`...)
	}
	dst = append(dst, `,"metrics":{`...)
	if o.streamed {
		dst = append(dst, `"ttft_ms":`...)
		dst = append(appendFixed(dst, o.ttft, 1), ',')
	}
	dst = append(dst, `"cached_input_tokens":`...)
	dst = strconv.AppendInt(dst, int64(o.cached), 10)
	dst = append(dst, `},"metadata":{`...)
	dst = t.appendTenant(dst, s)
	dst = append(dst, `,"user_id":"u-`...)
	dst = strconv.AppendInt(dst, int64(s.user), 10)
	dst = append(dst, `","session_id":"`...)
	dst = t.appendSession(dst, s)
	return append(dst, "\"}}\n"...)
}

func (t *Traffic) appendTenant(dst []byte, s *session) []byte {
	dst = append(dst, `"tenant":"`...)
	dst = append(dst, tenants[s.tenant]...)
	dst = append(dst, `","prompt_version":"`...)
	dst = append(dst, promptVersions[s.version]...)
	return append(dst, '"')
}

func (t *Traffic) appendSession(dst []byte, s *session) []byte {
	dst = append(dst, `s-`...)
	dst = strconv.AppendInt(dst, int64(t.part), 10)
	dst = append(dst, '-')
	return strconv.AppendInt(dst, int64(s.id), 10)
}

// appendFeedback rates one of the recent requests.
func (t *Traffic) appendFeedback(dst []byte, at int64) []byte {
	r := t.r
	req := &t.recent[r.IntN(min(t.served, recentRequests))]
	rating := min(5, max(1, int(4.2+0.2*float64(req.session.version)+1.1*r.NormFloat64())))

	dst = append(dst, `{"type":"user_feedback","id":"`...)
	dst = appendUUID(dst, r)
	dst = append(dst, `","timestamp":"`...)
	dst = appendMillis(dst, at)
	dst = append(dst, `","user_id":"u-`...)
	dst = strconv.AppendInt(dst, int64(req.session.user), 10)
	dst = append(dst, `","session_id":"`...)
	dst = t.appendSession(dst, &req.session)
	dst = append(dst, `","request_id":"`...)
	dst = append(dst, req.id[:]...)
	dst = append(dst, `","rating":`...)
	dst = appendFixed(dst, float64(rating), 1)
	dst = append(dst, `,"liked":`...)
	dst = strconv.AppendBool(dst, rating >= 4)
	dst = append(dst, `,"task_completed":`...)
	dst = strconv.AppendBool(dst, r.Float64() < 0.2*float64(rating)-0.1)
	dst = append(dst, `,"response_edited":`...)
	dst = strconv.AppendBool(dst, r.Float64() < 0.1)
	dst = append(dst, `,"response_regenerated":`...)
	dst = strconv.AppendBool(dst, rating <= 2 && r.Float64() < 0.5)
	dst = append(dst, `,"dwell_time_seconds":`...)
	dst = appendFixed(dst, 2+20*r.ExpFloat64(), 1)
	dst = append(dst, `,"response_saved":`...)
	dst = strconv.AppendBool(dst, r.Float64() < 0.05)
	dst = append(dst, `,"response_shared":`...)
	dst = strconv.AppendBool(dst, r.Float64() < 0.02)
	dst = append(dst, `,"comment":null,"metadata":{`...)
	dst = t.appendTenant(dst, &req.session)
	return append(dst, "}}\n"...)
}
