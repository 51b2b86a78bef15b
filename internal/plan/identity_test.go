package plan

import (
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

// identified is a query over two computed fields, one of which reads the other,
// and beside them one that nothing reads.
func identified() Input {
	return Input{
		Pipeline: "shop", Time: "ts unix_ms",
		Fields: []Field{
			{Name: "net", Expr: "price - tax"},
			{Name: "total", Expr: "net * amount"},
			{Name: "spare", Expr: "lower(note)"},
		},
		Queries: []query.Query{{
			Name: "sales", Where: "amount > 0",
			Key:        []query.KeyField{{Name: "shop", Expr: "shop"}},
			Window:     window.Tumbling(time.Minute),
			Aggregates: []aggregate.Spec{aggregate.Sum("total").As("sum"), aggregate.CountOf("amount > 1").As("many").If("shop != null")},
		}},
	}
}

type identity struct{ seed, state uint64 }

func identityOf(t *testing.T, in Input) identity {
	t.Helper()
	p, problems := Build(in)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	q := p.Queries[len(p.Queries)-1]
	return identity{q.Info.Seed, q.StateHash}
}

// What a query's results are known by, and what its stored windows are.
type changes uint8

const (
	nothing changes = iota
	// onlyState: a stored window means something else, its id does not.
	onlyState
	everything
	// onlySeed is a mistake: state would go on under rows of another id.
	onlySeed
)

func (c changes) String() string {
	return [...]string{"nothing", "only the state's hash", "everything", "only the seed"}[c]
}

func changed(from, to identity) changes {
	switch {
	case from == to:
		return nothing
	case from.seed == to.seed:
		return onlyState
	case from.state != to.state:
		return everything
	default:
		return onlySeed
	}
}

func TestWhatChangesAQuery(t *testing.T) {
	base := identityOf(t, identified())
	for _, c := range []struct {
		name   string
		change func(in *Input, q *query.Query)
		want   changes
	}{
		{"nothing", func(*Input, *query.Query) {}, nothing},
		{"a field that nothing reads", func(in *Input, _ *query.Query) { in.Fields[2].Expr = "upper(note)" }, nothing},
		{"the name of a field that nothing reads", func(in *Input, _ *query.Query) { in.Fields[2].Name = "other" }, nothing},
		{"no field that nothing reads", func(in *Input, _ *query.Query) { in.Fields = in.Fields[:2] }, nothing},
		{"one more field that nothing reads, first", func(in *Input, _ *query.Query) { in.Fields = append([]Field{{"first", "note"}}, in.Fields...) }, nothing},
		{"the way a field is written", func(in *Input, _ *query.Query) { in.Fields[0].Expr = "price-tax" }, nothing},
		{"another query", func(in *Input, _ *query.Query) {
			in.Queries = append([]query.Query{counting("other", countAll)}, in.Queries...)
		}, nothing},
		{"what operators read", func(in *Input, _ *query.Query) { in.Reads = [][]string{{"note"}, {"net"}} }, nothing},
		{"sketches in results", func(_ *Input, q *query.Query) { q.IncludeSketches = true }, nothing},

		{"the field of the time", func(in *Input, _ *query.Query) { in.Time = "at unix_ms" }, onlyState},
		{"the format of the time", func(in *Input, _ *query.Query) { in.Time = "ts unix_s" }, onlyState},

		{"the pipeline", func(in *Input, _ *query.Query) { in.Pipeline = "mall" }, everything},
		{"the query's name", func(_ *Input, q *query.Query) { q.Name = "sold" }, everything},
		{"the filter", func(_ *Input, q *query.Query) { q.Where = "amount > 2" }, everything},
		{"the key", func(_ *Input, q *query.Query) { q.Key[0].Expr = "city" }, everything},
		{"the name of the key", func(_ *Input, q *query.Query) { q.Key[0].Name = "where" }, everything},
		{"the window", func(_ *Input, q *query.Query) { q.Window = window.Tumbling(time.Hour) }, everything},
		{"the window's offset", func(_ *Input, q *query.Query) { q.Window = q.Window.WithOffset(time.Second) }, everything},
		{"the lateness", func(_ *Input, q *query.Query) { q.AllowedLateness = time.Second }, everything},
		{"the trigger", func(_ *Input, q *query.Query) { q.Trigger.Count = 5 }, everything},
		{"the accumulation", func(_ *Input, q *query.Query) { q.Accumulation = window.Discarding }, everything},
		{"an aggregate", func(_ *Input, q *query.Query) { q.Aggregates[0] = aggregate.Max("total").As("sum") }, everything},
		{"the filter of an aggregate", func(_ *Input, q *query.Query) { q.Aggregates[1].Where = "city != null" }, everything},
		{"the order of aggregates", func(_ *Input, q *query.Query) {
			q.Aggregates[0], q.Aggregates[1] = q.Aggregates[1], q.Aggregates[0]
		}, everything},

		{"a field that it reads", func(in *Input, _ *query.Query) { in.Fields[1].Expr = "net * amount + 1" }, everything},
		{"a field that a field reads", func(in *Input, _ *query.Query) { in.Fields[0].Expr = "price" }, everything},
		{"a field that hides one of the event", func(in *Input, _ *query.Query) {
			in.Fields = append(in.Fields, Field{"amount", "abs(amount)"})
		}, everything},
		// total reads the event's net once its own comes later.
		{"the order of fields that read each other", func(in *Input, _ *query.Query) {
			in.Fields[0], in.Fields[1] = in.Fields[1], in.Fields[0]
		}, everything},
	} {
		in := identified()
		c.change(&in, &in.Queries[0])
		if got := changed(base, identityOf(t, in)); got != c.want {
			t.Errorf("%s: changes %v, want %v", c.name, got, c.want)
		}
	}
}

func countAll(*query.Query) {}

// A computed field is found wherever a query can read it.
func TestAFieldChangesAQueryFromAnyPlace(t *testing.T) {
	for place, use := range map[string]func(q *query.Query){
		"the filter":                  func(q *query.Query) { q.Where = "f > 1" },
		"a deep place of the filter":  func(q *query.Query) { q.Where = "a == 1 or not (b > abs(f))" },
		"a key":                       func(q *query.Query) { q.Key = []query.KeyField{{Name: "k", Expr: "f"}} },
		"an expression of a key":      func(q *query.Query) { q.Key = []query.KeyField{{Name: "k", Expr: "f + 1"}} },
		"an aggregate":                func(q *query.Query) { q.Aggregates = []aggregate.Spec{aggregate.Sum("f").As("s")} },
		"an expression to aggregate":  func(q *query.Query) { q.Aggregates = []aggregate.Spec{aggregate.Sum("a * f").As("s")} },
		"the filter of an aggregate":  func(q *query.Query) { q.Aggregates = []aggregate.Spec{aggregate.Count().As("n").If("f > 1")} },
		"a field that reads a field":  func(q *query.Query) { q.Where = "twice > 1" },
		"two fields that lead to one": func(q *query.Query) { q.Where = "far > 1" },
	} {
		with := func(expr string) identity {
			return identityOf(t, Input{
				Fields:  []Field{{"f", expr}, {"twice", "f * 2"}, {"near", "twice + 1"}, {"far", "near + 1"}},
				Queries: []query.Query{counting("q", use)},
			})
		}
		if changed(with("x"), with("y + 0")) != everything {
			t.Errorf("%s: the field can change and nobody knows", place)
		}
	}
}

// A query reads the last field of a name, and a field only those before it.
func TestOnlyVisibleFieldsChangeAQuery(t *testing.T) {
	reads := func(fields ...Field) identity {
		return identityOf(t, Input{Fields: fields, Queries: []query.Query{counting("q", func(q *query.Query) { q.Where = "f > 1" })}})
	}
	hidden := reads(Field{"f", "a"}, Field{"f", "b + 1"})
	if changed(hidden, reads(Field{"f", "c"}, Field{"f", "b + 1"})) != nothing {
		t.Error("a field that another of its name hides changes the query")
	}
	if changed(hidden, reads(Field{"f", "b + 1"}, Field{"f", "a"})) != everything {
		t.Error("which field hides the other is all the same")
	}
	// f reads the g of the event, as the computed one comes later.
	if changed(reads(Field{"f", "g + 1"}, Field{"g", "a"}), reads(Field{"f", "g + 1"}, Field{"g", "b"})) != nothing {
		t.Error("a later field changes an earlier one")
	}
	// The event's g, and then the computed one, under one text.
	if changed(reads(Field{"f", "g"}, Field{"g", "1 + 1"}), reads(Field{"g", "1 + 1"}, Field{"f", "g"})) != everything {
		t.Error("a field that reads the event and one that reads a field are the same")
	}
}

// Queries of one definition differ by their names alone, so that their rows and
// windows do not meet.
func TestQueriesOfOneDefinitionAreTwo(t *testing.T) {
	p, problems := Build(Input{Pipeline: "p", Queries: []query.Query{counting("a", countAll), counting("b", countAll)}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a, b := p.Queries[0], p.Queries[1]
	if a.Info.Seed == b.Info.Seed || a.StateHash == b.StateHash {
		t.Error("two queries of one definition have one identity")
	}
	if a.Info.Seed == a.StateHash {
		t.Error("results and state share a hash: the time's format cannot be told in one of them")
	}
}

// These values are stored and published: a program that computes others starts
// every query afresh, and its rows get other ids.
func TestIdentitiesStayTheSame(t *testing.T) {
	for name, c := range map[string]struct {
		in   Input
		want identity
	}{
		"computed fields": {identified(), identity{0xb60d0d8f4a0dbea5, 0xb3eeabb6de214e73}},
		"no fields": {
			Input{Pipeline: "p", Time: "timestamp rfc3339", Queries: []query.Query{counting("q", countAll)}},
			identity{0x9f2a2bf11d65ebe6, 0x20502aebecac6e70},
		},
		"a session": {
			Input{Pipeline: "p", Time: "timestamp rfc3339", Queries: []query.Query{{
				Name: "s", Key: []query.KeyField{{Name: "user", Expr: "metadata.user_id"}}, Window: window.Session(30 * time.Second),
				AllowedLateness: time.Minute, Aggregates: []aggregate.Spec{aggregate.Percentile("latency_ms", 95).As("p95"), aggregate.Distinct("model")},
			}}},
			identity{0xd8d372ad8f7e851b, 0x2bddffecc98a2859},
		},
		"a calendar": {
			Input{Pipeline: "p", Queries: []query.Query{{
				Name: "c", Window: window.Calendar(window.Month, "Europe/Berlin"), Trigger: window.Trigger{Count: 10, Every: time.Second, NoOnTime: true},
				Accumulation: window.Discarding, Aggregates: []aggregate.Spec{aggregate.Count()},
			}}},
			identity{0xd085667272200ad2, 0x168d83556e56fa23},
		},
	} {
		if got := identityOf(t, c.in); got != c.want {
			t.Errorf("%s: the identity is {%#x, %#x}, it was {%#x, %#x}", name, got.seed, got.state, c.want.seed, c.want.state)
		}
	}
}
