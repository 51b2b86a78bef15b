package query_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

// good is a query with a bit of everything and nothing wrong.
func good() query.Query {
	return query.Query{
		Name:            "model_minute",
		Where:           `type == "performance_metrics" && latency_ms > 0`,
		Key:             []query.KeyField{{Name: "model", Expr: "model"}, {Name: "metadata.tenant", Expr: "metadata.tenant"}},
		Window:          window.Sliding(5*time.Minute, time.Minute).WithOffset(-time.Second),
		AllowedLateness: time.Minute,
		Trigger:         window.Trigger{Count: 5, Every: time.Second},
		Accumulation:    window.Discarding,
		Aggregates: []aggregate.Spec{
			aggregate.Count().As("n"), aggregate.CountOf("error != null").As("errors"), aggregate.Rate().As("rate"),
			aggregate.Percentile("latency_ms", 99.5).As("p"), aggregate.TopK("model", 5).As("top"),
			aggregate.Avg("latency_ms").As("ok").If(`status == "ok"`),
		},
		IncludeSketches: true,
	}
}

func TestValidateTakesGoodQueries(t *testing.T) {
	for _, w := range []window.Spec{
		window.Tumbling(1), window.Tumbling(window.MaxLength), window.Sliding(time.Second, 3*time.Second),
		window.Sliding(window.MaxWindowsPerEvent, 1), window.Session(time.Nanosecond), window.Calendar(window.Week, "Europe/Berlin"),
		window.Calendar(window.Day, ""), window.Global(),
	} {
		q := good()
		q.Window = w
		if p := q.Validate(); len(p) > 0 {
			t.Errorf("a query with the window %+v has problems: %v", w, p)
		}
	}
}

func TestValidateFindsProblems(t *testing.T) {
	tests := []struct {
		name   string
		change func(*query.Query)
		path   string
		want   string
	}{
		{"no name", func(q *query.Query) { q.Name = "" }, "name", "is missing"},
		{"a name with a space", func(q *query.Query) { q.Name = "a b" }, "name", "only letters"},
		{"a long name", func(q *query.Query) { q.Name = strings.Repeat("a", 64) }, "name", "at most 63"},
		{"a filter", func(q *query.Query) { q.Where = "a ==" }, "where", "ends too early"},
		{"a key expression", func(q *query.Query) { q.Key[0].Expr = "" }, "key.model", "empty"},
		{"a key without a name", func(q *query.Query) { q.Key[0].Name = "" }, "key.", "empty name"},
		{"two keys of a name", func(q *query.Query) { q.Key[1].Name = "model" }, "key.model", "twice"},
		{"a reserved key", func(q *query.Query) { q.Key[0].Name = "firing" }, "key.firing", "column of every result"},
		{"a long key", func(q *query.Query) { q.Key[0].Name = strings.Repeat("k", 64) }, "key." + strings.Repeat("k", 64), "64 bytes"},
		{"a key that does not print", func(q *query.Query) { q.Key[0].Name = "a\n" }, "key.a\n", "do not print"},
		{"no window", func(q *query.Query) { q.Window = window.Spec{} }, "window", "is missing"},
		{"tumbling 0", func(q *query.Query) { q.Window = window.Tumbling(0) }, "window.tumbling.size", "longer than 0"},
		{"tumbling too long", func(q *query.Query) { q.Window = window.Tumbling(window.MaxLength + 1) }, "window.tumbling.size", "100 years"},
		{"an offset too far", func(q *query.Query) { q.Window = window.Tumbling(1).WithOffset(-window.MaxLength - 1) }, "window.tumbling.offset", "100 years"},
		{"slide 0", func(q *query.Query) { q.Window = window.Sliding(time.Minute, 0) }, "window.sliding.slide", "longer than 0"},
		{"too many windows", func(q *query.Query) { q.Window = window.Sliding(window.MaxWindowsPerEvent+1, 1) }, "window.sliding.slide", "at most 100000"},
		{"gap 0", func(q *query.Query) { q.Window = window.Session(-1) }, "window.session.gap", "longer than 0"},
		{"no unit", func(q *query.Query) { q.Window = window.Calendar("", "UTC") }, "window.calendar.unit", "is missing"},
		{"an unknown unit", func(q *query.Query) { q.Window = window.Calendar("year", "UTC") }, "window.calendar.unit", "day, week, month"},
		{"an unknown zone", func(q *query.Query) { q.Window = window.Calendar(window.Day, "Mars/Base") }, "window.calendar.timezone", "IANA"},
		{"the local zone", func(q *query.Query) { q.Window = window.Calendar(window.Day, "Local") }, "window.calendar.timezone", "machine"},
		{"negative lateness", func(q *query.Query) { q.AllowedLateness = -1 }, "allowed_lateness", "cannot be negative"},
		{"negative every", func(q *query.Query) { q.Trigger.Every = -1 }, "trigger.every", "at least 1ms"},
		{"every too often", func(q *query.Query) { q.Trigger.Every = time.Microsecond }, "trigger.every", "at least 1ms"},
		{"a huge count", func(q *query.Query) { q.Trigger.Count = 1 << 63 }, "trigger.count", "larger"},
		{"never fires", func(q *query.Query) { q.Trigger = window.Trigger{NoOnTime: true} }, "trigger.on_time", "no window would ever fire"},
		{"an unknown accumulation", func(q *query.Query) { q.Accumulation = 7 }, "accumulation", "unknown"},
		{"no aggregates", func(q *query.Query) { q.Aggregates = nil }, "aggregate", "at least one"},
		{"two aggregates of a name", func(q *query.Query) { q.Aggregates[1].Name = "n" }, "aggregate.n", "twice"},
		{"a reserved aggregate", func(q *query.Query) { q.Aggregates[0].Name = "timing" }, "aggregate.timing", "column of every result"},
		{"an unknown function", func(q *query.Query) { q.Aggregates[0].Func = "median" }, "aggregate.n", "no aggregate function"},
		{"no argument", func(q *query.Query) { q.Aggregates[3].Arg = "" }, "aggregate.p", "needs a field"},
		{"an argument too much", func(q *query.Query) { q.Aggregates[2].Arg = "x" }, "aggregate.rate", "takes nothing"},
		{"an argument", func(q *query.Query) { q.Aggregates[3].Arg = "a +" }, "aggregate.p", "ends too early"},
		{"an aggregate's filter", func(q *query.Query) { q.Aggregates[5].Where = "a = 1" }, "aggregate.ok", "=="},
		{"a percentile", func(q *query.Query) { q.Aggregates[3].Param = 100.1 }, "aggregate.p", "from 0 to 100"},
		{"a k", func(q *query.Query) { q.Aggregates[4].Param = 2.5 }, "aggregate.top", "whole number"},
		{"a custom one without code", func(q *query.Query) { q.Aggregates[3].Func = "custom" }, "aggregate.p", "no Custom"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := good()
			test.change(&q)
			problems := q.Validate()
			if len(problems) != 1 {
				t.Fatalf("there are %d problems, want one: %v", len(problems), problems)
			}
			p := problems[0]
			if p.Path != test.path || !strings.Contains(p.Message, test.want) {
				t.Errorf("have %s: %s\nwant %s: …%s…", p.Path, p.Message, test.path, test.want)
			}
		})
	}
}

func TestValidateFindsAllProblems(t *testing.T) {
	q := query.Query{Where: "(", Key: []query.KeyField{{Name: "a", Expr: "("}}, AllowedLateness: -1}
	var paths []string
	for _, p := range q.Validate() {
		paths = append(paths, p.Path)
	}
	if have, want := strings.Join(paths, " "), "name where key.a window allowed_lateness aggregate"; have != want {
		t.Errorf("there are problems with %s, want %s", have, want)
	}
}

func TestColumnsCountInTheText(t *testing.T) {
	p := query.CheckExpr("where", `model = "x"`)
	if p == nil || p.Column != 7 || p.Error() != "where (column 7): "+p.Message {
		t.Errorf("have %+v", p)
	}
	p = query.CheckExpr("where", "model ==\n  = 1")
	if p == nil || p.Column != 0 || !strings.HasPrefix(p.Message, "line 2: ") || p.Error() != "where: "+p.Message {
		t.Errorf("have %+v", p)
	}
	if p := query.CheckExpr("where", "model"); p != nil {
		t.Errorf("have %+v", p)
	}
	// The columns of a part of an aggregate would mislead.
	q := good()
	q.Aggregates[3].Arg = "a + * b"
	if problems := q.Validate(); len(problems) != 1 || problems[0].Column != 0 {
		t.Errorf("have %+v", problems)
	}
}

func TestCheckField(t *testing.T) {
	for text, want := range map[string]string{"timestamp": "", "metadata.time": "", `data["a.b"].c`: "", "a + b": "is an expression", "a +": "ends too early", `"x"`: "is an expression"} {
		p := query.CheckField("time", text)
		if (p == nil) != (want == "") || p != nil && !strings.Contains(p.Message, want) {
			t.Errorf("%s gives %v, want %q", text, p, want)
		}
	}
}

func TestParseAggregate(t *testing.T) {
	tests := map[string]aggregate.Spec{
		"count()":                     aggregate.Count(),
		"count(error != null)":        aggregate.CountOf("error != null"),
		"p95(latency_ms)":             aggregate.Percentile("latency_ms", 95),
		"p99.9(latency_ms)":           aggregate.Percentile("latency_ms", 99.9),
		"percentile(a + b, 99.5)":     aggregate.Percentile("a + b", 99.5),
		"top_k(model, 5)":             aggregate.TopK("model", 5),
		"rate()":                      aggregate.Rate(),
		`avg(x) where status == "ok"`: aggregate.Avg("x").If(`status == "ok"`),
	}
	for text, want := range tests {
		have, p := query.ParseAggregate("n", text)
		if p != nil || have != want.As("n") {
			t.Errorf("%s is %+v (%v), want %+v", text, have, p, want)
		}
	}
	if _, p := query.ParseAggregate("n", "sum(v) where ok = 1"); p == nil || p.Path != "aggregate.n" || p.Column != 17 {
		t.Errorf("a wrong filter gives %+v", p)
	}
}

// Whatever a query holds, Validate returns, and its problems can be shown.
func TestValidateNeverPanics(t *testing.T) {
	text := rapid.String()
	rapid.Check(t, func(t *rapid.T) {
		q := query.Query{
			Name: text.Draw(t, "name"), Where: text.Draw(t, "where"),
			Key: []query.KeyField{{Name: text.Draw(t, "key"), Expr: text.Draw(t, "expr")}},
			Window: window.Spec{
				Kind: window.Kind(rapid.IntRange(0, 9).Draw(t, "kind")),
				Size: time.Duration(rapid.Int64().Draw(t, "size")), Slide: time.Duration(rapid.Int64().Draw(t, "slide")),
				Gap: time.Duration(rapid.Int64().Draw(t, "gap")), Offset: time.Duration(rapid.Int64().Draw(t, "offset")),
				Unit: window.Unit(text.Draw(t, "unit")), Zone: text.Draw(t, "zone"),
			},
			AllowedLateness: time.Duration(rapid.Int64().Draw(t, "lateness")),
			Trigger:         window.Trigger{Count: rapid.Uint64().Draw(t, "count"), Every: time.Duration(rapid.Int64().Draw(t, "every"))},
			Aggregates:      []aggregate.Spec{{Name: text.Draw(t, "n"), Func: text.Draw(t, "func"), Arg: text.Draw(t, "arg"), Param: rapid.Float64().Draw(t, "param")}},
		}
		for _, p := range q.Validate() {
			if p.Path == "" || p.Message == "" || p.Error() == "" {
				t.Fatalf("a problem says nothing: %+v", p)
			}
		}
	})
}
