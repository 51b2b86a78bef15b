package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
)

func functions(names ...string) (list []result.Function) {
	for _, name := range names {
		list = append(list, result.Function{Name: name})
	}
	return list
}

// columnsOf are the columns of a table with their types.
func columnsOf(t *testing.T, url, table string) (list []string) {
	t.Helper()
	for _, row := range query(t, url, "select attname::text || ' ' || format_type(atttypid, atttypmod) from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum", table) {
		list = append(list, row[0])
	}
	return list
}

func TestTheTypesOfColumns(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	names := []string{"count", "sum", "avg", "min", "max", "stddev", "stddev_samp", "variance", "var_samp", "percentile", "distinct", "first", "last", "rate", "top_k", "custom"}
	q := &result.Query{Name: "q", Keys: []string{"model"}, Values: names, Functions: functions(names...)}
	s := aSink(url)
	s.Meta = true
	mustDescribe(t, s, q)
	openAt(t, s, mark(0), 0)
	got := columnsOf(t, url, "stats")
	for _, want := range []string{
		"window_start timestamp with time zone", "firing bigint", "partial boolean", "events bigint", "watermark timestamp with time zone",
		"model text", "count bigint", "distinct bigint", "sum double precision", "percentile double precision", "rate double precision",
		"first text", "last text", "top_k jsonb", "custom jsonb",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("there is no column %q in %q", want, got)
		}
	}
}

func mustDescribe(t *testing.T, s *Sink, queries ...*result.Query) {
	t.Helper()
	if err := s.Describe(queries); err != nil {
		t.Fatal(err)
	}
}

func TestWhatADescriptionRefuses(t *testing.T) {
	long := strings.Repeat("é", 32)
	q := func(keys, values, funcs string) *result.Query {
		return &result.Query{Name: "q", Keys: strings.Fields(keys), Values: strings.Fields(values), Functions: functions(strings.Fields(funcs)...)}
	}
	other := func(values, funcs string) *result.Query {
		x := q("", values, funcs)
		x.Name = "other"
		return x
	}
	for name, c := range map[string]struct {
		change  func(*Sink)
		queries []*result.Query
		says    string
	}{
		"a key with the name of a fixed column":    {queries: []*result.Query{q("firing", "n", "count")}, says: `"firing", a key of query q, has the name of a fixed column`},
		"an aggregate likewise":                    {queries: []*result.Query{q("", "window_id", "count")}, says: "fixed column"},
		"events, without meta":                     {queries: []*result.Query{q("", "events", "count")}},
		"events, with meta":                        {change: func(s *Sink) { s.Meta = true }, queries: []*result.Query{q("", "events", "count")}, says: "fixed column"},
		"one name of two types":                    {queries: []*result.Query{q("", "n", "count"), other("n", "sum")}, says: "would be bigint for an aggregate of query q and double precision for an aggregate of query other"},
		"the same in tables of their own":          {change: func(s *Sink) { s.Table = "t_{query}" }, queries: []*result.Query{q("", "n", "count"), other("n", "sum")}},
		"the same as JSON":                         {change: func(s *Sink) { s.Values = JSONB }, queries: []*result.Query{q("", "n", "count"), other("n", "sum")}},
		"a key and an aggregate of one name":       {queries: []*result.Query{q("n", "n", "last")}, says: "is there twice"},
		"a key and another's aggregate":            {queries: []*result.Query{q("n", "", ""), other("n", "last")}},
		"a column that every table has":            {queries: []*result.Query{q("xmin", "", "")}, says: "every table of PostgreSQL"},
		"a name that is too long":                  {queries: []*result.Query{q(long, "", "")}, says: "64 bytes"},
		"a table's name that is too long":          {change: func(s *Sink) { s.Table = strings.Repeat("x", 60) + "_{query}" }, queries: []*result.Query{{Name: "abc"}}, says: "bytes"},
		"no table":                                 {change: func(s *Sink) { s.Table = "" }, says: "table is missing"},
		"a database, a schema and a table":         {change: func(s *Sink) { s.Table = "a.b.c" }, says: "SCHEMA.NAME"},
		"an empty schema":                          {change: func(s *Sink) { s.Table = ".b" }, says: "empty"},
		"unknown values":                           {change: func(s *Sink) { s.Values = "json" }, says: "want columns or jsonb"},
		"one table for results and late events":    {change: func(s *Sink) { s.LateTable = "stats" }, says: "asked for twice"},
		"{query} where there are several or none":  {change: func(s *Sink) { s.DeadTable = "dead_{query}" }, says: "table of results alone"},
		"a name with a zero byte in a key":         {queries: []*result.Query{{Name: "q", Keys: []string{"a\x00b"}}}, says: "no text"},
		"names that need quotes and are different": {queries: []*result.Query{q(`Model model drop"table;--`, "select", "count")}},
	} {
		t.Run(name, func(t *testing.T) {
			s := aSink("postgres://127.0.0.1/none")
			if c.change != nil {
				c.change(s)
			}
			wantError(t, s.Describe(c.queries), c.says)
		})
	}
}

func TestHostileNamesAndTexts(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	s.Table = `we"ird; drop table x`
	q := &result.Query{Name: "q", Keys: []string{`Ke"y`, "select", "$1"}, Values: []string{"p95(latency_ms)", "l", "top"}, Functions: functions("percentile", "last", "top_k")}
	mustDescribe(t, s, q)
	openAt(t, s, mark(0), 0)
	key := event.AppendKeyValue(nil, event.Text("a\x00b'\"\\"))
	key = event.AppendKeyValue(key, event.Bool(true))
	key = event.AppendKeyValue(key, event.Value{})
	top := event.JSONValue(`[{"value":"a\u0000b\\u0000","count":1}]`)
	row := result.Result{Query: q, Key: string(key), Start: event.MinTime, End: event.MaxTime, Identity: 1,
		Values: []event.Value{event.Float(1.5), event.Text("x\xff"), top}}
	if err := commit(t, s, 1, row); err != nil {
		t.Fatal(err)
	}
	got := query(t, url, `select "Ke""y", "select", "$1", "p95(latency_ms)", l, top::text, window_start, window_end, partial from "we""ird; drop table x"`)[0]
	want := []string{"a\ufffdb'\"\\", "true", "<null>", "1.5", "x\ufffd", `[{"count": 1, "value": "a` + "\ufffd" + `b\\u0000"}]`, "<null>", "<null>", "false"}
	if !slices.Equal(got, want) {
		t.Errorf("the row is %q, want %q", got, want)
	}
}

func TestValuesAsTheyAre(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	q := &result.Query{Name: "q", Keys: []string{"k"}, Values: []string{"n", "s", "f", "j"}, Functions: functions("count", "sum", "first", "custom")}
	mustDescribe(t, s, q)
	openAt(t, s, mark(0), 0)
	for i, c := range []struct {
		key    event.Value
		values []event.Value
		want   []string
	}{
		{event.Int(7), []event.Value{event.Int(1<<53 + 1), event.Float(1e300), event.Int(1 << 60), event.Bool(false)}, []string{"7", "9007199254740993", "1e+300", "1152921504606846976", "false"}},
		{event.Value{}, make([]event.Value, 4), []string{"<null>", "<null>", "<null>", "<null>", "<null>"}},
		{event.Text("7"), []event.Value{event.Int(-1), event.Int(1<<53 + 1), event.Text("gpt"), event.Text("x")}, []string{"7", "-1", "9.007199254740992e+15", "gpt", `"x"`}},
	} {
		row := aRow(i)
		row.Query, row.Key, row.Values = q, string(event.AppendKeyValue(nil, c.key)), c.values
		if err := commit(t, s, uint64(i+1), row); err != nil {
			t.Fatal(err)
		}
		got := query(t, url, "select k, n, s, f, j::text from stats where window_start = to_timestamp($1)", i*60)
		if len(got) != 1 || !slices.Equal(got[0], c.want) {
			t.Errorf("row %d is %q, want %q", i, got, c.want)
		}
	}
	row := aRow(9)
	row.Query, row.Values = q, []event.Value{event.Text("many"), {}, {}, {}}
	wantError(t, commit(t, s, 9, row), `column "n" is bigint and cannot hold "many", an aggregate of query q`)
}

// Times finer than a microsecond are cut off, downwards.
func TestTimesAreCut(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	openAt(t, s, mark(0), 0)
	row := aRow(1)
	row.Start, row.End = -1, 1999
	if err := commit(t, s, 1, row); err != nil {
		t.Fatal(err)
	}
	got := query(t, url, "select window_start, window_end from stats")[0]
	if want := []string{"1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.000001Z"}; !slices.Equal(got, want) {
		t.Errorf("the bounds are %q, want %q", got, want)
	}
}

func TestLateEventsAndDeadLetters(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := forAll(url)
	openAt(t, s, mark(0), 0)
	b := &result.Batch{
		Late: []result.LateEvent{
			{Query: "q", Source: result.Source{Topic: "in", Partition: 2, Offset: 9}, Timestamp: 1e9, Watermark: 3e9, Event: []byte(`{"a": "\u0000"}`)},
			{Query: "r", Source: result.Source{Topic: "in", Partition: 2, Offset: 9}, Timestamp: 1e9, Watermark: event.MinTime, Event: []byte(`{}`)},
		},
		Dead: []result.DeadLetter{
			{Source: result.Source{Path: "f.jsonl", Offset: 5}, Reason: "json", Err: "cut short", Raw: []byte("{\"")},
			{Source: result.Source{Path: "f.jsonl", Offset: 6}, Reason: "type", Err: "a \x00", Raw: []byte("a\x00\xff"), Queries: []string{"q"}},
		},
	}
	for epoch := range uint64(2) { // the second time nothing changes
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(t.Context(), mark(epoch+1)); err != nil {
			t.Fatal(err)
		}
	}
	late := query(t, url, `select query, source, partition, "offset", timestamp, late_by_ms, event from late order by query`)
	if want := [][]string{{"q", "in", "2", "9", "1970-01-01T00:00:01Z", "2000", `{"a": "\u0000"}`}, late[len(late)-1]}; !slices.EqualFunc(late, want, slices.Equal) {
		t.Errorf("late events are %q, want %q", late, want)
	}
	dead := query(t, url, `select source, "offset", reason, error, queries::text, raw, encoding from dead order by "offset"`)
	want := [][]string{{"f.jsonl", "5", "json", "cut short", "<null>", `{"`, "<null>"}, {"f.jsonl", "6", "type", "a \ufffd", `["q"]`, "YQD/", "base64"}}
	if !slices.EqualFunc(dead, want, slices.Equal) {
		t.Errorf("dead letters are %q, want %q", dead, want)
	}
	plain := aSink(url)
	openAt(t, plain, mark(0), 9)
	wantError(t, plain.Write(t.Context(), &result.Batch{Late: b.Late}), "late events have no table")
	wantError(t, plain.Write(t.Context(), &result.Batch{Dead: b.Dead}), "dead letters have no table")
}

func TestATableGrows(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	mustDescribe(t, s, modelQueries[0])
	openAt(t, s, mark(0), 0)
	if err := commit(t, s, 1, aRow(1)); err != nil {
		t.Fatal(err)
	}
	s.Close(t.Context())
	s = aSink(url)
	more := &result.Query{Name: "a", Keys: []string{"model"}, Values: []string{"n", "p95"}, Functions: functions("count", "percentile"), Seed: 3}
	mustDescribe(t, s, more)
	openAt(t, s, knownMark(1), 1)
	fresh := aRow(2)
	fresh.Query = more
	if err := commit(t, s, 2, fresh, aRow(3)); err != nil { // the second is of the query as it was, from the outbox
		t.Fatal(err)
	}
	got := query(t, url, "select n, cost, p95 from stats order by window_start")
	if want := "[[1 0.5 <null>] [2 <null> 0.5] [3 0.5 <null>]]"; fmt.Sprint(got) != want {
		t.Errorf("the rows are %v, want %s", got, want)
	}
	if got := columnsOf(t, url, "stats"); slices.Contains(got, "cost jsonb") {
		t.Errorf("the columns are %q", got)
	}
}

// A query that was not described makes its columns when it comes, also within a
// transaction that is open, as do sketches.
func TestRowsMakeColumns(t *testing.T) {
	for _, spill := range []int{0, 1} {
		url := pgtest.Shared(t).NewDatabase(t)
		s := aSink(url)
		s.spillAt = spill
		openAt(t, s, mark(0), 0)
		if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{aRow(1)}}); err != nil {
			t.Fatal(err)
		}
		sketched := aRow(2)
		sketched.Query = &result.Query{Name: "z", Keys: []string{"tenant"}, Values: []string{"n", "x"}, Functions: functions("count", "max"), Seed: 9}
		sketched.Sketches = []result.Sketch{{Name: "p95", Base64: "AAA="}}
		if err := commit(t, s, 1, sketched); err != nil {
			t.Fatal(err)
		}
		got := query(t, url, "select query, n, cost, model, tenant, x, sketches::text from stats order by query")
		want := `[[a 1 0.5 gpt-x <null> <null> <null>] [z 2 <null> <null> gpt-x 0.5 {"p95": "AAA="}]]`
		if fmt.Sprint(got) != want {
			t.Errorf("the rows are %v, want %s", got, want)
		}
	}
}

func TestTablesThatAreThere(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	q := modelQueries[0]
	good := "create table stats (query varchar(80), window_id text primary key, window_start timestamptz, window_end timestamptz, timing text, firing bigint, id text, partial boolean, model text, n numeric, cost double precision, note text default 'x')"
	for name, c := range map[string]struct {
		sql      []string
		change   func(*Sink)
		openSays []string
	}{
		"made by hand":                 {sql: []string{good}},
		"partitioned by hand":          {sql: []string{strings.Replace(good, " primary key", "", 1) + " partition by list (query)"}, openSays: []string{`has no primary key ("window_id")`}},
		"a view":                       {sql: []string{"create view stats as select 1 as x"}, openSays: []string{"stats is not a table"}},
		"another type":                 {sql: []string{good, "alter table stats alter n type integer"}, openSays: []string{`column "n" of table stats, an aggregate of query a, is integer and should be bigint`, "ALTER TABLE"}},
		"a column that needs a value":  {sql: []string{good, "alter table stats add must text not null"}, openSays: []string{`column "must"`, "default"}},
		"a generated column":           {sql: []string{good, "alter table stats drop n", "alter table stats add n bigint generated always as (1) stored"}, openSays: []string{"generated by the server"}},
		"no key":                       {sql: []string{good, "alter table stats drop constraint stats_pkey"}, openSays: []string{"no primary key"}},
		"the key of another setting":   {sql: []string{good}, change: func(s *Sink) { s.History = true }, openSays: []string{"another setting of history"}},
		"something else":               {sql: []string{"create table stats (x text)"}, openSays: []string{`has no column "window_id"`}},
		"missing and not created":      {change: func(s *Sink) { s.NoCreate = true }, openSays: []string{"create is off", `CREATE TABLE IF NOT EXISTS "stats"`, `"cost" double precision`, `PRIMARY KEY ("window_id")`}},
		"a column missing likewise":    {sql: []string{good, "alter table stats drop cost"}, change: func(s *Sink) { s.NoCreate = true }, openSays: []string{`ALTER TABLE "stats" ADD COLUMN IF NOT EXISTS "cost" double precision`}},
		"a column missing and created": {sql: []string{good, "alter table stats drop cost"}},
		"no schema":                    {change: func(s *Sink) { s.Table = "nowhere.stats" }, openSays: []string{"nowhere", "create the schema"}},
		"a schema of its own":          {sql: []string{"create schema if not exists lab"}, change: func(s *Sink) { s.Table = "lab.stats" }},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, url, "drop schema public cascade", "create schema public")
			run(t, url, c.sql...)
			s := aSink(url)
			if c.change != nil {
				c.change(s)
			}
			mustDescribe(t, s, q)
			err := openTo(t, s, mark(0), 0, false)
			wantError(t, err, c.openSays...)
			if err != nil {
				return
			}
			if err := commit(t, s, 1, aRow(1)); err != nil {
				t.Fatal(err)
			}
			if got := query(t, url, "select n::text, cost from "+s.Table); fmt.Sprint(got) != "[[1 0.5]]" {
				t.Errorf("the rows are %v", got)
			}
		})
	}
}

func TestRightsThatAreMissing(t *testing.T) {
	srv := pgtest.Shared(t)
	url := srv.NewDatabase(t)
	run(t, url, "create role weak login password 'weak'")
	weak := strings.Replace(url, pgtest.User+":"+pgtest.Password, "weak:weak", 1)
	s := aSink(weak)
	wantError(t, openTo(t, s, mark(0), 0, false), "permission denied for schema public", "GRANT USAGE, CREATE ON SCHEMA")
	owner := aSink(url)
	openAt(t, owner, mark(0), 0)
	run(t, url, "grant select, update on processor_epochs to weak")
	wantError(t, openTo(t, aSink(weak), mark(0), 0, false), `GRANT SELECT, INSERT, UPDATE, DELETE ON "stats"`)
	run(t, url, "grant select, insert, update, delete on stats, processor_epochs to weak")
	s = aSink(weak)
	s.NoCreate = true
	openAt(t, s, mark(0), 0)
	run(t, url, "alter table stats add model text, add n bigint, add cost double precision")
	if err := commit(t, s, 1, aRow(1)); err != nil {
		t.Fatal(err)
	}
	run(t, url, "revoke insert on stats from weak")
	wantError(t, commit(t, s, 2, aRow(1)), "permission denied for table stats", "GRANT SELECT, INSERT")
}

// Several that start at once create one table.
func TestCreatedAtOnce(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			s := aSink(url)
			s.Name = fmt.Sprint("s", i)
			defer s.Close(context.Background())
			if err := openTo(t, s, mark(0), 0, false); err != nil {
				t.Error(err)
			} else if err := commit(t, s, 1, aRow(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if rows := query(t, url, "select 1 from stats"); len(rows) != 6 {
		t.Errorf("%d rows are there, want 6", len(rows))
	}
}

func TestOtherEncodings(t *testing.T) {
	srv := pgtest.Shared(t)
	run(t, srv.URL(), "create database latin encoding 'LATIN1' locale 'C' template template0")
	wantError(t, aSink(strings.Replace(srv.URL(), "/postgres?", "/latin?", 1)).Open(t.Context()), "LATIN1", "UTF8")
}

// Nothing is touched before Start.
func TestOpenTouchesNothing(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resume(t.Context(), mark(3), 3, false); err != nil {
		t.Fatal(err)
	}
	s.Close(t.Context())
	if got := columnsOf(t, url, "stats"); got != nil {
		t.Errorf("there is a table with %q", got)
	}
}

func TestJoinAndReplace(t *testing.T) {
	a, late, dead := aSink("postgres://h/d"), &Sink{URL: secret.New("postgres://h/d"), LateTable: "l"}, &Sink{URL: secret.New("postgres://h/d"), DeadTable: "d"}
	if !a.Join(0, late) || !a.Join(1, dead) || a.LateTable != "l" || a.DeadTable != "d" {
		t.Errorf("they are not joined: %+v", a)
	}
	if a.Join(0, late) || a.Join(0, &Sink{URL: secret.New("postgres://other/d"), LateTable: "l"}) || aSink("postgres://h/d").Join(0, dead) {
		t.Error("what is not alike is joined")
	}
	if !a.Replaces() || (&Sink{History: true}).Replaces() {
		t.Error("without history rows are replaced")
	}
}
