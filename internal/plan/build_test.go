package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

func counting(name string, change func(*query.Query)) query.Query {
	q := query.Query{Name: name, Window: window.Tumbling(time.Minute), Aggregates: []aggregate.Spec{aggregate.Count().As("n")}}
	change(&q)
	return q
}

func TestQueriesShareColumns(t *testing.T) {
	p, problems := Build(Input{
		Fields: []Field{{Name: "tenant", Expr: `coalesce(metadata.tenant, "none")`}, {Name: "model", Expr: "lower(model)"}},
		Queries: []query.Query{
			counting("a", func(q *query.Query) {
				q.Where = "latency_ms > 0"
				q.Key = []query.KeyField{{Name: "tenant", Expr: "tenant"}, {Name: "model", Expr: "model"}}
				q.Aggregates = []aggregate.Spec{aggregate.Sum("input + output").As("s"), aggregate.Avg("latency_ms").As("l")}
			}),
			counting("b", func(q *query.Query) {
				q.Aggregates = []aggregate.Spec{aggregate.Max("input+output").As("m"), aggregate.CountOf("error != null").As("e"), aggregate.Sum("cost").If("error != null").As("c")}
			}),
		},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var read []string
	for _, f := range p.Schema.Fields {
		read = append(read, strings.Join(f.Path, "."))
	}
	// model is read although a computed field hides it: that one reads it.
	if got := strings.Join(read, " "); len(read) != 7 || !strings.Contains(got, "model") {
		t.Errorf("columns read are %s", got)
	}
	var computed []string
	for _, c := range p.Computed {
		computed = append(computed, c.Name)
	}
	if got := strings.Join(computed, ", "); got != "tenant, model, input + output, error != null" {
		t.Errorf("columns computed are %s: one each, whoever uses them", got)
	}
	if p.Queries[0].Inputs[0] != p.Queries[1].Inputs[0] {
		t.Error("input + output is computed twice")
	}
	if p.Schema.Computed != len(p.Computed) || p.Computed[0].Column != len(p.Schema.Fields) {
		t.Errorf("computed columns begin at %d of %d", p.Computed[0].Column, len(p.Schema.Fields))
	}
}

func TestProblemsNameTheirPlace(t *testing.T) {
	_, problems := Build(Input{
		Fields: []Field{{Name: "f", Expr: "a +"}},
		Queries: []query.Query{counting("q", func(q *query.Query) {
			q.Where = "1 +* 2"
			q.Key = []query.KeyField{{Name: "k", Expr: "("}}
			q.Aggregates = []aggregate.Spec{aggregate.Sum("a b").As("s"), {Name: "x", Func: "median", Arg: "a"}}
		})},
	})
	want := []string{"event.fields.f", "queries.0.where", "queries.0.key.k", "queries.0.aggregate.s", "queries.0.aggregate.x"}
	if len(problems) != len(want) {
		t.Fatalf("problems are %v", problems)
	}
	for i, p := range problems {
		if p.Path != want[i] || p.Message == "" {
			t.Errorf("problem %d is at %s (%s), want %s", i, p.Path, p.Message, want[i])
		}
	}
}

func TestWhatIsCombinedAndShared(t *testing.T) {
	for _, c := range []struct {
		name             string
		change           func(*query.Query)
		combines, shares bool
	}{
		{"tumbling", func(*query.Query) {}, true, false},
		{"sliding", func(q *query.Query) { q.Window = window.Sliding(time.Minute, time.Second) }, true, true},
		{"sliding with lateness", func(q *query.Query) {
			q.Window, q.AllowedLateness = window.Sliding(time.Minute, time.Second), time.Minute
		}, true, true},
		{"sliding, discarding with lateness", func(q *query.Query) {
			q.Window, q.AllowedLateness, q.Accumulation = window.Sliding(time.Minute, time.Second), time.Minute, window.Discarding
		}, true, false},
		{"sliding with early firings", func(q *query.Query) {
			q.Window, q.Trigger.Every = window.Sliding(time.Minute, time.Second), time.Second
		}, true, false},
		{"sliding with gaps", func(q *query.Query) { q.Window = window.Sliding(time.Second, time.Minute) }, true, false},
		{"by count", func(q *query.Query) { q.Trigger.Count = 5 }, false, false},
		{"session", func(q *query.Query) { q.Window = window.Session(time.Minute) }, false, false},
		{"calendar", func(q *query.Query) { q.Window = window.Calendar(window.Day, "UTC") }, true, false},
		{"global", func(q *query.Query) { q.Window = window.Global() }, true, false},
	} {
		p, problems := Build(Input{Queries: []query.Query{counting("q", c.change)}})
		if len(problems) > 0 {
			t.Fatal(c.name, problems)
		}
		q := p.Queries[0]
		if q.Combines() != c.combines || q.SharesPanes() != c.shares {
			t.Errorf("%s: combines %v, shares panes %v", c.name, q.Combines(), q.SharesPanes())
		}
		text := p.Explain(5 * time.Second)
		for _, want := range []string{"query q", "window ", "panes ", "combine ", "open at once ", "about "} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the plan does not say %q:\n%s", c.name, want, text)
			}
		}
	}
}

// A name may hold any character, also one that might stand between names.
func TestOddNamesAreFieldsOfTheirOwn(t *testing.T) {
	p, problems := Build(Input{Queries: []query.Query{counting("q", func(q *query.Query) {
		q.Key = []query.KeyField{
			{Name: "odd", Expr: `a["b\u0000c"]`}, {Name: "dotted", Expr: `a["b.c"]`}, {Name: "top", Expr: `$env["a.b.c"]`}, {Name: "plain", Expr: "a.b.c"},
		}
	})}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if n := len(p.Schema.Fields); n != 4 {
		t.Errorf("four fields of the event are read as %d columns: %+v", n, p.Schema.Fields)
	}
	for i, f := range p.Schema.Fields {
		if at := p.Column(f.Path); at != i {
			t.Errorf("field %d, %q, is found in column %d", i, f.Path, at)
		}
	}
}
