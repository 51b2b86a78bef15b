package refmodel

import (
	"fmt"
	"testing"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

var lines = []string{
	`{"v":4,"u":"a","ok":true,"m":{"t":"x"}}`,
	`{"v":1,"u":"b"}`,
	`{"v":null,"u":1,"ok":false}`,
	`{"u":1.0}`,
	`{"v":10,"u":"a"}`,
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		agg  aggregate.Spec
		want string
	}{
		{aggregate.Count(), "5"},
		{aggregate.CountOf("v"), "3"},
		{aggregate.CountOf("v >= 4"), "2"},
		{aggregate.CountOf("ok == null"), "3"},
		{aggregate.CountOf("ok != true"), "1"},
		{aggregate.CountOf(`u == "a" && v < 5`), "1"},
		{aggregate.CountOf(`m.t == "x"`), "1"},
		{aggregate.Count().If("v <= 1"), "1"},
		{aggregate.Count().If(`u > "a"`), "1"},
		{aggregate.Sum("v"), "15"},
		{aggregate.Sum("w"), "null"},
		{aggregate.Avg("v"), "5"},
		{aggregate.Min("v"), "1"},
		{aggregate.Max("v"), "10"},
		{aggregate.Variance("v"), "14"},
		{aggregate.VarSamp("v"), "21"},
		{aggregate.VarSamp("v").If("v == 1"), "null"},
		{aggregate.StdDev("v"), "3.7416573867739413"},
		{aggregate.StdDevSamp("v"), "4.58257569495584"},
		{aggregate.Percentile("v", 0), "1"},
		{aggregate.Percentile("v", 75), "7"},
		{aggregate.Percentile("v", 100), "10"},
		{aggregate.Distinct("u"), "3"},
		{aggregate.First("v"), "4"},
		{aggregate.Last("v"), "10"},
		{aggregate.First("u"), `"a"`},
		{aggregate.Rate(), "2.5"},
		{aggregate.TopK("u", 2), `[{"value":1,"count":2},{"value":"a","count":2}]`},
		{aggregate.TopK("u", 9), `[{"value":"a","count":2},{"value":1,"count":2},{"value":"b","count":1}]`},
	} {
		t.Run(c.agg.String(), func(t *testing.T) {
			w := valueOf(t, c.agg)
			want, err := ParseValue([]byte(c.want))
			if err != nil {
				t.Fatal(err)
			}
			if !w.Allows(want, false) {
				t.Errorf("%s is not %v", c.want, w)
			}
			for _, wrong := range []string{`0.5`, `"c"`, `[{"value":"b","count":1}]`, `[]`, `[{"value":"a","count":2},{"value":"a","count":2}]`} {
				if v, _ := ParseValue([]byte(wrong)); w.Allows(v, true) {
					t.Errorf("%s is taken for %v", wrong, w)
				}
			}
		})
	}
}

func valueOf(t *testing.T, a aggregate.Spec) Want {
	t.Helper()
	q := query.Query{Name: "q", Window: window.Tumbling(2e9), Aggregates: []aggregate.Spec{a}}
	var steps []Step
	for i, line := range lines {
		f, err := ParseFields([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, Step{Event: Event{Time: int64(i), Fields: f}})
	}
	out, err := Run(Program{Queries: []query.Query{q}, OutOfOrderness: 10}, steps)
	if err != nil {
		t.Fatal(err)
	}
	return out.Rows[0].Values[0]
}

func TestTies(t *testing.T) {
	q := query.Query{
		Name: "q", Window: window.Global(),
		Aggregates: []aggregate.Spec{aggregate.First("v"), aggregate.Last("v"), aggregate.Rate()},
	}
	var steps []Step
	for i := range 4 {
		steps = append(steps, Step{Event: Event{Time: int64(i / 2), Fields: map[string]event.Value{"v": event.Float(float64(i))}}})
	}
	out, err := Run(Program{Queries: []query.Query{q}}, steps)
	if err != nil {
		t.Fatal(err)
	}
	v := out.Rows[0].Values
	for i, want := range []struct{ exact, tie, no float64 }{{0, 1, 2}, {3, 2, 1}} {
		if !v[i].Allows(event.Float(want.exact), false) || v[i].Allows(event.Float(want.tie), false) ||
			!v[i].Allows(event.Float(want.tie), true) || v[i].Allows(event.Float(want.no), true) {
			t.Errorf("%s is %v", q.Aggregates[i].Name, v[i])
		}
	}
	if !v[2].Allows(event.Value{}, false) {
		t.Errorf("the rate of a global window is %v", v[2])
	}
}

func TestWrongTypes(t *testing.T) {
	for _, c := range []struct {
		line string
		agg  aggregate.Spec
		dead int64
	}{
		{`{"v":"x"}`, aggregate.Sum("v"), 1},
		{`{"v":true}`, aggregate.Percentile("v", 5), 1},
		{`{"v":"x"}`, aggregate.Sum("v").If("v > 1"), 0},
		{`{"v":"x"}`, aggregate.Sum("v").If(`v == "x"`), 1},
		{`{"v":"x"}`, aggregate.Last("v"), 0},
		{`{"v":{}}`, aggregate.Last("v"), 1},
		{`{"v":[]}`, aggregate.CountOf("v"), 1},
		{`{"v":[]}`, aggregate.CountOf("v > 1"), 0},
		{`{"v":null}`, aggregate.Sum("v"), 0},
		{`{"k":{}}`, aggregate.Count(), 1},
	} {
		f, err := ParseFields([]byte(c.line))
		if err != nil {
			t.Fatal(err)
		}
		q := query.Query{Window: window.Global(), Key: []query.KeyField{{Name: "k", Expr: "k"}}, Aggregates: []aggregate.Spec{c.agg}}
		out, err := Run(Program{Queries: []query.Query{q}}, []Step{{Event: Event{Fields: f}}})
		if err != nil {
			t.Fatal(err)
		}
		if out.Ledgers[0].Dead != c.dead {
			t.Errorf("%s for %s: %+v", c.line, c.agg.Name, out.Ledgers[0])
		}
	}
}

func TestIdentity(t *testing.T) {
	texts := []string{`1`, `"1"`, `true`, `false`, `null`, `""`, `"null"`, `0`, `9007199254740993`, `9007199254740992`, `18446744073709551615`, `18446744073709551614`}
	seen := map[string]string{}
	for _, text := range texts {
		v, err := ParseValue([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[Identity(v)]; ok {
			t.Errorf("%s and %s are one key", text, other)
		}
		seen[Identity(v)] = text
	}
	for _, text := range []string{`1.0`, `1e0`, `-0.0`, `9223372036854775808`} {
		v, err := ParseValue([]byte(text))
		if err != nil || v.Kind != event.Number {
			t.Errorf("%s is %v: %v", text, v, err)
		}
		delete(seen, Identity(v))
	}
	if len(seen) != len(texts)-2 {
		t.Errorf("numbers equal in value are not one key: %v", seen)
	}
	if KeyText([]event.Value{event.Text("a,"), {}}) != `"string a,","null"` {
		t.Error(KeyText([]event.Value{event.Text("a,"), {}}))
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{``, `{`, `1e999`} {
		if v, err := ParseValue([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
	for _, text := range []string{`[]`, `{"a":1e999}`, `{"a":{"b":1e999}}`} {
		if f, err := ParseFields([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, f)
		}
	}
}

func TestWantsFromOutside(t *testing.T) {
	if n, ok := Exactly(event.Float(3)).Number(); n != 3 || !ok {
		t.Error(n, ok)
	}
	if _, ok := Between(1, 2).Number(); ok {
		t.Error("a bracket is a number")
	}
	for x, want := range map[float64]bool{0.98: false, 0.995: true, 2.01: true, 2.03: false} {
		if Between(1, 2).Allows(event.Float(x), false) != want {
			t.Error(x)
		}
	}
	if s := fmt.Sprint(Between(1, 2), Exactly(event.Text("x")), Want{top: map[string]int{"a": 1}, k: 2}); s == "" {
		t.Error("no text")
	}
}
