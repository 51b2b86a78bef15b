package aggregate

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

func TestValidate(t *testing.T) {
	boolean := CountOf("a > b")
	boolean.Boolean = true
	tests := []struct {
		spec Spec
		want string // part of the error; empty for valid
	}{
		{Count(), ""},
		{CountOf("x"), ""},
		{boolean, ""},
		{Rate().If("ok"), ""},
		{Sum("x"), ""},
		{Percentile("x", 0), ""},
		{Percentile("x", 99.99), ""},
		{Percentile("x", 100), ""},
		{TopK("x", 1), ""},
		{TopK("x", 1000), ""},
		{Spec{Func: "custom", Custom: product{}}, ""},
		{Spec{Func: "custom", Arg: "x", Custom: product{}}, ""},
		{Spec{}, `unknown function ""; known are count, sum, avg, min, max, stddev, stddev_samp, variance, var_samp, percentile, distinct, first, last, rate, top_k, custom`},
		{Spec{Func: "median", Arg: "x"}, `unknown function "median"`},
		{Sum(""), "sum needs a field"},
		{First(""), "first needs a field"},
		{Spec{Func: "rate", Arg: "x"}, "rate takes no argument"},
		{Percentile("x", -0.1), "0 to 100"},
		{Percentile("x", 100.1), "0 to 100"},
		{Percentile("x", math.NaN()), "0 to 100"},
		{TopK("x", 0), "1 to 1000"},
		{TopK("x", 1001), "1 to 1000"},
		{Spec{Func: "top_k", Arg: "x", Param: 1.5}, "whole number"},
		{Spec{Func: "sum", Arg: "x", Param: 5}, "takes no number"},
		{Spec{Func: "sum", Arg: "x", Boolean: true}, "marked as a comparison"},
		{Spec{Func: "count", Boolean: true}, "marked as a comparison"},
		{Spec{Func: "custom", Arg: "x"}, "needs Custom"},
		{Spec{Func: "sum", Arg: "x", Custom: product{}}, "accumulators of its own"},
	}
	for _, test := range tests {
		err := test.spec.Validate()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.spec, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want one that says %q", test.spec, err, test.want)
		}
	}
}

func TestNeedsAndAccepts(t *testing.T) {
	boolean := CountOf("a > b")
	boolean.Boolean = true
	tests := []struct {
		spec          Spec
		numeric, text bool
		accepts       string // in the order of the kinds
	}{
		{Count(), false, false, "null false true number integer string"},
		{CountOf("x"), true, true, "null false true number integer string"},
		{boolean, false, false, "null false true number integer string"},
		{Sum("x"), true, false, "null number integer"},
		{Percentile("x", 5), true, false, "null number integer"},
		{Distinct("x"), true, true, "null false true number integer string"},
		{Last("x"), true, true, "null false true number integer string"},
		{TopK("x", 5), true, true, "null false true number integer string"},
		{Rate(), false, false, "null false true number integer string"},
		{Spec{Func: "none", Arg: "x"}, false, false, ""},
	}
	kinds := []string{"null", "false", "true", "number", "integer", "string", "composite", "invalid"}
	for _, test := range tests {
		if n, s := test.spec.Needs(); n != test.numeric || s != test.text {
			t.Errorf("%s needs %v, %v", test.spec, n, s)
		}
		for k, name := range kinds {
			want := slices.Contains(strings.Fields(test.accepts), name)
			if got := test.spec.Accepts(event.Kind(k)); got != want {
				t.Errorf("%s accepts %s: %v", test.spec, name, got)
			}
		}
	}
}

func TestSpecString(t *testing.T) {
	tests := map[string]Spec{
		"count()":                    Count(),
		"rate()":                     Rate(),
		"percentile(x, 99.9)":        Percentile("x", 99.9),
		"top_k(model, 5)":            TopK("model", 5),
		`avg(x) where status == "a"`: Avg("x").If(`status == "a"`),
		"var_samp(x)":                VarSamp("x").As("v"),
	}
	for want, spec := range tests {
		if got := spec.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if s := Sum("x").As("total"); s.Name != "total" {
		t.Errorf("name %q", s.Name)
	}
}
