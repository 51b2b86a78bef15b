package expr

import (
	"testing"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/event"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		`type == "performance_metrics" && latency_ms > 0`, `coalesce(metadata.tenant, "x")`, `a["b c"].d ?? -1e300`,
		`1 < a <= 5 ? lower(b) : a not in [1, 'x']`, `!(a matches "^x+") or b ** -2 == nil`, "`raw` + '\\u00e4' // c",
		`p99.9(a + b) where c == "where"`, `top_k(model, 5)`, `count(*)`, `a | b`, `a?.b`, `if a {b} else {c}`,
		`let x = 1; x`, `$env["a"].b[0]`, `filter(a, # > 1)`, `-9223372036854775808`, `((((`, `a[`, `"`, `p5.`,
	} {
		f.Add(s)
	}
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		e, err := Parse(src)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("%q: %T is no *Error", src, err)
			}
			return
		}
		reparses(t, e)
		p, err := Compile(e, func([]string) (int, bool) { return 0, true }, useBoth)
		if err != nil {
			t.Fatal(err)
		}
		b := &event.Batch{N: 2, Columns: []event.Column{{
			Kind: []event.Kind{event.Number, event.String}, Num: []float64{2, 0}, Str: []event.Ref{{}, {Len: 3}},
		}}, Data: []byte("2.5")}
		var out event.Column
		p.Eval(b, &out)
		for r, kind := range out.Kind {
			kept := p.Filter(b, []int32{int32(r)}, nil)
			if (len(kept) == 1) != (kind == event.True) {
				t.Fatalf("%s is %v in row %d, but the filter keeps %v", e, kind, r, kept)
			}
		}
	})
}

func FuzzParseAggregate(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAggregate(text)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("%q: %T is no *Error", text, err)
			}
			return
		}
		for _, e := range []*Expr{a.Arg, a.Where} {
			if e != nil {
				reparses(t, e)
			}
		}
	})
}

func reparses(t *testing.T, e *Expr) {
	t.Helper()
	if utf8.RuneCountInString(e.String()) > maxLength {
		return
	}
	again, err := Parse(e.String())
	if err != nil {
		t.Fatalf("parse %s again: %v", e, err)
	}
	if again.String() != e.String() {
		t.Fatalf("%s is %s when parsed again", e, again)
	}
}
