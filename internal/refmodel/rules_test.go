package refmodel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// A rule is one sentence of the semantics by example. Events are "KEY TIME"
// or "PARTITION KEY TIME", rows "KEY START END TIMING FIRING EVENTS", late
// ones "TIME WATERMARK".
type rule struct {
	name   string
	query  query.Query
	bound  int64
	events string
	rows   []string
	late   []string
}

const (
	fiveLate = 5 * time.Nanosecond
	longLate = 100 * time.Nanosecond
)

func tumbling(lateness time.Duration) query.Query {
	return query.Query{Window: window.Tumbling(10), AllowedLateness: lateness}
}

func sessions(lateness time.Duration) query.Query {
	return query.Query{Window: window.Session(10), AllowedLateness: lateness}
}

func count(q query.Query, n uint64, onTime bool) query.Query {
	q.Trigger = window.Trigger{Count: n, NoOnTime: !onTime}
	return q
}

func discarding(q query.Query) query.Query {
	q.Accumulation = window.Discarding
	return q
}

var rules = []rule{
	{"a window fires when max(t) − B ≥ end", tumbling(0), 2, "a 1, a 11, a 12, a 30",
		[]string{"a 0 10 on_time 0 1", "a 10 20 on_time 0 2", "a 30 40 on_time 0 1"}, nil},
	{"and not before", tumbling(0), 2, "a 1, a 11, a 2",
		[]string{"a 0 10 on_time 0 2", "a 10 20 on_time 0 1"}, nil},
	{"an event meets the watermark left by those before it", tumbling(0), 0, "a 10, a 9, a 9",
		[]string{"a 10 20 on_time 0 1"}, []string{"9 9", "9 9"}},
	{"late at watermark = end − 1 + L, not one before", tumbling(fiveLate), 0, "a 1, a 14, a 2, a 15, a 3",
		[]string{"a 0 10 on_time 0 1", "a 0 10 late 1 2", "a 10 20 on_time 0 2"}, []string{"3 14"}},
	{"empty when the watermark passed: firing 0, late, at once", tumbling(longLate), 0, "a 50, a 1, a 2",
		[]string{"a 0 10 late 0 1", "a 0 10 late 1 2", "a 50 60 on_time 0 1"}, nil},
	{"late is decided for each window and for the whole event", query.Query{Window: window.Sliding(10, 5)}, 0, "a 12, a 6, a 4",
		[]string{"a 5 15 on_time 0 2", "a 10 20 on_time 0 1"}, []string{"4 11"}},
	{"count fires early and leaves the on-time firing", count(tumbling(0), 2, true), 0, "a 1, a 2, a 3, a 20",
		[]string{"a 0 10 early 0 2", "a 0 10 on_time 1 3", "a 20 30 on_time 0 1"}, nil},
	{"on time repeats an early firing", count(tumbling(0), 2, true), 0, "a 1, a 2",
		[]string{"a 0 10 early 0 2", "a 0 10 on_time 1 2"}, nil},
	{"discarding has no row without news", discarding(count(tumbling(0), 2, true)), 0, "a 1, a 2",
		[]string{"a 0 10 early 0 2"}, nil},
	{"discarding holds what is new", discarding(tumbling(longLate)), 0, "a 1, a 20, a 2",
		[]string{"a 0 10 on_time 0 1", "a 0 10 late 1 1", "a 20 30 on_time 0 1"}, nil},
	{"on_time false: only by count, late and at the end too", count(tumbling(longLate), 2, false), 0, "a 1, a 20, a 2, a 3",
		[]string{"a 0 10 late 0 2"}, nil},
	{"an event causes one firing; by count it sets the counter to 0", count(sessions(longLate), 2, true), 0, "a 1, b 20, a 2, a 12",
		[]string{
			"a 1 11 on_time 0 1", "a 1 12 late 1 2", // by count and lateness at once
			"b 20 30 on_time 0 1", "a 1 22 on_time 2 3", // so the counter stands at 1
		}, nil},
	{"other firings leave the counter", count(sessions(longLate), 2, true), 0, "a 1, b 13, a 11",
		[]string{"a 1 11 on_time 0 1", "a 1 21 early 1 2", "a 1 21 on_time 2 2", "b 13 23 on_time 0 1"}, nil},
	{"intervals that touch merge", sessions(0), 0, "a 0, a 10, a 21",
		[]string{"a 0 20 on_time 0 2", "a 21 31 on_time 0 1"}, nil},
	{"a session past the lateness is gone", query.Query{Window: window.Session(30)}, 0, "a 100, a 60, a 80",
		[]string{"a 80 130 on_time 0 2"}, []string{"60 99"}},
	{"a late event is saved by a session alive", sessions(0), 0, "a 5, a 0, b 14, a 1, b 30",
		[]string{"a 0 15 on_time 0 3", "b 14 24 on_time 0 1", "b 30 40 on_time 0 1"}, nil},
	{"a session is known by its start, in whatever order its events come", sessions(0), 10, "a 5, a 3, a 8, a 1, b 40",
		[]string{"a 1 18 on_time 0 4", "b 40 50 on_time 0 1"}, nil},
	{"no two sessions of a key have one identity", sessions(0), 0, "a 0, b 16, a 9, a 0, b 100",
		[]string{"a 0 10 on_time 0 1", "a 0 19 on_time 0 2 as 9", "b 16 26 on_time 0 1", "b 100 110 on_time 0 1"}, nil},
	{"a merged session that ends before the watermark fires at once", sessions(longLate), 0, "a 0, b 30, a 5",
		[]string{"a 0 10 on_time 0 1", "a 0 15 late 1 2", "b 30 40 on_time 0 1"}, nil},
	{"one that reaches beyond waits and is on time again", sessions(longLate), 0, "a 0, b 12, a 9, b 40",
		[]string{"a 0 10 on_time 0 1", "a 0 19 on_time 1 2", "b 12 22 on_time 0 1", "b 40 50 on_time 0 1"}, nil},
	{"of two fired sessions the earlier start wins, the other is withdrawn", sessions(longLate), 0, "a 20, a 0, b 50, a 10",
		[]string{
			"a 0 10 late 0 1", "a 20 30 on_time 0 1",
			"a 20 30 retract 1 0", "a 0 30 late 1 3", "b 50 60 on_time 0 1",
		}, nil},
	{"what is withdrawn is the last row, beside the next one, however late that comes", sessions(longLate), 0, "a 20, a 0, b 30, a 25, a 10, a 26, b 60",
		[]string{
			"a 0 10 late 0 1", "a 20 30 on_time 0 1", "b 30 40 on_time 0 1", "b 60 70 on_time 0 1",
			"a 20 30 retract 1 0", "a 0 36 on_time 1 5",
		}, nil},
	{"a fired session keeps its identity when it grows backwards", sessions(longLate), 0, "a 20, b 40, a 12",
		[]string{"a 20 30 on_time 0 1", "a 12 30 late 1 2 as 20", "b 40 50 on_time 0 1"}, nil},
	{"discarding sessions withdraw nothing and keep merged bounds", discarding(sessions(longLate)), 0, "a 20, a 0, b 50, a 10",
		[]string{
			"a 0 10 late 0 1", "a 20 30 on_time 0 1", "a 0 30 late 1 1", "b 50 60 on_time 0 1",
		}, nil},
	{"the count of a merged session is the sum and fires once", count(sessions(0), 2, true), 100, "a 0, a 20, a 10, a 11",
		[]string{"a 0 30 early 0 3", "a 0 30 on_time 1 4"}, nil},
	{"slide > size leaves events in no window", query.Query{Window: window.Sliding(4, 10)}, 0, "a 3, a 4, a 13",
		[]string{"a 0 4 on_time 0 1", "a 10 14 on_time 0 1"}, nil},
	{"a global window fires at the end", query.Query{Window: window.Global()}, 0, "a 3, a 9223372036854775807, a -9223372036854775808",
		[]string{"a -9223372036854775808 9223372036854775807 on_time 0 3"}, nil},
	{"starts are floored for negative times", query.Query{Window: window.Tumbling(10).WithOffset(3)}, 0, "a -8, a -7",
		[]string{"a -17 -7 on_time 0 1", "a -7 3 on_time 0 1"}, nil},
	{"a partition judges by its own watermark", tumbling(0), 0, "0 a 1, 0 a 50, 1 a 2, 0 a 3, 1 a 12",
		[]string{"a 0 10 on_time 0 2", "a 10 20 on_time 0 1", "a 50 60 on_time 0 1"}, []string{"3 49"}},
	{"windows fire by the least watermark", tumbling(longLate), 0, "0 a 1, 0 a 50, 1 a 2, 0 a 3, 1 a 60, 0 a 4",
		[]string{
			"a 0 10 on_time 0 3", "a 0 10 late 1 4", "a 50 60 on_time 0 1", "a 60 70 on_time 0 1",
		}, nil},
	{"windows at the ends of time do not wrap", tumbling(longLate), 5, "a -9223372036854775800, a 9223372036854775790",
		[]string{
			"a -9223372036854775800 -9223372036854775790 on_time 0 1",
			"a 9223372036854775790 9223372036854775800 on_time 0 1",
		}, nil},
}

func parseSteps(t *testing.T, text string) (steps []Step) {
	t.Helper()
	for i, e := range strings.Split(text, ", ") {
		words := strings.Fields(e)
		s := Step{Event: Event{Offset: int64(i)}}
		if len(words) == 3 {
			s.Partition, words = int(words[0][0]-'0'), words[1:]
		}
		if _, err := fmt.Sscan(words[1], &s.Event.Time); err != nil {
			t.Fatal(err)
		}
		s.Event.Fields = map[string]event.Value{"k": event.Text(words[0])}
		steps = append(steps, s)
	}
	return steps
}

func rowText(r Row) string {
	text := fmt.Sprintf("%s %d %d %v %d %d", r.Key[0].Str, r.Start, r.End, r.Timing, r.Firing, r.Events)
	if r.Identity != r.Start {
		text += fmt.Sprintf(" as %d", r.Identity)
	}
	return text
}

func TestRules(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			r.query.Name, r.query.Key = "q", []query.KeyField{{Name: "k", Expr: "k"}}
			out, err := Run(Program{Queries: []query.Query{r.query}, OutOfOrderness: r.bound}, parseSteps(t, r.events))
			if err != nil {
				t.Fatal(err)
			}
			var rows, late []string
			for _, row := range out.Rows {
				rows = append(rows, rowText(row))
			}
			for _, l := range out.Late {
				late = append(late, fmt.Sprintf("%d %d", l.Time, l.Watermark))
			}
			slices.Sort(rows)
			slices.Sort(r.rows)
			if !slices.Equal(rows, r.rows) {
				t.Errorf("rows are\n  %s\nnot\n  %s", strings.Join(rows, "\n  "), strings.Join(r.rows, "\n  "))
			}
			if !slices.Equal(late, r.late) {
				t.Errorf("late are %q, not %q", late, r.late)
			}
			checkLedger(t, out.Ledgers[0])
		})
	}
}

// An end of the input fires what is outstanding, which is outstanding again
// once there is more input.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		q    query.Query
		want []string
	}{
		{tumbling(0), []string{"a 0 10 on_time 0 1", "a 0 10 on_time 1 2"}},
		{discarding(tumbling(0)), []string{"a 0 10 on_time 0 1", "a 0 10 on_time 1 1"}},
		{count(tumbling(0), 2, true), []string{"a 0 10 on_time 0 1", "a 0 10 early 1 2", "a 0 10 on_time 2 2"}},
	} {
		c.q.Name, c.q.Key = "q", []query.KeyField{{Name: "k", Expr: "k"}}
		out, err := Run(Program{Queries: []query.Query{c.q}, Ends: []int{1, 2}}, parseSteps(t, "a 1, a 2"))
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, row := range out.Rows {
			rows = append(rows, rowText(row))
		}
		if !slices.Equal(rows, c.want) {
			t.Errorf("%+v: rows are %q, not %q", c.q, rows, c.want)
		}
	}
}

func checkLedger(t *testing.T, l Ledger) {
	t.Helper()
	if sum := l.InWindows + l.Late + l.Dead + l.Filtered + l.Unwindowed; sum != l.Read {
		t.Errorf("ledger %+v does not add up", l)
	}
}

func TestLedger(t *testing.T) {
	q := query.Query{
		Name: "q", Where: `ok == true`, Window: window.Sliding(4, 10),
		Aggregates: []aggregate.Spec{aggregate.Sum("v")},
	}
	ok := func(at int64, v event.Value) Step {
		return Step{Event: Event{Time: at, Fields: map[string]event.Value{"ok": event.Bool(true), "v": v}}}
	}
	one := event.Float(1)
	out, err := Run(Program{Queries: []query.Query{q}}, []Step{
		ok(1, one), ok(5, one), ok(12, event.Text("x")), ok(40, event.Value{}), ok(2, one),
		{Event: Event{Time: 99}}, {Event: Event{Bad: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Ledger{Query: "q", Read: 7, InWindows: 2, Late: 1, Dead: 2, Filtered: 1, Unwindowed: 1}
	if out.Ledgers[0] != want {
		t.Errorf("ledger is %+v, not %+v", out.Ledgers[0], want)
	}
	if w := out.Windows; len(w) != 2 || w[0].Events != 1 || w[0].Fired != 1 {
		t.Errorf("windows are %+v", w)
	}
	if r := out.Rows[len(out.Rows)-1]; r.Step != 5 || r.Timing != result.OnTime {
		t.Errorf("the filtered event did not move the watermark: %+v", r)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, q := range []query.Query{
		{Window: window.Global(), Where: "lower(x)"},
		{Window: window.Global(), Where: "x == y"},
		{Window: window.Global(), Aggregates: []aggregate.Spec{{Func: "median", Arg: "v"}}},
		{Window: window.Global(), Aggregates: []aggregate.Spec{aggregate.Count().If("?")}},
		{Window: window.Global(), Aggregates: []aggregate.Spec{aggregate.CountOf("f(x) > 1")}},
		{Window: window.Calendar(window.Day, "Atlantis/Centre")},
		{},
	} {
		if _, err := Run(Program{Queries: []query.Query{q}}, nil); err == nil {
			t.Errorf("%+v was taken", q)
		}
	}
}
