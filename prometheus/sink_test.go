package prometheus

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/metrics"
	"github.com/llm-optimizer/processor/result"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var minute = &result.Query{Name: "q", Keys: []string{"model"}, Values: []string{"requests", "p95_ms"}}

// row is the window that ends in a minute.
func row(end int64, timing result.Timing, firing uint32, key event.Value, values ...event.Value) result.Result {
	r := result.Result{
		Query: minute, Key: string(event.AppendKeyValue(nil, key)),
		Start: (end - 1) * 60e9, End: end * 60e9, Identity: (end - 1) * 60e9, Timing: timing, Firing: firing, Values: values,
	}
	if timing == result.Retract {
		r.Values = nil
	}
	return r
}

func write(t testing.TB, s *Sink, rows ...result.Result) {
	t.Helper()
	if err := s.Write(t.Context(), &result.Batch{Results: rows}); err != nil {
		t.Fatal(err)
	}
}

// shown is what a scrape finds: lines of a name, its labels and the value, but
// for the sink's own metric.
func shown(t testing.TB, s *Sink) string {
	t.Helper()
	lines, _ := gathered(t, s)
	return lines
}

func gathered(t testing.TB, s *Sink) (lines string, dropped float64) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(s.Collector())
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		for _, one := range f.GetMetric() {
			if f.GetName() == "processor_prometheus_sink_dropped_series_total" {
				dropped = one.GetCounter().GetValue()
				continue
			}
			if one.TimestampMs != nil || one.GetGauge() == nil {
				t.Errorf("%s is no gauge without a time: %v", f.GetName(), one)
			}
			b.WriteString(f.GetName())
			for _, l := range one.GetLabel() {
				fmt.Fprintf(&b, " %s=%s", l.GetName(), l.GetValue())
			}
			fmt.Fprintf(&b, " %v\n", one.GetGauge().GetValue())
		}
	}
	return b.String(), dropped
}

func compare(t testing.TB, s *Sink, what string, want ...string) {
	t.Helper()
	if got := shown(t, s); got != strings.Join(append(want, ""), "\n") {
		t.Errorf("%s: it shows\n%swant\n%s", what, got, strings.Join(want, "\n"))
	}
}

// state is what is shown of the key x.
func state(end int64, requests, p95 string) []string {
	lines := []string{}
	if p95 != "" {
		lines = append(lines, "processor_result_p95_ms model=x query=q "+p95)
	}
	if requests != "" {
		lines = append(lines, "processor_result_requests model=x query=q "+requests)
	}
	return append(lines, fmt.Sprintf("processor_result_window_end_timestamp_seconds model=x query=q %d", 60*end))
}

func TestTheLastFinalWindowIsShown(t *testing.T) {
	s, x, n := new(Sink), event.Text("x"), event.Float
	if err := s.Describe([]*result.Query{minute}); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	compare(t, s, "nothing has come")
	write(t, s, row(1, result.Early, 0, x, n(1), n(2)))
	compare(t, s, "an early firing")
	write(t, s, row(1, result.OnTime, 1, x, n(3), n(4)))
	compare(t, s, "the first window", state(1, "3", "4")...)
	write(t, s, row(2, result.OnTime, 0, x, n(5), event.Value{}))
	compare(t, s, "the next window, with a null", state(2, "5", "")...)
	write(t, s, row(1, result.Late, 2, x, n(6), n(7)))
	compare(t, s, "a correction of an older window", state(2, "5", "")...)
	write(t, s, row(2, result.Late, 1, x, n(8), n(9)))
	compare(t, s, "a correction", state(2, "8", "9")...)
	write(t, s, row(2, result.OnTime, 0, x, n(5), event.Value{}))
	compare(t, s, "an older firing, delivered again", state(2, "8", "9")...)
	write(t, s, row(2, result.Late, 2, x, event.Text("no number"), event.JSONValue("[1]")))
	compare(t, s, "what is no number", state(2, "", "")...)
	write(t, s, row(1, result.Retract, 3, x))
	compare(t, s, "an older window is withdrawn", state(2, "", "")...)
	write(t, s, row(2, result.Retract, 3, x))
	compare(t, s, "the window is withdrawn")
	write(t, s, row(1, result.Late, 4, x, n(1), n(1)))
	compare(t, s, "there is no later one any more", state(1, "1", "1")...)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	compare(t, s, "it is closed", state(1, "1", "1")...)
}

// A session that grows keeps its identity, one that another absorbs is withdrawn
// before or after the merged row.
func TestSessions(t *testing.T) {
	session := func(start, end, identity int64, timing result.Timing, firing uint32, v float64) result.Result {
		r := row(0, timing, firing, event.Text("x"), event.Float(v), event.Value{})
		r.Start, r.End, r.Identity = start*60e9, end*60e9, identity*60e9
		return r
	}
	s := new(Sink)
	write(t, s, session(0, 2, 0, result.OnTime, 0, 1), session(3, 8, 3, result.OnTime, 0, 2))
	compare(t, s, "the later one", state(8, "2", "")...)
	write(t, s, session(0, 8, 0, result.Late, 1, 3), session(3, 8, 3, result.Retract, 1, 0))
	compare(t, s, "merged, then withdrawn", state(8, "3", "")...)
	s = new(Sink)
	write(t, s, session(0, 2, 0, result.OnTime, 0, 1), session(3, 8, 3, result.OnTime, 0, 2))
	write(t, s, session(3, 8, 3, result.Retract, 1, 0), session(0, 8, 0, result.Late, 1, 3))
	compare(t, s, "withdrawn, then merged", state(8, "3", "")...)
	write(t, s, session(0, 9, 0, result.OnTime, 2, 4))
	compare(t, s, "grown", state(9, "4", "")...)
}

func TestAGlobalWindowHasNoEnd(t *testing.T) {
	s := new(Sink)
	for i := range 3 {
		r := row(0, result.OnTime, uint32(i), event.Text("x"), event.Float(float64(i)))
		r.Start, r.Identity, r.End = event.MinTime, event.MinTime, event.MaxTime
		write(t, s, r)
	}
	compare(t, s, "a global window", "processor_result_requests model=x query=q 2")
}

func TestMemoryOfABatchIsNotKept(t *testing.T) {
	s := new(Sink)
	b := &result.Batch{Results: []result.Result{row(1, result.OnTime, 0, event.Text("x"), event.Float(3), event.Float(4))}}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	clear(b.Results[0].Values)
	b.Results[0] = result.Result{Query: &result.Query{}}
	compare(t, s, "the batch is used again", state(1, "3", "4")...)
	if err := s.Write(t.Context(), &result.Batch{}); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	for _, b := range []*result.Batch{{Late: make([]result.LateEvent, 1)}, {Dead: make([]result.DeadLetter, 1)}} {
		if err := s.Write(t.Context(), b); err == nil || !strings.Contains(err.Error(), "results alone") {
			t.Errorf("rows that are no results: %v", err)
		}
	}
	if !s.Replaces() {
		t.Error("queries that discard are not refused")
	}
}

func TestSeriesExpire(t *testing.T) {
	now := time.Unix(0, 0)
	s := &Sink{Expire: time.Minute, Prefix: "llm_", MaxSeries: 6, now: func() time.Time { return now }}
	x, y := event.Text("x"), event.Text("y")
	write(t, s, row(1, result.OnTime, 0, x, event.Float(1)), row(1, result.OnTime, 0, y, event.Float(2)))
	now = now.Add(59 * time.Second)
	write(t, s, row(2, result.OnTime, 0, y, event.Float(3)), row(0, result.Late, 0, x, event.Float(3)))
	if got := shown(t, s); strings.Count(got, "llm_requests") != 2 {
		t.Errorf("before they expire it shows\n%s", got)
	}
	now = now.Add(time.Second)
	if got := shown(t, s); strings.Count(got, "llm_requests") != 1 || !strings.Contains(got, "llm_requests model=y query=q 3\n") {
		t.Errorf("when one has expired it shows\n%s", got)
	}
	// A row of a window that has expired is shown, whatever was shown before.
	now = now.Add(time.Hour)
	write(t, s, row(1, result.Late, 1, y, event.Float(4)))
	if got := shown(t, s); !strings.Contains(got, "llm_requests model=y query=q 4\n") {
		t.Errorf("when all have expired it shows\n%s", got)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	var log bytes.Buffer
	s := &Sink{Name: "prom-2", MaxSeries: 8, Expire: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	for round := range 2 {
		for i := range 4 {
			write(t, s, row(int64(1+round), result.OnTime, 0, event.Int(int64(i)), event.Float(float64(10*round)), event.Float(1)))
		}
	}
	got, dropped := gathered(t, s)
	if strings.Count(got, "\n") != 6 || strings.Count(got, "_requests model=0 query=q 10\n")+strings.Count(got, "_requests model=1 query=q 10\n") != 2 {
		t.Errorf("it shows\n%s", got)
	}
	if dropped != 12 {
		t.Errorf("%v series are counted as dropped", dropped)
	}
	if n := strings.Count(log.String(), "max_series"); n < 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "prom-2") {
		t.Errorf("it logs %s", &log)
	}
	now = now.Add(time.Minute)
	write(t, s, row(9, result.OnTime, 0, event.Int(3), event.Float(1), event.Float(1)))
	if got := shown(t, s); !strings.Contains(got, "model=3") {
		t.Errorf("when others have expired it shows\n%s", got)
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	query := func(keys, values []string) *result.Query {
		return &result.Query{Name: "q", Keys: keys, Values: values}
	}
	for name, c := range map[string]struct {
		prefix string
		query  *result.Query
		want   string // part of the error; "" is fine
	}{
		"usual":              {"", query([]string{"model", "metadata.tenant"}, []string{"requests"}), ""},
		"a digit first":      {"", query([]string{"2nd"}, []string{"2xx"}), ""},
		"keys collide":       {"", query([]string{"a.b", "a-b"}, []string{"n"}), "a.b and a-b"},
		"values collide":     {"", query(nil, []string{"p 95", "p.95"}), "p.95 would be the metric processor_result_p_95, as is p 95"},
		"the window's end":   {"", query(nil, []string{"window_end_timestamp_seconds"}), "end of the window"},
		"query":              {"", query([]string{"query"}, []string{"n"}), "label query"},
		"le":                 {"", query([]string{"le"}, []string{"n"}), "label le"},
		"quantile":           {"", query([]string{"quantile"}, []string{"n"}), "label quantile"},
		"our own prefix":     {"processor_", query(nil, []string{"n"}), "processor itself"},
		"go's prefix":        {"go_", query(nil, []string{"goroutines"}), "processor itself"},
		"no prefix":          {"2", query(nil, []string{"n"}), "does not begin a name"},
		"two queries' names": {"llm_", query([]string{"a"}, []string{"n"}), ""},
	} {
		s := &Sink{Prefix: c.prefix}
		err := s.Describe([]*result.Query{c.query})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: it says %v, want %q", name, err, c.want)
		}
		if c.want != "" && c.prefix != "2" && s.Write(t.Context(), &result.Batch{Results: []result.Result{{Query: c.query}}}) == nil {
			t.Errorf("%s: the rows are taken", name)
		}
	}
	for _, s := range []*Sink{{Prefix: "a-b"}, {MaxSeries: -1}, {Expire: -1}} {
		if s.Open(t.Context()) == nil {
			t.Errorf("%+v is opened", s)
		}
	}
}

// No metric of the processor can be that of an aggregate.
func TestOwnNamesAreRefused(t *testing.T) {
	for _, m := range metrics.Table() {
		for _, prefix := range []string{"processor_", DefaultPrefix, "processor_result"} {
			rest, ok := strings.CutPrefix(m.Name, prefix)
			if !ok || rest == "" {
				continue
			}
			for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
				s := &Sink{Prefix: prefix}
				if s.Describe([]*result.Query{{Name: "q", Values: []string{rest + suffix}}}) == nil {
					t.Errorf("with the prefix %s an aggregate may be %s", prefix, m.Name+suffix)
				}
			}
		}
	}
}

func TestTopKIsLeftOut(t *testing.T) {
	q := &result.Query{Name: "q", Values: []string{"top", "n"}, Functions: []result.Function{{Name: "top_k"}, {Name: "count"}}}
	s := new(Sink)
	write(t, s, result.Result{Query: q, End: 60e9, Values: []event.Value{event.JSONValue("[]"), event.Float(2)}})
	compare(t, s, "top-k", "processor_result_n query=q 2", "processor_result_window_end_timestamp_seconds query=q 60")
}

func TestLabelValues(t *testing.T) {
	for want, v := range map[string]event.Value{
		"gpt-x": event.Text("gpt-x"), "": event.Text(""), "null": {}, `"null"`: event.Text("null"), "true": event.Bool(true), `"true"`: event.Text("true"), "false": event.Bool(false),
		"1": event.Int(1), `"1"`: event.Text("1"), `"\"1\""`: event.Text(`"1"`), "1.5": event.Float(1.5), `"1.5"`: event.Text("1.5"), "1.50": event.Text("1.50"), "01": event.Text("01"),
		"-3": event.Int(-3), `"-3"`: event.Text("-3"), "9007199254740993": event.Int(1<<53 + 1), `"9007199254740993"`: event.Text("9007199254740993"),
		`"18446744073709551615"`: event.Text("18446744073709551615"), "1e+30": event.Float(1e30), `"1e+30"`: event.Text("1e+30"), "1e30": event.Text("1e30"), "NaN": event.Text("NaN"),
		`say "x"`: event.Text(`say "x"`), `"x"`: event.Text(`"x"`), "+1": event.Text("+1"), "-0": event.Text("-0"), "a\uFFFD": event.Text("a\xff"),
	} {
		if got := labelValue(v); got != want {
			t.Errorf("%+v is %s, want %s", v, got, want)
		}
	}
}

// No two keys have one label.
func TestLabelValuesAreDistinct(t *testing.T) {
	value := rapid.OneOf(
		rapid.Just(event.Value{}), rapid.Map(rapid.Bool(), event.Bool), rapid.Map(rapid.Float64(), event.Float), rapid.Map(rapid.Int64(), event.Int),
		rapid.Map(rapid.String(), event.Text), rapid.Map(rapid.StringMatching(`("|\\"){0,3}(1|-?[0-9]{1,3}(\.5)?|null|true|x)("|\\"){0,3}`), event.Text),
		rapid.Map(rapid.Float64(), func(f float64) event.Value { return event.Text(string(event.AppendFloat(nil, f))) }),
		rapid.Map(rapid.Int64(), func(i int64) event.Value { return event.Text(fmt.Sprint(i)) }),
	)
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		v := value.Draw(t, "value")
		label, key := labelValue(v), string(event.AppendKeyValue(nil, v))
		if other, ok := seen[label]; ok && other != key {
			t.Fatalf("%+v and the key %q are both %s", v, other, label)
		}
		seen[label] = key
		quoted := event.Text(label)
		if labelValue(quoted) == label && v.Kind != event.String {
			t.Fatalf("%+v and the string %s are both %s", v, label, label)
		}
	})
}

func TestLabelNames(t *testing.T) {
	for from, want := range map[string]string{
		"model": "model", "metadata.tenant": "metadata_tenant", "a-b c": "a_b_c", "2nd": "_2nd", "__name__": "_name__", "ü": "_", "": "_", "___": "_", "_a": "_a",
	} {
		if got := labelName(from); got != want {
			t.Errorf("%q is %q, want %q", from, got, want)
		}
	}
}

// Several queries may have aggregates of one name and different keys.
func TestQueriesShareNames(t *testing.T) {
	s := new(Sink)
	all := &result.Query{Name: "all", Values: []string{"requests"}}
	write(t, s, row(1, result.OnTime, 0, event.Text("x"), event.Float(3), event.Float(math.MaxFloat64)),
		result.Result{Query: all, End: 60e9, Values: []event.Value{event.Float(7)}})
	got := shown(t, s)
	for _, want := range []string{"_requests model=x query=q 3\n", "_requests query=all 7\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// Whoever fetches does so while rows come.
func TestFetchingWhileRowsCome(t *testing.T) {
	s := &Sink{MaxSeries: 300}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			write(t, s, row(int64(i), result.OnTime, 0, event.Int(int64(i%200)), event.Float(1), event.Float(2)))
		}
	}()
	for fetching := true; fetching; {
		select {
		case <-done:
			fetching = false
		default:
		}
		if got, _ := gathered(t, s); strings.Count(got, "\n") > 300 {
			t.Fatalf("%d series are shown", strings.Count(got, "\n"))
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	s := new(Sink)
	batch := &result.Batch{}
	for i := range 100 {
		batch.Results = append(batch.Results, row(1, result.OnTime, 0, event.Int(int64(i)), event.Float(1), event.Float(2)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
