package gen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the samples in examples/data")

// performance is the shape under test, as a reader would decode it.
type performance struct {
	Type         string    `json:"type"`
	ID           string    `json:"id"`
	Timestamp    time.Time `json:"timestamp"`
	RequestID    string    `json:"request_id"`
	Model        string    `json:"model"`
	Latency      *float64  `json:"latency_ms"`
	InputTokens  uint64    `json:"input_tokens"`
	OutputTokens uint64    `json:"output_tokens"`
	Cost         *float64  `json:"cost"`
	Quality      *float64  `json:"quality_score"`
	Error        *string   `json:"error"`
	Metrics      struct {
		TTFT *float64 `json:"ttft_ms"`
	} `json:"metrics"`
	Metadata map[string]string `json:"metadata"`
}

func decode(t *testing.T, line string) performance {
	t.Helper()
	var p performance
	if err := json.Unmarshal([]byte(line), &p); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return p
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func lines(text []byte) []string {
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func bench(t testing.TB, b Bench) []byte {
	t.Helper()
	var buf bytes.Buffer
	n, err := b.WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) {
		t.Fatalf("WriteTo = %d, %v with %d bytes written", n, err, buf.Len())
	}
	return buf.Bytes()
}

func TestBenchDistribution(t *testing.T) {
	b := DefaultBench()
	b.Events = 20_000
	text := bench(t, b)
	if mean := float64(len(text)) / float64(b.Events); mean < 400 || mean > 440 {
		t.Errorf("an event has %.0f bytes on average, want about 420", mean)
	}
	var late, failed, unrated, disordered int
	tenants, models := map[string]int{}, map[string]int{}
	medians := map[string][]float64{}
	for i, line := range lines(text) {
		p := decode(t, line)
		if !uuid4.MatchString(p.ID) || !uuid4.MatchString(p.RequestID) {
			t.Fatalf("ids of %s are no uuids", line)
		}
		place := b.Start.Add(time.Duration(i) * time.Millisecond)
		behind := place.Sub(p.Timestamp)
		if behind < -time.Millisecond || behind > b.Jitter+b.LateBy+time.Millisecond {
			t.Fatalf("event %d is %s behind its place", i, behind)
		}
		if behind > b.Jitter+time.Millisecond {
			late++
		}
		if behind > time.Second {
			disordered++
		}
		if p.Error != nil {
			failed++
		}
		if p.Quality == nil {
			unrated++
		}
		tenants[p.Metadata["tenant"]]++
		models[p.Model]++
		medians[p.Model] = append(medians[p.Model], *p.Latency)
		if math.Abs(*p.Metrics.TTFT-*p.Latency*0.2) > 0.002 {
			t.Fatalf("ttft %v is not a fifth of %v", *p.Metrics.TTFT, *p.Latency)
		}
	}
	near := func(what string, got int, want float64) {
		t.Helper()
		if float64(got) < want*0.7 || float64(got) > want*1.3 {
			t.Errorf("%s: %d, want about %.0f", what, got, want)
		}
	}
	n := float64(b.Events)
	near("late", late, n*0.001*115/120) // an event may be late by less than the jitter leaves
	near("disordered", disordered, n*0.8)
	near("failed", failed, n*0.01)
	near("unrated", unrated, n*0.1)
	near("models", len(models), 20)
	near("tenant-2", tenants["tenant-2"], n/3)
	near("model-7", models["model-7"], n/20)
	if len(tenants) != 3 || len(models) != 20 {
		t.Errorf("%d tenants and %d models, want 3 and 20", len(tenants), len(models))
	}
	for _, m := range []int{0, 19} {
		ls := medians["model-"+strconv.Itoa(m)]
		slices.Sort(ls)
		near("median of model "+strconv.Itoa(m), int(ls[len(ls)/2]), math.Exp(5.3+0.15*float64(m)))
	}
}

// The bytes are part of published figures: another generator would be another
// benchmark.
func TestBenchBytesAreFixed(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the last bit of math.Exp differs between architectures")
	}
	b := DefaultBench()
	b.Events = 1000
	sum := sha256.Sum256(bench(t, b))
	const want = "6d05384c7a8a5547"
	if got := hex.EncodeToString(sum[:8]); got != want {
		t.Errorf("the bytes hash to %s, want %s", got, want)
	}
	for name, change := range map[string]func(*Bench){
		"seed": func(b *Bench) { b.Seed++ }, "part": func(b *Bench) { b.Part++ },
	} {
		other := b
		change(&other)
		if bytes.Equal(bench(t, b), bench(t, other)) {
			t.Errorf("another %s gives the same bytes", name)
		}
	}
}

func TestBenchSplit(t *testing.T) {
	b := DefaultBench()
	b.Events = 10_001 // not a multiple of the number of files
	whole := lines(bench(t, b))
	var files [4]bytes.Buffer
	if _, err := b.Split(&files[0], &files[1], &files[2], &files[3]); err != nil {
		t.Fatal(err)
	}
	var parts [4][]string
	for i := range files {
		parts[i] = lines(files[i].Bytes())
	}
	for i, want := range whole {
		if got := parts[i%4][i/4]; got != want {
			t.Fatalf("line %d is %s in its file, want %s", i, got, want)
		}
	}
	if len(parts[0]) != 2501 || len(parts[3]) != 2500 {
		t.Errorf("files have %d to %d lines, want 2501 to 2500", len(parts[0]), len(parts[3]))
	}
}

type failingWriter struct{ after int }

var errFull = errors.New("disk is full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestBenchErrors(t *testing.T) {
	b := DefaultBench()
	b.Events = 2000
	for _, after := range []int{0, 300 << 10} {
		if _, err := b.WriteTo(&failingWriter{after}); !errors.Is(err, errFull) {
			t.Errorf("error %v, want that of the writer", err)
		}
	}
	if _, err := b.Split(); err == nil {
		t.Error("events are written to nothing")
	}
	bad := Bench{Events: -1, Jitter: -1, LateBy: -1, Late: 2}
	_, err := bad.WriteTo(io.Discard)
	for _, want := range []string{"events", "rate", "models", "tenants", "users", "jitter", "late-by", "late is 2", "start"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func traffic(seed uint64, part, n int, step time.Duration) []byte {
	tr := NewTraffic(seed, part)
	var dst []byte
	for i := range n {
		at := time.Duration(i) * step
		dst = tr.Append(dst, sampleStart+int64(at), at)
	}
	return dst
}

func TestTraffic(t *testing.T) {
	const n, step = 30_000, 3 * time.Millisecond // 90 s, both incidents
	text := traffic(1, 0, n, step)
	kinds, sessions, requests := map[string]int{}, map[string]bool{}, map[string]bool{}
	type window struct{ n, failed int }
	var errorsIn, calm window
	slow, usual := map[string][]float64{}, map[string][]float64{}
	for i, line := range lines(text) {
		p := decode(t, line)
		kinds[p.Type]++
		at := time.Duration(i) * step
		if behind := time.Duration(sampleStart) + at - time.Duration(p.Timestamp.UnixNano()); behind < 0 || behind > MaxDisorder+time.Millisecond {
			t.Fatalf("event %d is %s behind its place", i, behind)
		}
		if p.Metadata["tenant"] == "" || p.Metadata["prompt_version"] == "" {
			t.Fatalf("no tenant or prompt version in %s", line)
		}
		if p.Type == "user_feedback" {
			if !requests[p.RequestID] {
				t.Fatalf("feedback for an unknown request in %s", line)
			}
			continue
		}
		requests[p.RequestID] = true
		sessions[p.Metadata["session_id"]] = true
		if p.Model == models[0].name {
			w := &calm
			if at > errorsFrom && at < errorsTo {
				w = &errorsIn
			}
			w.n++
			if p.Error != nil {
				w.failed++
			}
		}
		if p.Model == models[2].name {
			if at > slowFrom && at < slowTo {
				slow[p.Model] = append(slow[p.Model], *p.Latency)
			} else {
				usual[p.Model] = append(usual[p.Model], *p.Latency)
			}
		}
	}
	if f := float64(kinds["user_feedback"]) / n; f < 0.06 || f > 0.10 || len(kinds) != 2 {
		t.Errorf("kinds are %v, want some 8 %% of feedback", kinds)
	}
	if len(sessions) < 400 || len(sessions) > 1000 {
		t.Errorf("%d sessions in %d events", len(sessions), n)
	}
	if a, b := float64(errorsIn.failed)/float64(errorsIn.n), float64(calm.failed)/float64(calm.n); a < 0.3 || b > 0.05 {
		t.Errorf("error rate is %.3f in the incident and %.3f outside", a, b)
	}
	for m, ls := range slow {
		slices.Sort(ls)
		slices.Sort(usual[m])
		if a, b := ls[len(ls)/2], usual[m][len(usual[m])/2]; a < 1.2*b {
			t.Errorf("median latency of %s is %.0f in the incident and %.0f outside", m, a, b)
		}
	}
}

func TestTrafficIsAFunctionOfItsSeed(t *testing.T) {
	one := traffic(1, 0, 2000, time.Millisecond)
	if !bytes.Equal(one, traffic(1, 0, 2000, time.Millisecond)) {
		t.Error("the same seed gives other bytes")
	}
	if bytes.Equal(one, traffic(2, 0, 2000, time.Millisecond)) || bytes.Equal(one, traffic(1, 1, 2000, time.Millisecond)) {
		t.Error("another seed or part gives the same bytes")
	}
}

// Lines do not change their length with the time, so that a position means
// the same in every run.
func TestTrafficLengthsDoNotDependOnTime(t *testing.T) {
	a, b := NewTraffic(3, 0), NewTraffic(3, 0)
	for i := range 2000 {
		e := time.Duration(i) * time.Millisecond
		x, y := a.Append(nil, sampleStart, e), b.Append(nil, 12345678, e)
		if len(x) != len(y) {
			t.Fatalf("line %d has %d and %d bytes", i, len(x), len(y))
		}
	}
}

// TestSamples keeps examples/data up to date: run it with -update to write
// them.
func TestSamples(t *testing.T) {
	for name, text := range map[string][]byte{"collector.jsonl": Collector(), "cloudevents.jsonl": CloudEvents()} {
		path := "../../examples/data/" + name
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, text) {
			t.Errorf("%s is not what the generator writes: run go test ./internal/gen -run Samples -update", path)
		}
	}
}

func TestCollectorSample(t *testing.T) {
	kinds := map[string]int{}
	var bad, nulls, late, doubled, disordered, bare int
	newest := time.Time{}
	for _, line := range lines(Collector()) {
		var p performance
		if json.Unmarshal([]byte(line), &p) != nil {
			bad++
			continue
		}
		kinds[p.Type]++
		if strings.Count(line, `"model":`) == 2 {
			doubled++
		}
		if p.Type == "performance_metrics" {
			if p.Latency == nil || p.Cost == nil {
				nulls++
			}
			if p.Metadata == nil {
				bare++
			}
		}
		switch behind := newest.Sub(p.Timestamp); {
		case behind > 10*time.Minute:
			late++
		case behind > 0:
			disordered++
		default:
			newest = p.Timestamp
		}
	}
	if len(kinds) != 5 || kinds["experiment_result"] < 5 || kinds["system_health"] < 15 ||
		kinds["model_response"] < 50 || kinds["user_feedback"] < 5 || kinds["performance_metrics"] < 150 {
		t.Errorf("shapes are %v", kinds)
	}
	if bad != 1 || nulls != 4 || late != 2 || doubled != 1 || disordered < 20 || bare < 20 {
		t.Errorf("bad %d, nulls %d, late %d, doubled %d, disordered %d, bare %d", bad, nulls, late, doubled, disordered, bare)
	}
}

func TestCloudEventsSample(t *testing.T) {
	all := lines(CloudEvents())
	for _, line := range all {
		var e struct {
			SpecVersion, ID, Source, Type string
			Time                          time.Time
			Data                          performance
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if e.SpecVersion != "1.0" || e.ID == "" || e.Source == "" || e.Type == "" || e.Time.IsZero() || e.Data.Model == "" || e.Data.Latency == nil {
			t.Fatalf("attributes are missing in %s", line)
		}
	}
	if len(all) != cloudEventLines {
		t.Errorf("%d lines", len(all))
	}
}

func TestAppendFixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64Range(0, 1e9).Draw(t, "f")
		decimals := rapid.IntRange(1, 6).Draw(t, "decimals")
		text := string(appendFixed(nil, f, decimals))
		got, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(got-f) > 0.5001/pow10[decimals]+1e-6 {
			t.Fatalf("%v with %d decimals is %s, %v", f, decimals, text, err)
		}
		if dot := strings.IndexByte(text, '.'); len(text)-dot-1 != decimals {
			t.Fatalf("%s has not %d decimals", text, decimals)
		}
	})
}

func TestAppendMillis(t *testing.T) {
	for _, at := range []int64{0, 1, -1, 1e6, 999_999_999, -1_000_001, 1767225600_120_000_000} {
		floor := at - ((at%1e6)+1e6)%1e6
		want := time.Unix(0, floor).UTC().Format("2006-01-02T15:04:05.000Z")
		if got := string(appendMillis(nil, at)); got != want {
			t.Errorf("appendMillis(%d) = %s, want %s", at, got, want)
		}
	}
}

func BenchmarkBench(b *testing.B) {
	b.ReportAllocs()
	g := newBenchWriter(DefaultBench())
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		buf = g.append(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkTraffic(b *testing.B) {
	b.ReportAllocs()
	tr := NewTraffic(1, 0)
	buf := make([]byte, 0, 1024)
	for i := 0; b.Loop(); i++ {
		buf = tr.Append(buf[:0], sampleStart, time.Duration(i)*time.Millisecond)
	}
}
