package gen

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Bench is the benchmark workload: performance_metrics events of about 420
// bytes with a metadata map of tenant, user and session. Latencies are log-normal
// with a median that grows with the model's number, from 0.2 s to 4 s
// with 20 models; low user numbers are busier. Fill it from DefaultBench.
type Bench struct {
	// Events is how many events there are.
	Events int
	Seed   uint64
	// Part is the partition, mixed into the seed.
	Part int
	// Rate is events per second of event time.
	Rate                   float64
	Models, Tenants, Users int
	// Jitter is how far an event may lie behind its place in time, evenly
	// spread. The share Late of events lies up to LateBy further behind.
	Jitter time.Duration
	Late   float64
	LateBy time.Duration
	// Start is the time of the first event, but for its jitter.
	Start time.Time
}

// DefaultBench is a million events as the published figures use them.
func DefaultBench() Bench {
	return Bench{
		Events: 1_000_000, Seed: 1, Rate: 1000,
		Models: 20, Tenants: 3, Users: 100_000,
		Jitter: 5 * time.Second, Late: 0.001, LateBy: 2 * time.Minute,
		Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// Validate reports every setting that cannot be.
func (b Bench) Validate() error {
	var errs []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	must(b.Events >= 0, "events is %d: it cannot be negative", b.Events)
	must(b.Rate > 0 && !math.IsInf(b.Rate, 0), "rate is %v: it must be above 0 events a second", b.Rate)
	must(b.Models > 0, "models is %d: at least 1 is needed", b.Models)
	must(b.Tenants > 0, "tenants is %d: at least 1 is needed", b.Tenants)
	must(b.Users > 0, "users is %d: at least 1 is needed", b.Users)
	must(b.Jitter >= 0, "jitter is %s: it cannot be negative", b.Jitter)
	must(b.LateBy >= 0, "late-by is %s: it cannot be negative", b.LateBy)
	must(b.Late >= 0 && b.Late <= 1, "late is %v: it is a share from 0 to 1", b.Late)
	must(b.Start.Year() >= 1700 && b.Start.Year() < 2200, "start is in the year %d: it must lie between 1700 and 2200", b.Start.Year())
	return errors.Join(errs...)
}

// WriteTo writes the events as lines and returns how many bytes they have.
func (b Bench) WriteTo(w io.Writer) (int64, error) { return b.Split(w) }

// Split deals the events out to the writers, one line each in turn, so that
// all of them cover the same time. The bytes do not depend on their number.
func (b Bench) Split(ws ...io.Writer) (int64, error) {
	if err := b.Validate(); err != nil {
		return 0, err
	}
	if len(ws) == 0 {
		return 0, errors.New("there is nothing to write the events to")
	}
	const flushAt = 256 << 10
	var written int64
	bufs := make([][]byte, len(ws))
	flush := func(i int) error {
		n, err := ws[i].Write(bufs[i])
		written += int64(n)
		bufs[i] = bufs[i][:0]
		return err
	}
	g := newBenchWriter(b)
	for n, i := 0, 0; n < b.Events; n++ {
		bufs[i] = g.append(bufs[i])
		if len(bufs[i]) >= flushAt {
			if err := flush(i); err != nil {
				return written, fmt.Errorf("write event %d of %d: %w", n+1, b.Events, err)
			}
		}
		if i++; i == len(ws) {
			i = 0
		}
	}
	for i := range ws {
		if err := flush(i); err != nil {
			return written, fmt.Errorf("write the last events: %w", err)
		}
	}
	return written, nil
}

// sessionEvents is after how many events every user begins a new session.
const sessionEvents = 200_000

type benchWriter struct {
	Bench
	r     *rand.Rand
	n     int
	start int64
	step  float64
}

func newBenchWriter(b Bench) *benchWriter {
	return &benchWriter{
		Bench: b,
		r:     rand.New(rand.NewPCG(b.Seed, uint64(b.Part)*0x9e3779b97f4a7c15+1)),
		start: b.Start.UnixNano(),
		step:  float64(time.Second) / b.Rate,
	}
}

// append appends the next event and a line end.
func (g *benchWriter) append(dst []byte) []byte {
	r := g.r
	at := g.time()
	model, tenant := r.IntN(g.Models), r.IntN(g.Tenants)
	user := int(math.Pow(r.Float64(), 1.5) * float64(g.Users))
	latency := math.Exp(5.3 + 0.15*float64(model) + 0.6*r.NormFloat64())
	in, out := 20+r.IntN(4000), 1+r.IntN(1200)
	price := float64(1 + model%5)

	dst = append(dst, `{"type":"performance_metrics","id":"`...)
	dst = appendUUID(dst, r)
	dst = append(dst, `","timestamp":"`...)
	dst = appendMillis(dst, at)
	dst = append(dst, `","request_id":"`...)
	dst = appendUUID(dst, r)
	dst = append(dst, `","model":"model-`...)
	dst = strconv.AppendInt(dst, int64(model), 10)
	dst = append(dst, `","config_id":null,"latency_ms":`...)
	dst = appendFixed(dst, latency, 3)
	dst = append(dst, `,"input_tokens":`...)
	dst = strconv.AppendInt(dst, int64(in), 10)
	dst = append(dst, `,"output_tokens":`...)
	dst = strconv.AppendInt(dst, int64(out), 10)
	dst = append(dst, `,"cost":`...)
	dst = appendFixed(dst, (float64(in)+4*float64(out))*1e-6*price, 6)
	dst = append(dst, `,"quality_score":`...)
	if r.IntN(10) == 0 {
		dst = append(dst, `null`...)
	} else {
		dst = appendFixed(dst, r.Float64(), 3)
	}
	dst = append(dst, `,"error":`...)
	if r.IntN(100) == 0 {
		dst = append(dst, `"upstream \"timeout\" é"`...) // escapes and two-byte letters belong to the work
	} else {
		dst = append(dst, `null`...)
	}
	dst = append(dst, `,"metrics":{"ttft_ms":`...)
	dst = appendFixed(dst, latency*0.2, 3)
	dst = append(dst, `},"metadata":{"tenant":"tenant-`...)
	dst = strconv.AppendInt(dst, int64(tenant), 10)
	dst = append(dst, `","user_id":"u-`...)
	dst = strconv.AppendInt(dst, int64(user), 10)
	dst = append(dst, `","session_id":"s-`...)
	dst = strconv.AppendInt(dst, int64(user)*7+int64(g.n/sessionEvents), 10)
	g.n++
	return append(dst, "\"}}\n"...)
}

// time is the next event's time.
func (g *benchWriter) time() int64 {
	at := g.start + int64(float64(g.n)*g.step) - g.r.Int64N(int64(g.Jitter)+1)
	if g.r.Float64() < g.Late {
		at -= g.r.Int64N(int64(g.LateBy) + 1)
	}
	return at
}
