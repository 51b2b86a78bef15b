package expr

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseAggregate(t *testing.T) {
	tests := []struct {
		text   string
		fn     string
		arg    string // canonical, "" for none
		params []float64
		where  string
	}{
		{`count()`, "count", "", nil, ""},
		{` rate ( ) `, "rate", "", nil, ""},
		{`sum(cost)`, "sum", "cost", nil, ""},
		{`sum(input_tokens+output_tokens)`, "sum", "input_tokens + output_tokens", nil, ""},
		{`count(error != nil)`, "count", "error != null", nil, ""},
		{`p95(latency_ms)`, "percentile", "latency_ms", []float64{95}, ""},
		{`p99.9(latency_ms)`, "percentile", "latency_ms", []float64{99.9}, ""},
		{`p0(a)`, "percentile", "a", []float64{0}, ""},
		{`p100(a)`, "percentile", "a", []float64{100}, ""},
		{`percentile(latency_ms, 99.5)`, "percentile", "latency_ms", []float64{99.5}, ""},
		{`top_k(model, 5)`, "top_k", "model", []float64{5}, ""},
		{`avg(latency_ms) where status == "ok"`, "avg", "latency_ms", nil, `status == "ok"`},
		{`min(min(a, b)) where c`, "min", "min(a, b)", nil, "c"},
		{`max(coalesce(a, ")", " where "))`, "max", `coalesce(a, ")", " where ")`, nil, ""},
		{`count(where) where where == " where "`, "count", "where", nil, `where == " where "`},
		{`distinct(a["x,y"]) where b in ["x", "y"]`, "distinct", `a["x,y"]`, nil, `b in ["x", "y"]`},
		{"first(a)\n  where b // note\n", "first", "a", nil, "b"},
		{`last(count)`, "last", "count", nil, ""},
		{`stddev(a)`, "stddev", "a", nil, ""}, {`stddev_samp(a)`, "stddev_samp", "a", nil, ""},
		{`variance(a)`, "variance", "a", nil, ""}, {`var_samp(a)`, "var_samp", "a", nil, ""},
	}
	for _, test := range tests {
		a, err := ParseAggregate(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		arg, where := "", ""
		if a.Arg != nil {
			arg = a.Arg.String()
		}
		if a.Where != nil {
			where = a.Where.String()
		}
		if a.Func != test.fn || arg != test.arg || where != test.where || !slices.Equal(a.Params, test.params) {
			t.Errorf("%s: got %+v with %s where %s", test.text, a, arg, where)
		}
	}
}

func TestAggregateTexts(t *testing.T) {
	a, err := ParseAggregate(`sum( "ä" + b+c ) where  d  ==  'é' `)
	if err == nil {
		t.Fatalf("a sum of text was accepted: %+v", a)
	}
	a, err = ParseAggregate(`last( "ä"+b ) where  d  ==  'é' `)
	if err != nil {
		t.Fatal(err)
	}
	if a.ArgText != `"ä"+b` || a.WhereText != `d  ==  'é'` {
		t.Errorf("got %s and %s", a.ArgText, a.WhereText)
	}
}

func TestParseAggregateErrors(t *testing.T) {
	tests := []struct {
		text         string
		line, column int
		message      string
	}{
		{``, 1, 1, "aggregate is empty"},
		{`median(a)`, 1, 1, "unknown aggregate median: the aggregates are avg, count, distinct, first, last, max, min, percentile, rate, " +
			"stddev, stddev_samp, sum, top_k, var_samp, variance, p50 … p99.9"},
		{`sum`, 1, 4, "write sum(…)"},
		{`p95`, 1, 4, "write p95(…)"},
		{`sum cost`, 1, 5, "write sum(…)"},
		{`p101(a)`, 1, 1, "p101 is no percentile"},
		{`p999(a)`, 1, 1, "p99.9"},
		{`p(a)`, 1, 1, "unknown aggregate p"},
		{`sum(a`, 1, 4, "add the missing )"},
		{`sum(a))`, 1, 7, "unexpected )"},
		{`sum()`, 1, 1, "sum takes one field or expression"},
		{`sum(a, b)`, 1, 1, "sum takes one field or expression"},
		{`sum(a, )`, 1, 1, "sum takes one field or expression"},
		{`count(a, b)`, 1, 1, "count takes no argument, or a field"},
		{`count(,)`, 1, 1, "count takes"},
		{`count(*)`, 1, 7, "write count()"},
		{`rate(a)`, 1, 1, "rate takes no argument"},
		{`percentile(a)`, 1, 1, "a number from 0 to 100"},
		{`percentile(a, 101)`, 1, 15, "a number from 0 to 100"},
		{`percentile(a, b)`, 1, 15, "a number from 0 to 100"},
		{`percentile(, 5)`, 1, 12, "an expression is missing"},
		{`top_k(a, 1.5)`, 1, 10, "a whole number from 1"},
		{`top_k(a, 0)`, 1, 10, "a whole number from 1"},
		{`top_k(a, )`, 1, 10, "an expression is missing"},
		{`sum(a > 1)`, 1, 5, "sum takes numbers"},
		{`p95(lower(a))`, 1, 5, "p95 takes numbers"},
		{`sum(a) / 2`, 1, 8, "only where and a condition"},
		{`sum(a) where`, 1, 13, "an expression is missing"},
		{`sum(a) where foo(b)`, 1, 14, "unknown function foo"},
		{`sum("ä" + foo(b))`, 1, 11, "unknown function foo"},
		{"sum(a)\n where b ==", 2, 12, "ends too early"},
		{`sum(a +)`, 1, 8, "ends too early"},
		{`sum(a) where b == "x`, 1, 21, "string is not closed"},
		{`sum(a | b)`, 1, 7, "pipes are not supported"},
		{"sum(\xff)", 1, 1, "not valid UTF-8"},
	}
	for _, test := range tests {
		a, err := ParseAggregate(test.text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %+v and %v, want an *Error", test.text, a, err)
			continue
		}
		if e.Line != test.line || e.Column != test.column || !strings.Contains(e.Message, test.message) {
			t.Errorf("%s: got %d:%d %s, want %d:%d %s", test.text, e.Line, e.Column, e.Message, test.line, test.column, test.message)
		}
	}
}
