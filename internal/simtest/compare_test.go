package simtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/refmodel"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
)

// differences collects what is not as it should be.
type differences []string

func (d *differences) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d differences) report(t fataler, about ...fmt.Stringer) {
	t.Helper()
	if len(d) == 0 {
		return
	}
	var b strings.Builder
	for _, line := range d[:min(len(d), 12)] {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	for _, a := range about {
		fmt.Fprintf(&b, "%v\n", a)
	}
	t.Fatalf("%d differences\n%s", len(d), b.String())
}

// header is all of a row but its values and times of firing.
func header(query string, key []event.Value, start, end, identity int64, timing result.Timing, firing uint32, events int64) string {
	return fmt.Sprintf("%s %s [%s, %s) identity %s %v firing %d of %d events",
		query, refmodel.KeyText(key), bound(start), bound(end), bound(identity), timing, firing, events)
}

func modelHeader(r refmodel.Row) string {
	return header(r.Query, r.Key, r.Start, r.End, r.Identity, r.Timing, r.Firing, r.Events)
}

func engineHeader(r result.Result) string {
	return header(r.Query.Name, keyOf(r), r.Start, r.End, r.Identity, r.Timing, r.Firing, r.Events)
}

func keyOf(r result.Result) []event.Value {
	key, err := event.KeyFields(nil, []byte(r.Key), len(r.Query.Keys))
	if err != nil {
		return []event.Value{event.Text(err.Error())}
	}
	return key
}

func headers(rows []result.Result) []string {
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = engineHeader(r)
	}
	return all
}

// compareRows wants exactly the model's rows, in the order of the events that
// caused them; those of one event may come in any order.
func compareRows(want []refmodel.Row, got []result.Result) (d differences) {
	for len(want) > 0 {
		n := 1
		for n < len(want) && want[n].Step == want[0].Step {
			n++
		}
		m := min(n, len(got))
		compareStep(&d, want[:n], got[:m])
		want, got = want[n:], got[m:]
	}
	for _, r := range got {
		d.add("a row too many: %s", engineHeader(r))
	}
	return d
}

func compareStep(d *differences, want []refmodel.Row, got []result.Result) {
	rest := map[string]result.Result{}
	for _, r := range got {
		rest[engineHeader(r)] = r
	}
	for _, w := range want {
		h := modelHeader(w)
		r, ok := rest[h]
		if !ok {
			d.add("after step %d missing: %s", w.Step, h)
			continue
		}
		delete(rest, h)
		compareValues(d, h, w.Values, r, false)
		if w.Step != refmodel.AfterEnd && r.Watermark != w.Watermark {
			d.add("%s: watermark is %d, not %d", h, r.Watermark, w.Watermark)
		}
		checkKeyJSON(d, r)
	}
	for h := range rest {
		d.add("after step %d not expected: %s", want[0].Step, h)
	}
}

func compareValues(d *differences, of string, want []refmodel.Want, r result.Result, anyTie bool) {
	if len(want) != len(r.Values) {
		d.add("%s: %d values, not %d", of, len(r.Values), len(want))
		return
	}
	for i, w := range want {
		if !w.Allows(r.Values[i], anyTie) {
			d.add("%s: %s is %s, not %v", of, r.Query.Values[i], r.Values[i].AppendJSON(nil), w)
		}
	}
}

// checkKeyJSON wants the key's JSON to say what the key says.
func checkKeyJSON(d *differences, r result.Result) {
	fields, err := refmodel.ParseFields([]byte(r.KeyJSON))
	if err != nil {
		d.add("key %s: %v", r.KeyJSON, err)
		return
	}
	for i, v := range keyOf(r) {
		if name := r.Query.Keys[i]; refmodel.Identity(fields[name]) != refmodel.Identity(v) {
			d.add("key %s shows %s as another value than %s", r.KeyJSON, name, refmodel.Identity(v))
		}
	}
	if r.Partial {
		d.add("%s is partial", engineHeader(r))
	}
}

// compareLateEvents wants the same late events, each with the watermark of its
// own partition; their order is promised within a partition and query.
func compareLateEvents(want []refmodel.Late, got []result.LateEvent) (d differences) {
	one := func(query string, partition int, offset, at, watermark int64, raw []byte) string {
		return fmt.Sprintf("%s partition %d offset %012d at %d watermark %d: %s", query, partition, offset, at, watermark, raw)
	}
	var w, g []string
	for _, l := range want {
		w = append(w, one(l.Query, l.Partition, l.Offset, l.Time, l.Watermark, l.Raw))
	}
	for _, l := range got {
		partition := int(l.Source.Partition)
		if l.Source.Path != "" {
			partition = int(l.Source.Path[1] - '0')
		}
		g = append(g, one(l.Query, partition, l.Source.Offset, l.Timestamp, l.Watermark, l.Event))
	}
	slices.Sort(w)
	slices.Sort(g)
	for _, x := range w {
		if !slices.Contains(g, x) {
			d.add("not in the late output: %s", x)
		}
	}
	for _, x := range g {
		if !slices.Contains(w, x) {
			d.add("wrongly in the late output: %s", x)
		}
	}
	if len(w) != len(g) {
		d.add("%d late events, not %d", len(g), len(w))
	}
	return d
}

func compareLedgers(want []refmodel.Ledger, run *Run) (d differences) {
	if len(run.Summary.Queries) != len(want) {
		d.add("%d ledgers, not %d", len(run.Summary.Queries), len(want))
		return d
	}
	for i, w := range want {
		g := run.Summary.Queries[i]
		if err := g.Check(); err != nil {
			d.add("%v", err)
		}
		got := refmodel.Ledger{
			Query: g.Query, Read: g.Read, InWindows: g.InWindows, Late: g.Late,
			Dead: g.Dead, Filtered: g.Filtered, Unwindowed: g.Unwindowed, Duplicate: g.Duplicate, Overflow: g.Overflow,
		}
		if got != w {
			d.add("ledger is %+v, not %+v", got, w)
		}
		rows := int64(0)
		for _, r := range run.Rows {
			if r.Query.Name == g.Query {
				rows++
			}
		}
		if g.Results != rows {
			d.add("ledger of %s counts %d results of %d", g.Query, g.Results, rows)
		}
	}
	return d
}

// compareDead wants one dead letter for each record that does not decode, and
// one for each that some queries refused, with their names unless all did.
func compareDead(p *program, out *refmodel.Outcome, run *Run) (d differences) {
	got := map[string]int64{}
	seen := map[string]bool{}
	for _, l := range run.Dead {
		at := fmt.Sprintf("%+v", l.Source)
		if seen[at] {
			d.add("two dead letters for %s", l.Raw)
		}
		seen[at] = true
		if l.Reason == "" || l.Err == "" {
			d.add("dead letter without a reason: %s", l.Raw)
		}
		refused := l.Queries
		if len(refused) == 0 {
			refused = queryNames(p.queries)
		}
		for _, q := range refused {
			got[q]++
		}
	}
	for _, l := range out.Ledgers {
		if got[l.Query] != l.Dead {
			d.add("%d dead letters of %s, not %d", got[l.Query], l.Query, l.Dead)
		}
	}
	return d
}

// story is all rows of one window of one key, in the order of their firing.
type story struct {
	query query.Query
	rows  []result.Result
}

func (s story) last() result.Result { return s.rows[len(s.rows)-1] }

// stories sorts rows into windows, and wants each window's firings to be
// counted from 0, without gaps, and in a sensible order of timings.
func stories(p *program, rows []result.Result) (all []story, d differences) {
	at := map[string]int{}
	for _, r := range rows {
		id := string(r.WindowID(nil))
		i, ok := at[id]
		if !ok {
			i = len(all)
			at[id] = i
			all = append(all, story{query: queryOf(p, r)})
		}
		if int(r.Firing) != len(all[i].rows) {
			d.add("firing %d comes as number %d: %s", r.Firing, len(all[i].rows), engineHeader(r))
		}
		all[i].rows = append(all[i].rows, r)
	}
	for _, s := range all {
		checkStory(&d, s)
	}
	return all, d
}

func queryOf(p *program, r result.Result) query.Query {
	for _, q := range p.queries {
		if q.Name == r.Query.Name {
			return q
		}
	}
	return query.Query{Name: "unknown"}
}
