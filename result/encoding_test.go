package result

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

var update = flag.Bool("update", false, "write the golden files again; read the difference before committing it")

var allEncodings = []Encoding{Native, WindowResult, MetricPoint, AnalyzerEvent}

func key(values ...event.Value) string {
	var k []byte
	for _, v := range values {
		k = event.AppendKeyValue(k, v)
	}
	return string(k)
}

// row makes a result from its key and values.
func row(q *Query, values []event.Value, fields ...event.Value) Result {
	r := testResult(0)
	r.Query, r.Values, r.Key = q, values, key(fields...)
	names := make([]string, len(q.Keys))
	for i, name := range q.Keys {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		names[i] = string(append(event.AppendString([]byte{sep}, name), ':'))
	}
	r.KeyJSON = string(event.AppendKeyJSON(nil, []byte(r.Key), names))
	return r
}

var minute = &Query{
	Name: "model_minute", Keys: []string{"model", "tenant"}, Seed: 42,
	Values: []string{"requests", "errors", "n", "cost_usd", "p50_ms", "p95_ms", "p999_ms", "least_ms", "most_ms", "latency_avg_ms", "sd_ms", "last_status", "top"},
	Functions: []Function{
		{Name: "count"}, {Name: "count", Input: "error != null"}, {Name: "count", Input: "latency_ms"}, {Name: "sum", Input: "cost"},
		{"percentile", "latency_ms", 50}, {"percentile", "latency_ms", 95}, {"percentile", "latency_ms", 99.9},
		{Name: "min", Input: "latency_ms"}, {Name: "max", Input: "latency_ms"}, {Name: "avg", Input: "latency_ms"}, {Name: "stddev", Input: "latency_ms"},
		{Name: "last", Input: "status"}, {"top_k", "status", 2},
	},
}

var sessions = &Query{Name: "sessions", Keys: []string{"session_id"}, Values: []string{"steps", "spend"}, Functions: []Function{{Name: "count"}, {Name: "sum", Input: "cost"}}, Seed: 43}

var everything = &Query{Name: "everything", Values: []string{"requests", "rate_per_s"}, Functions: []Function{{Name: "count"}, {Name: "rate"}}, Seed: 44}

// goldenRows has one of everything that the documents tell of.
func goldenRows() []Result {
	n := event.Float
	usual := row(minute, []event.Value{
		n(812), n(3), n(811), n(3), n(612.5), n(1840.2), n(2911), n(87.25), n(3011.5), n(700.125), n(101.5),
		event.Text("ok \"quoted\""), event.JSONValue(`[{"value":"ok","count":809}]`),
	}, event.Text("gpt-x"), event.Text("t1"))
	nulls := row(minute, make([]event.Value, 13), event.Value{}, event.Text("a,b:c\\\"\n"))
	nulls.Values[0], nulls.Values[2], nulls.Events, nulls.Partial, nulls.Watermark = n(1), n(0), 1, true, event.MinTime
	session := row(sessions, []event.Value{n(4), n(0.125)}, event.Text("s-77"))
	session.Start, session.End, session.Timing, session.Firing = session.Start+123_456_789, session.Start+30e9+1, Late, 1
	gone := session
	gone.Values, gone.Timing, gone.Firing, gone.Events = nil, Retract, 2, 0
	global := row(everything, []event.Value{{Kind: event.Integer, Num: 1 << 53, Str: "9007199254740993"}, {}})
	global.Start, global.End, global.Timing = event.MinTime, event.MaxTime, Early
	numbers := row(sessions, []event.Value{n(1), n(2)}, event.Value{Kind: event.Integer, Str: "9007199254740993"})
	return []Result{usual, nulls, session, gone, global, numbers}
}

func encode(e Encoding, meta bool, rows []Result) (text []byte, records []Record) {
	enc := Encoder{Encoding: e, Meta: meta}
	for i := range rows {
		text, records = enc.Append(text, records, &rows[i])
	}
	return text, records
}

func TestEncodingsGolden(t *testing.T) {
	for _, e := range allEncodings {
		for _, meta := range []bool{false, true} {
			file := filepath.Join("testdata", e.String()+".jsonl")
			if meta {
				file = filepath.Join("testdata", e.String()+".meta.jsonl")
			}
			got, records := encode(e, meta, goldenRows())
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what is written now:\n%s", file, got)
			}
			for _, c := range records {
				if _, err := parse(e, got[c.From:c.To]); err != nil {
					t.Errorf("%s: %v in %s", file, err, got[c.From:c.To])
				}
			}
		}
	}
}

// parseAll reads all that a row gives.
func parseAll[T any](t *testing.T, e Encoding, r Result) []T {
	t.Helper()
	text, records := encode(e, false, []Result{r})
	var all []T
	for _, c := range records {
		v, err := parse(e, text[c.From:c.To])
		if err != nil {
			t.Fatalf("%v in %s", err, text[c.From:c.To])
		}
		all = append(all, v.(T))
	}
	return all
}

// Which map a name is in depends on its function: a sum of 3 is no count.
func TestWindowResultTellsCounts(t *testing.T) {
	got := parseAll[rustWindowResult](t, WindowResult, goldenRows()[0])[0]
	if want := map[string]uint64{"requests": 812, "errors": 3, "n": 811}; !reflect.DeepEqual(got.Results.Counts, want) {
		t.Errorf("counts are %v, want %v", got.Results.Counts, want)
	}
	if v, ok := got.Results.Values["cost_usd"]; !ok || v != 3 || len(got.Results.Values) != 8 {
		t.Errorf("values are %v", got.Results.Values)
	}
	old := *minute
	old.Functions = nil
	r := goldenRows()[0]
	r.Query = &old
	got = parseAll[rustWindowResult](t, WindowResult, r)[0]
	if len(got.Results.Counts) != 0 || len(got.Results.Values) != 11 {
		t.Errorf("without functions there are %v and %v", got.Results.Counts, got.Results.Values)
	}
}

// An odd count cannot break the reader, whose counts are u64.
func TestCountsAreUnsigned(t *testing.T) {
	r := row(sessions, nil, event.Text("s"))
	for _, v := range []event.Value{event.Float(-1), event.Float(0.5), event.Float(1e300), {Kind: event.Integer, Str: "-9007199254740993"}} {
		r.Values = []event.Value{v, {}}
		if got := parseAll[rustWindowResult](t, WindowResult, r)[0]; len(got.Results.Values) != 1 {
			t.Errorf("%v is no value in %+v", v, got)
		}
	}
}

func TestWithdrawnSession(t *testing.T) {
	gone := goldenRows()[3]
	got := parseAll[rustWindowResult](t, WindowResult, gone)[0]
	if got.Key != "session:s-77" || got.EventCount != 0 || len(got.Results.Counts)+len(got.Results.Values) != 0 {
		t.Errorf("a withdrawn session is %+v", got)
	}
	for _, e := range []Encoding{MetricPoint, AnalyzerEvent} {
		if text, records := encode(e, true, []Result{gone}); len(text)+len(records) != 0 {
			t.Errorf("%s of a withdrawn session is %s", e, text)
		}
	}
}

func TestKeyText(t *testing.T) {
	s, null := event.Text, event.Value{}
	for _, c := range []struct {
		names  string
		values []event.Value
		want   string
	}{
		{"model", []event.Value{s("gpt-4o")}, "model:gpt-4o"},
		{"model_id", []event.Value{s("gpt-4o")}, "model:gpt-4o"},
		{"session_id", []event.Value{s("s:1,x")}, "session:s:1,x"},
		{"user_id", []event.Value{event.Float(17)}, "user:17"},
		{"user", []event.Value{null}, "user:null"},
		{"tenant", []event.Value{s("acme")}, "composite:tenant:acme"},
		{"", nil, "composite:"},
		{"b a", []event.Value{s("1"), event.Bool(true)}, "composite:a:true,b:1"},
		{"session_id model_id", []event.Value{s("s"), s("m")}, "composite:model:m,session:s"},
		{"model_id model", []event.Value{s("1"), s("2")}, "composite:model:2,model_id:1"},
		// The texts are sorted, not the names: ":" comes after digits.
		{"a a1", []event.Value{s("x"), s("y")}, "composite:a1:y,a:x"},
		// By the characters, not by how JSON writes them.
		{`m" m1`, []event.Value{s("x"), s("y")}, `composite:m":x,m1:y`},
	} {
		q := &Query{Name: "q", Keys: strings.Fields(c.names)}
		if got := parseAll[rustWindowResult](t, WindowResult, row(q, nil, c.values...))[0].Key; got != c.want {
			t.Errorf("key %s of %v is %s, want %s", c.names, c.values, got, c.want)
		}
	}
}

func TestTagsLeaveNullOut(t *testing.T) {
	q := &Query{Name: "q", Keys: []string{"model", "n", "flag", "none"}, Values: []string{"a"}}
	r := row(q, []event.Value{event.Float(1)}, event.Text("x\n\"y"), event.Float(1.5), event.Bool(false), event.Value{})
	want := map[string]string{"query": "q", "model": "x\n\"y", "n": "1.5", "flag": "false"}
	if got := parseAll[rustMetricPoint](t, MetricPoint, r)[0].Tags; !reflect.DeepEqual(got, want) {
		t.Errorf("tags are %v, want %v", got, want)
	}
	if got := parseAll[rustAnalyzerMetric](t, AnalyzerEvent, r)[0].Labels; !reflect.DeepEqual(got, want) {
		t.Errorf("labels are %v, want %v", got, want)
	}
}

func TestAggregation(t *testing.T) {
	points := map[string]rustMetricPoint{}
	for _, p := range parseAll[rustMetricPoint](t, MetricPoint, goldenRows()[0]) {
		points[p.Name] = p
	}
	for name, want := range map[string]string{
		"requests": "", "errors": "", "cost_usd": "", "sd_ms": "",
		"n": "count", "p95_ms": "percentile", "p999_ms": "percentile", "least_ms": "min", "most_ms": "max", "latency_avg_ms": "average",
	} {
		a := points[name].Aggregation
		if a == nil {
			if want != "" {
				t.Errorf("%s has no aggregation", name)
			}
			continue
		}
		if string(a.Type) != want || a.Count != 811 || a.Sum != 700.125*811 || a.Min != 87.25 || a.Max != 3011.5 ||
			!slices.Equal(a.Percentiles, []rustPercentile{{50, 612.5}, {95, 1840.2}}) {
			t.Errorf("the aggregation of %s is %+v, want %s", name, *a, want)
		}
	}
	// A sum that is there is not worked out from the mean.
	q := &Query{Name: "q", Values: []string{"n", "s", "a", "lo", "hi"}}
	for _, f := range []string{"count", "sum", "avg", "min", "max"} {
		q.Functions = append(q.Functions, Function{Name: f, Input: "x"})
	}
	r := row(q, []event.Value{event.Float(3), event.Float(1), event.Float(0.25), event.Float(0), event.Float(1)})
	for _, p := range parseAll[rustMetricPoint](t, MetricPoint, r) {
		if p.Aggregation == nil || p.Aggregation.Sum != 1 {
			t.Errorf("aggregation of %s is %+v", p.Name, p.Aggregation)
		}
	}
	for missing := range r.Values {
		if missing == 2 {
			continue // a mean is not needed beside a sum
		}
		values := slices.Clone(r.Values)
		values[missing] = event.Value{}
		if missing == 1 {
			values[2] = event.Value{} // nor is a sum beside a mean
		}
		for _, p := range parseAll[rustMetricPoint](t, MetricPoint, row(q, values)) {
			if p.Aggregation != nil {
				t.Errorf("without %s the aggregation of %s is %+v", q.Values[missing], p.Name, *p.Aggregation)
			}
		}
	}
}

func TestUnits(t *testing.T) {
	for name, want := range map[string]string{
		"p95_ms": "ms", "cost_usd": "USD", "wait_seconds": "s", "wait_s": "s", "size_bytes": "By", "hit_ratio": "1", "error_pct": "%",
		"requests": "1", "requests_per_s": "1/s", "tokens_per_second": "1/s", "ms": "1", "items": "1", "": "1",
	} {
		if got := Unit(name); got != want {
			t.Errorf("the unit of %s is %s, want %s", name, got, want)
		}
	}
}

func TestAnalyzerNames(t *testing.T) {
	for name, want := range map[string]string{
		"requests": "requests", "p95_ms": "p95_ms", "p95_latency_ms": "p95_response_time_ms", "cost_usd": "spend_usd",
		"duration": "elapsed_time", "costly_costs": "spendly_spends", "Cost": "Cost", "costuration": "spenelapsed_time", "": "",
	} {
		if got := string(appendAnalyzerName([]byte("cos"), name)); got != "cos"+want {
			t.Errorf("%s becomes %s, want %s", name, got, want)
		}
	}
	letters := rapid.StringOf(rapid.SampledFrom([]rune("latencydurios")))
	words := rapid.SampledFrom([]string{"latency", "duration", "cost", "response_time", "spend", "elapsed_time", "la", "_", "cos", "t"})
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOf(rapid.OneOf(words, letters)).Draw(t, "name"), "")
		got := string(appendAnalyzerName(nil, name))
		for _, m := range &misread {
			if strings.Contains(got, m.word) {
				t.Fatalf("%q becomes %q, which has %s", name, got, m.word)
			}
		}
	})
}

func TestCheckFindsNamesThatBecomeOne(t *testing.T) {
	q := &Query{Name: "q", Values: []string{"cost_usd", "n", "spend_usd"}}
	for _, e := range allEncodings {
		err := e.Check(q)
		if e == AnalyzerEvent {
			if want := "query q: the encoding analyzer_event writes both cost_usd and spend_usd as spend_usd: give one of them another name"; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		} else if err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
	if err := AnalyzerEvent.Check(minute); err != nil {
		t.Error(err)
	}
}

func TestParseEncoding(t *testing.T) {
	for i, name := range Encodings() {
		e, err := ParseEncoding(name)
		if err != nil || e != Encoding(i) || e.String() != name {
			t.Errorf("ParseEncoding(%s) = %s, %v", name, e, err)
		}
	}
	if e, err := ParseEncoding(""); e != Native || err != nil {
		t.Errorf("no text is %s, %v", e, err)
	}
	_, err := ParseEncoding("avro")
	if want := `unknown encoding "avro": use native, window_result, metric_point or analyzer_event`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestRecordKeys(t *testing.T) {
	rows := goldenRows()[:1]
	id := string(rows[0].WindowID(nil))
	for _, e := range allEncodings {
		_, records := encode(e, false, rows)
		seen := map[string]bool{}
		for _, c := range records {
			k := string(c.AppendKey(nil, &rows[0]))
			if want := id + "/" + c.Name; seen[k] || k != want && (c.Name != "" || k != id) {
				t.Errorf("%s: key %s of %q", e, k, c.Name)
			}
			seen[k] = true
		}
	}
}

func TestEncodingsAllocateNothing(t *testing.T) {
	rows := goldenRows()
	for _, e := range allEncodings {
		enc := Encoder{Encoding: e, Meta: true}
		var text []byte
		var records []Record
		write := func() {
			text, records = text[:0], records[:0]
			for i := range rows {
				text, records = enc.Append(text, records, &rows[i])
			}
		}
		write()
		if n := testing.AllocsPerRun(100, write); n != 0 {
			t.Errorf("%s: %v allocations", e, n)
		}
	}
}

func BenchmarkEncodings(b *testing.B) {
	rows := goldenRows()[:1]
	for _, e := range allEncodings {
		b.Run(e.String(), func(b *testing.B) {
			b.ReportAllocs()
			enc := Encoder{Encoding: e}
			var text []byte
			var records []Record
			for b.Loop() {
				text, records = enc.Append(text[:0], records[:0], &rows[0])
			}
			b.SetBytes(int64(len(text)))
		})
	}
}

// The document shows what is written.
func TestEncodingsDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "encodings.md"))
	if err != nil {
		t.Fatal(err)
	}
	q := &Query{Name: "model_minute", Keys: []string{"model"}, Values: []string{"requests", "cost_usd", "status"}, Seed: 42,
		Functions: []Function{{Name: "count"}, {Name: "sum", Input: "cost"}, {Name: "last", Input: "status"}}}
	r := row(q, []event.Value{event.Float(812), event.Float(3), event.Text("ok")}, event.Text("gpt-x"))
	r.EmittedAt = r.End + 2e9
	for _, e := range allEncodings {
		got, records := encode(e, false, []Result{r})
		last := records[len(records)-1]
		if record := got[last.From : last.To+1]; !bytes.Contains(text, record) {
			t.Errorf("docs/encodings.md does not show this of %s:\n%s", e, record)
		}
		if !bytes.Contains(text, []byte("`"+e.String()+"`")) {
			t.Errorf("docs/encodings.md does not tell of %s", e)
		}
	}
}
